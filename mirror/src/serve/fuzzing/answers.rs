//! Reads what the server has sent, and holds it against the catalog.

use http::HeaderMap;

use super::{Mirror, SECRET};
use crate::Sha256Digest;

impl Mirror {
    /// What holds of every answer, whatever was asked: bytes of packages are those of the digest in the entity tag, in the
    /// place that `Content-Range` says; all else is text.
    pub(super) fn check(&self, status: u16, headers: &HeaderMap, body: &[u8]) {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let found =
            header("etag").and_then(|tag| tag.strip_prefix("\"sha256-")?.strip_suffix('"')?.parse().ok());
        let package =
            found.and_then(|digest: Sha256Digest| self.packages.iter().find(|p| p.sha256 == digest));
        let Some(package) = package.filter(|_| matches!(status, 200 | 206)) else {
            // A part of a page may begin and end within a letter.
            let is_text = |from| !matches!(std::str::from_utf8(&body[from..]), Err(error) if error.error_len().is_some());
            let letter = if status == 206 { 4.min(body.len()) } else { 0 };
            assert!((0..=letter).any(is_text), "{status}: bytes that are no text");
            assert!(!body.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
            return;
        };
        let length = package.bytes.len();
        let range = header("content-range").map(|range| {
            let (bounds, whole) =
                range.strip_prefix("bytes ").and_then(|r| r.split_once('/')).expect("a range");
            let (first, last) = bounds.split_once('-').expect("two ends");
            assert_eq!(whole, length.to_string());
            (first.parse::<usize>().expect("a number"), last.parse::<usize>().expect("a number"))
        });
        assert_eq!(status == 206, range.is_some());
        let (first, last) = range.unwrap_or((0, length - 1));
        assert_eq!(header("content-length"), Some((last + 1 - first).to_string().as_str()));
        assert!(
            body.is_empty() || body == &package.bytes[first..=last],
            "{status}: other bytes than the catalog's"
        );
    }

    /// What holds of a body of which the head is not known: it is a piece of one package, or the begin of a text.
    pub(super) fn check_piece(&self, body: &[u8]) {
        let is_text = match std::str::from_utf8(body) {
            Ok(text) => !text.contains(SECRET),
            // Cut off in the middle of a letter.
            Err(error) => error.error_len().is_none(),
        };
        let is_piece =
            |bytes: &[u8]| bytes.starts_with(body) || bytes.windows(body.len()).any(|window| window == body);
        assert!(
            is_text || self.packages.iter().any(|package| is_piece(&package.bytes)),
            "bytes of no package"
        );
    }

    /// Checks all answers on a connection of HTTP/1, and says how many there are.
    pub(super) fn check_answers(&self, mut bytes: &[u8]) -> usize {
        let mut answers = 0;
        while !bytes.is_empty() {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
            let head = std::str::from_utf8(&bytes[..end]).expect("a head of text");
            let mut lines = head.split("\r\n");
            let first = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).expect("an answer");
            let status: u16 = first[2..5].parse().expect("a status");
            let mut headers = HeaderMap::new();
            for line in lines {
                let (name, value) = line.split_once(": ").expect("a header");
                let name: http::HeaderName = name.parse().expect("a name");
                assert!(
                    headers.insert(name.clone(), value.parse().expect("a value")).is_none(),
                    "{name} twice"
                );
            }
            let length = headers.get("content-length").map_or(0, |length| {
                length.to_str().ok().and_then(|length| length.parse().ok()).expect("a length")
            });
            let rest = &bytes[end + 4..];
            // What answers HEAD, or says 304, has no body; none of ours begins so.
            let length = if rest.starts_with(b"HTTP/1.") || rest.is_empty() { 0 } else { length };
            assert!(length <= rest.len(), "{} of {length} bytes", rest.len());
            self.check(status, &headers, &rest[..length]);
            bytes = &rest[length..];
            answers += usize::from(status >= 200);
        }
        answers
    }
}
