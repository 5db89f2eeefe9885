//! HTTP/2 that is wrong: frames (RFC 9113, sections 4 to 6), header blocks (RFC 7541), requests (RFC 9113, section 8).

use std::time::Duration;

use crate::frames::{
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, GOAWAY, HEADERS, Http2, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
    RST_STREAM, SETTINGS, STREAM_CLOSED, block, field, frame, integer, request, setting, window_update,
};
use crate::served::Served;

/// What has to become of the connection, or of the stream 1 on it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// The connection ends with one of these codes.
    Ends(&'static [u32]),
    /// The stream is reset, the connection goes on.
    Reset(u32),
    /// The stream gets this status, the connection goes on.
    Status(u16),
}

use Fate::{Ends, Reset, Status};

/// An ordinary request on stream 1.
fn good() -> Vec<u8> {
    request(1, &block("GET", "/healthz"))
}

/// Headers without the end of the stream.
fn open(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block)
}

/// What is sent behind preface and settings.
fn wrong_frames() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let post = block("POST", "/healthz");
    let protocol = Ends(&[PROTOCOL_ERROR]);
    // Instead of the particular code, one may always say that of all errors (section 5.4).
    let compression = Ends(&[COMPRESSION_ERROR, PROTOCOL_ERROR]);
    let flow = Ends(&[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]);
    let size = Ends(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]);
    let mut too_long = frame(DATA, 0, 1, &[0; 10]);
    too_long[..3].copy_from_slice(&[0xff, 0xff, 0xff]);
    vec![
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), protocol),
        ("HEADERS on stream 0", request(0, &block("GET", "/")), protocol),
        ("an even stream", request(2, &block("GET", "/")), protocol),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), protocol),
        ("RST_STREAM of an idle stream", frame(RST_STREAM, 0, 1, &[0; 4]), protocol),
        ("WINDOW_UPDATE of an idle stream", window_update(1, 1), protocol),
        (
            "stream ids that go down",
            [request(5, &block("GET", "/")), request(3, &block("GET", "/"))].concat(),
            protocol,
        ),
        (
            "HEADERS on a stream that has ended",
            [good(), good()].concat(),
            Ends(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        ("PUSH_PROMISE of a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), protocol),
        ("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, &[]), protocol),
        (
            "another frame between HEADERS and CONTINUATION",
            [frame(HEADERS, 0, 1, &post), frame(PING, 0, 0, &[0; 8])].concat(),
            protocol,
        ),
        (
            "CONTINUATION of another stream",
            [frame(HEADERS, 0, 1, &post), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
            protocol,
        ),
        ("padding longer than the frame", frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0x82]), protocol),
        ("DATA with such padding", [open(1, &post), frame(DATA, PADDED, 1, &[9, 1])].concat(), protocol),
        ("a frame beyond 16 KiB", [good(), frame(DATA, 0, 1, &[0; 16_385])].concat(), size),
        ("a frame that says it has 16 MiB", [good(), too_long].concat(), size),
        ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5]), size),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), protocol),
        ("acknowledgement with settings in it", frame(SETTINGS, ACK, 0, &[0; 6]), size),
        ("PING of 7 bytes", frame(PING, 0, 0, &[0; 7]), size),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), protocol),
        ("RST_STREAM of 3 bytes", [good(), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), size),
        ("WINDOW_UPDATE of 3 bytes", frame(WINDOW, 0, 0, &[0; 3]), size),
        ("WINDOW_UPDATE by 0", window_update(0, 0), protocol),
        ("connection window beyond 2^31", window_update(0, 0x7fff_ffff), flow),
        ("ENABLE_PUSH of 2", setting(2, 2), protocol),
        ("INITIAL_WINDOW_SIZE beyond 2^31", setting(4, 0x8000_0000), flow),
        ("MAX_FRAME_SIZE below 16 KiB", setting(5, 100), protocol),
        ("MAX_FRAME_SIZE beyond 16 MiB", setting(5, 1 << 24), protocol),
        (
            "stream window beyond 2^31",
            [open(1, &post), window_update(1, 0x7fff_ffff)].concat(),
            Reset(FLOW_CONTROL_ERROR),
        ),
        ("HTTP/1.1 instead of frames", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), size),
        ("index 0", request(1, &[0x80]), compression),
        ("index beyond the tables", request(1, &[0xff, 0x80, 0x80, 1]), compression),
        ("an index without end", request(1, &[0xff; 60]), compression),
        ("a string longer than its block", request(1, &[0x04, 0x7f, 0xff, 0x7f, b'/']), compression),
        ("a string of half a symbol", request(1, &[0x04, 0x81, 0x00]), compression),
        ("a table beyond what was agreed", request(1, &integer(0x20, 5, 1 << 20)), compression),
        // What RFC 9113 tells to ignore, or leaves to the other side.
        ("a frame of no known type", [frame(0xbe, 0xff, 0, b"x"), good()].concat(), Status(200)),
        ("a setting of no known kind", [setting(0x9999, 7), good()].concat(), Status(200)),
        ("GOAWAY of a client", frame(GOAWAY, 0, 0, &[0; 8]), Ends(&[])),
        ("priorities", [frame(PRIORITY, 0, 7, &[0, 0, 0, 1, 9]), good()].concat(), Status(200)),
        (
            "a stream that depends on itself",
            [frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]), good()].concat(),
            Reset(PROTOCOL_ERROR),
        ),
        (
            "acknowledgement of nothing",
            [frame(SETTINGS, ACK, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat(),
            protocol,
        ),
    ]
}

