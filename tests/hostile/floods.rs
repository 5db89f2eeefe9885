//! Floods of HTTP/2: frames that cost the sender little and, in a server without bounds, the receiver much.
//!
//! Each flood runs against a server of its own while a well-behaved client downloads. What is stated of each: the flooder's
//! connection ends, or its frames go by; the other client gets every byte; the server's memory stays below a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Http2, PING, PRIORITY,
    RST_STREAM, SETTINGS, block, field, frame, indexed_field, integer, request, reset, setting,
    window_update,
};
use crate::served::{LARGE, Served, large, small, small_path};

/// How much more memory the server may have at its peak, in KiB. What an ordinary download needs is a tenth of it.
const BOUND: u64 = 32 << 10;

/// Empty settings: all as the standard has it.
fn usual() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

/// Runs a flood; another client downloads all the time and afterwards. Returns what the flood returns.
#[track_caller]
fn while_others_download<T>(served: &Served, bound: u64, flood: impl FnOnce() -> T) -> T {
    let before = served.memory();
    let over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut downloads = 0;
            while !over.load(Ordering::Relaxed) || downloads == 0 {
                served.serves_others();
                downloads += 1;
            }
        });
        let result = flood();
        over.store(true, Ordering::Relaxed);
        other.join().unwrap();
        result
    });
    let most = served.most_memory();
    println!(
        "{} KiB before, {} KiB more at the peak, {} open files",
        before,
        most.saturating_sub(before),
        served.open_files()
    );
    assert!(most < before + bound, "{before} KiB before, {most} KiB at the peak");
    served.serves_others();
    served.has_not_panicked();
    result
}

/// Reads until the connection has ended and says with which code.
#[track_caller]
fn ended(client: &mut Http2) -> Option<u32> {
    client.expect_end("flood");
    client.goaway()
}

/// CVE-2023-44487: streams are opened and given up at once, so that their number at a time is never reached.
#[test]
fn rapid_reset() {
    let served = Served::start();
    let (requests, lines) = (served.counter("midmirror_http_requests_total"), served.access_log().len());
    let ask = block("GET", LARGE);
    let sent = while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let sent = client.flood(50_000, |n| [request(2 * n + 1, &ask), reset(2 * n + 1)].concat());
        println!("{:?} {:?}", client.goaway(), client.closed);
        sent
    });
    println!(
        "{sent} streams, {} requests counted, {} lines",
        served.counter("midmirror_http_requests_total") - requests,
        served.access_log().len() - lines
    );
}

/// The same, but each stream is given up only when the server has begun to answer.
#[test]
fn slow_rapid_reset() {
    let served = Served::start();
    let (requests, lines) = (served.counter("midmirror_http_requests_total"), served.access_log().len());
    let ask = block("GET", LARGE);
    let sent = while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let mut sent = 0;
        for n in 0..2000 {
            if !client.send(&request(2 * n + 1, &ask)) {
                break;
            }
            let before = client.answers();
            client.read_until(Duration::from_secs(5), |client| client.answers() > before);
            if !client.send(&reset(2 * n + 1)) {
                break;
            }
            sent = n + 1;
        }
        println!("{:?} {:?}", client.goaway(), client.closed);
        sent
    });
    println!(
        "{sent} streams, {} requests counted, {} lines",
        served.counter("midmirror_http_requests_total") - requests,
        served.access_log().len() - lines
    );
}

/// CVE-2019-9515: each SETTINGS has to be acknowledged, and nobody reads the acknowledgements.
#[test]
fn settings() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let sent = client.flood(200_000, |n| setting(4, 65_535 + n % 2));
        println!("{sent} {:?} {:?}", client.goaway(), client.closed);
    });
}

/// CVE-2019-9512: the same with PING.
#[test]
fn pings() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let sent = client.flood(200_000, |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes()));
        println!("{sent} {:?} {:?}", client.goaway(), client.closed);
    });
}

/// The same by a client that does not even read.
#[test]
fn pings_of_a_client_that_does_not_read() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let piece: Vec<u8> = (0..1000).flat_map(|_| frame(PING, 0, 0, &[7; 8])).collect();
        let end = Instant::now() + Duration::from_secs(15);
        let mut sent = 0;
        while Instant::now() < end && client.send(&piece) {
            sent += 1000;
        }
        println!("{sent} {:?} {:?}", client.goaway(), client.closed);
    });
}

