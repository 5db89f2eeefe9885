//! Any method, target and headers.

use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;

use super::oracle::{Asked, asked};
use super::{Mirror, Package};

impl Mirror {
    /// A request of lines: the method, the target, and headers with a colon between name and value.
    pub fn request(&self, data: &[u8]) {
        let filled = self.filled_in(data);
        let mut lines = filled.split(|byte| *byte == b'\n');
        let (Some(method), Some(target)) = (lines.next(), lines.next()) else { return };
        let method = if method.is_empty() { Ok(Method::GET) } else { Method::from_bytes(method) };
        let (Ok(method), Ok(uri)) = (method, http::Uri::try_from(target)) else { return };
        let mut request = Request::new(());
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("localhost"));
        for line in lines.take(100) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (short(&line[..colon]), line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        let (head, body) = self.runtime.block_on(async {
            let (head, body) = self.site.answer(&request, &self.peer).await.into_parts();
            (head, body.collect().await.map(|body| body.to_bytes()))
        });
        let body = body.expect("a body to its end");
        let status = head.status.as_u16();
        self.check(status, &head.headers, &body);
        let is_head = request.method() == Method::HEAD;
        assert!(!is_head || body.is_empty(), "a body for HEAD");
        match self.named(request.uri().path()) {
            Some(package) => check_package(&request, package, status, &body),
            None => {
                let is_package =
                    self.packages.iter().any(|package| !body.is_empty() && package.bytes.starts_with(&body));
                assert!(!is_package, "a package under another name: {}", request.uri());
            }
        }
    }

    /// The package that a path names, letter by letter.
    fn named(&self, path: &str) -> Option<&Package> {
        self.packages.iter().find(|package| {
            let (folder, file) = package.path.rsplit_once('/').expect("a folder");
            let digest = package.sha256.to_hex();
            let target = path.strip_prefix("/repository/targets/");
            path.strip_prefix('/') == Some(package.path)
                || target.is_some_and(|target| {
                    target == package.path
                        || target == format!("{digest}.{}", package.path)
                        || target == format!("{folder}/{digest}.{file}")
                })
        })
    }
}

/// What has to be said of a package.
fn check_package(request: &Request<()>, package: &Package, status: u16, body: &[u8]) {
    let headers = request.headers();
    if headers.get_all("host").iter().count() != 1
        || headers.contains_key("transfer-encoding")
        || has_user(request)
    {
        return assert!(matches!(status, 400 | 501 | 200 | 206 | 304 | 405 | 412 | 416 | 204), "{status}");
    }
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return assert_eq!(status, 204),
        _ => return assert_eq!(status, 405),
    }
    let has = |names: &[&str]| names.iter().any(|name| headers.contains_key(*name));
    match status {
        304 => return assert!(has(&["if-none-match", "if-modified-since"])),
        412 => return assert!(has(&["if-match", "if-unmodified-since"])),
        _ => {}
    }
    let ranges: Vec<&HeaderValue> = headers.get_all("range").iter().collect();
    let wanted = match ranges.as_slice() {
        [range] if request.method() == Method::GET => asked(range.as_bytes(), &package.bytes),
        _ => Asked::Whole,
    };
    let is_whole =
        (status, body.len()) == (200, if request.method() == Method::HEAD { 0 } else { package.bytes.len() });
    let is_as_wanted = match wanted {
        Asked::Whole => is_whole,
        Asked::Nothing => status == 416,
        Asked::Bytes(bytes) => status == 206 && bytes == body,
    };
    // With If-Range it may be the whole.
    assert!(is_as_wanted || (is_whole && has(&["if-range"])), "{status}, {} bytes: {request:?}", body.len());
}

fn has_user(request: &Request<()>) -> bool {
    request.uri().authority().is_some_and(|authority| authority.as_str().contains('@'))
}

/// Names by one letter, so that changes reach the values.
fn short(name: &[u8]) -> &[u8] {
    match name {
        b"r" => b"range",
        b"i" => b"if-range",
        b"m" => b"if-match",
        b"n" => b"if-none-match",
        b"s" => b"if-modified-since",
        b"u" => b"if-unmodified-since",
        _ => name,
    }
}
