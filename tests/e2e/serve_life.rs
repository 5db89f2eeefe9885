//! The life of `midmirror serve` as a process: readiness, reload, watchdog, sockets of a service manager, the end.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::site::{Site, free_port};

/// A running server whose log is read, beside a service manager that is a socket of ours.
struct Serving {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
    manager: UnixDatagram,
    port: u16,
}

impl Serving {
    fn start(site: &Site) -> Self {
        let port = free_port();
        let command = site.command(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
        Self::spawn(site, command, port)
    }

    fn spawn(site: &Site, mut command: Command, port: u16) -> Self {
        let socket = site.path("notify");
        let _from_before = fs::remove_file(&socket);
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        command.env("NOTIFY_SOCKET", &socket).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines, manager, port }
    }

    /// The next message to the service manager that is no sign of life.
    #[track_caller]
    fn told(&self) -> String {
        let mut bytes = [0; 4096];
        loop {
            let read = self.manager.recv(&mut bytes).unwrap();
            let text = std::str::from_utf8(&bytes[..read]).unwrap();
            if text.trim() != "WATCHDOG=1" {
                return text.to_owned();
            }
        }
    }

    /// Reads the log until a line that contains a text.
    #[track_caller]
    fn logs(&mut self, text: &str) -> String {
        let mut seen = String::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.contains(text) {
                return line;
            }
            seen += &format!("{line}\n");
        }
        panic!("{text:?} never came:\n{seen}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether a client that trusts an authority is answered.
    fn answers(&self, ca_pem: &str) -> bool {
        crate::tls_client::get(self.port, ca_pem, "/healthz").is_ok_and(|answer| answer.ends_with("ok\n"))
    }

    #[track_caller]
    fn end(mut self) {
        self.signal(Signal::TERM);
        assert!(self.told().starts_with("STOPPING=1"));
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A site with a store and TLS files for localhost.
fn site() -> Site {
    let site = Site::with_packages(Vec::new());
    site.run(&["init"]).expect(0);
    site.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    site
}

fn ca(site: &Site) -> String {
    fs::read_to_string(site.path("store.tls/ca.pem")).unwrap()
}

/// Puts another pair in place of the one that is served, in two steps as by hand; returns its authority.
fn other_pair(site: &Site) -> String {
    let other = Site::with_packages(Vec::new());
    other.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    for file in ["server-key.pem", "server.pem"] {
        fs::copy(other.path("store.tls").join(file), site.path("store.tls").join(file)).unwrap();
    }
    ca(&other)
}

#[test]
fn service_manager_is_told_of_readiness_reload_and_end() {
    let site = site();
    let mut serving = Serving::start(&site);
    let ready = serving.told();
    assert!(ready.starts_with("READY=1\nSTATUS=serving on 127.0.0.1:"), "{ready}");
    assert!(serving.answers(&ca(&site)), "ready, but does not answer");

    let new = other_pair(&site);
    serving.signal(Signal::HUP);
    let reloading = serving.told();
    let usec = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(reloading.starts_with("RELOADING=1\n") && usec.parse::<u64>().unwrap() > 0, "{reloading}");
    assert!(serving.told().starts_with("READY=1"));
    serving.logs("TLS settings replaced");
    assert!(serving.answers(&new) && !serving.answers(&ca(&site)));
    serving.end();
}

#[test]
fn changed_files_are_taken_up_and_bad_ones_are_not() {
    let site = site();
    let mut serving = Serving::start(&site);
    serving.told();
    let key = fs::read(site.path("store.tls/server-key.pem")).unwrap();
    fs::write(site.path("store.tls/server-key.pem"), "garbage").unwrap();
    serving.logs("the new TLS files cannot be used, the ones before stay in use");
    assert!(serving.answers(&ca(&site)));
    fs::write(site.path("store.tls/server-key.pem"), key).unwrap();
    serving.logs("TLS settings are as before");
    let new = other_pair(&site);
    serving.logs("TLS settings replaced");
    assert!(serving.answers(&new));
    serving.end();
}

#[test]
fn renewal_is_taken_up_by_a_running_server_and_hosts_need_nothing() {
    let site = site();
    let folder = site.path("store.tls");
    fs::copy(folder.join("ca-key.pem"), site.path("brought.pem")).unwrap();
    fs::remove_file(folder.join("ca-key.pem")).unwrap();
    let mut serving = Serving::start(&site);
    serving.told();
    let before = fs::read(folder.join("server.pem")).unwrap();
    site.run(&["serve", "--renew-tls"]).expect(2).says("--ca-key");
    let renew = ["serve", "--renew-tls", "--ca-key", "brought.pem"];
    // Bound to the names that the authority was made for; nothing is replaced.
    site.run(&[&renew[..], &["--host", "other.example"]].concat())
        .expect(2)
        .says("cannot vouch for other.example");
    site.run(&[&renew[..], &["--crl-url", "https://localhost/ca.crl"]].concat()).expect(2).says("http://");
    assert_eq!(fs::read(folder.join("server.pem")).unwrap(), before);
    let said = site.run(&renew).expect(0).says("for           localhost");
    assert!(!said.stdout.contains("crl"), "{}", said.stdout);
    serving.logs("TLS settings replaced");
    assert_ne!(fs::read(folder.join("server.pem")).unwrap(), before);
    assert!(serving.answers(&ca(&site)));
    // Another authority's key.
    let other = self::site();
    let foreign = other.path("store.tls/ca-key.pem").to_string_lossy().into_owned();
    site.run(&["serve", "--renew-tls", "--ca-key", &foreign]).expect(2).says("does not belong");
    serving.end();
}

#[test]
fn own_pki_is_offered_first_and_private_keys_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::with_packages(Vec::new());
    let said = site.run(&["serve", "--init-tls", "--host", "mirror.example"]).expect(0).stderr;
    assert!(said.lines().next().unwrap().contains("PKI of its own") && said.contains("--csr"), "{said}");
    for line in
        ["keytool -importcert", "certificate check policy", "mid.install_server.base_uri", "off this server"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    let mode = |file: &str| fs::metadata(site.path(file)).unwrap().permissions().mode() & 0o077;
    assert_eq!((mode("store.tls/ca-key.pem"), mode("store.tls/server-key.pem")), (0, 0));
    let other = Site::with_packages(Vec::new());
    other.run(&["serve", "--init-tls", "--csr", "--host", "mirror.example"]).expect(0);
    let mut files: Vec<_> = fs::read_dir(other.path("store.tls"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["server-key.pem", "server.csr.pem"]);
    assert_eq!(fs::metadata(other.path("store.tls/server-key.pem")).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn a_bad_configuration_is_said_at_a_reload_and_nothing_changes() {
    let site = site();
    let mut serving = Serving::start(&site);
    serving.told();
    site.configure("[serve]\nlisen = \"x\"\n");
    serving.signal(Signal::HUP);
    assert!(serving.logs("the configuration cannot be used").contains("lisen"));
    assert!(serving.answers(&ca(&site)));
    // Another certificate by another key of the configuration.
    let other = Site::with_packages(Vec::new());
    other.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    let folder = other.path("store.tls");
    site.configure(&format!(
        "[serve]\ncertificate = {:?}\nkey = {:?}\n",
        folder.join("server.pem"),
        folder.join("server-key.pem")
    ));
    serving.signal(Signal::HUP);
    serving.logs("TLS settings replaced");
    assert!(serving.answers(&ca(&other)));
}

#[test]
fn watchdog_is_fed_while_the_server_lives() {
    let site = site();
    let port = free_port();
    let mut command = site.command(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.env("WATCHDOG_USEC", "200000");
    let serving = Serving::spawn(&site, command, port);
    let mut fed = 0;
    let mut bytes = [0; 4096];
    while fed < 5 {
        let read = serving.manager.recv(&mut bytes).unwrap();
        fed += u8::from(&bytes[..read] == b"WATCHDOG=1" || &bytes[..read] == b"WATCHDOG=1\n");
    }
    serving.end();
}

/// A server that is handed two sockets: a shell gives them their numbers, and the process its own.
fn with_sockets(site: &Site, names: &str, first: &TcpListener, second: &TcpListener) -> Command {
    use std::os::fd::AsFd as _;
    let fd = |socket: &TcpListener| Stdio::from(socket.as_fd().try_clone_to_owned().unwrap());
    let mut command = Command::new("sh");
    command
        .args(["-c", "export LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 4<&1 </dev/null >/dev/null"])
        .arg(env!("CARGO_BIN_EXE_midmirror"))
        .arg("--config")
        .arg(site.path("midmirror.toml"))
        // Nothing listens there: what is handed over counts.
        .args(["serve", "--listen", "192.0.2.1:1"])
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", names)
        .stdin(fd(first))
        .stdout(fd(second));
    command
}

#[test]
fn sockets_of_a_service_manager_are_used_by_their_names_and_outlive_the_server() {
    let site = site();
    for (names, swapped) in [("https:http", false), ("http:https", true), ("", false)] {
        let sockets = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let (secure, plain) = if swapped { (ports[1], ports[0]) } else { (ports[0], ports[1]) };
        let command = with_sockets(&site, names, &sockets[0], &sockets[1]);
        let mut serving = Serving::spawn(&site, command, secure);
        assert!(serving.told().starts_with("READY=1"), "{names:?}");
        assert!(serving.answers(&ca(&site)), "{names:?}");
        let mut http = TcpStream::connect(("127.0.0.1", plain)).unwrap();
        http.write_all(b"GET /repository/timestamp.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        http.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{names:?}: {answer}");
        serving.signal(Signal::TERM);
        assert_eq!(serving.child.wait().unwrap().code(), Some(0));
        // Whoever comes now waits for the next start and is not refused.
        assert!(TcpStream::connect(("127.0.0.1", secure)).is_ok());
    }
}

#[test]
fn systemd_socket_activate_starts_the_server_with_the_first_connection() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no systemd-socket-activate");
        eprintln!("skipped: no systemd-socket-activate");
        return;
    }
    let site = site();
    let port = free_port();
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg("--fdname=https")
        .arg("-E")
        .arg(format!("NOTIFY_SOCKET={}", site.path("notify").display()))
        .arg(env!("CARGO_BIN_EXE_midmirror"))
        .arg("--config")
        .arg(site.path("midmirror.toml"))
        .arg("serve");
    let mut serving = Serving::spawn(&site, command, port);
    serving.logs("Listening on");
    assert!(serving.answers(&ca(&site)));
    assert!(serving.told().starts_with("READY=1"));
    serving.logs("request");
    serving.end();
}
