//! One file over several connections: what the server does, what becomes of the file, and how it was asked.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{ClientConfig, Downloaded, Expectation, FetchError, FetchEvent, HttpClient};

use crate::fetch::{body, config};
use crate::upstream::{Reply, Request, Upstream};

/// What a request asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// None: everything.
    range: Option<(usize, usize)>,
    /// How often its first byte was asked for before.
    times: usize,
}

impl Asked {
    /// The first request for the fifth range.
    fn is_fifth(self) -> bool {
        self.range.is_some_and(|(first, _)| first == 4 * RANGE) && self.times == 0
    }
}

struct Case {
    name: &'static str,
    answer: fn(Asked) -> Reply,
    outcome: Outcome,
    /// Requests for the whole: the clean start with one connection.
    whole: usize,
    /// The outcome comes from a time limit, so this case has short ones.
    is_slow: bool,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Old,
    New,
    /// The error says this.
    Fails(&'static str),
}
use Outcome::{Fails, New, Old};

const SEGMENTS: usize = 4;
const RANGE: usize = 256 << 10;
const TAG: (&str, &str) = ("ETag", "\"old\"");
const NEW_TAG: (&str, &str) = ("ETag", "\"new\"");
const DATE: (&str, &str) = ("Last-Modified", "Fri, 19 Jun 2026 01:34:00 GMT");

static OLD: LazyLock<Vec<u8>> = LazyLock::new(body);
static NEW_BODY: LazyLock<Vec<u8>> = LazyLock::new(|| body().into_iter().rev().collect());

fn good(asked: Asked) -> Reply {
    part(asked, &[TAG])
}

fn part(asked: Asked, headers: &[(&str, &str)]) -> Reply {
    match asked.range {
        Some(range) => Reply::range(&OLD, range, headers),
        None => Reply::full(&OLD, headers),
    }
}

/// The fifth range is answered with the case's reply, everything else well.
fn fifth(asked: Asked, bad: impl FnOnce((usize, usize)) -> Reply) -> Reply {
    match asked.range {
        Some(range) if asked.is_fifth() => bad(range),
        _ => good(asked),
    }
}

/// The right bytes of a range, with headers of the case's choice.
fn bytes_with(range: (usize, usize), headers: &[(&str, &str)]) -> Reply {
    Reply::head("206 Partial Content", headers).and(&OLD[range.0..=range.1])
}

fn empty(status: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::head(status, &[&[("Content-Length", "0")], headers].concat())
}

const fn case(name: &'static str, answer: fn(Asked) -> Reply, outcome: Outcome, whole: usize) -> Case {
    Case { name, answer, outcome, whole, is_slow: false }
}

const fn slow(name: &'static str, answer: fn(Asked) -> Reply, outcome: Outcome, whole: usize) -> Case {
    Case { name, answer, outcome, whole, is_slow: true }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("ranges with a strong ETag", good, Old, 0),
    case("ranges with a date", |a| part(a, &[DATE]), Old, 0),
    // The first range: may there be others?
    case("no ranges", |_| Reply::full(&OLD, &[TAG]), Old, 0),
    case("no validator", |a| part(a, &[]), Old, 1),
    case("a weak ETag alone", |a| part(a, &[("ETag", "W/\"old\"")]), Old, 1),
    case("416 for the first range", |a| if a.range.is_some() { empty("416 Range Not Satisfiable", &[]) } else { good(a) }, Old, 1),
    case("206 of the whole", |a| if a.range.is_some() { Reply::range(&OLD, (0, OLD.len()), &[TAG]) } else { good(a) }, Old, 1),
    case("larger than the limit", |_| Reply::head("206 Partial Content", &[("Content-Range", "bytes 0-262143/4000001"), TAG]), Fails("larger than the limit"), 0),
    // Further ranges: anything that does not fit leads to one clean start
    case("another ETag midway", |a| match a.range {
        Some(range) if range.0 < 4 * RANGE => Reply::range(&OLD, range, &[TAG]),
        Some(range) => Reply::range(&NEW_BODY, range, &[NEW_TAG]),
        None => Reply::full(&NEW_BODY, &[NEW_TAG]),
    }, New, 1),
    case("replaced midway: 200, as If-Range asks for", |a| match a.range {
        Some(range) if range.0 < 4 * RANGE => Reply::range(&OLD, range, &[TAG]),
        _ => Reply::full(&NEW_BODY, &[NEW_TAG]),
    }, New, 1),
    case("another date midway", |a| match a.range {
        Some(range) if range.0 < 4 * RANGE => Reply::range(&OLD, range, &[DATE]),
        Some(range) => Reply::range(&NEW_BODY, range, &[("Last-Modified", "Fri, 19 Jun 2026 01:35:00 GMT")]),
        None => Reply::full(&NEW_BODY, &[DATE]),
    }, New, 1),
    case("200 for one range", |a| fifth(a, |_| Reply::full(&OLD, &[TAG])), Old, 1),
    case("416 for one range", |a| fifth(a, |_| empty("416 Range Not Satisfiable", &[])), Old, 1),
    case("another total", |a| fifth(a, |r| bytes_with(r, &[("Content-Range", "bytes 1048576-1310719/3000001"), TAG])), Old, 1),
    case("an unknown total", |a| fifth(a, |r| bytes_with(r, &[("Content-Range", "bytes 1048576-1310719/*"), TAG])), Old, 1),
    case("another first byte", |a| fifth(a, |r| bytes_with(r, &[("Content-Range", "bytes 1048575-1310719/3000000"), TAG])), Old, 1),
    case("another last byte", |a| fifth(a, |r| bytes_with(r, &[("Content-Range", "bytes 1048576-1310720/3000000"), TAG])), Old, 1),
    case("the right bytes of another range", |a| fifth(a, |r| Reply::range(&OLD, (r.0 + RANGE, r.1 + RANGE), &[TAG])), Old, 1),
    case("less than was asked for", |a| fifth(a, |r| Reply::range(&OLD, (r.0, r.1 - 1000), &[TAG])), Old, 1),
    case("no Content-Range", |a| fifth(a, |r| bytes_with(r, &[("Content-Length", "262144"), TAG])), Old, 1),
    case("several parts", |a| fifth(a, |_| Reply::head("206 Partial Content",
        &[("Content-Type", "multipart/byteranges; boundary=x"), ("Content-Length", "7"), TAG]).and(b"--x--\r\n")), Old, 1),
    case("more bytes than the range has", |a| fifth(a, |r| Reply::head("206 Partial Content",
        &[("Transfer-Encoding", "chunked"), ("Content-Range", "bytes 1048576-1310719/3000000"), TAG])
        .and(b"40001\r\n").and(&OLD[r.0..=r.1 + 1]).and(b"\r\n0\r\n\r\n")), Old, 1),
    case("a range in chunks", |a| fifth(a, |r| Reply::head("206 Partial Content",
        &[("Transfer-Encoding", "chunked"), ("Content-Range", "bytes 1048576-1310719/3000000"), TAG])
        .and(b"40000\r\n").and(&OLD[r.0..=r.1]).and(b"\r\n0\r\n\r\n")), Old, 0),
    case("fewer bytes than the range has", |a| fifth(a, |r| Reply::head("206 Partial Content",
        &[("Transfer-Encoding", "chunked"), ("Content-Range", "bytes 1048576-1310719/3000000"), TAG])
        .and(b"3\r\n").and(&OLD[r.0..r.0 + 3]).and(b"\r\n0\r\n\r\n")), Old, 0),
    // Failures of one range: the same rules as with one connection
    case("one range is cut", |a| fifth(a, |r| Reply::range(&OLD, r, &[TAG]).cut(1000)), Old, 0),
    case("one range is reset", |a| fifth(a, |r| Reply::range(&OLD, r, &[TAG]).cut(1000).then_reset()), Old, 0),
    case("one range is closed without an answer", |a| fifth(a, |_| Reply::raw("")), Old, 0),
    case("one range is garbage", |a| fifth(a, |_| Reply::raw("no HTTP at all\r\n\r\n")), Old, 0),
    case("429 for one range", |a| fifth(a, |_| empty("429 Too Many Requests", &[("Retry-After", "1")])), Old, 0),
    case("503 for one range", |a| fifth(a, |_| empty("503 Busy", &[])), Old, 0),
    case("503 for all ranges but the first", |a| match a.range {
        Some((0, _)) | None => good(a),
        _ => empty("503 Busy", &[]),
    }, Fails("status 503"), 0),
    case("404 for one range", |a| fifth(a, |_| empty("404 Not Found", &[])), Fails("does not exist"), 0),
    case("one range in gzip", |a| fifth(a, |r| bytes_with(r, &[("Content-Range", "bytes 1048576-1310719/3000000"),
        ("Content-Encoding", "gzip"), TAG])), Fails("content encoding \"gzip\""), 0),
    case("one range is a web page", |a| fifth(a, |r| bytes_with(r, &[("Content-Range", "bytes 1048576-1310719/3000000"),
        ("Content-Type", "text/html"), TAG])), Fails("a web page and no package"), 0),
    case("a web page that does not say so", |_| Reply::range(b"<!DOCTYPE html><p>log in", (0, 99), &[TAG]), Fails("a web page and no package"), 0),
    case("one range redirects elsewhere", |a| fifth(a, |_| empty("302 Found", &[("Location", "https://localhost/p.zip")])),
        Fails("a redirect to this host is not allowed"), 0),
    slow("one range stalls", |a| fifth(a, |r| Reply::range(&OLD, r, &[TAG]).cut(1000).then_silence()), Old, 0),
    slow("one range is not answered", |a| fifth(a, |_| Reply::raw("").then_silence()), Old, 0),
    slow("one range drips", |a| fifth(a, |r| Reply::range(&OLD, r, &[TAG]).dripping()), Old, 0),
];

/// A server that answers by what is asked for, and how often.
fn start(answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Upstream {
    let times = Mutex::new(HashMap::new());
    Upstream::start("127.0.0.1", move |request, _| {
        let range = request.range();
        assert!(range.is_some() || request.header("range").is_none(), "{request:?}");
        let mut times = times.lock().unwrap();
        let count = times.entry(range.map(|(first, _)| first)).or_insert(0);
        *count += 1;
        answer(Asked { range, times: *count - 1 })
    })
}

fn segmented(upstream: &Upstream) -> ClientConfig {
    let mut config = ClientConfig {
        segments: SEGMENTS,
        connections_per_host: SEGMENTS,
        read_ahead: SEGMENTS * RANGE,
        answer_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(20),
        ..config(upstream)
    };
    config.retry.longest_pause = Duration::from_millis(5);
    config
}

async fn download(
    config: ClientConfig,
    upstream: &Upstream,
    part: &Path,
    expectation: &Expectation,
) -> Result<Downloaded, FetchError> {
    HttpClient::new(config).unwrap().download(&upstream.url("p.zip"), part, expectation, &|_| {}).await
}

/// Runs one case; says what is wrong, if anything is.
async fn run(case: &Case, upstream: Upstream) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p.part");
    let mut config = segmented(&upstream);
    if case.is_slow {
        config.connect_timeout = Duration::from_millis(500);
        config.answer_timeout = Duration::from_millis(500);
        config.idle_timeout = Duration::from_millis(500);
    }
    let expectation = Expectation { max: 4_000_000, ..Expectation::default() };
    let done = download(config, &upstream, &part, &expectation).await;
    let file = std::fs::read(&part).unwrap_or_default();
    let is = |bytes: &[u8], done: &Downloaded| file == bytes && done.sha256 == Sha256Digest::of(bytes);
    let good = match (case.outcome, &done) {
        (Old, Ok(done)) => is(&OLD, done),
        (New, Ok(done)) => is(&NEW_BODY, done),
        // What is there is a beginning of the file.
        (Fails(text), Err(error)) => error.to_string().contains(text) && OLD.starts_with(&file),
        _ => false,
    };
    let requests = upstream.requests();
    let whole = requests.iter().filter(|request| request.header("range").is_none()).count();
    if good && whole == case.whole && requests.iter().all(is_conditional) {
        return Ok(());
    }
    let ranges: Vec<_> = requests.iter().map(Request::range).collect();
    Err(format!("{}: {done:?}, {whole} requests for the whole: {ranges:?}", case.name))
}

/// Whether a range that is not the first names the version that it must be of.
fn is_conditional(request: &Request) -> bool {
    match request.range() {
        Some((first, _)) if first > 0 => request.header("if-range").is_some(),
        _ => request.header("if-range").is_none(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_behaviour_of_a_server_has_its_outcome() {
    let places = Arc::new(tokio::sync::Semaphore::new(6));
    let begin = |case: &'static Case| {
        let places = places.clone();
        tokio::spawn(async move {
            let _place = places.acquire().await.unwrap();
            run(case, start(case.answer)).await
        })
    };
    let mut wrong = Vec::new();
    for case in CASES.iter().map(begin).collect::<Vec<_>>() {
        wrong.extend(case.await.unwrap().err());
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[tokio::test]
async fn one_connection_is_the_default() {
    let upstream = start(good);
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let done = download(config(&upstream), &upstream, &part, &Expectation::default()).await.unwrap();
    assert_eq!((done.sha256, upstream.requests().len()), (Sha256Digest::of(&OLD), 1));
    assert_eq!(upstream.requests()[0].header("range"), None);
}

#[tokio::test]
async fn every_range_is_asked_for_once_and_the_file_is_reported_in_order() {
    let upstream = start(good);
    let folder = tempfile::tempdir().unwrap();
    let seen = Mutex::new(Vec::new());
    let done = HttpClient::new(segmented(&upstream))
        .unwrap()
        .download(&upstream.url("p.zip"), &folder.path().join("p"), &Expectation::default(), &|event| {
            if let FetchEvent::Progress(progress) = event {
                seen.lock().unwrap().push((progress.received, progress.total));
            }
        })
        .await
        .unwrap();
    assert!(done.headers.contains(&("etag".to_owned(), "\"old\"".to_owned())), "{:?}", done.headers);
    let mut ranges: Vec<_> = upstream.requests().iter().map(|request| request.range().unwrap()).collect();
    assert_eq!(ranges[0], (0, RANGE - 1));
    ranges.sort_unstable();
    let mut next = 0;
    for (first, last) in ranges {
        assert_eq!(first, next);
        next = last + 1;
    }
    assert_eq!(next, OLD.len());
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted() && seen.first() == Some(&(0, Some(3_000_000))), "{seen:?}");
    assert_eq!(seen.last(), Some(&(3_000_000, Some(3_000_000))));
}

#[tokio::test]
async fn no_range_is_asked_for_before_there_is_memory_for_it() {
    // The first answer stops in its middle. What is asked for until it goes on must fit into `read_ahead`.
    let upstream = start(|asked| match asked.range {
        Some((0, last)) => Reply::range(&OLD, (0, last), &[TAG]).cut(1000).then_silence(),
        _ => good(asked),
    });
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let mut config = segmented(&upstream);
    config.idle_timeout = Duration::from_secs(1);
    config.retry.attempts = 1;
    let error = download(config, &upstream, &part, &Expectation::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Short { .. }), "{error:?}");
    let mut ranges: Vec<_> = upstream.requests().iter().map(|request| request.range().unwrap().0).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, [0, RANGE, 2 * RANGE, 3 * RANGE]);
    assert_eq!(std::fs::read(part).unwrap(), OLD[..RANGE - 1000], "a beginning of the file and nothing else");
}

#[tokio::test]
async fn what_one_run_left_the_next_continues_with_more_or_fewer_connections() {
    for (before, after) in [(4, 4), (4, 1), (1, 4)] {
        let is_up = Arc::new(AtomicBool::new(false));
        let up = is_up.clone();
        let upstream = Upstream::start("127.0.0.1", move |request, _| match request.range() {
            Some((first, _)) if first >= 1_000_000 && !up.load(Ordering::SeqCst) => empty("503 Busy", &[]),
            Some(range) => Reply::range(&OLD, range, &[TAG]),
            None => Reply::full(&OLD, &[TAG]).cut(2_000_000),
        });
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("p");
        let with = |segments| ClientConfig { segments, ..segmented(&upstream) };
        let error = download(with(before), &upstream, &part, &Expectation::default()).await.unwrap_err();
        assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error:?}");
        let there = std::fs::read(&part).unwrap();
        assert!(there.len() >= 1_000_000 && OLD.starts_with(&there), "{}", there.len());
        let asked = upstream.requests().len();
        is_up.store(true, Ordering::SeqCst);
        let done = download(with(after), &upstream, &part, &Expectation::default()).await.unwrap();
        assert_eq!(done.sha256, Sha256Digest::of(&OLD), "{before} {after}");
        assert_eq!(usize::try_from(done.resumed_from).unwrap(), there.len());
        let again = upstream.requests().split_off(asked);
        assert!(again.iter().all(|request| request.range().unwrap().0 >= there.len()), "{again:?}");
        assert_eq!(again.len() > 1, after > 1);
    }
}

#[tokio::test]
async fn a_busy_server_gets_half_as_many_connections() {
    // Once it is busy, then it stalls: what is asked for meanwhile shows how many connections there are.
    let upstream = start(|asked| match (asked.range, asked.times) {
        (Some((first, _)), 0) if first == 4 * RANGE => empty("503 Busy", &[]),
        (Some((first, last)), _) if first == 4 * RANGE => {
            Reply::range(&OLD, (first, last), &[TAG]).cut(1000).then_silence()
        }
        _ => good(asked),
    });
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let mut config = segmented(&upstream);
    config.idle_timeout = Duration::from_secs(1);
    config.retry.attempts = 2;
    let error = download(config, &upstream, &part, &Expectation::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Short { .. }), "{error:?}");
    let count = |number| {
        let of_range = |request: &&Request| request.range().is_some_and(|range| range.0 == number * RANGE);
        upstream.requests().iter().filter(of_range).count()
    };
    assert_eq!((count(3), count(4)), (1, 2));
    assert!(count(5) >= 1 && count(6) <= 1 && count(7) <= 1, "{:?}", upstream.requests());
}

