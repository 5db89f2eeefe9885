//! A mirror that fetches what hosts ask for: once for all who ask, and not a byte before it is admitted.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use midmirror_fixtures::embedded;

use crate::site::{Mirror, Site, free_port};

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn get(address: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: mirror\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// Asks until the answer is no longer "come back".
fn until_settled(address: &str, path: &str) -> Answer {
    let started = Instant::now();
    loop {
        let answer = get(address, path);
        if answer.status != 503 {
            return answer;
        }
        assert!(answer.head.contains("retry-after: "), "{}", answer.head);
        assert!(answer.body.len() < 100, "bytes before it is admitted");
        assert!(started.elapsed() < Duration::from_secs(60), "{path} never comes");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn old_core() -> &'static embedded::EmbeddedPackage {
    let is_core = |package: &&embedded::EmbeddedPackage| {
        package.path.contains("mid-core.") && package.path.contains(embedded::old_stamp())
    };
    embedded::packages().iter().find(is_core).unwrap()
}

fn mirror(more: &str) -> (Site, Mirror, String) {
    let site = Site::new();
    let plain = format!("127.0.0.1:{}", free_port());
    site.configure(&format!("[serve]\nplain_listen = {plain:?}\n{more}"));
    let site = site.synced();
    let mirror = Mirror::start(&site);
    (site, mirror, plain)
}

#[test]
fn what_is_asked_for_is_fetched_once_verified_and_served() {
    let (site, _mirror, plain) = mirror("fetch_on_miss = true\n");
    let core = old_core();
    let requests =
        || site.upstream().requests().iter().filter(|request| request.path.contains(core.path)).count();
    assert_eq!(requests(), 0);
    let first = get(&plain, core.path);
    assert_eq!(first.status, 503);
    assert!(first.head.contains("retry-after: 30"), "{}", first.head);
    let askers: Vec<_> = (0..10)
        .map(|_| {
            let plain = plain.clone();
            std::thread::spawn(move || until_settled(&plain, core.path))
        })
        .collect();
    for asker in askers {
        let answer = asker.join().unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body == core.bytes);
    }
    assert_eq!(requests(), 1, "one for all who asked");
    site.run(&["list"]).expect(0).says(core.file_name());
    site.run(&["log", "verify"]).expect(0);
}

#[test]
fn what_the_vendor_does_not_have_is_404_and_is_not_asked_for_again() {
    let (site, _mirror, plain) = mirror("fetch_on_miss = true\n");
    let path = old_core().path.replace("/mid-core/", "/mid-coro/");
    assert_eq!(get(&plain, &path).status, 404, "no vendor path");
    let path = old_core().path.replace("_1759.", "_1758.");
    assert_ne!(path, old_core().path);
    assert_eq!(until_settled(&plain, &path).status, 404);
    let requests =
        || site.upstream().requests().iter().filter(|request| request.path.contains(&path)).count();
    let before = requests();
    assert!(before >= 1);
    assert_eq!(get(&plain, &path).status, 404);
    assert_eq!(requests(), before);
}

#[test]
fn nothing_is_fetched_unless_it_is_configured_and_without_keys_it_does_not_start() {
    let (site, mirror, plain) = mirror("");
    assert_eq!(get(&plain, old_core().path).status, 404);
    drop(mirror);
    site.configure("[serve]\nfetch_on_miss = true\n");
    std::fs::remove_dir_all(site.path("store.keys")).unwrap();
    site.run(&["serve", "--listen", "127.0.0.1:0"]).expect(2).says("fetch_on_miss needs");
}
