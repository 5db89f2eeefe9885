//! What servers and the networks before them do, and what becomes of a download: one line for each behaviour.
//!
//! The number is how many requests the server gets in all (three tries in a row is the limit here); it shows what is
//! tried again and what is not. Each case runs on a real TLS connection.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{ClientConfig, Expectation, HttpClient, Proxies, RetryPolicy, Roots};
use tokio::sync::Semaphore;

use crate::certificates::{Authority, Certificate};
use crate::program::Program;
use crate::upstream::{Reply, Request, Upstream};

struct Case {
    name: &'static str,
    answer: fn(&Request, usize) -> Reply,
    outcome: Outcome,
    requests: usize,
    /// The outcome comes from a time limit, so this case has short ones.
    is_slow: bool,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// The file is `OLD`.
    Old,
    /// The file is `NEW`.
    New,
    /// The error, or one of its causes, says this.
    Fails(&'static str),
    /// As before, for a caller who knows the digest of `OLD`.
    KnownFails(&'static str),
}
use Outcome::{Fails, KnownFails, New, Old};

static OLD: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(7));
static NEW: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(11));
const LENGTH: usize = 300_000;
const HALF: usize = LENGTH / 2;
const TAG: (&str, &str) = ("ETag", "\"old\"");
const DATE: (&str, &str) = ("Last-Modified", "Fri, 19 Jun 2026 01:34:00 GMT");

fn bytes(seed: u32) -> Vec<u8> {
    (0..300_000_u32)
        .map(|n| u8::try_from(n.wrapping_mul(2_654_435_761).rotate_left(seed) >> 24).unwrap())
        .collect()
}

/// The whole file, with a strong validator.
fn whole() -> Reply {
    Reply::full(&OLD, &[TAG])
}

/// The first answer is cut in the middle; an answer to a range is the case's; without a range it is whole.
fn cut_then(request: &Request, number: usize, continuation: impl Fn(usize) -> Reply) -> Reply {
    match (number, request.range_start()) {
        (0, _) => whole().cut(HALF),
        (_, Some(start)) => continuation(start),
        (_, None) => whole(),
    }
}

/// What a good server answers: the range that was asked for.
fn good(request: &Request) -> Reply {
    request.range_start().map_or_else(whole, |start| Reply::part(&OLD, start, &[TAG]))
}

fn first(number: usize, bad: Reply, request: &Request) -> Reply {
    if number == 0 { bad } else { good(request) }
}

fn chunked(body: &[u8]) -> Reply {
    Reply::head("200 OK", &[("Transfer-Encoding", "chunked"), TAG])
        .and(format!("{:x}\r\n", body.len()).as_bytes())
        .and(body)
        .and(b"\r\n0\r\n\r\n")
}

fn part_with(start: usize, headers: &[(&str, &str)]) -> Reply {
    Reply::head("206 Partial Content", headers).and(&OLD[start..])
}

fn empty(status: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::head(status, &[&[("Content-Length", "0")], headers].concat())
}

fn to(location: &str) -> Reply {
    empty("302 Found", &[("Location", location)])
}

const fn case(
    name: &'static str,
    answer: fn(&Request, usize) -> Reply,
    outcome: Outcome,
    requests: usize,
) -> Case {
    Case { name, answer, outcome, requests, is_slow: false }
}

