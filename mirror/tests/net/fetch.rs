//! The client against an upstream that behaves well, badly, or cuts the line.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{
    ClientConfig, Expectation, FetchError, FetchOptions, HttpClient, Refusal, ResponseProblem, RetryPolicy,
    Roots, TlsProblem, fetch, import_file,
};
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::plan::PlannedPackage;

use crate::upstream::{Reply, Request, Upstream};

const PATH: &str = "glide/distribution/builds/package/app-signed/mid-core/2026/06/19/\
    mid-core.zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134.universal.universal.zip";

fn body() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

fn config(upstream: &Upstream) -> ClientConfig {
    ClientConfig {
        roots: Roots::Only { pem: upstream.ca_pem.clone() },
        idle_timeout: Duration::from_millis(1500),
        retry: RetryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(20),
            jitter_seed: 1,
        },
        ..ClientConfig::default()
    }
}

fn client(upstream: &Upstream) -> HttpClient {
    HttpClient::new(config(upstream)).unwrap()
}

async fn download(
    upstream: &Upstream,
    folder: &Path,
    expectation: Expectation,
) -> Result<midmirror_mirror::fetch::Downloaded, FetchError> {
    client(upstream).download(&upstream.url("p.zip"), &folder.join("p.part"), &expectation, &|_| {}).await
}

const TAG: &[(&str, &str)] = &[("ETag", "\"one\""), ("Server", "test")];

#[tokio::test]
async fn download_hashes_reports_progress_and_keeps_headers() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(&body(), TAG));
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p.part");
    let seen = Mutex::new(Vec::new());
    let expectation = Expectation {
        length: Some(3_000_000),
        sha256: Some(Sha256Digest::of(&body())),
        ..Default::default()
    };
    let done = client(&upstream)
        .download(&upstream.url("p.zip"), &part, &expectation, &|progress| {
            seen.lock().unwrap().push(progress)
        })
        .await
        .unwrap();
    assert_eq!((done.sha256, done.length, done.resumed_from), (Sha256Digest::of(&body()), 3_000_000, 0));
    assert!(done.headers.contains(&("etag".to_owned(), "\"one\"".to_owned())), "{:?}", done.headers);
    assert_eq!(std::fs::read(&part).unwrap(), body());
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.last().unwrap().received, 3_000_000);
    assert!(seen.iter().all(|progress| progress.total == Some(3_000_000)));
    assert_eq!(upstream.requests()[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn cut_body_is_continued_where_it_ended() {
    let upstream = Upstream::start("127.0.0.1", |request, number| match (number, request.range_start()) {
        (0, None) => Reply::full(&body(), TAG).cut(1_000_000),
        (1, Some(start)) => Reply::part(&body(), start, TAG).cut(100),
        (_, Some(start)) => Reply::part(&body(), start, TAG),
        (_, None) => Reply::full(b"a continuation was expected", TAG),
    });
    let folder = tempfile::tempdir().unwrap();
    let done = download(&upstream, folder.path(), Expectation::default()).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&body()));
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1].range_start(), Some(2_000_000));
    assert_eq!(requests[1].header("if-range"), Some("\"one\""));
}