const WINDOW: u8 = crate::frames::WINDOW_UPDATE;

#[test]
fn wrong_frames_end_the_connection_and_nothing_else() {
    let served = Served::start();
    let mut wrong = Vec::new();
    for (name, bytes, fate) in wrong_frames() {
        let mut client = Http2::open(&served, &frame(SETTINGS, 0, 0, &[]));
        client.send(&bytes);
        wrong.extend(check(&mut client, fate).err().map(|found| format!("{name}: {found}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    served.serves_others();
    served.has_not_panicked();
}

#[test]
fn wrong_prefaces_end_the_connection() {
    let served = Served::start();
    let mut all =
        vec![b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r".to_vec(), b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()];
    all.push([PREFACE, &[0xff; 100]].concat());
    for bytes in all {
        let mut client = Http2::silent(&served);
        client.send(&bytes);
        client.expect_end(&format!("{:?}", String::from_utf8_lossy(&bytes)));
        assert_eq!(client.answers(), 0);
    }
    served.serves_others();
    served.has_not_panicked();
}

/// Header blocks of requests: RFC 9113, section 8.2 and 8.3.
fn odd_requests() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let malformed = Reset(PROTOCOL_ERROR);
    // Octets that no field may have end the whole connection.
    let connection = Ends(&[PROTOCOL_ERROR]);
    let good = || block("GET", "/healthz");
    let with = |name: &str, value: &[u8]| [good(), field(name.as_bytes(), value)].concat();
    let pseudo = |fields: &[(&str, &str)]| -> Vec<u8> {
        fields.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
    };
    let (method, scheme, authority) = ((":method", "GET"), (":scheme", "https"), (":authority", "localhost"));
    let path = (":path", "/healthz");
    vec![
        ("Transfer-Encoding", with("transfer-encoding", b"chunked"), malformed),
        ("Connection", with("connection", b"close"), malformed),
        ("Connection that names a field", with("connection", b"x-a"), malformed),
        ("Keep-Alive", with("keep-alive", b"timeout=5"), malformed),
        ("Proxy-Connection", with("proxy-connection", b"keep-alive"), malformed),
        ("Upgrade", with("upgrade", b"h2c"), malformed),
        ("TE of something else", with("te", b"gzip"), malformed),
        ("TE of trailers", with("te", b"trailers"), Status(200)),
        ("line ends in a value", with("x-a", b"a\r\nTransfer-Encoding: chunked"), connection),
        ("LF in a value", with("x-a", b"a\nb: c"), connection),
        ("NUL in a value", with("x-a", b"a\0b"), connection),
        ("line ends in a name", with("x-a: b\r\nx-c", b"d"), connection),
        ("large letters in a name", with("X-A", b"a"), connection),
        ("a name of nothing", with("", b"a"), connection),
        ("a colon in a name", with("x:y", b"a"), connection),
        ("pseudo-header behind a header", [field(b"x-a", b"b"), good()].concat(), malformed),
        ("an unknown pseudo-header", [field(b":x", b"b"), good()].concat(), connection),
        (":status", [field(b":status", b"200"), good()].concat(), malformed),
        (":path twice", pseudo(&[method, scheme, authority, path, (":path", "/")]), malformed),
        (":method twice", pseudo(&[method, scheme, authority, path, (":method", "PUT")]), malformed),
        (":authority twice", pseudo(&[method, scheme, authority, path, (":authority", "b")]), malformed),
        ("no :path", pseudo(&[method, scheme, authority]), malformed),
        ("no :method", pseudo(&[scheme, authority, path]), malformed),
        ("no :scheme", pseudo(&[method, authority, path]), malformed),
        ("no :authority", pseudo(&[method, scheme, path]), Status(200)),
        ("an empty :path", pseudo(&[method, scheme, authority, (":path", "")]), malformed),
        ("a :path without a slash", block("GET", "healthz"), malformed),
        ("a :path with an authority", block("GET", "//localhost/healthz"), Status(404)),
        ("a whole address in :path", block("GET", "https://localhost/healthz"), malformed),
        ("a :path with a space", block("GET", "/healthz HTTP/1.1"), malformed),
        ("line ends in :path", block("GET", "/healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /"), malformed),
        ("line ends in :method", block("GET / HTTP/1.1\r\nx: ", "/healthz"), connection),
        ("asterisk in :path", block("GET", "*"), Status(404)),
        // Cut off.
        ("a :path with a fragment", block("GET", "/healthz#x"), Status(200)),
        (
            "an :authority with a user",
            pseudo(&[method, scheme, (":authority", "u@localhost"), path]),
            Status(400),
        ),
        (
            "an :authority with a path",
            pseudo(&[method, scheme, (":authority", "localhost/x"), path]),
            malformed,
        ),
        (":authority and another Host", with("host", b"other.example"), Status(400)),
        (":authority and the same Host", with("host", b"LOCALHOST"), Status(200)),
        ("two Hosts", [with("host", b"localhost"), field(b"host", b"localhost")].concat(), Status(400)),
        ("another :scheme", pseudo(&[method, (":scheme", "ftp"), authority, path]), Status(200)),
        ("a :scheme that is none", pseudo(&[method, (":scheme", "a b"), authority, path]), malformed),
        ("CONNECT with a :path", block("CONNECT", "/healthz"), malformed),
        ("CONNECT", pseudo(&[(":method", "CONNECT"), authority]), Status(405)),
        (
            "websocket by CONNECT",
            [field(b":protocol", b"websocket"), block("CONNECT", "/healthz")].concat(),
            malformed,
        ),
        (
            "Content-Length of two kinds",
            [with("content-length", b"0"), field(b"content-length", b"5")].concat(),
            malformed,
        ),
        ("Content-Length of a request without a body", with("content-length", b"5"), malformed),
        ("Content-Length below zero", with("content-length", b"-1"), malformed),
    ]
}

#[test]
fn odd_requests_are_refused_and_the_connection_goes_on() {
    let served = Served::start();
    let mut wrong = Vec::new();
    for (name, fields, fate) in odd_requests() {
        let mut client = Http2::open(&served, &frame(SETTINGS, 0, 0, &[]));
        assert!(client.send(&request(1, &fields)));
        wrong.extend(check(&mut client, fate).err().map(|found| format!("{name}: {found}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    served.serves_others();
    served.has_not_panicked();
}

#[test]
fn body_of_another_length_than_was_said_is_refused() {
    let served = Served::start();
    for (length, body) in [(b"3", &b"xxxxx"[..]), (b"9", b"xxxxx")] {
        let mut client = Http2::open(&served, &frame(SETTINGS, 0, 0, &[]));
        let head = [block("POST", "/healthz"), field(b"content-length", length)].concat();
        client.send(&[open(1, &head), frame(DATA, END_STREAM, 1, body)].concat());
        client.read_until(Duration::from_secs(20), |client| {
            client.closed || client.was_reset(1).is_some() || client.status(1).is_some()
        });
        assert_ne!(client.status(1), Some(200));
    }
    served.serves_others();
}

/// Whether a connection has the fate it should; if it goes on, a request on it is answered.
fn check(client: &mut Http2, fate: Fate) -> Result<(), String> {
    if let Ends(codes) = fate {
        client.read_until(Duration::from_secs(20), |_| false);
        return match client.goaway() {
            _ if !client.closed => Err(format!("is open: {:?}", client.heads())),
            Some(code) if codes.contains(&code) => Ok(()),
            None if codes.is_empty() => Ok(()),
            other => Err(format!("ended with {other:?}: {:?}", client.heads())),
        };
    }
    client.read_until(Duration::from_secs(20), |client| client.body(1).1 || client.was_reset(1).is_some());
    let (status, reset) = (client.status(1), client.was_reset(1));
    let is_right = match fate {
        Reset(code) => (status, reset) == (None, Some(code)),
        Status(wanted) => status == Some(wanted),
        Ends(_) => false,
    };
    client.send(&request(31, &block("GET", "/healthz")));
    client.read_until(Duration::from_secs(20), |client| client.body(31).1);
    match client.body(31).0.as_slice() {
        b"ok\n" if is_right => Ok(()),
        body => Err(format!("{status:?} {reset:?} {body:?}: {:?}", client.heads())),
    }
}
