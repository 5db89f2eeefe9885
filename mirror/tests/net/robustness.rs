//! The server under load, with clients that misbehave, and at its end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mirror::{Answer, CORE, Mirror, core_bytes};
use crate::tls::{material, new_set};

#[tokio::test]
async fn many_clients_get_every_byte() {
    let mirror = std::sync::Arc::new(Mirror::start().await);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mirror = mirror.clone();
        clients.spawn(async move { mirror.get(&format!("/{CORE}")).await });
    }
    while let Some(answer) = clients.join_next().await {
        assert!(answer.unwrap().body == core_bytes());
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_to_come_back() {
    let mirror = Mirror::start_with(|config| config.limits.connections = 2).await;
    let held = [mirror.connect(&[b"http/1.1"]).await, mirror.connect(&[b"http/1.1"]).await];
    let answer = mirror.get("/healthz").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    drop(held);
    let patience = Instant::now() + Duration::from_secs(5);
    while mirror.get("/healthz").await.status != 200 {
        assert!(Instant::now() < patience, "the places were not freed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn slow_and_silent_clients_are_cut_off() {
    let mirror = Mirror::start_with(|config| {
        config.limits.handshake_time = Duration::from_millis(200);
        config.limits.header_time = Duration::from_millis(300);
        config.limits.idle_time = Duration::from_secs(20);
    })
    .await;
    // No handshake at all
    let mut silent = TcpStream::connect(mirror.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);
    // A head that never ends
    let mut slow = mirror.connect(&[b"http/1.1"]).await;
    let started = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
}

#[tokio::test]
async fn reader_that_stops_in_the_middle_is_cut_off() {
    let mirror = Mirror::start_with(|config| config.limits.idle_time = Duration::from_secs(1)).await;
    let (mut stream, _) = mirror.begin_large(30_000_000, "").await;
    tokio::time::sleep(Duration::from_millis(3000)).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 25_000_000, "{} bytes came after the pause", rest.len());
}

#[tokio::test]
async fn shutdown_lets_running_requests_end() {
    let mut mirror = Mirror::start().await;
    let (mut stream, mut bytes) = mirror.begin_large(20_000_000, "").await;
    drop(mirror.stop.take());
    let server = tokio::spawn(mirror.server.take().unwrap().wait());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(mirror.address).await.is_err(), "still listening");
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(Answer::parse(&bytes).body == vec![7; 20_000_000]);
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
}

#[tokio::test]
async fn certificate_can_be_replaced_while_serving() {
    let mut mirror = Mirror::start().await;
    let new = new_set();
    let mut old = mirror.connect(&[b"http/1.1"]).await;
    assert!(mirror.server.as_ref().unwrap().control().replace_tls(&material(&new).into()).unwrap());
    mirror.tls = new;
    assert_eq!(mirror.get("/healthz").await.status, 200);
    old.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(old).await.status, 200);
}
