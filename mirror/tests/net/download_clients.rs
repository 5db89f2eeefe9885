//! What the download programs of Windows and the browsers send, header by header, and what they need of an answer.
//!
//! Left out are `Host` and `Connection`, which the test's own client sends. Versions in `User-Agent` stand for all of them. None of
//! these requests was captured here: those of BITS and the name of PowerShell 5.1 follow public documents and logs, the others what
//! is known of these programs.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::mirror::{CORE, Mirror};
use crate::requests::Expect::{self, Header, No, Range, Whole};
use crate::requests::{Case, case, send_over_http1, send_over_http2};

type Headers = &'static [(&'static str, &'static str)];

const P: &str = "/{CORE}";
const PAGE: &str = "/";
const MODIFIED: &str = "Sun, 21 Jun 2026 00:00:10 GMT";
const EARLIER: &str = "Sun, 21 Jun 2026 00:00:09 GMT";
/// Nothing is compressed, whatever is offered: length, ranges and digest are those of the package.
const PLAIN: Expect = No("content-encoding");
const LENGTH: Expect = Header("content-length", "300000");
const RANGES: Expect = Header("accept-ranges", "bytes");
const ETAG: Expect = Header("etag", "{ETAG}");
const DATE: Expect = Header("last-modified", MODIFIED);
const KEPT: Expect = Header("cache-control", "no-cache, no-transform");
const ZIP: Expect = Header("content-type", "application/zip");

/// Invoke-WebRequest of Windows PowerShell 5.1 (HttpWebRequest).
const POWERSHELL_5: (&str, &str) =
    ("user-agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1682");
/// Invoke-WebRequest of PowerShell 7 (HttpClient with automatic decompression).
const POWERSHELL_7: (&str, &str) =
    ("user-agent", "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.6");
const BITS: (&str, &str) = ("user-agent", "Microsoft BITS/7.8");
const CHROME: (&str, &str) = (
    "user-agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
);
const EDGE: (&str, &str) = (
    "user-agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
     Safari/537.36 Edg/131.0.0.0",
);
const FIREFOX: (&str, &str) =
    ("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0");

const CHROMIUM_ACCEPT: (&str, &str) = (
    "accept",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
     application/signed-exchange;v=b3;q=0.7",
);
const ALL_ENCODINGS: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");

/// A click on a link of the page, or an address typed.
const CHROME_NAVIGATES: Headers = &[
    ("sec-ch-ua", "\"Google Chrome\";v=\"131\", \"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Windows\""),
    ("upgrade-insecure-requests", "1"),
    CHROME,
    CHROMIUM_ACCEPT,
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("referer", "https://localhost/"),
    ALL_ENCODINGS,
    ("accept-language", "en-US,en;q=0.9"),
];
const EDGE_NAVIGATES: Headers = &[
    ("cache-control", "max-age=0"),
    ("sec-ch-ua", "\"Microsoft Edge\";v=\"131\", \"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Windows\""),
    ("upgrade-insecure-requests", "1"),
    EDGE,
    CHROMIUM_ACCEPT,
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ALL_ENCODINGS,
    ("accept-language", "en-US,en;q=0.9"),
];
const FIREFOX_NAVIGATES: Headers = &[
    FIREFOX,
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ALL_ENCODINGS,
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-user", "?1"),
    ("priority", "u=0, i"),
];

