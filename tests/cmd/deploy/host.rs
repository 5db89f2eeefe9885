//! A host to try an installation on: this machine with copies of its folders in a mount namespace of its own.
//!
//! Whatever is installed there (programs, users, configuration, store) is gone when the namespace is.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use midmirror_fixtures::agent::{AgentSample, LogFormat};
use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Content, Options, Upstream};

use super::{expect, folder, read, skip};

pub(super) struct Host {
    /// Keeps the namespace alive until its standard input ends.
    keeper: Child,
    /// Seen under the same path inside and outside.
    exchange: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    upstream: Option<Upstream>,
}

impl Host {
    /// Installs the programs, users and folders; none, with a line that says so, where that is not possible.
    pub(super) fn start() -> Option<Self> {
        if Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout != b"0\n") {
            eprintln!("skipped: services are tried by root only");
            return None;
        }
        for tool in ["unshare", "nsenter", "setpriv", "systemd-sysusers", "systemd-tmpfiles", "curl"] {
            if Command::new(tool).arg("--version").output().is_err() {
                skip(&format!("no {tool}"));
                return None;
            }
        }
        if !Command::new("unshare").args(["--mount", "true"]).output().unwrap().status.success() {
            eprintln!("skipped: no mount namespace can be made here");
            return None;
        }
        let exchange = tempfile::tempdir().unwrap();
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-euc", SETUP, "sh"])
            .arg(env!("CARGO_BIN_EXE_midmirror"))
            .arg(env!("CARGO_BIN_EXE_midmirror-import"))
            .arg(folder())
            .arg(exchange.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        if ready != "ready\n" {
            let output = keeper.wait_with_output().unwrap();
            panic!("the host cannot be set up: {}", String::from_utf8_lossy(&output.stderr));
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Some(Self { keeper, exchange, runtime, upstream: None })
    }

    /// Installs the shipped configuration with the few lines changed that a test needs, and starts the upstream that
    /// it names. Returns the port of the mirror.
    pub(super) fn prepare_site(&mut self) -> u16 {
        let packages = embedded::packages()
            .iter()
            .map(|package| (package.path.to_owned(), Content::Bytes(package.bytes)))
            .collect();
        let options = Options { packages, ..Options::default() };
        let upstream = self.runtime.block_on(Upstream::start(options)).unwrap();
        let port = free_port();
        let mut text = read("midmirror.toml");
        for (from, to) in [
            (
                "#base_uri = \"https://install.service-now.com\"",
                format!("base_uri = {:?}", upstream.base_url()),
            ),
            ("#ca_file = \"proxy-ca.pem\"", "ca_file = \"upstream-ca.pem\"".to_owned()),
            ("#truststore = [\"bundled\"]", "truststore = [\"anchors.pem\"]".to_owned()),
            ("#listen = \"0.0.0.0:8443\"", format!("listen = \"127.0.0.1:{port}\"")),
            ("#records = \"/var/lib/midmirror-serve\"", "records = \"/var/lib/midmirror-serve\"".to_owned()),
        ] {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, &to);
        }
        text += &format!("[[follow]]\nstamp = {:?}\n", embedded::new_stamp());
        for (name, content) in [
            ("midmirror.toml", text.as_str()),
            ("upstream-ca.pem", upstream.ca_pem()),
            ("anchors.pem", embedded::test_anchors_pem()),
        ] {
            let file = self.exchange.path().join(name);
            fs::write(&file, content).unwrap();
            expect(self.root(&format!("install -m 0644 {} /etc/midmirror/{name}", file.display())), 0);
        }
        expect(self.root("systemd-tmpfiles --create /usr/lib/tmpfiles.d/midmirror.conf"), 0);
        self.upstream = Some(upstream);
        port
    }

    /// A sample agent that belongs to a new user.
    pub(super) fn make_agent(&self, place: &str, user: &str) {
        let sample = AgentSample {
            platform: "linux.x86-64",
            log_format: LogFormat::Iso,
            instance_url: "https://example.service-now.com/".to_owned(),
            installed_stamp: embedded::old_stamp().to_owned(),
            assigned_stamp: embedded::new_stamp().to_owned(),
        };
        let agent = self.exchange.path().join("agent");
        midmirror_fixtures::agent::write(&agent, &sample).unwrap();
        expect(self.root(&format!("systemd-sysusers --inline 'u {user} -'")), 0);
        expect(self.root(&format!("install -d {place} && cp -rT {} {place}", agent.display())), 0);
        expect(self.root(&format!("chown -R {user}: {place}")), 0);
    }

    /// Runs a line of shell as root.
    pub(super) fn root(&self, line: &str) -> Output {
        self.enter().args(["sh", "-c", line]).output().unwrap()
    }

    /// Runs a line of shell as a user, as `sudo -u` does.
    pub(super) fn user(&self, user: &str, line: &str) -> Output {
        self.enter().args(AS_USER).args([user, "--regid", user, "sh", "-c", line]).output().unwrap()
    }

    /// The command of a service: everything is read-only but some folders, and others cannot be seen.
    pub(super) fn confined(
        &self,
        user: &str,
        umask: &str,
        writable: &[String],
        hidden: &[String],
        command: &str,
    ) -> Command {
        let line = format!(
            "for p in /etc /usr /opt /var/lib; do mount --rbind $p $p; mount -o remount,bind,ro $p; done\n\
             for p in {}; do mount --bind $p $p; mount -o remount,bind,rw $p; done\n\
             for p in {}; do test ! -e $p || mount -t tmpfs -o ro,mode=000 none $p; done\n\
             umask {umask}\n\
             exec {} {user} --regid {user} --no-new-privs --bounding-set=-all {command}",
            writable.join(" "),
            hidden.join(" "),
            AS_USER.join(" "),
        );
        let mut entered = self.enter();
        entered.args(["unshare", "--mount", "--propagation", "private", "sh", "-euc", &line]);
        entered
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--target", &self.keeper.id().to_string()])
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _gone = self.keeper.kill();
        let _reaped = self.keeper.wait();
        if let Some(upstream) = self.upstream.take() {
            self.runtime.block_on(upstream.stop());
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const AS_USER: [&str; 3] = ["setpriv", "--init-groups", "--reuid"];

/// Copies on write of the system's folders; then what a package would install. Arguments: both programs, `deploy/`, a
/// folder for the copies.
const SETUP: &str = r#"
mkdir "$4/layers"
mount -t tmpfs -o mode=755 none "$4/layers"
for place in etc usr opt var/lib; do
    layer="$4/layers/$(basename $place)"
    mkdir "$layer" "$layer/upper" "$layer/work"
    mount -t overlay -o "lowerdir=/$place,upperdir=$layer/upper,workdir=$layer/work" none "/$place"
done
for program in "$1" "$2"; do
    touch "/usr/bin/$(basename "$program")"
    mount --bind "$program" "/usr/bin/$(basename "$program")"
done
mkdir -p /usr/lib/sysusers.d /usr/lib/tmpfiles.d
cp "$3/midmirror.sysusers.conf" /usr/lib/sysusers.d/midmirror.conf
cp "$3/midmirror.tmpfiles.conf" /usr/lib/tmpfiles.d/midmirror.conf
systemd-sysusers /usr/lib/sysusers.d/midmirror.conf >&2
systemd-tmpfiles --create /usr/lib/tmpfiles.d/midmirror.conf >&2
echo ready
exec cat
"#;
