//! A running mirror with a store of made-up packages, and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::Label;
use midmirror_mirror::catalog::CatalogEntry;
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::serve::{
    CertificateLifetimes, LoadedCatalog, RunningServer, ServeConfig, ServedStore, Server, TlsMaterial,
    TlsSet, init_tls,
};
use midmirror_mirror::store::Store;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(crate) const CORE: &str = "glide/distribution/builds/package/app-signed/mid-core/2026/06/19/\
    mid-core.zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134.universal.universal.zip";
pub(crate) const DEB: &str = "glide/distribution/builds/package/mid-linux-installer/2026/06/19/\
    mid-linux-installer.zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134.linux.x86-64.deb";
pub(crate) const SIGNER: &str = "CN=<b>\"Evil\" & Sons</b>, O=ServiceNow Inc.";

/// The bytes of the package under [`CORE`].
pub(crate) fn core_bytes() -> Vec<u8> {
    (0..300_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_782_000_000 + seconds).unwrap()
}

/// A mirror that serves until it is dropped.
pub(crate) struct Mirror {
    _folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) catalog: Arc<Mutex<LoadedCatalog>>,
    pub(crate) tls: TlsSet,
    pub(crate) address: SocketAddr,
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) server: Option<RunningServer>,
    pub(crate) stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Mirror {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(adapt: impl FnOnce(&mut ServeConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store"), at(0)).unwrap();
        let entries = vec![
            put(&store, CORE, &core_bytes(), Label::Verified),
            put(&store, DEB, b"not a real package", Label::SignatureNotChecked),
        ];
        let expires = "2999-01-01T00:00:00Z".parse().unwrap();
        let catalog = LoadedCatalog { entries, expires, ..LoadedCatalog::default() };
        let catalog = Arc::new(Mutex::new(catalog));
        publish(&store, "1");
        std::fs::write(store.repository_dir().join("1.root.json"), "{\"root\": 1}").unwrap();
        std::fs::write(store.repository_dir().join("secret.pem"), "secret").unwrap();
        let shared = catalog.clone();
        let served = ServedStore::loading(&store, Timestamp::now, move || {
            let catalog = shared.lock().unwrap().clone();
            if catalog.entries.is_empty() { Err("the catalog is spoilt".into()) } else { Ok(catalog) }
        });
        Self::serve(folder, store, catalog, served, adapt).await
    }

    pub(crate) async fn serve(
        folder: tempfile::TempDir,
        store: Store,
        catalog: Arc<Mutex<LoadedCatalog>>,
        served: ServedStore,
        adapt: impl FnOnce(&mut ServeConfig),
    ) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = init_tls(&names, Timestamp::now(), &CertificateLifetimes::default()).unwrap();
        let material = TlsMaterial {
            cert_pem: tls.server_cert_pem.clone().into_bytes(),
            key_pem: tls.server_key_pem.clone().into_bytes(),
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = ServeConfig::new(any, material);
        config.plain_listen = Some(any);
        adapt(&mut config);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let server = Server::start(config, served, async move { drop(stopped.await) }).await.unwrap();
        Self {
            _folder: folder,
            store,
            catalog,
            tls,
            address: server.local_addr(),
            plain: server.plain_addr(),
            server: Some(server),
            stop: Some(stop),
        }
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.store.blob_path(&Sha256Digest::of(bytes))
    }

    /// Publishes a package of so many bytes, all 7, and begins to download it over HTTP/1.1: the first thousand bytes of the answer
    /// have come.
    pub(crate) async fn begin_large(&self, length: usize, more: &str) -> (TlsStream<TcpStream>, Vec<u8>) {
        let path = CORE.replace("hotfix2", "hotfix9");
        let entry = put(&self.store, &path, &vec![7; length], Label::Verified);
        self.catalog.lock().unwrap().entries.push(entry);
        publish(&self.store, "2");
        let mut stream = self.connect(&[b"http/1.1"]).await;
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begin = vec![0; 1000];
        stream.read_exact(&mut begin).await.unwrap();
        (stream, begin)
    }

    pub(crate) async fn connect(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.tls.ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Sends one request over HTTPS and reads until the server closes.
    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = self.connect(&[b"http/1.1"]).await;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all((head + "\r\n").as_bytes()).await.unwrap();
        Answer::read(stream).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[]).await
    }
}

/// A response as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(mut stream: impl tokio::io::AsyncRead + Unpin) -> Self {
        let mut bytes = Vec::new();
        // A server that closes without saying goodbye shows up as too short a body.
        let _ = stream.read_to_end(&mut bytes).await;
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a complete head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Puts bytes where the store keeps them and says what the catalog says of them.
pub(crate) fn put(store: &Store, path: &str, bytes: &[u8], label: Label) -> CatalogEntry {
    let sha256 = Sha256Digest::of(bytes);
    let blob = store.blob_path(&sha256);
    std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    CatalogEntry {
        path: PackagePath::parse(path).unwrap(),
        sha256,
        length: u64::try_from(bytes.len()).unwrap(),
        label,
        signer: (label == Label::Verified).then(|| SIGNER.to_owned()),
        signed_at: (label == Label::Verified).then(|| at(5)),
        admitted_at: at(10),
        first_admitted_at: None,
        by_earlier_admission: false,
        report: None,
    }
}

/// Changes `timestamp.json` as a publication does.
pub(crate) fn publish(store: &Store, content: &str) {
    let path: PathBuf = store.repository_dir().join("timestamp.json");
    let temporary: &Path = &path.with_extension("new");
    std::fs::write(temporary, content).unwrap();
    std::fs::remove_file(&path).ok();
    std::fs::hard_link(temporary, &path).unwrap();
    std::fs::remove_file(temporary).unwrap();
}