const CASES: &[Case] = &[
    // Windows PowerShell 5.1: nothing but its name.
    case("GET", P, &[POWERSHELL_5], 200, &[Whole, PLAIN, LENGTH, ZIP]),
    // PowerShell 7; with -Resume it goes on behind what it has, and takes 416 with the length for "complete already".
    case("GET", P, &[POWERSHELL_7, ("accept-encoding", "gzip, deflate, br")], 200, &[Whole, PLAIN, LENGTH]),
    case(
        "GET",
        P,
        &[POWERSHELL_7, ("accept-encoding", "gzip, deflate, br"), ("range", "bytes=100000-")],
        206,
        &[Range(100_000, 300_000), PLAIN, Header("content-range", "bytes 100000-299999/300000")],
    ),
    case(
        "GET",
        P,
        &[POWERSHELL_7, ("accept-encoding", "gzip, deflate, br"), ("range", "bytes=300000-")],
        416,
        &[Header("content-range", "bytes */300000")],
    ),
    // HttpClient of .NET sends no header of its own.
    case("GET", P, &[], 200, &[Whole, LENGTH]),
    case(
        "GET",
        P,
        &[("range", "bytes=0-65535")],
        206,
        &[Range(0, 65_536), Header("content-length", "65536")],
    ),
    // BITS: the length by HEAD, then the whole or ranges, as long as the file is the one it began with.
    case(
        "HEAD",
        P,
        &[("accept", "*/*"), ("accept-encoding", "identity"), BITS],
        200,
        &[Expect::Empty, LENGTH, RANGES, ETAG, DATE, PLAIN],
    ),
    case(
        "GET",
        P,
        &[("accept", "*/*"), ("accept-encoding", "identity"), ("if-unmodified-since", MODIFIED), BITS],
        200,
        &[Whole, LENGTH, RANGES, DATE],
    ),
    case(
        "GET",
        P,
        &[
            ("accept", "*/*"),
            ("accept-encoding", "identity"),
            ("if-unmodified-since", MODIFIED),
            ("range", "bytes=4096-8191"),
            BITS,
        ],
        206,
        &[
            Range(4096, 8192),
            Header("content-range", "bytes 4096-8191/300000"),
            Header("content-length", "4096"),
            ZIP,
        ],
    ),
    case(
        "GET",
        P,
        &[
            ("accept", "*/*"),
            ("accept-encoding", "identity"),
            ("if-unmodified-since", EARLIER),
            ("range", "bytes=4096-8191"),
            BITS,
        ],
        412,
        &[Expect::Text],
    ),
    // Browsers: a download begins as a page does.
    case("GET", P, CHROME_NAVIGATES, 200, &[Whole, PLAIN, LENGTH, RANGES, ETAG, DATE, KEPT, ZIP]),
    case("GET", P, EDGE_NAVIGATES, 200, &[Whole, PLAIN, LENGTH, RANGES, ETAG, DATE, KEPT, ZIP]),
    case("GET", P, FIREFOX_NAVIGATES, 200, &[Whole, PLAIN, LENGTH, RANGES, ETAG, DATE, KEPT, ZIP]),
    // The page is as long as it says, too.
    case("GET", PAGE, CHROME_NAVIGATES, 200, &[PLAIN, Header("content-type", "text/html; charset=utf-8")]),
    case("GET", PAGE, FIREFOX_NAVIGATES, 200, &[PLAIN]),
    // Again, from the cache: asked whether it is still the one.
    case(
        "GET",
        P,
        &[CHROME, ALL_ENCODINGS, ("if-none-match", "{ETAG}"), ("if-modified-since", MODIFIED)],
        304,
        &[Expect::Empty, ETAG],
    ),
    // Chrome and Edge go on with If-Range: the rest of the same file, or all of another one.
    case(
        "GET",
        P,
        &[CHROME, ("accept-encoding", "identity"), ("range", "bytes=123456-"), ("if-range", "{ETAG}")],
        206,
        &[Range(123_456, 300_000), PLAIN, ETAG, Header("content-range", "bytes 123456-299999/300000")],
    ),
    case(
        "GET",
        P,
        &[EDGE, ALL_ENCODINGS, ("range", "bytes=123456-"), ("if-range", "\"sha256-of-the-file-before\"")],
        200,
        &[Whole, PLAIN, No("content-range")],
    ),
    case(
        "GET",
        P,
        &[EDGE, ("accept-encoding", "identity"), ("range", "bytes=123456-"), ("if-range", MODIFIED)],
        206,
        &[Range(123_456, 300_000)],
    ),
    // Firefox goes on with If-Match and If-Unmodified-Since: the rest, or an error after which it starts anew.
    case(
        "GET",
        P,
        &[
            FIREFOX,
            ALL_ENCODINGS,
            ("range", "bytes=123456-"),
            ("if-match", "{ETAG}"),
            ("if-unmodified-since", MODIFIED),
        ],
        206,
        &[Range(123_456, 300_000), PLAIN],
    ),
    case(
        "GET",
        P,
        &[FIREFOX, ALL_ENCODINGS, ("range", "bytes=123456-"), ("if-match", "\"another\"")],
        412,
        &[Expect::Text],
    ),
    // Only some encoding, and no identity: sent as it is all the same (RFC 9110, section 12.5.3, allows it), never transformed.
    case("GET", P, &[("accept-encoding", "gzip;q=1.0, identity;q=0, *;q=0")], 200, &[Whole, PLAIN]),
    case("GET", P, &[("accept-encoding", "")], 200, &[Whole, PLAIN]),
    case("GET", P, &[("te", "trailers"), ("accept", "application/octet-stream")], 200, &[Whole, ZIP]),
];

#[tokio::test]
async fn downloads_of_windows_programs_and_browsers_over_http1() {
    send_over_http1(&Mirror::start().await, CASES).await;
}

#[tokio::test]
async fn downloads_of_windows_programs_and_browsers_over_http2() {
    send_over_http2(&Mirror::start().await, CASES).await;
}

#[tokio::test]
async fn expect_100_continue_keeps_nobody_waiting() {
    let mirror = Mirror::start().await;
    // HttpWebRequest of .NET Framework sends it with every body, and waits for a word before the body.
    let requests = [
        (format!("GET /{CORE} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n"), "HTTP/1.1 200 "),
        (
            format!(
                "POST /{CORE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            ),
            "HTTP/1.1 405 ",
        ),
    ];
    for (request, expected) in requests {
        let mut stream = mirror.connect(&[b"http/1.1"]).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut begin = vec![0; expected.len()];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&begin), expected, "{request}");
    }
}
