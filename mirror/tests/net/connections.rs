//! Connections that stay open: what is let go of between two requests must not be missed by the next one.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mirror::{CORE, Mirror, core_bytes};

/// More than the time after which a connection lets its buffers go.
const LONG: Duration = Duration::from_millis(600);

/// Reads one answer of a known length.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    (head, body)
}

fn request(path: &str) -> Vec<u8> {
    format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// Pauses before, between and within requests, requests that come together, and a pause after a part of the next one.
async fn pauses(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    tokio::time::sleep(LONG).await;
    for _ in 0..2 {
        stream.write_all(&request(CORE)).await.unwrap();
        assert!(answer(&mut stream).await.1 == core_bytes());
        tokio::time::sleep(LONG).await;
    }
    // A byte, and the rest after a while
    let whole = request(CORE);
    for piece in [&whole[..1], &whole[1..20], &whole[20..]] {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(LONG).await;
    }
    assert!(answer(&mut stream).await.1 == core_bytes());
    tokio::time::sleep(LONG).await;
    // Two and a half at once
    let mut pipelined = [request(CORE), request("SHA256SUMS.none"), request(CORE)].concat();
    let rest = pipelined.split_off(pipelined.len() - 10);
    stream.write_all(&pipelined).await.unwrap();
    assert!(answer(&mut stream).await.1 == core_bytes());
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 404"));
    tokio::time::sleep(LONG).await;
    stream.write_all(&rest).await.unwrap();
    assert!(answer(&mut stream).await.1 == core_bytes());
}

#[tokio::test]
async fn pauses_of_a_client_change_nothing_in_what_it_gets() {
    let mirror = Mirror::start().await;
    let plain = TcpStream::connect(mirror.plain.unwrap()).await.unwrap();
    tokio::join!(pauses(mirror.connect(&[b"http/1.1"]).await), pauses(plain));
}

/// A large answer is not yet sent when the client pauses to read: it must not be taken for a connection at rest.
#[tokio::test]
async fn reader_that_pauses_gets_every_byte() {
    let mirror = Mirror::start().await;
    let mut stream = mirror.connect(&[b"http/1.1"]).await;
    // More than the buffers of the system hold
    const TIMES: usize = 40;
    stream.write_all(&request(CORE).repeat(TIMES)).await.unwrap();
    for number in 0..TIMES {
        if number % 10 == 0 {
            tokio::time::sleep(LONG).await;
        }
        assert!(answer(&mut stream).await.1 == core_bytes(), "{number}");
    }
}

#[tokio::test]
async fn time_for_a_head_does_not_begin_again_with_every_byte() {
    let mirror = Mirror::start_with(|config| {
        config.limits.header_time = Duration::from_secs(2);
        config.limits.idle_time = Duration::from_secs(60);
    })
    .await;
    let mut stream = mirror.connect(&[b"http/1.1"]).await;
    stream.write_all(&request("healthz")).await.unwrap();
    answer(&mut stream).await;
    tokio::time::sleep(LONG).await;
    let started = Instant::now();
    for byte in request("healthz").into_iter().chain(std::iter::repeat(b'x')) {
        // One per pause: without a limit for the whole it would go on for ever.
        if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
            break;
        }
        let ended = tokio::time::timeout(LONG, stream.read(&mut [0; 64])).await;
        if matches!(ended, Ok(Ok(0) | Err(_))) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "still there");
    }
}

#[tokio::test]
async fn nothing_asked_ends_after_the_time_for_a_head_and_nothing_more_after_the_idle_time() {
    let mirror = Mirror::start_with(|config| {
        config.limits.header_time = Duration::from_millis(800);
        config.limits.idle_time = Duration::from_millis(2500);
    })
    .await;
    let ends = async |mut stream: tokio_rustls::client::TlsStream<TcpStream>| {
        let started = Instant::now();
        let _ended = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0])).await.unwrap();
        started.elapsed()
    };
    let mut asked = mirror.connect(&[b"http/1.1"]).await;
    asked.write_all(&request("healthz")).await.unwrap();
    answer(&mut asked).await;
    let (never, again) = tokio::join!(ends(mirror.connect(&[b"http/1.1"]).await), ends(asked));
    assert!(never >= Duration::from_millis(700), "{never:?}");
    assert!(again >= Duration::from_millis(2000), "{again:?}");
}

/// A record of TLS that never comes to its end, a byte now and then.
#[tokio::test]
async fn bytes_that_ask_for_nothing_do_not_keep_a_connection_open() {
    let mirror = Mirror::start_with(|config| config.limits.idle_time = Duration::from_secs(2)).await;
    let mut stream = mirror.connect(&[b"http/1.1"]).await;
    stream.write_all(&request("healthz")).await.unwrap();
    answer(&mut stream).await;
    let (mut tcp, _session) = stream.into_inner();
    let started = Instant::now();
    for byte in [23, 3, 3, 64, 0].into_iter().chain(std::iter::repeat(b'x')) {
        if tcp.write_all(&[byte]).await.is_err() {
            break;
        }
        let mut rest = [0; 64];
        if matches!(
            tokio::time::timeout(Duration::from_millis(300), tcp.read(&mut rest)).await,
            Ok(Ok(0) | Err(_))
        ) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "still there");
    }
}

#[tokio::test]
async fn shutdown_ends_connections_at_rest_at_once_and_says_so() {
    let mut mirror = Mirror::start_with(|config| config.limits.drain_time = Duration::from_secs(60)).await;
    let mut streams = Vec::new();
    for asks in [false, true, true] {
        let mut stream = mirror.connect(&[b"http/1.1"]).await;
        if asks {
            stream.write_all(&request("healthz")).await.unwrap();
            answer(&mut stream).await;
        }
        streams.push(stream);
    }
    tokio::time::sleep(LONG).await;
    // One that was just used
    streams[2].write_all(&request("healthz")).await.unwrap();
    answer(&mut streams[2]).await;
    drop(mirror.stop.take());
    let ended = tokio::time::timeout(Duration::from_secs(20), mirror.server.take().unwrap().wait()).await;
    ended.expect("it waits for connections on which nothing goes on");
    for mut stream in streams {
        // With an alert, and not by a cut: that would be an error of the client's.
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
}
