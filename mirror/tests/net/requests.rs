//! One table of requests (RFC 9110), sent by our own client and by curl, over HTTP/1.1 and HTTP/2: all four have to get the same.

use std::process::Command;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use midmirror_mirror::Sha256Digest;

use crate::mirror::{Answer, CORE, Mirror, core_bytes};

/// What an answer has to be besides its status.
pub(crate) enum Expect {
    /// This body.
    Body(&'static str),
    /// This header with this value, after `{ETAG}` is filled in.
    Header(&'static str, &'static str),
    /// No such header.
    No(&'static str),
    /// These bytes of the package, the end not included.
    Range(usize, usize),
    /// The whole package.
    Whole,
    /// No body.
    Empty,
    /// A short text for people.
    Text,
}

use Expect::{Body, Header, No, Range, Text, Whole};

/// `{CORE}`, `{ETAG}`, `{TARGET}` … are filled in, in paths and in headers.
pub(crate) struct Case {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    expect: &'static [Expect],
}

pub(crate) const fn case(
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    expect: &'static [Expect],
) -> Case {
    Case { method, path, headers, status, expect }
}

const P: &str = "/{CORE}";
const MODIFIED: &str = "Sun, 21 Jun 2026 00:00:10 GMT";
const EARLIER: &str = "Sun, 21 Jun 2026 00:00:09 GMT";
const LATER: &str = "Sun, 21 Jun 2026 00:00:11 GMT";
const ALLOW: Expect = Header("allow", "GET, HEAD, OPTIONS");
const UNSATISFIED: Expect = Header("content-range", "bytes */300000");

const CASES: &[Case] = &[
    // Methods
    case("GET", P, &[], 200, &[Whole, Header("content-type", "application/zip"), Header("etag", "{ETAG}")]),
    case("GET", P, &[], 200, &[Header("accept-ranges", "bytes"), Header("last-modified", MODIFIED)]),
    case(
        "GET",
        P,
        &[],
        200,
        &[Header("repr-digest", "{DIGEST}"), No("content-encoding"), No("transfer-encoding")],
    ),
    case("HEAD", P, &[], 200, &[Expect::Empty, Header("content-length", "300000"), Header("etag", "{ETAG}")]),
    case("HEAD", P, &[], 200, &[Header("repr-digest", "{DIGEST}"), Header("accept-ranges", "bytes")]),
    case("OPTIONS", P, &[], 204, &[ALLOW, Expect::Empty]),
    case("OPTIONS", "*", &[], 204, &[ALLOW]),
    case("OPTIONS", "/nothing/here", &[], 404, &[Text]),
    case("POST", P, &[("content-length", "0")], 405, &[ALLOW, Text]),
    case("PUT", P, &[("content-length", "0")], 405, &[ALLOW]),
    case("PATCH", P, &[("content-length", "0")], 405, &[ALLOW]),
    case("DELETE", P, &[], 405, &[ALLOW]),
    case("TRACE", P, &[], 405, &[ALLOW]),
    case("BREW", P, &[], 405, &[ALLOW]),
    case("POST", "/", &[("content-length", "0")], 405, &[ALLOW]),
    case("POST", "/nothing/here", &[("content-length", "0")], 404, &[Text]),
    // What the client would like changes nothing of the bytes
    case("GET", P, &[("accept-encoding", "gzip, br")], 200, &[Whole, No("content-encoding")]),
    case("GET", P, &[("accept", "application/json")], 200, &[Whole]),
    case("GET", P, &[("cache-control", "no-cache"), ("pragma", "no-cache")], 200, &[Whole]),
    case("GET", "/{CORE}?download=1", &[], 200, &[Whole]),
    case("GET", "/{CORE}?", &[], 200, &[Whole]),
    case("GET", "https://localhost/{CORE}", &[], 200, &[Whole]),
    // Single ranges
    case(
        "GET",
        P,
        &[("range", "bytes=0-0")],
        206,
        &[Range(0, 1), Header("content-range", "bytes 0-0/300000")],
    ),
    case("GET", P, &[("range", "bytes=100-199")], 206, &[Range(100, 200), Header("content-length", "100")]),
    case("GET", P, &[("range", "bytes=65530-131079")], 206, &[Range(65_530, 131_080)]),
    case(
        "GET",
        P,
        &[("range", "bytes=0-299999")],
        206,
        &[Whole, Header("content-range", "bytes 0-299999/300000")],
    ),
    case(
        "GET",
        P,
        &[("range", "bytes=299999-999999")],
        206,
        &[Header("content-range", "bytes 299999-299999/300000")],
    ),
    case("GET", P, &[("range", "BYTES=5-9")], 206, &[Range(5, 10)]),
    case("GET", P, &[("range", "bytes=5-9,")], 206, &[Range(5, 10)]),
    case(
        "GET",
        P,
        &[("range", "bytes=5-9")],
        206,
        &[Header("etag", "{ETAG}"), Header("repr-digest", "{DIGEST}")],
    ),
    case("GET", P, &[("range", "bytes=0-99999999999999999999999999")], 206, &[Whole]),
    // Open ranges
    case("GET", P, &[("range", "bytes=0-")], 206, &[Whole]),
    case("GET", P, &[("range", "bytes=299999-")], 206, &[Range(299_999, 300_000)]),
    case("GET", P, &[("range", "bytes=300000-")], 416, &[UNSATISFIED, Text]),
    case("GET", P, &[("range", "bytes=99999999999999999999999999-")], 416, &[UNSATISFIED]),
    // Suffix ranges
    case("GET", P, &[("range", "bytes=-5")], 206, &[Range(299_995, 300_000)]),
    case("GET", P, &[("range", "bytes=-300000")], 206, &[Whole]),
    case("GET", P, &[("range", "bytes=-999999")], 206, &[Whole, Header("content-length", "300000")]),
    case("GET", P, &[("range", "bytes=-0")], 416, &[UNSATISFIED]),
    // Several ranges at once: the whole (14.2 allows it)
    case("GET", P, &[("range", "bytes=0-1,5-6")], 200, &[Whole, No("content-range")]),
    case("GET", P, &[("range", "bytes=0-1,-5")], 200, &[Whole]),
    // Malformed ranges and other units are ignored
    case("GET", P, &[("range", "bytes=9-5")], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=a-b")], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=")], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=-")], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=+1-5")], 200, &[Whole]),
    case("GET", P, &[("range", "0-5")], 200, &[Whole]),
    case("GET", P, &[("range", "pages=1-2")], 200, &[Whole]),
    case(
        "HEAD",
        P,
        &[("range", "bytes=0-0")],
        200,
        &[Header("content-length", "300000"), No("content-range")],
    ),
    // If-Range
    case("GET", P, &[("range", "bytes=5-9"), ("if-range", "{ETAG}")], 206, &[Range(5, 10)]),
    case("GET", P, &[("range", "bytes=5-9"), ("if-range", "W/{ETAG}")], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=5-9"), ("if-range", "\"other\"")], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=5-9"), ("if-range", MODIFIED)], 206, &[Range(5, 10)]),
    case("GET", P, &[("range", "bytes=5-9"), ("if-range", EARLIER)], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=5-9"), ("if-range", LATER)], 200, &[Whole]),
    case("GET", P, &[("range", "bytes=400000-"), ("if-range", "\"other\"")], 200, &[Whole]),
    case("GET", P, &[("if-range", "{ETAG}")], 200, &[Whole]),
    // If-None-Match and If-Modified-Since
    case(
        "GET",
        P,
        &[("if-none-match", "{ETAG}")],
        304,
        &[Expect::Empty, Header("etag", "{ETAG}"), No("content-type")],
    ),
    case(
        "GET",
        P,
        &[("if-none-match", "W/{ETAG}")],
        304,
        &[Header("cache-control", "no-cache, no-transform")],
    ),
    case("GET", P, &[("if-none-match", "\"a\", {ETAG}")], 304, &[Expect::Empty]),
    case("HEAD", P, &[("if-none-match", "*")], 304, &[Expect::Empty]),
    case("GET", P, &[("if-none-match", "\"other\"")], 200, &[Whole]),
    case("GET", P, &[("if-none-match", "{ETAG}"), ("range", "bytes=400000-")], 304, &[Expect::Empty]),
    case("GET", P, &[("if-none-match", "\"other\""), ("if-modified-since", LATER)], 200, &[Whole]),
    case(
        "GET",
        P,
        &[("if-modified-since", MODIFIED)],
        304,
        &[Expect::Empty, Header("last-modified", MODIFIED)],
    ),
    case("GET", P, &[("if-modified-since", EARLIER)], 200, &[Whole]),
    case("GET", P, &[("if-modified-since", "yesterday")], 200, &[Whole]),
    // If-Match and If-Unmodified-Since
    case("GET", P, &[("if-match", "{ETAG}")], 200, &[Whole]),
    case("GET", P, &[("if-match", "*")], 200, &[Whole]),
    case("GET", P, &[("if-match", "\"a\", {ETAG}"), ("range", "bytes=5-9")], 206, &[Range(5, 10)]),
    case("GET", P, &[("if-match", "W/{ETAG}")], 412, &[Text]),
    case("GET", P, &[("if-match", "\"other\"")], 412, &[Text]),
    case("HEAD", P, &[("if-match", "\"other\"")], 412, &[Expect::Empty]),
    case("GET", P, &[("if-unmodified-since", EARLIER)], 412, &[Text]),
    case("GET", P, &[("if-unmodified-since", MODIFIED)], 200, &[Whole]),
    case("GET", P, &[("if-match", "{ETAG}"), ("if-unmodified-since", EARLIER)], 200, &[Whole]),
    // Paths are looked up letter by letter
    case("GET", "{UPPER}", &[], 404, &[Text]),
    case("GET", "/./{CORE}", &[], 404, &[Text]),
    case("GET", "//{CORE}", &[], 404, &[Text]),
    case("GET", "/{CORE}/", &[], 404, &[Text]),
    case("GET", "/{CORE}%00", &[], 404, &[Text]),
    case("GET", "/{CORE};a=b", &[], 404, &[Text]),
    case("GET", "/glide/../{CORE}", &[], 404, &[Text]),
    case("GET", "/glide/%2e%2e/{CORE}", &[], 404, &[Text]),
    case("GET", "/%67{CORE_AFTER_G}", &[], 404, &[Text]),
    case("GET", "/nothing/here", &[], 404, &[Body("not mirrored here\n")]),
    case("GET", "/../store/midmirror-store.json", &[], 404, &[Text]),
    case("GET", "/midmirror-store.json", &[], 404, &[Text]),
    case("GET", "/{LONG}", &[], 414, &[Text]),
    // The catalog
    case(
        "GET",
        "/repository/1.root.json",
        &[],
        200,
        &[Body("{\"root\": 1}"), Header("content-type", "application/json")],
    ),
    case("GET", "/repository/1.root.json", &[("range", "bytes=1-6")], 206, &[Body("\"root\"")]),
    case("GET", "/repository/timestamp.json", &[], 200, &[Header("cache-control", "no-cache")]),
    case("GET", "/repository/9.root.json", &[], 404, &[Text]),
    case("GET", "/repository/secret.pem", &[], 404, &[Text]),
    case("GET", "/repository/", &[], 404, &[Text]),
    case("GET", "/repository/../midmirror-store.json", &[], 404, &[Text]),
    case("GET", "/repository/%2e%2e/midmirror-store.json", &[], 404, &[Text]),
    case("GET", "/repository/targets/{FOLDER}/{HEX}.{FILE}", &[], 200, &[Whole]),
    case("GET", "/repository/targets/{HEX}.{CORE}", &[("range", "bytes=5-9")], 206, &[Range(5, 10)]),
    case("GET", "/repository/targets/{CORE}", &[], 200, &[Whole]),
    case("GET", "/repository/targets/{FOLDER}/{OTHER_HEX}.{FILE}", &[], 404, &[Text]),
    // The rest
    case("GET", "/healthz", &[], 200, &[Body("ok\n"), Header("cache-control", "no-store")]),
    case("HEAD", "/healthz", &[], 200, &[Expect::Empty, Header("content-length", "3")]),
    case("GET", "/style.css", &[], 200, &[Header("content-type", "text/css; charset=utf-8")]),
    case(
        "GET",
        "/",
        &[],
        200,
        &[Header("content-type", "text/html; charset=utf-8"), Header("x-content-type-options", "nosniff")],
    ),
];

