//! What tells two versions of a resource apart (RFC 9110, section 8.8), and where a part belongs (section 14.4).

use http::header::{CONTENT_RANGE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// The validators of an answer, as they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

impl Validators {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { etag: text(headers, &ETAG), last_modified: text(headers, &LAST_MODIFIED) }
    }

    /// The value for `If-Range`: a strong entity tag, else a date. Without one a download cannot be continued.
    pub(crate) fn if_range(&self) -> Option<HeaderValue> {
        let strong = self.etag.as_deref().filter(|tag| !tag.starts_with("W/"));
        HeaderValue::from_str(strong.or(self.last_modified.as_deref())?).ok()
    }

    /// Headers that ask for the resource only if it has changed; `None` without a validator.
    pub(crate) fn if_changed(&self) -> Option<HeaderMap> {
        let (name, value) = match (&self.etag, &self.last_modified) {
            (Some(etag), _) => (IF_NONE_MATCH, etag),
            (None, Some(date)) => (IF_MODIFIED_SINCE, date),
            (None, None) => return None,
        };
        Some(HeaderMap::from_iter([(name, HeaderValue::from_str(value).ok()?)]))
    }

    /// Whether an answer belongs to the same version: whatever both sides have must be equal.
    pub(crate) fn agree_with(&self, other: &Self) -> bool {
        let agree = |ours: &Option<String>, theirs: &Option<String>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        agree(&self.etag, &other.etag) && agree(&self.last_modified, &other.last_modified)
    }
}

/// Reads `Content-Range: bytes FIRST-LAST/TOTAL`; `None` for any other form.
pub(crate) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let value = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let range = ContentRange { first: number(first)?, last: number(last)?, total: number(total)? };
    (range.first <= range.last && range.last < range.total).then_some(range)
}

/// The place of a part inside the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Digits only: `u64::from_str` would also accept a plus sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_is_read_strictly() {
        let read = |value: &str| {
            content_range(&HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_str(value).unwrap())]))
        };
        assert_eq!(read("bytes 5-9/10"), Some(ContentRange { first: 5, last: 9, total: 10 }));
        for bad in [
            "bytes 5-10/10",
            "bytes 9-5/10",
            "bytes */10",
            "bytes 5-9/*",
            "5-9/10",
            "bytes +5-9/10",
            "bytes -9/10",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn weak_tags_are_not_used_to_continue() {
        let date = "Fri, 19 Jun 2026 01:34:00 GMT".to_owned();
        let weak = Validators { etag: Some("W/\"a\"".to_owned()), last_modified: Some(date.clone()) };
        assert_eq!(weak.if_range().unwrap(), date.as_str());
        assert!(Validators { last_modified: None, ..weak.clone() }.if_range().is_none());
        let strong = Validators { etag: Some("\"a\"".to_owned()), ..weak.clone() };
        assert_eq!(strong.if_range().unwrap(), "\"a\"");
        assert!(!strong.agree_with(&weak) && strong.agree_with(&Validators::default()));
    }
}
