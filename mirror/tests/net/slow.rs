//! Clients that take their time: with small limits, so that nobody has to wait for long.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mirror::{Answer, CORE, Mirror, core_bytes};

/// The limits; what takes longer than a minute was not cut off by any of them.
async fn mirror() -> Mirror {
    Mirror::start_with(|config| {
        config.limits.handshake_time = Duration::from_millis(500);
        config.limits.header_time = Duration::from_millis(500);
        config.limits.idle_time = Duration::from_secs(2);
    })
    .await
}

/// Sends octet by octet until the server has ended the connection; what it has said.
async fn dribble(stream: impl AsyncRead + AsyncWrite, bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        for byte in bytes {
            if writer.write_all(&[byte]).await.and(writer.flush().await).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    let reading = async {
        // Closed or reset.
        let _ended = reader.read_to_end(&mut said).await;
    };
    let begun = Instant::now();
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    said
}

/// A counter of `/metrics`.
async fn counter(mirror: &Mirror, line: &str) -> u64 {
    let answer = mirror.get("/metrics").await;
    let found = answer.text().lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    found.map_or(0, |value| value.parse().unwrap())
}

/// Ends only when the server has ended it: more octets than there is time for.
fn without_end(begin: &str) -> impl Iterator<Item = u8> + use<> {
    begin.to_owned().into_bytes().into_iter().chain(std::iter::repeat(b'a'))
}

#[tokio::test]
async fn head_that_comes_octet_by_octet_is_cut_off() {
    let mirror = mirror().await;
    for begin in ["GET /", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n", "P", "PRI * HTTP/2.0\r\n\r\nS"] {
        let said = dribble(mirror.connect(&[b"http/1.1"]).await, without_end(begin)).await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 40"), "{begin}: {said:?}");
    }
    // The second request of a connection as well.
    let mut stream = mirror.connect(&[b"http/1.1"]).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let said = dribble(stream, without_end("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")).await;
    assert_eq!(Answer::parse(&said).text().get(..3), Some("ok\n"));
    // And without TLS.
    let plain = TcpStream::connect(mirror.plain.unwrap()).await.unwrap();
    assert!(dribble(plain, without_end("GET /repository/1.root.json HTTP/1.1\r\nX: ")).await.is_empty());
    assert!(mirror.get(&format!("/{CORE}")).await.body == core_bytes());
}

#[tokio::test]
async fn http2_without_a_request_is_cut_off() {
    let mirror = mirror().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // The preface itself, and the settings behind it.
    dribble(mirror.connect(&[b"h2"]).await, preface.bytes().take(23)).await;
    let mut stream = mirror.connect(&[b"h2"]).await;
    stream.write_all(preface.as_bytes()).await.unwrap();
    dribble(stream, [0, 0, 240, 4]).await;
    // A frame that says it has 16 KiB, and a header block of which the end never comes.
    for frame in [&b"\0\x40\0\x20\0\0\0\0\0"[..], b"\0\x40\0\x01\x04\0\0\0\x01"] {
        let mut stream = mirror.connect(&[b"h2"]).await;
        stream.write_all(preface.as_bytes()).await.unwrap();
        stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        stream.write_all(frame).await.unwrap();
        dribble(stream, without_end("")).await;
    }
    // Pings, which the server has to answer.
    let mut stream = mirror.connect(&[b"h2"]).await;
    stream.write_all(preface.as_bytes()).await.unwrap();
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let said = dribble(stream, ping.iter().copied().cycle()).await;
    assert!(said.len() > 17, "no ping was answered");
    assert_eq!(mirror.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn http2_whose_windows_stay_shut_is_cut_off() {
    let mirror = Mirror::start_with(|config| config.limits.idle_time = Duration::from_millis(900)).await;
    let mut stream = mirror.connect(&[b"h2"]).await;
    // INITIAL_WINDOW_SIZE of 0, and a request for the package.
    let mut block = b"\x82\x87\x41\x01a\x04\x7f".to_vec();
    block.push(u8::try_from(CORE.len() + 1 - 127).unwrap());
    block.extend(format!("/{CORE}").bytes());
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\0\0".to_vec();
    sent.extend([u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
    sent.extend(block);
    stream.write_all(&sent).await.unwrap();
    // Whatever the server sends is answered by pings with the mark of an answer, so that it takes us for alive.
    let begun = Instant::now();
    let mut space = [0; 4096];
    let mut heads = 0;
    while let Ok(Ok(read @ 1..)) =
        tokio::time::timeout(Duration::from_secs(50), stream.read(&mut space)).await
    {
        for at in 0..read {
            if space[at..read].starts_with(b"\0\0\x08\x06\0\0\0\0\0") && at + 17 <= read {
                let mut pong = space[at..at + 17].to_vec();
                pong[4] = 1;
                let _ = stream.write_all(&pong).await;
            }
            heads += usize::from(space[at..read].starts_with(&[1, 4, 0, 0, 0, 1]));
        }
    }
    assert_eq!(heads, 1, "it was to be answered");
    assert!(begun.elapsed() > Duration::from_secs(6), "not given up at once: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    let patience = Instant::now() + Duration::from_secs(10);
    while counter(&mirror, "midmirror_http_requests_in_flight").await != 0 {
        assert!(Instant::now() < patience, "the answer is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn handshake_that_comes_octet_by_octet_is_cut_off_and_counted() {
    let mirror = mirror().await;
    let slow = "midmirror_tls_handshakes_total{outcome=\"too-slow\"}";
    let failed = "midmirror_tls_handshakes_total{outcome=\"failed\"}";
    assert_eq!((counter(&mirror, slow).await, counter(&mirror, failed).await), (0, 0));
    // A record of 16 KiB that never gets whole.
    let tcp = TcpStream::connect(mirror.address).await.unwrap();
    dribble(tcp, [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3].into_iter().chain(std::iter::repeat(7))).await;
    // Nothing at all.
    let tcp = TcpStream::connect(mirror.address).await.unwrap();
    dribble(tcp, []).await;
    assert_eq!(counter(&mirror, slow).await, 2);
    // Records that are none: the connection ends at once, with an alert or without.
    let garbage: [&[u8]; 4] = [
        &[22, 3, 1, 0xff, 0xff, 1, 2, 3],
        &[0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80],
        &[22, 3, 3, 0, 4, 1, 0, 0, 0],
        &[23, 3, 3, 0, 4, 1, 0, 0, 0],
    ];
    for bytes in garbage {
        let mut tcp = TcpStream::connect(mirror.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        let _ended = tcp.read_to_end(&mut said).await;
        assert!(said.is_empty() || said[0] == 21, "{bytes:?}: {said:?}");
    }
    // A ClientHello that ends in the middle.
    let mut tcp = TcpStream::connect(mirror.address).await.unwrap();
    tcp.write_all(&[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]).await.unwrap();
    tcp.shutdown().await.unwrap();
    let _ended = tcp.read_to_end(&mut Vec::new()).await;
    assert_eq!(counter(&mirror, failed).await, 5);
    assert!(mirror.get(&format!("/{CORE}")).await.body == core_bytes());
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let mirror = mirror().await;
    for (head, status) in [
        // Of the lines: 100, with Host and Connection.
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}", "X: a\r\n".repeat(98)), 200),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}", "X: a\r\n".repeat(99)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "a".repeat(12_000)), 200),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "a".repeat(60_000)), 431),
        (format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}: a\r\n", "X".repeat(60_000)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(3000)), 414),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(60_000)), 431),
        (format!("{} / HTTP/1.1\r\nHost: a\r\n", "A".repeat(60_000)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "a".repeat(200_000)), 431),
    ] {
        let mut stream = mirror.connect(&[b"http/1.1"]).await;
        let sent = format!("{head}Connection: close\r\n\r\n");
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let (_, answer) = tokio::join!(writer.write_all(sent.as_bytes()), Answer::read(&mut reader));
        let begin: String = head.chars().take(40).collect();
        assert_eq!(answer.status, status, "{begin} {}", head.len());
    }
    assert_eq!(mirror.get("/healthz").await.status, 200);
}