/// CVE-2024-27316: a header block that never ends.
#[test]
fn continuations_without_end() {
    let served = Served::start();
    for piece in [vec![0; 0], field(b"x-a", &[b'a'; 100]), field(b"x-a", &[b'a'; 16_000])] {
        while_others_download(&served, BOUND, || {
            let mut client = Http2::open(&served, &usual());
            client.send(&frame(HEADERS, END_STREAM, 1, &block("GET", "/")));
            let sent = client.flood(100_000, |_| frame(CONTINUATION, 0, 1, &piece));
            println!("{sent} {:?}", ended(&mut client));
        });
    }
}

/// CVE-2019-9518: frames without anything in them.
#[test]
fn empty_data() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        client.send(&frame(HEADERS, END_HEADERS, 1, &block("POST", "/")));
        let sent = client.flood(100_000, |_| frame(DATA, 0, 1, &[]));
        println!("{sent} {:?} {:?} {:?}", client.goaway(), client.closed, client.was_reset(1));
    });
}

#[test]
fn window_updates() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let sent = client.flood(200_000, |_| window_update(0, 1));
        println!("{sent} {:?} {:?}", client.goaway(), client.closed);
    });
}

/// CVE-2019-9513: the tree of priorities is turned round and round.
#[test]
fn priorities() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let sent = client.flood(200_000, |n| {
            let (stream, on) = (1 + 2 * (n % 5000), 1 + 2 * ((n + 1) % 5000));
            frame(PRIORITY, 0, stream, &[&(on | 0x8000_0000).to_be_bytes()[..], &[7]].concat())
        });
        println!("{sent} {:?} {:?}", client.goaway(), client.closed);
    });
}

/// One long field in the dynamic table, named again and again by one octet each.
#[test]
fn header_bomb() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let bomb = [
            block("GET", "/healthz"),
            indexed_field(b"x-a", &[b'a'; 4000]),
            integer(0x80, 7, 62).repeat(12_000),
        ];
        client.send(&request(1, &bomb.concat()));
        client.read_until(Duration::from_secs(20), |client| {
            client.closed || client.body(1).1 || client.was_reset(1).is_some()
        });
        println!(
            "{:?} {:?} {:?} {:?}",
            client.goaway(),
            client.closed,
            client.was_reset(1),
            client.status(1)
        );
        assert_ne!(client.status(1), Some(200));
        // Again, on as many streams as one likes.
        let again = [block("GET", "/healthz"), integer(0x80, 7, 62).repeat(12_000)].concat();
        let sent = client.flood(2000, |n| request(2 * n + 3, &again));
        println!("{sent} {:?} {:?}", client.goaway(), client.closed);
    });
}

/// More streams at a time than there may be: the others are answered.
#[test]
fn too_many_streams() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &[setting(4, 0), usual()].concat());
        let ask = block("GET", &small_path());
        let sent = client.flood(5000, |n| request(2 * n + 1, &ask));
        client.read_until(Duration::from_secs(3), |client| client.closed);
        println!(
            "{sent} {:?} {:?} {} answers {} resets",
            client.goaway(),
            client.closed,
            client.answers(),
            client.count(RST_STREAM)
        );
        assert!(client.answers() <= 32);
    });
}

/// CVE-2019-9511 and 9517: large bodies are asked for, and taken by single octets.
#[test]
fn dribble() {
    let served = Served::start();
    let files = served.open_files();
    while_others_download(&served, BOUND, || {
        let ask = block("GET", LARGE);
        let mut clients: Vec<Http2> = (0..20).map(|_| Http2::open(&served, &setting(4, 0))).collect();
        for client in &mut clients {
            assert_eq!(client.flood(32, |n| request(2 * n + 1, &ask)), 32);
            client.read_until(Duration::from_secs(10), |client| client.answers() == 32);
            assert_eq!(client.answers(), 32);
        }
        println!("{} files more", served.open_files() - files);
        for round in 0..5 {
            for client in &mut clients {
                assert_eq!(client.flood(32, |n| window_update(2 * n + 1, 1)), 32);
                client.read_until(Duration::from_secs(10), |client| client.body(63).0.len() > round);
                let (body, _) = client.body(63);
                assert_eq!(body, &large()[..=round]);
            }
        }
    });
}

#[test]
fn small_is_not_large() {
    assert!(small().bytes.len() < large().len() / 10);
    assert_eq!(ENHANCE_YOUR_CALM, 11);
}
