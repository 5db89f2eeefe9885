//! Limits of what the client takes, the network that must not be used, and plain http.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{
    ClientConfig, Expectation, FetchError, FetchEvent, FetchOptions, HttpClient, fetch,
};
use midmirror_mirror::plan::plan_url;

use crate::fetch::{body, config};
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn rate_is_shared_by_everything_a_client_and_its_clones_do() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(&body(), &[]));
    let bytes_per_second = NonZeroU64::new(6_000_000);
    let client = HttpClient::new(ClientConfig { bytes_per_second, ..config(&upstream) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut downloads = tokio::task::JoinSet::new();
    for name in ["a", "b"] {
        let (client, url, part) = (client.clone(), upstream.url(name), folder.path().join(name));
        downloads.spawn(async move { client.download(&url, &part, &Expectation::default(), &|_| {}).await });
    }
    while let Some(done) = downloads.join_next().await {
        assert_eq!(done.unwrap().unwrap().sha256, Sha256Digest::of(&body()));
    }
    // Six million bytes, of which a quarter of a second's worth is free.
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
}

#[tokio::test]
async fn host_gets_no_more_requests_at_a_time_than_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, highest) = (now.clone(), most.clone());
    let upstream = Upstream::start("127.0.0.1", move |_, _| {
        highest.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Reply::full(b"x", &[])
    });
    let client = HttpClient::new(ClientConfig { connections_per_host: 2, ..config(&upstream) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut downloads = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (client, url) = (client.clone(), upstream.url("p.zip"));
        let (part, running) = (folder.path().join(number.to_string()), now.clone());
        downloads.spawn(async move {
            // Told when the body begins, while the request still holds its place.
            let done = move |_: FetchEvent<'_>| {
                std::thread::sleep(Duration::from_millis(5));
                running.store(0, Ordering::SeqCst);
            };
            client.download(&url, &part, &Expectation::default(), &done).await
        });
    }
    while let Some(done) = downloads.join_next().await {
        done.unwrap().unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
}

#[tokio::test]
async fn offline_opens_no_socket_and_names_the_switch() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(b"x", &[]));
    let offline = Some("--offline".to_owned());
    let client = HttpClient::new(ClientConfig { offline, ..config(&upstream) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let download = client.download(&upstream.url("p"), &part, &Expectation::default(), &|_| {}).await;
    for error in [client.get_small(&upstream.base, 10).await.unwrap_err(), download.unwrap_err()] {
        assert!(matches!(error, FetchError::Offline { .. }), "{error:?}");
        assert!(
            error.to_string().contains("--offline") && error.to_string().contains("127.0.0.1"),
            "{error}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn no_length_means_that_the_largest_allowed_must_fit_on_the_disk() {
    let upstream = Upstream::start("127.0.0.1", |_, _| {
        Reply::head("200 OK", &[("Transfer-Encoding", "chunked")]).and(b"1\r\nx\r\n0\r\n\r\n")
    });
    let folder = tempfile::tempdir().unwrap();
    let client = HttpClient::new(config(&upstream)).unwrap();
    let part = folder.path().join("p");
    let unlimited = Expectation { max: 1 << 62, ..Expectation::default() };
    let error = client.download(&upstream.url("p"), &part, &unlimited, &|_| {}).await.unwrap_err();
    assert!(matches!(error, FetchError::NoSpace { .. }), "{error:?}");
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 0);
    let limited = Expectation { max: 1000, ..Expectation::default() };
    client.download(&upstream.url("p"), &part, &limited, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn plain_http_is_tried_where_it_is_allowed_after_https_and_is_recorded() {
    const FILE: &str = "glide/distribution/builds/package/app-signed/mid-core/2026/06/19/mid-core.\
                        australia-02-11-2026__patch3-hotfix1-06-18-2026_06-19-2026_0938.universal.universal.zip";
    let upstream = Upstream::start_plain(|_, _| Reply::full(&body(), &[]));
    let port = upstream.base.port().unwrap();
    let planned = plan_url(&format!("https://127.0.0.1:1/{FILE}")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = FetchOptions::new(jiff::Timestamp::now());
    let mut config = config(&upstream);
    let client = HttpClient::new(config.clone()).unwrap();
    let error = fetch(&client, &planned, folder.path(), &options).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    assert!(upstream.requests().is_empty());
    config.plain_http_hosts = vec![format!("127.0.0.1:{port}")];
    let client = HttpClient::new(config).unwrap();
    let quarantined = fetch(&client, &planned, folder.path(), &options).await.unwrap();
    assert_eq!(quarantined.sha256(), Sha256Digest::of(&body()));
    assert!(quarantined.record().plain_http);
    assert_eq!(quarantined.record().source, format!("http://127.0.0.1:{port}/{FILE}"));
    let evidence = serde_json::to_string(quarantined.record()).unwrap();
    assert!(evidence.contains("\"plain_http\":true"), "{evidence}");
}
