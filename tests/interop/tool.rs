//! Finding and running other people's programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use midmirror_fixtures::embedded;

use crate::site::{Mirror, Run, Site};

/// Whether a program is there; says so if not, or fails if it has to be there.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !there {
        skip(&format!("no {program}"));
    }
    there
}

/// Says in one line why a test is skipped.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}

/// A command with the same answers everywhere: no proxy, no other language, UTC.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    for ours in ["MIDMIRROR_TRUSTSTORE", "MIDMIRROR_STORE", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"] {
        command.env_remove(ours);
    }
    command
}

/// Runs a command line whose words are separated by single spaces.
pub(crate) fn run(folder: &Path, line: &str) -> Run {
    let mut words = line.split(' ');
    command(words.next().unwrap(), folder).args(words).output().unwrap().into()
}

/// Runs openssl in a folder.
pub(crate) struct OpenSsl(pub(crate) std::path::PathBuf);

impl OpenSsl {
    /// Runs one command line.
    pub(crate) fn run(&self, line: &str) -> Run {
        run(&self.0, &format!("openssl {line}"))
    }

    /// Makes a key and a certificate for it, `NAME.key` and `NAME.pem`, that an authority signs (`CA.pem`, the key as given).
    pub(crate) fn issue(&self, name: &str, extensions: &str, authority: &str, key: &str) {
        std::fs::write(self.0.join("issue.ext"), extensions).unwrap();
        self.run(&format!(
            "req -new -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ))
        .expect(0);
        let sign = format!("x509 -req -in {name}.csr -CA {authority}.pem -CAkey {key} -extfile issue.ext");
        self.run(&format!("{sign} -days 1 -out {name}.pem")).expect(0);
    }
}

/// The digest of a file, as `sha256sum` says.
pub(crate) fn sha256sum(file: &Path) -> String {
    let output = command("sha256sum", file.parent().unwrap()).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// A synced site with a running mirror, and one package of it.
pub(crate) struct Served {
    _mirror: Mirror,
    pub(crate) site: Site,
    /// URL of the package.
    pub(crate) url: String,
    /// Its bytes as the vendor made them.
    pub(crate) bytes: &'static [u8],
    /// The mirror's statement of its digest.
    pub(crate) sha256: String,
}

impl Served {
    /// Starts a mirror, as an operator does.
    pub(crate) fn start() -> Self {
        let site = Site::new().synced();
        let mirror = Mirror::start(&site);
        let core = new_core();
        let url = format!("{}/{}", mirror.url, core.path);
        let sha256 = site.blob(core.path).file_name().unwrap().to_string_lossy().into_owned();
        Self { _mirror: mirror, site, url, bytes: core.bytes, sha256 }
    }

    /// Runs a command line in the site's folder, with `URL` and `CA` filled in.
    pub(crate) fn run(&self, line: &str) -> Run {
        run(&self.site.path(""), &self.fill_in(line))
    }

    /// `URL` and `CA` filled in.
    pub(crate) fn fill_in(&self, line: &str) -> String {
        line.replace("URL", &self.url).replace("CA", "store.tls/ca.pem")
    }

    /// Whether a downloaded file is the package, bit by bit.
    #[track_caller]
    pub(crate) fn expect_package(&self, name: &str) {
        let file = self.site.path(name);
        assert!(std::fs::read(&file).unwrap() == self.bytes, "{name} is another file");
        assert_eq!(sha256sum(&file), self.sha256, "{name}");
    }
}

/// A folder behind a web server that knows nothing of us; ended when dropped.
pub(crate) struct Files {
    child: std::process::Child,
    pub(crate) url: String,
}

impl Files {
    /// Starts Python's; none if it is missing.
    pub(crate) fn serve(folder: &Path) -> Option<Self> {
        if !is_there("python3") {
            return None;
        }
        let port = crate::site::free_port();
        let child = command("python3", folder)
            .args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed().as_secs() < 20, "the web server does not listen");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Some(Self { child, url: format!("http://127.0.0.1:{port}") })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The core package of the newer build.
pub(crate) fn new_core() -> &'static embedded::EmbeddedPackage {
    let is_core = |package: &&embedded::EmbeddedPackage| {
        package.file_name().starts_with("mid-core.") && package.path.contains(embedded::new_stamp())
    };
    embedded::packages().iter().find(is_core).unwrap()
}