const fn slow(
    name: &'static str,
    answer: fn(&Request, usize) -> Reply,
    outcome: Outcome,
    requests: usize,
) -> Case {
    Case { name, answer, outcome, requests, is_slow: true }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Lengths and endings
    case("200 with a length", |_, _| whole(), Old, 1),
    case("200 of HTTP/1.0", |_, _| Reply::raw("HTTP/1.0 200 OK\r\nContent-Length: 300000\r\n\r\n").and(&OLD), Old, 1),
    case("chunked, without a length", |_, _| chunked(&OLD), Old, 1),
    case("chunked and a length", |_, _| Reply::head("200 OK", &[("Content-Length", "5"), ("Transfer-Encoding", "chunked")])
        .and(b"493e0\r\n").and(&OLD).and(b"\r\n0\r\n\r\n"), Old, 1),
    case("neither length nor chunks", |_, _| Reply::head("200 OK", &[TAG]).and(&OLD), Fails("nothing says how long it is"), 1),
    case("the same length twice", |_, _| Reply::full(&OLD, &[("Content-Length", "300000")]), Old, 1),
    case("two different lengths", |_, _| Reply::full(&OLD, &[("Content-Length", "5")]), Fails("not a proper HTTP/1.1 answer"), 3),
    case("a length that is no number", |_, _| Reply::head("200 OK", &[("Content-Length", "+300000")]).and(&OLD), Fails("not a proper HTTP/1.1 answer"), 3),
    case("longer than announced", |_, _| Reply::head("200 OK", &[("Content-Length", "299999"), TAG]).and(&OLD), KnownFails("has the digest"), 1),
    case("shorter than announced, for good", |r, _| match r.range_start() {
        None => Reply::head("200 OK", &[("Content-Length", "300001"), TAG]).and(&OLD),
        Some(_) => empty("416 Range Not Satisfiable", &[("Content-Range", "bytes */300000")]),
    }, Fails("ended after 300000 of 300001 bytes"), 5),
    case("shorter than announced, once", |r, n| first(n, whole().cut(HALF), r), Old, 2),
    case("chunked, cut", |r, n| first(n, chunked(&OLD).cut(HALF), r), Old, 2),
    case("chunked, a chunk size that is no number", |r, n| first(n, Reply::head("200 OK", &[("Transfer-Encoding", "chunked"), TAG])
        .and(b"10\r\n").and(&OLD[..16]).and(b"\r\nxyz\r\n"), r), Old, 2),
    case("endless chunks", |_, _| (0..20).fold(Reply::head("200 OK", &[("Transfer-Encoding", "chunked")]),
        |reply, _| reply.and(b"10000\r\n").and(&OLD[..0x10000]).and(b"\r\n")), Fails("larger than the limit of 1000000 bytes"), 1),
    case("announced larger than the limit", |_, _| Reply::head("200 OK", &[("Content-Length", "1000001")]), Fails("larger than the limit of 1000000 bytes"), 1),
    case("more than any number holds", |_, _| Reply::head("200 OK", &[("Content-Length", "99999999999999999999")]), Fails("not a proper HTTP/1.1 answer"), 3),
    // Time and connection
    case("reset in the middle", |r, n| first(n, whole().cut(HALF).then_reset(), r), Old, 2),
    case("TLS ends without close_notify, in the middle", |r, n| first(n, whole().cut(HALF).then_drop(), r), Old, 2),
    case("TLS ends without close_notify, after the last byte", |_, _| whole().then_drop(), Old, 1),
    slow("stall in the middle", |r, n| first(n, whole().cut(HALF).then_silence(), r), Old, 2),
    slow("no answer, once", |r, n| first(n, Reply::raw("").then_silence(), r), Old, 2),
    slow("no answer, ever", |_, _| Reply::raw("").then_silence(), Fails("no answer within"), 3),
    case("closed without an answer, ever", |_, _| Reply::raw(""), Fails("cannot be reached"), 3),
    slow("slow drip of the body, for good", |r, _| good(r).dripping(), Fails("bytes a second, which is less than the 1024"), 3),
    slow("slow drip of the body, once", |r, n| first(n, whole().dripping(), r), Old, 2),
    slow("slow drip of the head", |_, _| Reply::raw("HTTP/1.1 200 OK
X: ").and(&[b'y'; 1000]).dripping(), Fails("no answer within"), 3),
    // Continuing after a cut
    case("200 instead of 206", |r, n| cut_then(r, n, |_| whole()), Old, 2),
    case("200 instead of 206: replaced meanwhile", |r, n| cut_then(r, n, |_| Reply::full(&NEW, &[("ETag", "\"new\"")])), New, 2),
    case("206 with the ETag of another version", |r, n| match (n, r.range_start()) {
        (0, _) => whole().cut(HALF),
        (_, Some(start)) => Reply::part(&NEW, start, &[("ETag", "\"new\"")]),
        (_, None) => Reply::full(&NEW, &[("ETag", "\"new\"")]),
    }, New, 3),
    case("206 with another Last-Modified", |r, n| match (n, r.range_start()) {
        (0, _) => Reply::full(&OLD, &[DATE]).cut(HALF),
        (_, Some(start)) => Reply::part(&NEW, start, &[("Last-Modified", "Fri, 19 Jun 2026 01:35:00 GMT")]),
        (_, None) => Reply::full(&NEW, &[]),
    }, New, 3),
    case("206 after Last-Modified alone", |r, n| match (n, r.range_start()) {
        (0, _) => Reply::full(&OLD, &[DATE]).cut(HALF),
        (_, Some(start)) if r.header("if-range") == Some(DATE.1) => Reply::part(&OLD, start, &[DATE]),
        _ => empty("400 Bad Request", &[]),
    }, Old, 2),
    case("weak ETag: nothing to continue with", |r, n| match (n, r.range_start()) {
        (0, _) => Reply::full(&OLD, &[("ETag", "W/\"old\"")]).cut(HALF),
        (_, None) => whole(),
        _ => empty("400 Bad Request", &[]),
    }, Old, 2),
    case("no validator: nothing to continue with", |r, n| match (n, r.range_start()) {
        (0, _) => Reply::full(&OLD, &[]).cut(HALF),
        (_, None) => whole(),
        _ => empty("400 Bad Request", &[]),
    }, Old, 2),
    case("416, the file being incomplete", |r, n| cut_then(r, n, |_| empty("416 Range Not Satisfiable", &[])), Old, 3),
    case("416, the file being complete", |r, n| match (n, r.range_start()) {
        (0, _) => chunked(&OLD).cut(7),
        (_, Some(_)) => empty("416 Range Not Satisfiable", &[("Content-Range", "bytes */300000")]),
        (_, None) => whole(),
    }, Old, 3),
    case("206 from another first byte", |r, n| cut_then(r, n, |start| Reply::part(&OLD, start + 1, &[TAG])), Old, 3),
    case("206 with another total", |r, n| cut_then(r, n, |start| part_with(start, &[("Content-Range", "bytes 150000-299999/300001"), TAG])), Old, 3),
    case("206 with an unknown total", |r, n| cut_then(r, n, |start| part_with(start, &[("Content-Range", "bytes 150000-299999/*"), TAG])), Old, 3),
    case("206 in another unit", |r, n| cut_then(r, n, |start| part_with(start, &[("Content-Range", "items 150000-299999/300000"), TAG])), Old, 3),
    case("206 without Content-Range", |r, n| cut_then(r, n, |start| part_with(start, &[("Content-Length", "150000"), TAG])), Old, 3),
    case("206 whose length and range disagree", |r, n| cut_then(r, n, |start| part_with(start,
        &[("Content-Length", "149999"), ("Content-Range", "bytes 150000-299999/300000"), TAG])), Old, 3),
    case("206 in several parts", |r, n| cut_then(r, n, |_| Reply::head("206 Partial Content",
        &[("Content-Type", "multipart/byteranges; boundary=x"), ("Content-Length", "7"), TAG]).and(b"--x--\r\n")), Old, 3),
    case("206 of less than was asked for, then the rest", |r, n| match (n, r.range_start()) {
        (0, _) => whole().cut(HALF),
        (1, Some(start)) => Reply::head("206 Partial Content",
            &[("Content-Length", "1000"), ("Content-Range", "bytes 150000-150999/300000"), TAG]).and(&OLD[start..start + 1000]),
        _ => good(r),
    }, Old, 3),
    case("206 although the whole was asked for", |_, _| Reply::part(&OLD, 5, &[TAG]), Fails("partial answer (206)"), 1),
    // Encodings and contents
    case("gzip although not asked for", |_, _| Reply::full(&OLD, &[("Content-Encoding", "gzip")]), Fails("content encoding \"gzip\""), 1),
    case("a web page in place of the package", |_, _| Reply::full(b"<p>log in", &[("Content-Type", "text/html; charset=utf-8")]), Fails("a web page and no package"), 1),
    case("a web page that does not say so", |_, _| Reply::full(b"\r\n<!DOCTYPE HTML><p>log in", &[("Content-Type", "application/zip")]), Fails("a web page and no package"), 1),
    // Statuses
    case("100 and 103 before 200", |_, _| Reply::raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").and(&whole().bytes), Old, 1),
    case("101 unasked", |_, _| Reply::raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), Fails("status 101"), 1),
    case("204", |_, _| Reply::head("204 No Content", &[]), Fails("status 204"), 1),
    case("304 unasked", |_, _| Reply::head("304 Not Modified", &[]), Fails("status 304"), 1),
    case("302 to a relative place", |r, _| if r.target == "/p.zip" { to("elsewhere/q.zip?x") } else { good(r) }, Old, 2),
    case("302 with a fragment", |r, _| if r.target == "/q.zip" { good(r) } else { to("/q.zip#part") }, Old, 2),
    case("308 and 307 and 303", |r, _| match r.target.as_str() {
        "/p.zip" => empty("308 Permanent Redirect", &[("Location", "/a")]),
        "/a" => empty("307 Temporary Redirect", &[("Location", "/b")]),
        "/b" => empty("303 See Other", &[("Location", "/c")]),
        _ => good(r),
    }, Old, 4),
    case("302 in a circle", |_, _| to("/p.zip"), Fails("redirected more than 5 times"), 6),
    case("302 to http", |_, _| to("http://127.0.0.1/p.zip"), Fails("a redirect from https to http is never followed"), 1),
    case("302 to another host", |_, _| to("https://localhost/p.zip"), Fails("a redirect to this host is not allowed"), 1),
    case("302 with a password in it", |_, _| to("https://u:p@127.0.0.1/p.zip"), Fails("a URL with a user name or password"), 1),
    case("302 to nowhere", |_, _| empty("302 Found", &[]), Fails("without a usable Location"), 1),
    case("300", |_, _| empty("300 Multiple Choices", &[("Location", "/q.zip")]), Fails("status 300"), 1),
    case("400", |_, _| empty("400 Bad Request", &[]), Fails("status 400"), 1),
    case("401", |_, _| empty("401 Unauthorized", &[("WWW-Authenticate", "Basic")]), Fails("status 401"), 1),
    case("403", |_, _| empty("403 Forbidden", &[]), Fails("status 403"), 1),
    case("404", |_, _| empty("404 Not Found", &[]), Fails("does not exist (status 404)"), 1),
    case("407 where no proxy is", |_, _| empty("407 Proxy Authentication Required", &[]), Fails("status 407"), 1),
    case("408, then 200", |r, n| first(n, empty("408 Request Timeout", &[]), r), Old, 2),
    case("410", |_, _| empty("410 Gone", &[]), Fails("does not exist (status 410)"), 1),
    case("429 with Retry-After in seconds", |r, n| first(n, empty("429 Too Many Requests", &[("Retry-After", "9999")]), r), Old, 2),
    case("503 with Retry-After as a date", |r, n| first(n, empty("503 Busy",
        &[("Date", "Fri, 19 Jun 2026 01:34:00 GMT"), ("Retry-After", "Fri, 19 Jun 2026 01:36:00 GMT")]), r), Old, 2),
    case("503 in the middle of continuing", |r, n| match n { 0 => whole().cut(HALF), 1 => empty("503 Busy", &[]), _ => good(r) }, Old, 3),
    case("500 for ever", |_, _| empty("500 Internal Server Error", &[]), Fails("status 500"), 3),
    case("501", |_, _| empty("501 Not Implemented", &[]), Fails("status 501"), 1),
    case("502, 504, then 200", |r, n| match n { 0 => empty("502 Bad Gateway", &[]), 1 => empty("504 Gateway Timeout", &[]), _ => good(r) }, Old, 3),
    case("999", |_, _| empty("999 Nothing", &[]), Fails("status 999"), 1),
    // No HTTP/1.1
    case("more headers than are taken", |_, _| (0..200).fold(Reply::raw("HTTP/1.1 200 OK\r\n"),
        |reply, n| reply.and(format!("X-{n}: y\r\n").as_bytes())).and(b"\r\n"), Fails("not a proper HTTP/1.1 answer"), 3),
    case("one header without end", |_, _| Reply::raw("HTTP/1.1 200 OK\r\nX: ").and(&[b'y'; 2_000_000]), Fails("not a proper HTTP/1.1 answer"), 3),
    case("garbage", |_, _| Reply::raw("no HTTP at all\r\n\r\n"), Fails("not a proper HTTP/1.1 answer"), 3),
    case("garbage, once", |r, n| first(n, Reply::raw("no HTTP at all\r\n\r\n"), r), Old, 2),
    case("HTTP/2 frames: SETTINGS and GOAWAY", |_, _| Reply::raw(b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0d".to_vec()), Fails("not a proper HTTP/1.1 answer"), 3),
];

fn config(ca_pem: Vec<u8>, is_slow: bool) -> ClientConfig {
    let seconds = |short, long| Duration::from_secs_f32(if is_slow { short } else { long });
    ClientConfig {
        roots: Roots::Only { pem: ca_pem },
        connect_timeout: seconds(1.0, 20.0),
        answer_timeout: seconds(0.5, 20.0),
        idle_timeout: seconds(1.0, 20.0),
        total_timeout: seconds(20.0, 60.0),
        retry: RetryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(5),
            jitter_seed: 1,
        },
        ..ClientConfig::default()
    }
}

fn said_by(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Runs one case; says what is wrong with its outcome, if anything is.
async fn run(case: &Case, upstream: Upstream, proxies: Proxies) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("p.part");
    let sha256 = matches!(case.outcome, KnownFails(_)).then(|| Sha256Digest::of(&OLD));
    let expectation = Expectation { length: None, sha256, max: 1_000_000 };
    let config = ClientConfig { proxies, ..config(upstream.ca_pem.clone(), case.is_slow) };
    let client = HttpClient::new(config).unwrap();
    let done = client.download(&upstream.url("p.zip"), &part, &expectation, &|_| {}).await;
    let good = match (case.outcome, &done) {
        (Old, Ok(done)) => done.sha256 == Sha256Digest::of(&OLD) && std::fs::read(&part).unwrap() == *OLD,
        (New, Ok(done)) => done.sha256 == Sha256Digest::of(&NEW) && std::fs::read(&part).unwrap() == *NEW,
        (Fails(text) | KnownFails(text), Err(error)) => said_by(error).contains(text),
        _ => false,
    };
    let requests = upstream.requests().len();
    if good && requests == case.requests {
        return Ok(());
    }
    let done = done.map_err(|error| said_by(&error));
    Err(format!(
        "{}: expected {:?} after {} requests, found {done:?} after {requests}",
        case.name, case.outcome, case.requests
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_behaviour_has_its_outcome() {
    let mut names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CASES.len(), "two cases have one name");
    run_all(&Proxies::default()).await;
}

/// What squid itself says with a status of its own when the destination does not answer is no concern of a tunnel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_behaviour_has_the_same_outcome_through_real_proxies() {
    let proxies =
        [Program::squid(None).await, Program::tinyproxy(None).await, Program::microsocks(None).await];
    for proxy in proxies.into_iter().flatten() {
        run_all(&Proxies::all(proxy.proxy(""))).await;
    }
}

/// Runs all cases, a few at a time: a busy machine must not make a quick answer a late one.
async fn run_all(proxies: &Proxies) {
    let places = Arc::new(Semaphore::new(6));
    let start = |case: &'static Case| {
        let (places, proxies) = (places.clone(), proxies.clone());
        tokio::spawn(async move {
            let _place = places.acquire().await.unwrap();
            run(case, Upstream::start("127.0.0.1", case.answer), proxies).await
        })
    };
    let mut wrong = Vec::new();
    for case in CASES.iter().map(start).collect::<Vec<_>>() {
        wrong.extend(case.await.unwrap().err());
    }
    assert!(wrong.is_empty(), "{proxies:?}: {} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_bad_certificate_is_refused_without_a_request() {
    let authority = Authority::new();
    let cases = [
        (Certificate::Good, None),
        (Certificate::OtherName, Some("is not valid for the name \"127.0.0.1\"")),
        (Certificate::Expired, Some("has expired; check the clock")),
        (Certificate::NotYet, Some("is not valid yet; check the clock")),
        (Certificate::OtherAuthority, Some("comes from an unknown authority")),
        (Certificate::SelfSigned, Some("comes from an unknown authority")),
        (Certificate::ForClients, Some("the handshake failed")),
    ];
    for (certificate, text) in cases {
        let upstream = Upstream::start_with(authority.server(certificate), |_, _| whole());
        let name = format!("{certificate:?}");
        let folder = tempfile::tempdir().unwrap();
        let client = HttpClient::new(config(authority.pem(), false)).unwrap();
        let done = client
            .download(&upstream.url("p.zip"), &folder.path().join("p"), &Expectation::default(), &|_| {})
            .await;
        match (text, done) {
            (None, Ok(done)) => assert_eq!(done.sha256, Sha256Digest::of(&OLD)),
            (Some(text), Err(error)) => {
                let said = said_by(&error);
                assert!(said.contains(text), "{name}: {said}");
                assert!(upstream.requests().is_empty(), "{name}");
                assert_eq!(upstream.connections(), 1, "{name}: a bad certificate does not get better");
            }
            (expected, found) => panic!("{name}: expected {expected:?}, found {found:?}"),
        }
    }
}