#[tokio::test]
async fn a_new_process_continues_and_a_cut_is_an_error_when_tries_are_used_up() {
    let upstream = Upstream::start("127.0.0.1", |request, number| match (number, request.range_start()) {
        (0, None) => Reply::full(&body(), TAG).cut(2_500_000),
        // No progress any more: three tries, then the end.
        (1..=2, Some(_)) => Reply::raw(""),
        (_, Some(start)) => Reply::part(&body(), start, TAG),
        (_, None) => Reply::full(b"a continuation was expected", TAG),
    });
    let folder = tempfile::tempdir().unwrap();
    let error = download(&upstream, folder.path(), Expectation::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    assert!(error.is_unreachable());
    let done = download(&upstream, folder.path(), Expectation::default()).await.unwrap();
    assert_eq!((done.sha256, done.resumed_from), (Sha256Digest::of(&body()), 500_000));
}

#[tokio::test]
async fn everything_that_does_not_fit_leads_to_a_clean_start() {
    type Continue = fn(&Request, usize) -> Reply;
    let cases: [(&str, Continue); 6] = [
        ("200 instead of 206", |_, _| Reply::full(&body(), &[("ETag", "\"two\"")])),
        ("416", |_, _| Reply::head("416 Range Not Satisfiable", &[("Content-Length", "0")])),
        ("wrong first byte", |_, start| Reply::part(&body(), start + 1, TAG)),
        ("other total", |_, start| Reply::part(&[&body()[..], b"more"].concat(), start, TAG)),
        ("other validator", |_, start| Reply::part(&body(), start, &[("ETag", "\"two\"")])),
        ("no content range", |_, _| Reply::head("206 Partial Content", &[("Content-Length", "0")])),
    ];
    for (name, case) in cases {
        let upstream = Upstream::start("127.0.0.1", move |request, number| match request.range_start() {
            Some(start) => case(request, start),
            None if number == 0 => Reply::full(&vec![b'x'; 3_000_000], TAG).cut(1_000_000),
            None => Reply::full(&body(), TAG),
        });
        let folder = tempfile::tempdir().unwrap();
        let done = download(&upstream, folder.path(), Expectation::default()).await.unwrap();
        assert_eq!(done.sha256, Sha256Digest::of(&body()), "{name}");
        assert!(upstream.requests().iter().any(|request| request.range_start().is_some()), "{name}");
    }
}

#[tokio::test]
async fn spoilt_part_is_noticed_by_the_digest_and_fetched_anew() {
    let upstream = Upstream::start("127.0.0.1", |request, number| match (number, request.range_start()) {
        (0, None) => Reply::full(&body(), TAG).cut(1_000_000),
        (_, Some(start)) if number > 2 => Reply::part(&body(), start, TAG),
        (_, Some(_)) => Reply::raw(""),
        (_, None) => Reply::full(&body(), TAG),
    });
    let folder = tempfile::tempdir().unwrap();
    let expectation = Expectation { sha256: Some(Sha256Digest::of(&body())), ..Default::default() };
    assert!(download(&upstream, folder.path(), expectation.clone()).await.is_err());
    let part = folder.path().join("p.part");
    let mut spoilt = std::fs::read(&part).unwrap();
    spoilt[1000] ^= 1;
    std::fs::write(&part, spoilt).unwrap();
    let done = download(&upstream, folder.path(), expectation).await.unwrap();
    assert_eq!((done.sha256, done.resumed_from), (Sha256Digest::of(&body()), 0));
}

#[tokio::test]
async fn without_a_validator_nothing_is_continued() {
    let upstream = Upstream::start("127.0.0.1", |_, number| match number {
        0 => Reply::full(&body(), &[]).cut(1_000_000),
        _ => Reply::full(&body(), &[]),
    });
    let folder = tempfile::tempdir().unwrap();
    let done = download(&upstream, folder.path(), Expectation::default()).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&body()));
    assert!(upstream.requests().iter().all(|request| request.header("range").is_none()));
}

