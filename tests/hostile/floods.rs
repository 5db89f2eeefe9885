//! Floods of HTTP/2: frames that cost the sender little and, in a server without bounds, the receiver much.
//!
//! Each flood runs against a server of its own while a well-behaved client downloads. What is stated of each: the flooder's
//! connection ends, or its frames go by; the other client gets every byte; the server's memory stays below a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, Http2, PING, PRIORITY,
    RST_STREAM, SETTINGS, block, field, frame, indexed_field, integer, request, reset, setting,
    window_update,
};
use crate::served::{LARGE, Served, large, small_path};

/// How much more memory the server may have at its peak, in KiB. What an ordinary download needs is a tenth of it.
const BOUND: u64 = 32 << 10;

/// Requests at a time on one connection.
const STREAMS: usize = 32;

/// The most that one connection may cost in KiB, whatever it asks for and does not take.
const OF_A_CONNECTION: u64 = 2 << 10;

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
        // Also when the flood fails.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(flood));
        over.store(true, Ordering::Relaxed);
        other.join().unwrap();
        result.unwrap_or_else(|failed| std::panic::resume_unwind(failed))
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

/// Makes one frame after the other.
type Piece<'a> = &'a dyn Fn(u32) -> Vec<u8>;

/// What was counted and logged since.
struct Told {
    requests: u64,
    lines: usize,
}

impl Told {
    fn now(served: &Served) -> Self {
        // Lines are written by a thread of their own.
        std::thread::sleep(Duration::from_millis(300));
        Self { requests: served.counter("midmirror_http_requests_total"), lines: served.access_log().len() }
    }
}

/// CVE-2023-44487: streams are opened and given up at once, so that their number at a time is never reached.
#[test]
fn rapid_reset_is_told_to_calm_down_and_leaves_no_trail_of_log_lines() {
    let served = Served::start();
    let before = Told::now(&served);
    let ask = block("GET", LARGE);
    let mut client = Http2::open(&served, &usual());
    let sent = client.flood(50_000, |n| [request(2 * n + 1, &ask), reset(2 * n + 1)].concat());
    assert!(sent < 5000, "{sent} streams were taken");
    assert_eq!(ended(&mut client), Some(ENHANCE_YOUR_CALM));
    let after = Told::now(&served);
    println!("{} requests counted, {} lines", after.requests - before.requests, after.lines - before.lines);
    assert!(after.lines - before.lines < 200);
    // Again and again, on new connections.
    while_others_download(&served, BOUND, || {
        for _ in 0..50 {
            let mut client = Http2::open(&served, &usual());
            client.flood(50_000, |n| [request(2 * n + 1, &ask), reset(2 * n + 1)].concat());
        }
    });
    assert!(served.open_files() < 100, "{}", served.open_files());
}

/// The same, but each stream is given up only when the server has begun to answer: as dear for the client as a request.
#[test]
fn streams_given_up_one_by_one_are_requests_that_are_counted_and_logged() {
    let served = Served::start();
    let before = Told::now(&served);
    let ask = block("GET", LARGE);
    let sent = while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let mut sent = 0;
        while sent < 1000 && client.send(&request(2 * sent + 1, &ask)) {
            let answers = client.answers();
            client.read_until(Duration::from_secs(20), |client| client.answers() > answers);
            client.send(&reset(2 * sent + 1));
            sent += 1;
        }
        sent
    });
    let after = Told::now(&served);
    assert!(after.requests - before.requests >= u64::from(sent));
    assert!(after.lines - before.lines >= usize::try_from(sent).unwrap());
    assert!(served.open_files() < 100, "{}", served.open_files());
}

/// Frames that have to be answered, or looked at: they go by, or the connection ends, and nothing of them is kept.
#[test]
fn frames_that_ask_for_nothing_cost_no_memory() {
    let served = Served::start();
    let priority = |n: u32| {
        let (stream, on) = (1 + 2 * (n % 5000), 1 + 2 * ((n + 1) % 5000));
        frame(PRIORITY, 0, stream, &[&(on | 0x8000_0000).to_be_bytes()[..], &[7]].concat())
    };
    let floods: [(&str, Piece<'_>); 5] = [
        // CVE-2019-9515
        ("SETTINGS", &|n| setting(4, 65_535 + n % 2)),
        // CVE-2019-9512
        ("PING", &|n| frame(PING, 0, 0, &u64::from(n).to_be_bytes())),
        ("WINDOW_UPDATE", &|_| window_update(0, 1)),
        // CVE-2019-9513
        ("PRIORITY", &priority),
        ("frames of no known type", &|n| frame(0x77, 0, n % 7, &[0; 100])),
    ];
    for (name, piece) in floods {
        let sent = while_others_download(&served, BOUND, || {
            let mut client = Http2::open(&served, &usual());
            client.flood(100_000, piece)
        });
        println!("{name}: {sent} frames");
    }
}

/// The answers to pings that nobody reads.
#[test]
fn answers_to_pings_do_not_pile_up() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        let piece: Vec<u8> = (0..1000).flat_map(|_| frame(PING, 0, 0, &[7; 8])).collect();
        // 17 MB, unless the server reads no more.
        for _ in 0..1000 {
            if !client.send(&piece) {
                break;
            }
        }
    });
}

