//! Heads and small bodies of responses.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use super::body::ResponseBody;
use super::conditions::{Decision, decide};
use super::representation::Representation;

/// The answer for a connection beyond the limit.
pub(crate) fn overloaded() -> Response<ResponseBody> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "too many connections, please try again");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The answer for an address that asks too often (RFC 6585, section 4).
pub(crate) fn too_often() -> Response<ResponseBody> {
    let mut response =
        text(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address, please slow down");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The answer for what cannot be served until somebody has put it right. Nobody knows when that is, so there is no
/// `Retry-After`: clients would wait for it in vain.
pub(crate) fn unavailable(message: &str) -> Response<ResponseBody> {
    text(StatusCode::SERVICE_UNAVAILABLE, message)
}

/// The answer for what may be there after some seconds.
pub(crate) fn come_back(message: &str, seconds: u16) -> Response<ResponseBody> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

pub(crate) fn document<B>(
    request: &Request<B>,
    bytes: Vec<u8>,
    content_type: &'static str,
    cache: &'static str,
    more: &[(HeaderName, &'static str)],
) -> Response<ResponseBody> {
    let bytes = Bytes::from(bytes);
    let representation = Representation::document(&bytes, content_type, cache);
    let decision = decide(request.method(), request.headers(), &representation.selected());
    let mut response = build(&representation, decision, |first, length| {
        let range = usize::try_from(first).ok().zip(usize::try_from(first.saturating_add(length)).ok());
        ResponseBody::Memory(range.map_or_else(Bytes::new, |(first, end)| bytes.slice(first..end)))
    });
    for (name, value) in more {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Turns the decision into status, headers and body.
pub(crate) fn build(
    representation: &Representation,
    decision: Decision,
    body: impl FnOnce(u64, u64) -> ResponseBody,
) -> Response<ResponseBody> {
    let whole = representation.length();
    let (status, first, length) = match decision {
        Decision::Whole => (StatusCode::OK, 0, whole),
        Decision::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Decision::NotModified => {
            let mut response = empty(StatusCode::NOT_MODIFIED);
            *response.headers_mut() = representation.headers().clone();
            response.headers_mut().remove(CONTENT_TYPE);
            return response;
        }
        Decision::PreconditionFailed => {
            return text(StatusCode::PRECONDITION_FAILED, "the file is another one than the request expects");
        }
        Decision::NotSatisfiable => {
            let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "the file is shorter than that");
            insert(&mut response, CONTENT_RANGE, &format!("bytes */{whole}"));
            return response;
        }
    };
    let mut response = Response::new(body(first, length));
    *response.status_mut() = status;
    *response.headers_mut() = representation.headers().clone();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        insert(&mut response, CONTENT_RANGE, &format!("bytes {first}-{}/{whole}", first + length - 1));
    }
    response
}

pub(crate) fn options() -> Response<ResponseBody> {
    let mut response = empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

pub(crate) fn text(status: StatusCode, message: &str) -> Response<ResponseBody> {
    let bytes = Bytes::from(format!("{message}\n"));
    let length = HeaderValue::from(bytes.len());
    let mut response = Response::new(ResponseBody::Memory(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN_TEXT));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = status;
    response
}

fn insert(response: &mut Response<ResponseBody>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What every resource here understands.
pub(crate) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

pub(crate) const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