#[tokio::test]
async fn bad_answers_are_refused_with_their_class() {
    type Make = fn() -> Reply;
    type Check = fn(&FetchError) -> bool;
    let small = Expectation { max: 1000, ..Default::default() };
    let pinned = Expectation { sha256: Some(Sha256Digest::of(b"other")), ..Default::default() };
    let exact = Expectation { length: Some(3_000_001), ..Default::default() };
    let any = Expectation::default();
    type Case = (&'static str, Expectation, Make, Check);
    let cases: [Case; 12] = [
        (
            "404",
            any.clone(),
            || Reply::head("404 Not Found", &[]),
            |e| matches!(e, FetchError::NotFound { .. }),
        ),
        (
            "403",
            any.clone(),
            || Reply::head("403 Forbidden", &[]),
            |e| matches!(e, FetchError::Status { status: 403, .. }) && !e.is_unreachable(),
        ),
        (
            "503 for good",
            any.clone(),
            || Reply::head("503 Busy", &[("Content-Length", "0")]),
            |e| matches!(e, FetchError::Status { status: 503, .. }) && e.is_unreachable(),
        ),
        (
            "204",
            any.clone(),
            || Reply::head("204 No Content", &[]),
            |e| matches!(e, FetchError::Status { status: 204, .. }),
        ),
        (
            "unasked 206",
            any.clone(),
            || Reply::part(&body(), 5, TAG),
            |e| matches!(e, FetchError::Response { problem: ResponseProblem::UnexpectedPartial, .. }),
        ),
        (
            "content encoding",
            any.clone(),
            || Reply::full(b"x", &[("Content-Encoding", "gzip")]),
            |e| matches!(e, FetchError::Response { problem: ResponseProblem::ContentEncoding { .. }, .. }),
        ),
        (
            "no length",
            any.clone(),
            || Reply::head("200 OK", &[]).and(b"half of it"),
            |e| matches!(e, FetchError::Response { problem: ResponseProblem::UnknownLength, .. }),
        ),
        (
            "announced too large",
            small.clone(),
            || Reply::full(&body(), TAG),
            |e| matches!(e, FetchError::TooLarge { limit: 1000, .. }),
        ),
        (
            "endless chunks",
            small,
            || {
                Reply::head("200 OK", &[("Transfer-Encoding", "chunked")])
                    .and(b"fff\r\n")
                    .and(&body()[..0xfff])
            },
            |e| matches!(e, FetchError::TooLarge { limit: 1000, .. }),
        ),
        (
            "wrong length",
            exact,
            || Reply::full(&body(), TAG),
            |e| matches!(e, FetchError::WrongLength { expected: 3_000_001, received: 3_000_000, .. }),
        ),
        (
            "wrong bytes",
            pinned,
            || Reply::full(&body(), TAG),
            |e| matches!(e, FetchError::WrongDigest { .. }),
        ),
        (
            "garbage",
            any,
            || Reply::raw("no HTTP at all\r\n\r\n"),
            |e| matches!(e, FetchError::Unreachable { .. }),
        ),
    ];
    for (name, expectation, reply, check) in cases {
        let upstream = Upstream::start("127.0.0.1", move |_, _| reply());
        let folder = tempfile::tempdir().unwrap();
        let error = download(&upstream, folder.path(), expectation).await.unwrap_err();
        assert!(check(&error), "{name}: {error:?}");
        assert!(error.to_string().contains(upstream.base.as_str()), "{name}: {error}");
    }
}

#[tokio::test]
async fn chunked_body_without_length_is_accepted_and_its_cut_is_not() {
    let chunked =
        || Reply::head("200 OK", &[("Transfer-Encoding", "chunked")]).and(b"5\r\nwhole\r\n0\r\n\r\n");
    let upstream = Upstream::start("127.0.0.1", move |_, _| chunked());
    let folder = tempfile::tempdir().unwrap();
    let done = download(&upstream, folder.path(), Expectation::default()).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(b"whole"));
    let upstream = Upstream::start("127.0.0.1", move |_, _| chunked().cut(5));
    let error = download(&upstream, folder.path(), Expectation::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let upstream = Upstream::start("127.0.0.1", |_, number| match number {
        0 => Reply::head("503 Busy", &[("Retry-After", "1"), ("Content-Length", "0")]),
        1 => Reply::head("429 Too Many", &[("Retry-After", "9999"), ("Content-Length", "0")]),
        _ => Reply::full(&body(), TAG),
    });
    let mut config = config(&upstream);
    config.retry.longest_pause = Duration::from_millis(300);
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let done = HttpClient::new(config)
        .unwrap()
        .download(&upstream.url("p.zip"), &folder.path().join("p"), &Expectation::default(), &|_| {})
        .await
        .unwrap();
    assert_eq!(done.length, 3_000_000);
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());
}

