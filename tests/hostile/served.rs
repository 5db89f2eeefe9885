//! A running `midmirror serve` with a large and a small package, watched from outside: its memory, its counters, its log.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use midmirror_fixtures::embedded;
use midmirror_fixtures::noise::Noise;
use midmirror_fixtures::upstream::Content;
use midmirror_mirror::Sha256Digest;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::site::{Mirror, Site};

/// Path of the large package.
pub(crate) const LARGE: &str = "/glide/distribution/builds/package/app-signed/mid-linux-installer/2026/06/19/\
    mid-linux-installer.australia-02-11-2026__patch3-hotfix1-06-18-2026_06-19-2026_0938.linux.x86-64.deb";
const LARGE_LENGTH: usize = 24_000_000;
/// Whoever waits longer for a byte than this has found a server that hangs.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// The bytes of the large package; the same in all tests.
pub(crate) fn large() -> &'static [u8] {
    static LARGE: OnceLock<Vec<u8>> = OnceLock::new();
    LARGE.get_or_init(|| Noise::named(1, "hostile").bytes(LARGE_LENGTH))
}

/// The small package.
pub(crate) fn small() -> &'static embedded::EmbeddedPackage {
    let name = format!("mid-core.{}.universal.universal.zip", embedded::new_stamp());
    embedded::package(&name).unwrap()
}

/// Path of the small package.
pub(crate) fn small_path() -> String {
    format!("/{}", small().path)
}

/// The mirror and how to reach it.
pub(crate) struct Served {
    mirror: Mirror,
    site: Site,
    address: SocketAddr,
    authority: String,
}

impl Served {
    pub(crate) fn start() -> Self {
        let packages = vec![
            (LARGE.strip_prefix('/').unwrap().to_owned(), Content::Bytes(large())),
            (small().path.to_owned(), Content::Bytes(small().bytes)),
        ];
        let site = Site::with_packages(packages);
        let digest = Sha256Digest::of(large());
        site.configure(&format!(
            "[serve]\naccess_log = \"access.log\"\n[[policy.pin]]\nsha256 = \"{digest}\"\nreason = \"test\"\n"
        ));
        site.run(&["init"]).expect(0);
        for path in [LARGE, &small_path()] {
            let url = format!("{}{path}", site.upstream().base_url());
            site.run(&["fetch", &url]).expect(0);
        }
        let mirror = Mirror::start(&site);
        let address = mirror.url.replace("https://localhost", "127.0.0.1").parse().unwrap();
        let authority = fs::read_to_string(site.path("store.tls/ca.pem")).unwrap();
        let served = Self { mirror, site, address, authority };
        // From here on both files have been checked, and what is made once is made.
        for (path, bytes) in [(LARGE, large()), (&small_path(), small().bytes)] {
            assert!(served.get(path).unwrap().1 == bytes);
        }
        served
    }

    pub(crate) fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    /// A connection over TLS, with this in ALPN.
    pub(crate) fn connect(&self, alpn: &[u8]) -> Tls {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        rustls::StreamOwned::new(session, self.tcp())
    }

    /// What a well-behaved client gets: status and body.
    pub(crate) fn get(&self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = self.connect(b"http/1.1");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let end =
            bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        let status = std::str::from_utf8(&bytes[9..12]).unwrap().parse().unwrap();
        Ok((status, bytes.split_off(end + 4)))
    }

    /// Fails unless a well-behaved client gets every byte.
    #[track_caller]
    pub(crate) fn serves_others(&self) {
        let (status, body) = self.get(&small_path()).unwrap();
        assert_eq!(status, 200);
        assert!(body == small().bytes, "other bytes");
    }

    /// The value of a counter, all its labels together.
    #[track_caller]
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics").unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// A line of the process' state in KiB, for instance `VmHWM`.
    fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.mirror.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Memory now, in KiB; the highest mark is counted from here on.
    pub(crate) fn memory(&self) -> u64 {
        // proc(5): 5 resets the highest mark.
        fs::write(format!("/proc/{}/clear_refs", self.mirror.pid()), "5").unwrap();
        self.kib("VmRSS")
    }

    /// The most memory since [`Self::memory`], in KiB.
    pub(crate) fn most_memory(&self) -> u64 {
        self.kib("VmHWM")
    }

    /// Puts a large document beside those of the catalog.
    pub(crate) fn large_document(&self) -> &'static str {
        fs::write(self.site.path("store/repository/999999.targets.json"), &large()[..8_000_000]).unwrap();
        "/repository/999999.targets.json"
    }

    /// Open files of the process.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.mirror.pid())).unwrap().count()
    }

    /// Lines of the access log.
    pub(crate) fn access_log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.site.path("access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Fails if anything in the server has panicked.
    #[track_caller]
    pub(crate) fn has_not_panicked(&self) {
        let log = fs::read_to_string(self.site.path("serve.log")).unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
}
