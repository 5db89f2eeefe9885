//! Proxies, the offline switch and retries, as an operator sets and sees them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::Fault;

use crate::site::{Run, Site};

fn site() -> Site {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site
}

fn set_upstream(site: &Site, lines: &str) {
    site.configure("");
    let text = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    fs::write(site.path("midmirror.toml"), text.replace("[upstream]\n", &format!("[upstream]\n{lines}")))
        .unwrap();
}

fn sync(site: &Site, variables: &[(&str, &str)]) -> Run {
    let mut command = site.command(&["sync", "--kind", "mid-core", embedded::new_stamp()]);
    command.envs(variables.iter().copied()).output().unwrap().into()
}

/// A proxy that connects everybody; the receiver gets the head of each request.
fn connecting_proxy() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let upstream = TcpStream::connect(head.split(' ').nth(1).unwrap()).unwrap();
            let _test_is_over = sender.send(head);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let copies = [(client.try_clone(), upstream.try_clone()), (Ok(upstream), Ok(client))];
            for (from, to) in copies {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                std::thread::spawn(move || {
                    let _cut = std::io::copy(&mut from, &mut to);
                    let _gone = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    (port, heads)
}

fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn proxy_of_the_environment_is_used_and_its_password_is_kept_nowhere() {
    let (port, heads) = connecting_proxy();
    let site = site();
    let proxy = format!("http://anna:geheimnis@127.0.0.1:{port}");
    let run = sync(&site, &[("HTTPS_PROXY", &proxy), ("MIDMIRROR_LOG", "trace")]).expect(0);
    let head = heads.recv().unwrap();
    assert!(head.starts_with("CONNECT localhost:") && head.contains("YW5uYTpnZWhlaW1uaXM="), "{head}");
    for secret in ["geheimnis", "YW5uYTpnZWhlaW1uaXM="] {
        assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{}", run.stderr);
        assert_eq!(files_with(&site.path(""), secret), Vec::<String>::new());
    }
    let evidence = files_with(&site.path("store"), &format!("http://127.0.0.1:{port}"));
    assert!(evidence.len() == 1 && evidence[0].ends_with("fetch.json"), "{evidence:?}");
}

#[test]
fn configuration_comes_before_the_environment_and_exceptions_are_direct() {
    let gone = "http://anna:geheimnis@127.0.0.1:1";
    for (lines, variables) in [
        ("", &[("HTTPS_PROXY", gone), ("NO_PROXY", "localhost")][..]),
        ("", &[("ALL_PROXY", gone), ("no_proxy", "*")]),
        ("proxy = \"none\"\n", &[("https_proxy", gone)]),
        ("proxy = \"http://127.0.0.1:1\"\nno_proxy = [\"localhost\"]\n", &[]),
    ] {
        let site = site();
        set_upstream(&site, lines);
        sync(&site, variables).expect(0);
    }
}

#[test]
fn proxy_that_does_not_work_is_named_with_the_cause() {
    let site = site();
    set_upstream(&site, "proxy = \"http://anna:geheimnis@127.0.0.1:1\"\ntries = 1\n");
    let run = sync(&site, &[]).expect(8).says("through the proxy http://127.0.0.1:1: it cannot be reached");
    assert!(!run.stderr.contains("geheimnis"), "{}", run.stderr);
    assert!(site.upstream().requests().is_empty());
    let run = sync(&site, &[("HTTPS_PROXY", "ftp://geheimnis")]).expect(8);
    assert!(!run.stderr.contains("geheimnis"), "{}", run.stderr);
    set_upstream(&site, "");
    let run = sync(&site, &[("HTTPS_PROXY", "ftp://geheimnis")]);
    let run = run.says("HTTPS_PROXY cannot be used");
    assert!(run.code != 0 && !run.stderr.contains("geheimnis"), "{}", run.stderr);
}

#[test]
fn offline_is_an_error_that_names_its_switch_before_anything_is_asked() {
    let site = site();
    let core = ["sync", "--kind", "mid-core", embedded::new_stamp()];
    site.run(&[&["--offline"], &core[..]].concat()).expect(2).says("--offline");
    sync(&site, &[("MIDMIRROR_OFFLINE", "1")]).expect(2).says("MIDMIRROR_OFFLINE");
    site.configure("");
    let text = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    fs::write(site.path("midmirror.toml"), format!("offline = true\n{text}")).unwrap();
    sync(&site, &[]).expect(2).says("offline = true in the configuration");
    assert!(site.upstream().requests().is_empty());
    site.configure("");
    sync(&site, &[("MIDMIRROR_OFFLINE", "0")]).expect(0);
    // What is there already needs nobody.
    sync(&site, &[("MIDMIRROR_OFFLINE", "yes")]).expect(0).says("already in the store");
    let asked = site.upstream().requests().len();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["--offline", "host", "stage", &agent]).says("--offline");
    assert_eq!(site.upstream().requests().len(), asked);
}

#[test]
fn retries_are_said_with_attempt_cause_and_pause() {
    let site = site();
    site.upstream().set_faults("mid-core.", Fault::ServiceUnavailable { retry_after_s: Some(1) }, Some(1));
    let run = sync(&site, &[]).expect(0);
    let line = run.stderr.lines().find(|line| line.contains("trying again")).unwrap_or(&run.stderr);
    for part in ["failed=1", "tries=5", "status 503", "wait_s"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn limits_of_the_configuration_are_kept() {
    let site = site();
    site.upstream().set_faults("mid-core.", Fault::StallAfter { bytes: 1000 }, None);
    set_upstream(&site, "idle_seconds = 1\ntries = 1\n");
    sync(&site, &[]).expect(8).says("ended after 1000 of");
    set_upstream(&site, "tries = 0\n");
    sync(&site, &[]).expect(2).says("upstream.tries must be at least 1");
    set_upstream(&site, "no_proxy = [\"10.0.0.0/99\"]\n");
    sync(&site, &[]).expect(2).says("10.0.0.0/99");
}