#[tokio::test]
async fn silence_and_slowness_end() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(&body(), &[]).cut(10).then_silence());
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&upstream);
    config.idle_timeout = Duration::from_millis(200);
    config.retry.attempts = 1;
    let target = folder.path().join("p");
    let expectation = Expectation::default();
    let error = HttpClient::new(config.clone())
        .unwrap()
        .download(&upstream.url("p.zip"), &target, &expectation, &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Short { expected: 3_000_000, received: 2_999_990, .. }), "{error:?}");
    config.idle_timeout = Duration::from_secs(20);
    config.total_timeout = Duration::from_millis(300);
    let error = HttpClient::new(config)
        .unwrap()
        .download(&upstream.url("p.zip"), &target, &expectation, &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::TotalTime { .. }), "{error:?}");
}

#[tokio::test]
async fn tls_problems_are_told_apart() {
    let upstream = Upstream::start("mirror.example", |_, _| Reply::full(b"x", &[]));
    let error = client(&upstream).get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::NameMismatch { .. }, .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");

    let other = Upstream::start("127.0.0.1", |_, _| Reply::full(b"x", &[]));
    let mut config = config(&upstream);
    config.roots = Roots::Only { pem: other.ca_pem.clone() };
    let error = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::UnknownIssuer, .. }), "{error:?}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let speaker = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = std::io::Read::read_to_end(&mut tcp, &mut Vec::new());
    });
    let error = client(&upstream).get_small(&url, 10).await.unwrap_err();
    speaker.join().unwrap();
    assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::Handshake, .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_are_followed_inside_the_rules_only() {
    let upstream = Upstream::start("127.0.0.1", |request, _| match request.target.as_str() {
        "/moved" => Reply::head("302 Found", &[("Location", "/here")]),
        "/here" => Reply::full(b"found", &[]),
        "/circle" => Reply::head("301 Moved", &[("Location", "/circle")]),
        "/down" => Reply::head("302 Found", &[("Location", "http://127.0.0.1/here")]),
        "/away" => Reply::head("307 Away", &[("Location", "https://localhost/here")]),
        _ => Reply::head("302 Found", &[]),
    });
    let client = client(&upstream);
    assert_eq!(client.get_small(&upstream.url("moved"), 10).await.unwrap().as_deref(), Some(&b"found"[..]));
    for (path, expected) in [("down", Refusal::Downgrade), ("away", Refusal::Host)] {
        match client.get_small(&upstream.url(path), 10).await {
            Err(FetchError::Refused { refusal, .. }) => assert_eq!(refusal, expected),
            other => panic!("{path}: {other:?}"),
        }
    }
    for path in ["circle", "nowhere"] {
        let error = client.get_small(&upstream.url(path), 10).await.unwrap_err();
        assert!(matches!(error, FetchError::Response { .. }), "{path}: {error:?}");
    }
    assert_eq!(upstream.requests().iter().filter(|request| request.target == "/circle").count(), 6);
}

#[tokio::test]
async fn plain_http_needs_permission() {
    let upstream = Upstream::start_plain(|_, _| Reply::full(b"found", &[]));
    let error = client(&upstream).get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(error, FetchError::Refused { refusal: Refusal::PlainHttp, .. }), "{error:?}");
    assert!(upstream.requests().is_empty());
    let mut config = config(&upstream);
    config.plain_http_hosts = vec!["127.0.0.1".to_owned()];
    let found = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"found"[..]));
}

#[tokio::test]
async fn small_documents_are_bounded_and_may_be_missing() {
    let upstream = Upstream::start("127.0.0.1", |request, _| match request.target.as_str() {
        "/small" => Reply::full(b"0123456789", &[]),
        _ => Reply::head("404 Not Found", &[("Content-Length", "0")]),
    });
    let client = client(&upstream);
    assert_eq!(client.get_small(&upstream.url("small"), 10).await.unwrap().unwrap().len(), 10);
    assert!(matches!(
        client.get_small(&upstream.url("small"), 9).await,
        Err(FetchError::TooLarge { limit: 9, .. })
    ));
    assert_eq!(client.get_small(&upstream.url("missing"), 9).await.unwrap(), None);
}

