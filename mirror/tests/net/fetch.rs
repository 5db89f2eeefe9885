//! The client against an upstream that behaves well, badly, or cuts the line.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{
    ClientConfig, Downloaded, Expectation, FetchError, FetchEvent, HttpClient, ResponseProblem, RetryPolicy,
    Roots,
};

use crate::upstream::{Reply, Request, Upstream};

pub(crate) fn body() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

pub(crate) fn config(upstream: &Upstream) -> ClientConfig {
    ClientConfig {
        roots: Roots::Only { pem: upstream.ca_pem.clone() },
        answer_timeout: Duration::from_millis(1500),
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

pub(crate) fn client(upstream: &Upstream) -> HttpClient {
    HttpClient::new(config(upstream)).unwrap()
}

async fn download(
    upstream: &Upstream,
    folder: &Path,
    expectation: Expectation,
) -> Result<Downloaded, FetchError> {
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
        .download(&upstream.url("p.zip"), &part, &expectation, &|event| {
            if let FetchEvent::Progress(progress) = event {
                seen.lock().unwrap().push(progress);
            }
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
            |e| matches!(e, FetchError::Response { problem: ResponseProblem::NotHttp, .. }),
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
async fn a_drip_ends_by_the_minimum_rate_and_is_continued_and_without_one_by_the_total_time() {
    let upstream = Upstream::start("127.0.0.1", |request, number| match (number, request.range_start()) {
        (0, None) => Reply::full(&body(), TAG).dripping(),
        (_, Some(start)) => Reply::part(&body(), start, TAG),
        (_, None) => Reply::full(&body(), TAG).dripping(),
    });
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let mut config = config(&upstream);
    config.idle_timeout = Duration::from_millis(200);
    config.retry.attempts = 1;
    let expectation = Expectation::default();
    let url = upstream.url("p.zip");
    let client = HttpClient::new(config.clone()).unwrap();
    let error = client.download(&url, &part, &expectation, &|_| {}).await.unwrap_err();
    assert!(matches!(&error, FetchError::TooSlow { found: 1..1024, minimum: 1024, .. }), "{error:?}");
    assert!(error.is_unreachable() && error.to_string().contains("minimum_rate"), "{error}");
    let there = std::fs::metadata(&part).unwrap().len();
    let done = client.download(&url, &part, &expectation, &|_| {}).await.unwrap();
    assert_eq!((done.sha256, done.resumed_from), (Sha256Digest::of(&body()), there));

    config.minimum_rate = 0;
    config.total_timeout = Duration::from_millis(900);
    let client = HttpClient::new(config).unwrap();
    let error = client.download(&upstream.url("q.zip"), &part, &expectation, &|_| {}).await.unwrap_err();
    assert!(matches!(error, FetchError::TotalTime { .. }), "{error:?}");
}

#[tokio::test]
async fn our_own_rate_limit_is_no_slowness_of_the_server() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(&body()[..300_000], TAG));
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&upstream);
    config.idle_timeout = Duration::from_millis(100);
    config.minimum_rate = 1_000_000;
    config.bytes_per_second = std::num::NonZeroU64::new(300_000);
    let client = HttpClient::new(config).unwrap();
    let part = folder.path().join("p");
    let done = client.download(&upstream.url("p"), &part, &Expectation::default(), &|_| {}).await.unwrap();
    assert_eq!(done.length, 300_000);
}
