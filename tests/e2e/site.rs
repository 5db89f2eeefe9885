//! A whole site in a temporary folder: faulty upstream, configuration, store, served mirror, sample agent.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use midmirror_fixtures::agent::{AgentSample, LogFormat};
use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Content, Options, Upstream};

/// The upstream runs on its own runtime; everything else is the real program as a child process.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    upstream: Option<Upstream>,
}

/// What a run of the program gave.
pub(crate) struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Asserts the exit code and shows everything when it is another one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that stdout or stderr contains a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(found, "{text:?} is missing in\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Site {
    /// A site whose upstream has all shipped packages.
    pub(crate) fn new() -> Self {
        Self::with_packages(shipped())
    }

    /// A site whose upstream has these packages.
    pub(crate) fn with_packages(packages: Vec<(String, Content)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options { packages, ..Options::default() };
        let upstream = runtime.block_on(Upstream::start(options)).unwrap();
        fs::write(folder.path().join("upstream-ca.pem"), upstream.ca_pem()).unwrap();
        fs::write(folder.path().join("anchors.pem"), embedded::test_anchors_pem()).unwrap();
        let site = Self { folder, runtime, upstream: Some(upstream) };
        site.configure("");
        site
    }

    /// Writes the configuration, with more TOML at its end.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            "store = \"store\"\n[upstream]\nbase_uri = {:?}\nca_file = \"upstream-ca.pem\"\n\
             [policy]\ntruststore = [\"anchors.pem\"]\n{more}",
            self.upstream().base_url()
        );
        fs::write(self.path("midmirror.toml"), text).unwrap();
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        self.upstream.as_ref().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of the program in this site's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_midmirror"));
        command
            .current_dir(self.folder.path())
            .args(["--config", "midmirror.toml"])
            .args(arguments)
            .env_remove("MIDMIRROR_TRUSTSTORE")
            .env_remove("MIDMIRROR_STORE")
            .env_remove("MIDMIRROR_OFFLINE")
            .env("MIDMIRROR_STATE", self.path("state"))
            .stdin(Stdio::null());
        for proxy in
            ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
        {
            command.env_remove(proxy);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    /// `init` and `sync` of the newer build, for both platforms.
    pub(crate) fn synced(self) -> Self {
        self.run(&["init"]).expect(0);
        self.run(&["sync", embedded::new_stamp()]).expect(0);
        self
    }

    /// Enrols this host by a trust file with that address.
    pub(crate) fn enrol(&self, url: &str) {
        self.run(&["trust", "--url", url, "--output", "trust.json"]).expect(0);
        self.run(&["host", "enrol", "--trust", "trust.json", "--truststore", "anchors.pem"]).expect(0);
    }

    /// A sample agent; returns its folder's name.
    pub(crate) fn agent(&self, platform: &'static str) -> String {
        let name = format!("agent-{platform}");
        let log_format = if platform.starts_with("linux") { LogFormat::Iso } else { LogFormat::Classic };
        let sample = AgentSample {
            platform,
            log_format,
            instance_url: "https://example.service-now.com/".to_owned(),
            installed_stamp: embedded::old_stamp().to_owned(),
            assigned_stamp: embedded::new_stamp().to_owned(),
        };
        midmirror_fixtures::agent::write(&self.path(&name), &sample).unwrap();
        name
    }

    /// Names in the agent's incoming folder.
    pub(crate) fn incoming(&self, agent: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(agent).join("package/incoming"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The blob of the first package whose path contains a text.
    pub(crate) fn blob(&self, path_contains: &str) -> PathBuf {
        let list = self.run(&["list", "--json"]).expect(0);
        let packages: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
        let package = packages
            .as_array()
            .unwrap()
            .iter()
            .find(|package| package["path"].as_str().unwrap().contains(path_contains))
            .unwrap_or_else(|| panic!("no package {path_contains} in {}", list.stdout));
        let digest = package["sha256"].as_str().unwrap();
        self.path("store/blobs/sha256").join(&digest[..2]).join(digest)
    }

    /// Runs asynchronous work of a test.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(upstream) = self.upstream.take() {
            self.runtime.block_on(upstream.stop());
        }
    }
}

/// A running `midmirror serve`; ended when dropped.
pub(crate) struct Mirror {
    child: Child,
    pub url: String,
}

impl Mirror {
    /// Makes TLS material if there is none and waits until the server answers.
    pub(crate) fn start(site: &Site) -> Self {
        if !site.path("store.tls").exists() {
            site.run(&["serve", "--init-tls", "--host", "localhost", "--host", "127.0.0.1"]).expect(0);
        }
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let log = fs::File::create(site.path("serve.log")).unwrap();
        let child =
            site.command(&["serve", "--listen", &listen]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let started = Instant::now();
        while std::net::TcpStream::connect(&listen).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "the mirror does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, url: format!("https://localhost:{port}") }
    }

    /// The number of the process.
    #[allow(dead_code, reason = "not every test program that shares this file asks for it")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// All shipped packages.
pub(crate) fn shipped() -> Vec<(String, Content)> {
    embedded::packages()
        .iter()
        .map(|package| (package.path.to_owned(), Content::Bytes(package.bytes)))
        .collect()
}

/// Changes one byte in the middle of a file, also of a read-only one.
pub(crate) fn flip_byte(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    overwrite(file, &bytes);
}

/// Writes a file in place, also a read-only one.
pub(crate) fn overwrite(file: &Path, bytes: &[u8]) {
    let mut permissions = fs::metadata(file).unwrap().permissions();
    let before = permissions.clone();
    #[expect(clippy::permissions_set_readonly_false, reason = "a test damages a read-only file on purpose")]
    permissions.set_readonly(false);
    fs::set_permissions(file, permissions).unwrap();
    fs::write(file, bytes).unwrap();
    fs::set_permissions(file, before).unwrap();
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