#[tokio::test]
async fn proxy_is_asked_to_connect_and_its_refusal_is_unreachable() {
    let proxy = Upstream::start_plain(|request, _| match request.header("proxy-authorization") {
        Some("Basic YW5uYTpzZWNyZXQ=") => Reply::raw("HTTP/1.1 403 Forbidden\r\n\r\n"),
        _ => Reply::raw("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
    });
    let mut config = config(&proxy);
    config.retry.attempts = 1;
    config.proxy = Some(midmirror_mirror::fetch::Proxy {
        url: proxy.base.clone(),
        credentials: Some(("anna".to_owned(), "secret".to_owned())),
    });
    let url = url::Url::parse("https://install.example/p.zip").unwrap();
    let error = HttpClient::new(config).unwrap().get_small(&url, 10).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    let requests = proxy.requests();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].target.as_str()),
        ("CONNECT", "install.example:443")
    );
    assert!(requests[0].header("proxy-authorization").is_some());
}

#[tokio::test]
async fn package_goes_to_quarantine_once_and_is_fetched_again_when_it_changed() {
    let upstream = Upstream::start("127.0.0.1", |request, number| {
        let (bytes, tag) = if number < 2 { (body(), "\"one\"") } else { (b"replaced".to_vec(), "\"two\"") };
        match request.header("if-none-match") {
            Some(known) if known == tag => Reply::head("304 Not Modified", &[("ETag", tag)]),
            _ if request.method == "HEAD" => Reply::head("200 OK", &[("ETag", tag)]),
            _ => Reply::full(&bytes, &[("ETag", tag)]),
        }
    });
    let quarantine = tempfile::tempdir().unwrap();
    let planned = PlannedPackage::below(&upstream.base, PackagePath::parse(PATH).unwrap()).unwrap();
    let options = FetchOptions::new(jiff::Timestamp::UNIX_EPOCH);
    let client = client(&upstream);
    let first = fetch(&client, &planned, quarantine.path(), &options).await.unwrap();
    assert_eq!(first.sha256(), Sha256Digest::of(&body()));
    assert_eq!(std::fs::read(first.file()).unwrap(), body());
    assert!(first.file().ends_with("package.zip"));
    assert_eq!(first.record().source, planned.url().as_str());
    let again = fetch(&client, &planned, quarantine.path(), &options).await.unwrap();
    assert_eq!((again.sha256(), again.file()), (first.sha256(), first.file()));
    assert_eq!(upstream.requests()[1].method, "HEAD");
    let changed = fetch(&client, &planned, quarantine.path(), &options).await.unwrap();
    assert_eq!(changed.sha256(), Sha256Digest::of(b"replaced"));
    assert_eq!(std::fs::read_dir(quarantine.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn file_brought_by_hand_is_copied_and_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brought.zip");
    std::fs::write(&file, body()).unwrap();
    let path = PackagePath::parse(PATH).unwrap();
    let quarantine = folder.path().join("quarantine");
    let mut options = FetchOptions::new(jiff::Timestamp::UNIX_EPOCH);
    let package = import_file(&file, path.clone(), &quarantine, &options).await.unwrap();
    std::fs::write(&file, b"changed afterwards").unwrap();
    assert_eq!((package.sha256(), package.length()), (Sha256Digest::of(&body()), 3_000_000));
    assert_eq!(std::fs::read(package.file()).unwrap(), body());
    assert!(package.record().source.starts_with("file:/"));

    options.expectation.sha256 = Some(Sha256Digest::of(b"other"));
    let error = import_file(&file, path.clone(), &quarantine, &options).await.unwrap_err();
    assert!(matches!(error, FetchError::WrongDigest { .. }), "{error:?}");
    for bad in [folder.path().to_owned(), folder.path().join("missing.zip")] {
        let error = import_file(&bad, path.clone(), &quarantine, &options).await.unwrap_err();
        assert!(matches!(error, FetchError::Io { .. }), "{error:?}");
    }
}
