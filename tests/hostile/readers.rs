//! Slow readers and slow writers over HTTP/1.1: what each costs in memory while it is there.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use crate::served::{LARGE, Served, Tls, large};

/// Clients at a time.
const CLIENTS: u64 = 150;

/// The most that one of them may cost in KiB: what waits to be sent, before and after it was encrypted, and the session.
/// A whole body would be 23,000.
const OF_ONE: u64 = 256;

/// Reads the head and the first bytes of an answer.
fn begin(stream: &mut Tls) {
    let mut space = [0; 2048];
    let read = stream.read(&mut space).unwrap();
    assert!(space[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn slow_readers_cost_little_memory_and_one_open_file() {
    let served = Served::start();
    let (before, files) = (served.memory(), served.open_files());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = served.connect(b"http/1.1");
        write!(stream, "GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        begin(&mut stream);
        clients.push(stream);
    }
    // One octet at a time; meanwhile the server fills whatever it may fill.
    for _ in 0..20 {
        for stream in &mut clients {
            stream.read_exact(&mut [0]).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    served.serves_others();
    let most = served.most_memory();
    println!("{before} KiB, {} KiB more with {CLIENTS} slow readers", most.saturating_sub(before));
    assert!(most < before + CLIENTS * OF_ONE, "{before} KiB before, {most} KiB with {CLIENTS} slow readers");
    // Each has a connection; the file they share.
    let more = served.open_files() - files;
    assert!(more < usize::try_from(CLIENTS).unwrap() + 10, "{more} files");
    // Whoever goes on reading gets every byte.
    let mut last = clients.pop().unwrap();
    let mut bytes = vec![0; large().len() - 4096];
    last.read_exact(&mut bytes).unwrap();
    assert!(
        large()
            .windows(64)
            .position(|window| window == &bytes[..64])
            .is_some_and(|at| large()[at..].starts_with(&bytes))
    );
    served.has_not_panicked();
}

/// The catalog of ten thousand packages has some 5 MB.
#[test]
fn slow_readers_of_a_large_document_cost_little_memory() {
    let served = Served::start();
    let path = served.large_document();
    assert!(served.get(path).unwrap().1 == large()[..8_000_000]);
    let before = served.memory();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = served.connect(b"http/1.1");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        begin(&mut stream);
        clients.push(stream);
    }
    std::thread::sleep(Duration::from_millis(500));
    served.serves_others();
    let most = served.most_memory();
    println!(
        "{before} KiB, {} KiB more with {CLIENTS} slow readers of a document",
        most.saturating_sub(before)
    );
    assert!(most < before + CLIENTS * OF_ONE, "{before} KiB before, {most} KiB with {CLIENTS} slow readers");
}

#[test]
fn slow_writers_cost_little_memory() {
    let served = Served::start();
    let before = served.memory();
    let mut clients = Vec::new();
    let line = format!("X-Long: {}\r\n", "a".repeat(1000));
    for number in 0..CLIENTS {
        let mut stream = served.connect(b"http/1.1");
        // Heads without end, and bodies without end.
        let head = if number % 2 == 0 {
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}", line.repeat(60))
        } else {
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n".to_owned()
        };
        stream.write_all(head.as_bytes()).unwrap();
        clients.push(stream);
    }
    for _ in 0..20 {
        for stream in &mut clients {
            let _has_ended = stream.write_all(b"x").and_then(|()| stream.flush());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    served.serves_others();
    let most = served.most_memory();
    println!("{before} KiB, {} KiB more with {CLIENTS} slow writers", most.saturating_sub(before));
    assert!(most < before + CLIENTS * OF_ONE, "{before} KiB before, {most} KiB with {CLIENTS} slow writers");
    served.has_not_panicked();
}