#[tokio::test]
async fn wrong_bytes_from_several_answers_are_fetched_once_more_with_one_connection() {
    // The fifth range has the right validator and other bytes, as from a server behind a balancer that was not updated.
    let upstream = start(|asked| match asked.range {
        Some(range) if range.0 == 4 * RANGE => Reply::range(&NEW_BODY, range, &[TAG]),
        _ => good(asked),
    });
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let expectation = Expectation { sha256: Some(Sha256Digest::of(&OLD)), ..Expectation::default() };
    let done = download(segmented(&upstream), &upstream, &part, &expectation).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&OLD));
    assert_eq!(upstream.requests().iter().filter(|request| request.range().is_none()).count(), 1);
    let other = Expectation { sha256: Some(Sha256Digest::of(b"other")), ..Expectation::default() };
    let error = download(segmented(&upstream), &upstream, &part, &other).await.unwrap_err();
    assert!(matches!(error, FetchError::WrongDigest { .. }), "{error:?}");
    assert_eq!(upstream.requests().iter().filter(|request| request.range().is_none()).count(), 2);
}

#[tokio::test]
async fn segments_share_the_rate_and_the_places_at_a_host() {
    let upstream = start(good);
    let bytes_per_second = NonZeroU64::new(6_000_000);
    let config = ClientConfig { bytes_per_second, connections_per_host: 2, ..segmented(&upstream) };
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let part = folder.path().join("p");
    let done = download(config, &upstream, &part, &Expectation::default()).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&OLD));
    assert_eq!(upstream.requests()[0].range(), Some((0, 2 * RANGE - 1)), "two connections share the memory");
    // Three million bytes, of which a quarter of a second's worth is free.
    assert!(started.elapsed() >= Duration::from_millis(240), "{:?}", started.elapsed());
}