/// CVE-2024-27316
#[test]
fn header_block_without_end_ends_the_connection() {
    let served = Served::start();
    for piece in [Vec::new(), field(b"x-a", &[b'a'; 100]), field(b"x-a", &[b'a'; 16_000])] {
        while_others_download(&served, BOUND, || {
            let mut client = Http2::open(&served, &usual());
            client.send(&frame(HEADERS, END_STREAM, 1, &block("GET", "/")));
            let sent = client.flood(100_000, |_| frame(CONTINUATION, 0, 1, &piece));
            assert!(sent < 1000, "{sent} frames were taken");
            client.expect_end("a header block without end");
        });
    }
}

/// CVE-2019-9518
#[test]
fn empty_frames_of_a_body_end_the_connection() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &usual());
        client.send(&frame(HEADERS, END_HEADERS, 1, &block("POST", "/")));
        let sent = client.flood(100_000, |_| frame(DATA, 0, 1, &[]));
        assert!(sent < 5000, "{sent} frames were taken");
        assert_eq!(ended(&mut client), Some(ENHANCE_YOUR_CALM));
    });
}

/// One long field in the dynamic table, named again and again by one octet each: 48 MB of 16 KB.
#[test]
fn header_bomb_is_not_unpacked() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        for _ in 0..20 {
            let mut client = Http2::open(&served, &usual());
            let many = integer(0x80, 7, 62).repeat(12_000);
            let bomb = [block("GET", "/healthz"), indexed_field(b"x-a", &[b'a'; 4000]), many].concat();
            client.send(&request(1, &bomb));
            client.read_until(Duration::from_secs(20), |client| {
                client.closed || client.body(1).1 || client.was_reset(1).is_some()
            });
            assert_eq!((client.status(1), client.body(1).1), (None, false));
        }
    });
}

#[test]
fn streams_beyond_the_limit_are_refused_and_those_within_are_answered() {
    let served = Served::start();
    while_others_download(&served, BOUND, || {
        let mut client = Http2::open(&served, &setting(4, 0));
        let ask = block("GET", &small_path());
        client.flood(200, |n| request(2 * n + 1, &ask));
        client.read_until(Duration::from_secs(3), |client| {
            client.closed || (client.answers() == STREAMS && client.count(RST_STREAM) > 100)
        });
        assert_eq!(client.answers(), STREAMS);
        assert!(client.count(RST_STREAM) > 100, "{:?}", client.heads());
        // Far too many end the connection.
        let sent = client.flood(50_000, |n| request(2 * (n + 200) + 1, &ask));
        assert!(sent < 10_000, "{sent} streams were taken");
        assert_eq!(ended(&mut client), Some(ENHANCE_YOUR_CALM));
    });
}

/// CVE-2019-9511 and 9517: large bodies are asked for on all streams, and taken by single octets.
#[test]
fn dribble_costs_little_memory_and_one_open_file() {
    const CLIENTS: u64 = 20;
    let served = Served::start();
    let files = served.open_files();
    while_others_download(&served, CLIENTS * OF_A_CONNECTION, || {
        let ask = block("GET", LARGE);
        let mut clients: Vec<Http2> = (0..CLIENTS).map(|_| Http2::open(&served, &setting(4, 0))).collect();
        let streams = u32::try_from(STREAMS).unwrap();
        for client in &mut clients {
            assert_eq!(client.flood(streams, |n| request(2 * n + 1, &ask)), streams);
            client.read_until(Duration::from_secs(20), |client| client.answers() == STREAMS);
            assert_eq!(client.answers(), STREAMS);
        }
        let more = served.open_files() - files;
        assert!(more < 40, "{more} files more for {CLIENTS} connections");
        let received = |client: &Http2| (0..streams).map(|n| client.body(2 * n + 1).0.len()).sum::<usize>();
        for round in 1..=5 {
            for client in &mut clients {
                assert_eq!(client.flood(streams, |n| window_update(2 * n + 1, 1)), streams);
                // Some of the streams wait for the others.
                client.read_until(Duration::from_secs(20), |client| received(client) >= 8 * round);
                assert!(received(client) >= 8 * round, "{} octets", received(client));
            }
        }
        // The places of those that are given up are there for those that are not.
        let client = &mut clients[0];
        let last = 2 * streams - 1;
        let given_up: Vec<u8> = (0..streams - 1).flat_map(|n| reset(2 * n + 1)).collect();
        client.send(&[given_up, window_update(0, 1 << 24), window_update(last, 1 << 24)].concat());
        client.read_until(Duration::from_secs(20), |client| client.body(last).0.len() > 1_000_000);
        let (body, _) = client.body(last);
        assert!(body.len() > 1_000_000 && large().starts_with(&body), "{} bytes", body.len());
    });
}
