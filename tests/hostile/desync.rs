//! Request smuggling over HTTP/1.1: requests that two readers could divide differently (RFC 9112, sections 2.2, 3.2, 6 and 11.2).
//!
//! Each case is sent in one piece, with a harmless last request behind it. The answers are counted: an answer to `HIDDEN`
//! (204) is one to a request that was hidden in a body or a header, and `LAST` (200) may come only where all before it has an
//! end that nobody can doubt.

use std::io::{Read as _, Write as _};

use crate::served::Served;

/// Name, what is sent, the statuses of all answers.
type Case = (&'static str, &'static str, &'static [u16]);

/// Answered with 204, as nothing else here is.
const HIDDEN: &str = "OPTIONS /healthz?ab HTTP/1.1\r\nHost: h\r\n\r\n";
/// Answered with 200; the connection ends behind it.
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n";

/// `{H}` is [`HIDDEN`], 41 (0x29) bytes long.
const CASES: &[Case] = &[
    (
        "pipelined requests",
        "GET /no HTTP/1.1\r\nHost: a\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n{H}",
        &[404, 200, 204, 200],
    ),
    ("empty lines before a request", "\r\n\r\nGET /no HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    ("body of a GET", "GET /no HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\n\r\n{H}", &[404, 200]),
    ("body of a POST", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\n\r\n{H}", &[405, 200]),
    (
        "chunked body of a GET",
        "GET /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[404, 200],
    ),
    (
        "body longer than what is there",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{H}",
        &[405],
    ),
    (
        "body shorter than what is there",
        "GET /no HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx{H}",
        &[404, 204, 200],
    ),
    (
        "Content-Length of 0 with a body",
        "GET /no HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nx=1{H}",
        &[404, 400],
    ),
    (
        "CL.TE",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 46\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}",
        &[405],
    ),
    (
        "TE.CL",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "TE.CL on a GET",
        "GET /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[404],
    ),
    (
        "TE.TE: Transfer-Encoding: xchunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding : chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: chunked / Transfer-Encoding: identity",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: identity / Transfer-Encoding: chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[501],
    ),
    (
        "TE.TE: Transfer-Encoding: chunked, identity",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: gzip, chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[501],
    ),
    (
        "TE.TE: Transfer-Encoding: VTchunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: 'chunked'",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: /  chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: X: a /  Transfer-Encoding: chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: X: aLFTransfer-Encoding: chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[405, 200],
    ),
    (
        "TE.TE: X: aCR Transfer-Encoding: chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: chunkedNUL",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\x00\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer_Encoding: chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[405, 400],
    ),
    (
        "TE.TE: transfer-encoding: CHUNKED",
        "POST /healthz HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[405, 200],
    ),
    (
        "TE.TE: Transfer-Encoding: identity",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding:",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "TE.TE: Transfer-Encoding: chunked / Transfer-Encoding: chunked",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[501],
    ),
    (
        "TE.TE: Transfer-Encoding: chunked;q=1",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "Content-Length: 41 / Content-Length: 0",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\nContent-Length: 0\r\n\r\n{H}",
        &[400],
    ),
    (
        "Content-Length: 41 / Content-Length: 41",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\nContent-Length: 41\r\n\r\n{H}",
        &[405, 200],
    ),
    (
        "Content-Length: 41, 41",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 41, 41\r\n\r\n{H}",
        &[400],
    ),
    (
        "Content-Length: 0, 41",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 41\r\n\r\n{H}",
        &[400],
    ),
    ("Content-Length: -1", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{H}", &[400]),
    ("Content-Length: +41", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: +41\r\n\r\n{H}", &[400]),
    ("Content-Length: 4 1", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4 1\r\n\r\n{H}", &[400]),
    ("Content-Length: 0x29", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0x29\r\n\r\n{H}", &[400]),
    (
        "Content-Length: 99999999999999999999999",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n{H}",
        &[400],
    ),
    (
        "Content-Length: 18446744073709551615",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n{H}",
        &[431],
    ),
    ("Content-Length:", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n{H}", &[400]),
    ("Content-Length: 41;", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 41;\r\n\r\n{H}", &[400]),
    (
        "Content-Length: 041",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 041\r\n\r\n{H}",
        &[405, 200],
    ),
    ("Content-Length : 41", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length : 41\r\n\r\n{H}", &[400]),
    (
        "Content-LengthNUL: 41",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length\x00: 41\r\n\r\n{H}",
        &[400],
    ),
    ("Content-Length:VT41", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length:\x0b41\r\n\r\n{H}", &[400]),
    (
        "Content-Length: TAB41 TAB",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: \t41 \t\r\n\r\n{H}",
        &[405, 200],
    ),
    (
        "chunk size beyond 64 bits",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000029\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "chunk size with a sign",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+29\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "negative chunk size",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "chunk size with 0x",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x29\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "chunk size with a space",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29 \r\n{H}\r\n0\r\n\r\n",
        &[405, 200],
    ),
    (
        "chunk extension",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29;a=\"b\"\r\n{H}\r\n0\r\n\r\n",
        &[405, 200],
    ),
    (
        "chunk extension that ends with LF",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29;a=b\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "chunk size that ends with LF",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "chunk size that ends with CR",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29\r{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "chunk without its end",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "empty chunk size",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n{H}\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "trailer section",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nContent-Length: 41\r\n\r\n",
        &[405, 200],
    ),
    (
        "trailer section that hides a request",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {H}",
        &[405, 200],
    ),
    (
        "last chunk with LF",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\n{H}",
        &[405],
    ),
    ("LF alone ends lines", "GET /no HTTP/1.1\nHost: a\n\n", &[404, 200]),
    ("CR alone ends lines", "GET /no HTTP/1.1\rHost: a\r\r", &[400]),
    ("CR inside a value", "GET /no HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", &[400]),
    ("folded header", "GET /no HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", &[400]),
    ("space before the first header", "GET /no HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n", &[400]),
    ("space before the colon", "GET /no HTTP/1.1\r\nHost : a\r\n\r\n", &[400]),
    ("NUL in a name", "GET /no HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", &[400]),
    ("NUL in a value", "GET /no HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", &[400]),
    ("control in a value", "GET /no HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n", &[400]),
    ("DEL in a value", "GET /no HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", &[400]),
    ("header without a colon", "GET /no HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", &[400]),
    ("header without a name", "GET /no HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", &[400]),
    ("two spaces in the first line", "GET  /no HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("tab in the first line", "GET\t/no HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("space in the target", "GET /no thing HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("NUL in the target", "GET /no\0 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("method with a bracket", "GE(T /no HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/1.2", "GET /no HTTP/1.2\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/2.0 in words", "GET /no HTTP/2.0\r\nHost: a\r\n\r\n", &[400]),
    ("http in small letters", "GET /no http/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("HTTP/0.9", "GET /no\r\n", &[400]),
    ("HTTP/1.0", "GET /no HTTP/1.0\r\n\r\n", &[404]),
    ("HTTP/1.0 that stays", "GET /no HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[404, 200]),
    (
        "HTTP/1.0 with Transfer-Encoding",
        "POST /healthz HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n{H}\r\n0\r\n\r\n",
        &[400],
    ),
    ("no Host", "GET /no HTTP/1.1\r\n\r\n", &[400]),
    ("two Hosts", "GET /no HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
    ("the same Host twice", "GET /no HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", &[400]),
    ("Host with a space", "GET /no HTTP/1.1\r\nHost: a b\r\n\r\n", &[400]),
    ("Host with a path", "GET /no HTTP/1.1\r\nHost: a/../b\r\n\r\n", &[400]),
    ("Host with a user", "GET /no HTTP/1.1\r\nHost: u@a\r\n\r\n", &[400]),
    ("Hosts in one line", "GET /no HTTP/1.1\r\nHost: a, b\r\n\r\n", &[400]),
    ("Host with a port that is none", "GET /no HTTP/1.1\r\nHost: a:b\r\n\r\n", &[400]),
    ("Host outside ASCII", "GET /no HTTP/1.1\r\nHost: \u{fc}\r\n\r\n", &[400]),
    ("Host with an address", "GET /no HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", &[404, 200]),
    ("empty Host", "GET /no HTTP/1.1\r\nHost:\r\n\r\n", &[404, 200]),
    ("target with another host", "GET http://other.example/no HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    ("target with a user", "GET https://u:p@other.example/no HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    ("target of another scheme", "GET ftp://other.example/no HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    ("CONNECT", "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n{H}", &[405]),
    (
        "CONNECT with a body",
        "CONNECT other.example:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 41\r\n\r\n{H}",
        &[405],
    ),
    ("authority as the target of GET", "GET other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    ("asterisk as the target of GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    ("target without a slash", "GET no HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    ("target with a fragment", "GET /no#x HTTP/1.1\r\nHost: a\r\n\r\n", &[404, 200]),
    (
        "Upgrade to h2c",
        "GET /no HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        &[404, 200],
    ),
    (
        "Upgrade to websocket",
        "GET /no HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n{H}",
        &[404, 204, 200],
    ),
    (
        "preface of HTTP/2 as the second request",
        "GET /no HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[404],
    ),
    (
        "Expect with a body",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 41\r\n\r\n{H}",
        &[405, 200],
    ),
    ("Expect without a body", "GET /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", &[404, 200]),
    (
        "Expect of something else",
        "POST /healthz HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 41\r\n\r\n{H}",
        &[405, 200],
    ),
    ("Connection that names Host", "GET /no HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n", &[404, 200]),
    (
        "Connection: close with more behind it",
        "GET /no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{H}",
        &[404],
    ),
    (
        "Range and a body",
        "GET /style.css HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nContent-Length: 41\r\n\r\n{H}",
        &[206, 200],
    ),
];

/// The statuses of all answers on a connection; the rest has to be nothing.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let status: u16 = head.strip_prefix("HTTP/1.").unwrap()[2..5].parse().unwrap();
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
        });
        // The only answer without the body that it tells of is the one to HEAD; "ok" does not begin with H.
        let is_of_head = head.contains("content-length: 3") && bytes.get(end + 4) == Some(&b'H');
        let length = if is_of_head { 0 } else { length.unwrap_or_default() };
        bytes = bytes.get(end + 4 + length..).expect("a whole body");
        statuses.push(status);
    }
    statuses
}

#[test]
fn nobody_gets_an_answer_to_what_is_hidden_in_another_request() {
    assert_eq!(HIDDEN.len(), 0x29);
    let served = Served::start();
    for (name, case, expected) in CASES {
        let sent = case.replace("{H}", HIDDEN) + LAST;
        let mut stream = served.connect(b"http/1.1");
        stream.write_all(sent.as_bytes()).unwrap();
        let mut received = Vec::new();
        // Closed, or reset because of what nobody has read; before the patience of `Served` in any case.
        match stream.read_to_end(&mut received) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("{name}: is left open"),
            _ => {}
        }
        assert_eq!(statuses(&received), *expected, "{name}");
    }
    served.serves_others();
    served.has_not_panicked();
}