#[tokio::test]
async fn offline_and_the_end_of_time_hold_for_segments_too() {
    let upstream = start(|asked| good(asked).dripping());
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let config = ClientConfig { total_timeout: Duration::from_millis(300), ..segmented(&upstream) };
    let error = download(config, &upstream, &part, &Expectation::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::TotalTime { .. }), "{error:?}");
    let before = upstream.connections();
    let config = ClientConfig { offline: Some("--offline".to_owned()), ..segmented(&upstream) };
    let error = download(config, &upstream, &part, &Expectation::default()).await.unwrap_err();
    assert!(matches!(error, FetchError::Offline { .. }), "{error:?}");
    assert_eq!(upstream.connections(), before);
}

#[tokio::test]
async fn too_little_room_is_noticed_before_the_first_byte_of_several_ranges() {
    let upstream = start(|_| {
        Reply::head("206 Partial Content", &[("Content-Range", "bytes 0-262143/2305843009213693952"), TAG])
    });
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p");
    let expectation = Expectation { max: 1 << 62, ..Expectation::default() };
    let error = download(segmented(&upstream), &upstream, &part, &expectation).await.unwrap_err();
    assert!(matches!(error, FetchError::NoSpace { .. }), "{error:?}");
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 0);
    assert_eq!(upstream.requests().len(), 1);
}