/// Fills in what is only known when it runs.
fn fill_in(text: &str) -> String {
    let digest = Sha256Digest::of(&core_bytes());
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest.as_bytes());
    let (folder, file) = CORE.rsplit_once('/').unwrap();
    text.replace("{CORE_AFTER_G}", CORE.strip_prefix('g').unwrap())
        .replace("{CORE}", CORE)
        .replace("{ETAG}", &format!("\"sha256-{digest}\""))
        .replace("{DIGEST}", &format!("sha-256=:{base64}:"))
        .replace("{OTHER_HEX}", &Sha256Digest::of(b"x").to_hex())
        .replace("{HEX}", &digest.to_hex())
        .replace("{FOLDER}", folder)
        .replace("{FILE}", file)
        .replace("{UPPER}", &format!("/{}", CORE.to_uppercase()))
        .replace("{LONG}", &"a".repeat(5000))
}

impl Case {
    fn path(&self) -> String {
        fill_in(self.path)
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        self.headers.iter().map(|(name, value)| (*name, fill_in(value))).collect()
    }

    /// Whether the target is one that only HTTP/1.1 can have, or that a client would not send so.
    fn is_of_http1(&self) -> bool {
        !self.path.starts_with(['/', '{'])
    }

    #[track_caller]
    fn check(&self, client: &str, answer: &Answer) {
        let about = format!("{client}: {} {} {:?}", self.method, self.path, self.headers);
        assert_eq!(answer.status, self.status, "{about}: {:?}", answer.headers);
        for expect in self.expect {
            match expect {
                Whole => assert!(answer.body == core_bytes(), "{about}: {} bytes", answer.body.len()),
                Range(first, end) => assert_eq!(answer.body, core_bytes()[*first..*end], "{about}"),
                Body(body) => assert_eq!(answer.text(), *body, "{about}"),
                Header(name, value) => {
                    assert_eq!(answer.header(name), Some(fill_in(value).as_str()), "{about}: {name}");
                }
                No(name) => assert_eq!(answer.header(name), None, "{about}: {name}"),
                Expect::Empty => assert_eq!(answer.body, b"", "{about}"),
                Text => {
                    let text = answer.text();
                    assert!(text.ends_with('\n') && (2..200).contains(&text.len()), "{about}: {text:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn own_client_over_http1() {
    send_over_http1(&Mirror::start().await, CASES).await;
}

/// Sends the requests of a table, each on a connection of its own.
pub(crate) async fn send_over_http1(mirror: &Mirror, cases: &[Case]) {
    for case in cases {
        let headers = case.headers();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        case.check("HTTP/1.1", &mirror.ask(case.method, &case.path(), &headers).await);
    }
}

#[tokio::test]
async fn own_client_over_http2() {
    send_over_http2(&Mirror::start().await, CASES).await;
}

/// Sends the requests of a table on one connection, but for those that only HTTP/1.1 can have.
pub(crate) async fn send_over_http2(mirror: &Mirror, cases: &[Case]) {
    let stream = mirror.connect(&[b"h2"]).await;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for case in cases.iter().filter(|case| !case.is_of_http1()) {
        let uri = format!("https://localhost{}", case.path());
        let mut request = http::Request::builder().method(case.method).uri(uri);
        for (name, value) in case.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let answer = Answer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        };
        case.check("HTTP/2", &answer);
    }
}

#[tokio::test]
async fn curl_over_both() {
    let mirror = Mirror::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &mirror.tls.ca_pem).unwrap();
    for version in ["--http1.1", "--http2"] {
        for case in CASES {
            let mut curl = Command::new("curl");
            curl.args(["-q", "-sS", "--noproxy", "*", "--path-as-is", version, "--cacert"]).arg(&ca);
            match case.method {
                // With `-X HEAD` it would wait for a body.
                "HEAD" => curl.arg("-I"),
                method => curl.args(["-i", "-X", method]),
            };
            for (name, value) in case.headers() {
                curl.arg("-H").arg(format!("{name}: {value}"));
            }
            let base = format!("https://localhost:{}", mirror.address.port());
            match case.is_of_http1() {
                true if version == "--http2" => continue,
                true => curl.args(["--request-target", &case.path()]).arg(base),
                false => curl.arg(base + &case.path()),
            };
            let output = match tokio::task::spawn_blocking(move || curl.output()).await.unwrap() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no curl");
                    eprintln!("skipped: no curl");
                    return;
                }
                output => output.unwrap(),
            };
            let about = format!("{version} {} {}", case.method, case.path);
            assert!(output.status.success(), "{about}: {}", String::from_utf8_lossy(&output.stderr));
            case.check(&format!("curl {version}"), &Answer::parse(&output.stdout));
        }
    }
}
