//! What is refused before anything is looked up: requests of which two readers could see the end, or the host, differently.
//!
//! Attacks considered: request smuggling past a proxy in front of us. hyper refuses contradictory lengths, folded lines and
//! odd characters, reads bodies and never takes one for a request, and closes after a request with both
//! `Content-Length` and `Transfer-Encoding`; what it is generous about is refused here, and the connection ends with it.

use http::header::{ALLOW, CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};

use super::body::ResponseBody;
use super::response::{METHODS, text};

/// The answer to a request that is not looked at any further.
pub(crate) fn objection<B>(request: &Request<B>) -> Option<Response<ResponseBody>> {
    let version = request.version();
    let is_old = version != Version::HTTP_2;
    let mut response = if let Some(said) = wrong_host(request) {
        text(StatusCode::BAD_REQUEST, said)
    } else if is_old && request.headers().contains_key(TRANSFER_ENCODING) && !is_chunked(request) {
        // RFC 9112, section 6.1
        text(StatusCode::NOT_IMPLEMENTED, "the only transfer coding here is chunked, and once")
    } else if *request.method() == Method::CONNECT {
        // What follows may be meant for the tunnel that there is none of.
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS");
        response.headers_mut().insert(ALLOW, METHODS);
        response
    } else {
        return None;
    };
    if is_old {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Some(response)
}

fn wrong_host<B>(request: &Request<B>) -> Option<&'static str> {
    // RFC 9110, section 4.2.4
    let named = request.uri().authority();
    if named.is_some_and(|named| named.as_str().contains('@')) {
        return Some("there are no users in addresses here");
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    match (request.version(), host) {
        // RFC 9112, section 3.2
        (Version::HTTP_11, None) => return Some("exactly one Host header is needed"),
        (_, None) => return None,
        (_, Some(host)) if !is_host(host.as_bytes()) => return Some("the Host header is no host"),
        // RFC 9113, section 8.3.1
        (Version::HTTP_2, Some(host)) if named.is_some_and(|named| !is_same(named, host)) => {
            return Some("Host and :authority differ");
        }
        _ => {}
    }
    more.map(|_| "exactly one Host header is needed")
}

fn is_same(named: &Authority, host: &HeaderValue) -> bool {
    named.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

/// A host and perhaps a port (RFC 9110, section 7.2); or nothing, for a target that has no host.
fn is_host(text: &[u8]) -> bool {
    let of_name = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(b);
    let of_address = |b: &u8| b.is_ascii_hexdigit() || b":.".contains(b);
    let is_port = |rest: &[u8]| match rest {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    match text {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|b| *b == b']').unwrap_or(rest.len());
            let (address, rest) = rest.split_at(end);
            address.iter().all(of_address) && matches!(rest, [b']', port @ ..] if is_port(port))
        }
        _ => {
            let end = text.iter().position(|b| *b == b':').unwrap_or(text.len());
            let (name, port) = text.split_at(end);
            name.iter().all(of_name) && is_port(port)
        }
    }
}

fn is_chunked<B>(request: &Request<B>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let only = codings.next().filter(|_| codings.next().is_none());
    only.is_some_and(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["", "mirror", "Mirror.example:8443", "192.0.2.7", "[::1]", "[2001:db8::7]:443", "a:"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b", "a,b", "a/b", "u@a", "a:b", "a:1:2", "a:123456", "[::1", "[::1]x", "[x]", "::1", "a?b",
            "ü",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn what_is_refused_ends_the_connection_of_the_old_version() {
        let request = |version, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri("https://a.example/x").version(version);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = objection(&request.body(()).unwrap());
            response.map(|response| (response.status().as_u16(), response.headers().contains_key(CONNECTION)))
        };
        let (old, new) = (Version::HTTP_11, Version::HTTP_2);
        assert_eq!(request(old, &[("host", "a")]), None);
        assert_eq!(request(old, &[]), Some((400, true)));
        assert_eq!(request(Version::HTTP_10, &[]), None);
        assert_eq!(request(Version::HTTP_10, &[("host", "a"), ("host", "a")]), Some((400, true)));
        assert_eq!(request(old, &[("host", "a"), ("transfer-encoding", "Chunked")]), None);
        let twice = [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(request(old, &twice), Some((501, true)));
        assert_eq!(request(old, &[("host", "a"), ("transfer-encoding", "gzip, chunked")]), Some((501, true)));
        assert_eq!(request(new, &[]), None);
        assert_eq!(request(new, &[("host", "A.example")]), None);
        assert_eq!(request(new, &[("host", "b.example")]), Some((400, false)));
        assert_eq!(request(new, &[("host", "a.example"), ("host", "a.example")]), Some((400, false)));
    }
}
