//! The service files, read by systemd and started as written, each as its own user.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use midmirror_fixtures::embedded;

use super::host::Host;
use super::{expect, files, folder, read, skip};

/// Values of a key in a unit file.
fn values(unit: &str, key: &str) -> Vec<String> {
    let prefix = format!("{key}=");
    read(unit).lines().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
}

fn value(unit: &str, key: &str) -> String {
    let values = values(unit, key);
    assert_eq!(values.len(), 1, "{key} in {unit}: {values:?}");
    values.into_iter().next().unwrap()
}

/// The command that starts a service as its unit says: user, file mode mask, places it may write or not see.
fn service(host: &Host, unit: &str) -> Command {
    assert_eq!(value(unit, "ProtectSystem"), "strict");
    let mut writable: Vec<String> = values(unit, "ReadWritePaths");
    let user = value(unit, "User");
    for state in values(unit, "StateDirectory") {
        let path = format!("/var/lib/{state}");
        expect(
            host.root(&format!("install -d -o {user} -m {} {path}", value(unit, "StateDirectoryMode"))),
            0,
        );
        writable.push(path);
    }
    let hidden: Vec<String> = values(unit, "InaccessiblePaths")
        .iter()
        .map(|path| path.trim_start_matches('-').to_owned())
        .collect();
    host.confined(&user, &value(unit, "UMask"), &writable, &hidden, &value(unit, "ExecStart"))
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let Some(host) = Host::start() else { return };
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("no systemd-analyze");
    }
    expect(host.root("install -d /usr/share/doc/midmirror"), 0);
    for unit in files(".service").iter().chain(&files(".timer")).chain(&files(".socket")) {
        let said = expect(host.root(&format!("systemd-analyze verify --man=no {}", unit.display())), 0);
        assert_eq!(said, "", "{}", unit.display());
    }
}

#[test]
fn services_run_as_written() {
    let Some(mut host) = Host::start() else { return };
    let port = host.prepare_site();

    // As the guide says: folders and users are there by now.
    expect(host.user("midmirror", "midmirror init"), 0);
    expect(host.root("midmirror serve --init-tls --host localhost"), 0);
    expect(host.root("systemd-tmpfiles --create /usr/lib/tmpfiles.d/midmirror.conf"), 0);
    expect(
        host.root("rm /var/lib/midmirror/store.keys/root-1.pem /var/lib/midmirror/store.keys/root-[23].pem"),
        0,
    );

    let synced = expect(service(&host, "midmirror-sync.service").output().unwrap(), 0);
    assert!(synced.contains(" stored, 0 already there, 0 failed"), "{synced}");
    let again = expect(service(&host, "midmirror-sync.service").output().unwrap(), 0);
    assert!(again.contains("0 stored, "), "{again}");
    let refreshed = expect(service(&host, "midmirror-refresh.service").output().unwrap(), 0);
    assert!(refreshed.contains("renewed  nothing"), "{refreshed}");

    let url = format!("https://localhost:{port}");
    let mut server = Running(service(&host, "midmirror-serve.service").spawn().unwrap());
    assert!(is_healthy(&host, &url), "the server does not answer");
    // What the server's user may see.
    for secret in ["store.keys/targets.pem", "store.keys", "store/lock"] {
        let command = format!("test -w /var/lib/midmirror/{secret}");
        expect(host.user("midmirror-serve", &command), 1);
    }
    expect(host.user("midmirror-serve", "cat /var/lib/midmirror/store.keys/targets.pem"), 1);
    expect(host.user("midmirror", "cat /var/lib/midmirror/store.tls/server-key.pem"), 1);

    // The MID host.
    host.make_agent("/opt/servicenow/mid/agent", "mid");
    expect(host.root(&format!("midmirror trust --url {url} --output /etc/midmirror/trust.json")), 0);
    expect(host.root("install -d -o mid -m 0700 /var/lib/midmirror-import"), 0);
    let enrol =
        "midmirror-import enrol --trust /etc/midmirror/trust.json --truststore /etc/midmirror/anchors.pem";
    expect(host.root("chmod 0644 /etc/midmirror/trust.json"), 0);
    expect(host.user("mid", enrol), 0);
    let staged = expect(service(&host, "midmirror-import.service").output().unwrap(), 0);
    assert!(staged.contains("staged ") && staged.contains("complete"), "{staged}");
    let listing = expect(host.root("stat -c %U:%a:%n /opt/servicenow/mid/agent/package/incoming/*.zip"), 0);
    assert!(listing.contains("mid-core.") && listing.contains(embedded::new_stamp()), "{listing}");

    // SIGTERM ends the server, and it says that all went well.
    expect(host.root(&format!("kill -TERM {}", server.0.id())), 0);
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    // Who has downloaded what is known to the mirror's user, who may not write there.
    let name = listing.lines().find(|line| line.contains("mid-core.")).unwrap().rsplit('/').next().unwrap();
    let known =
        host.user("midmirror", &format!("midmirror who-has {name} --records /var/lib/midmirror-serve"));
    let known = expect(known, 0);
    assert!(known.contains("127.0.0.1") && known.contains("downloaded"), "{known}");
}

/// Ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Whether the server answers within some seconds.
fn is_healthy(host: &Host, url: &str) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        let curl =
            format!("curl -sS --noproxy '*' --cacert /var/lib/midmirror/store.tls/ca.pem {url}/healthz");
        if host.root(&curl).stdout == b"ok\n" {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

#[test]
fn users_and_folders_are_made_by_systemd_as_described() {
    let Some(host) = Host::start() else { return };
    let listing =
        expect(host.root("stat -c %U:%G:%a:%n /var/lib/midmirror /var/lib/midmirror/store.keys"), 0);
    assert_eq!(
        listing,
        "midmirror:midmirror:750:/var/lib/midmirror\nmidmirror:midmirror:700:/var/lib/midmirror/store.keys\n"
    );
    let groups = expect(host.root("id -Gn midmirror-serve"), 0);
    assert_eq!(groups, "midmirror-serve midmirror\n");
}

/// The same directives in all services: what is good for one is good for all.
#[test]
fn services_are_confined_alike() {
    let hardening = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let own = ["ReadWritePaths=", "InaccessiblePaths=", "LimitNOFILE=", "TimeoutStopSec=", "WantedBy="];
        let from = text.lines().skip_while(|line| !line.starts_with("ProtectSystem="));
        from.filter(|line| line.contains('=') && !own.iter().any(|prefix| line.starts_with(prefix)))
            .map(str::to_owned)
            .collect()
    };
    let services = files(".service");
    assert_eq!(services.len(), 4);
    for service in &services {
        assert_eq!(
            hardening(service),
            hardening(&folder().join("midmirror-serve.service")),
            "{}",
            service.display()
        );
    }
}
