//! Which bytes a request asks for (RFC 9110, section 14), and where the body of its answer belongs.

use http::header::{CONTENT_LENGTH, IF_RANGE, RANGE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::answer::{Answer, Failure, bad_answer};
use super::error::{FetchError, ResponseProblem};
use super::part_file::Sidecar;
use super::validator::{Validators, content_range};

/// The bytes that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    /// None: to the end.
    pub(crate) last: Option<u64>,
}

impl Span {
    fn is_whole(self) -> bool {
        self == Self { first: 0, last: None }
    }

    /// Headers that ask for the span, of no other version than the known one.
    pub(crate) fn headers(self, known: &Validators) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let last = self.last.map(|last| last.to_string()).unwrap_or_default();
        let Ok(range) = HeaderValue::try_from(format!("bytes={}-{last}", self.first)) else { return headers };
        match (self.first, known.if_range()) {
            _ if self.is_whole() => {}
            // The first range of all shows which version there is.
            (0, _) => {
                headers.insert(RANGE, range);
            }
            (_, Some(validator)) => {
                headers.insert(RANGE, range);
                headers.insert(IF_RANGE, validator);
            }
            (_, None) => {}
        }
        headers
    }
}

/// Where the body of an answer belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the whole file.
    Beginning,
    /// It is what was asked for.
    Span,
    /// It is something else, or of another version.
    Nowhere,
}

/// Decides where the body of an answer belongs. `known` is what the bytes before the span belong to.
pub(crate) fn place(
    answer: &Answer,
    url: &Url,
    span: Span,
    known: Option<&Sidecar>,
) -> Result<Place, Failure> {
    match answer.status() {
        StatusCode::OK => Ok(Place::Beginning),
        StatusCode::PARTIAL_CONTENT if !span.is_whole() => {
            Ok(if fits(answer.headers(), span, known) { Place::Span } else { Place::Nowhere })
        }
        StatusCode::RANGE_NOT_SATISFIABLE if !span.is_whole() => Ok(Place::Nowhere),
        status => Err(answer.failure().unwrap_or_else(|| {
            match status {
                StatusCode::PARTIAL_CONTENT => bad_answer(url, ResponseProblem::UnexpectedPartial),
                other => FetchError::Status { url: url.to_string(), status: other.as_u16() },
            }
            .into()
        })),
    }
}

fn fits(headers: &HeaderMap, span: Span, known: Option<&Sidecar>) -> bool {
    let validators = Validators::of(headers);
    let Some(range) = content_range(headers) else { return false };
    let same_file = match known {
        Some(known) => {
            validators.agree_with(&known.validators)
                && known.length.is_none_or(|length| length == range.total)
        }
        // Without a validator the other ranges could not be asked for.
        None => validators.if_range().is_some(),
    };
    let length = range.last - range.first + 1;
    same_file
        && range.first == span.first
        && span.last.is_none_or(|last| range.last == last.min(range.total - 1))
        && announced(headers).is_none_or(|announced| announced == length)
}

/// `Content-Length`, unless the body comes in chunks, which then decide alone (RFC 9112, 6.3).
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn only_a_range_after_the_beginning_needs_a_validator() {
        let tag = Validators { etag: Some("\"a\"".to_owned()), last_modified: None };
        let (none, span) = (Validators::default(), |first, last| Span { first, last });
        assert!(span(0, None).headers(&tag).is_empty());
        assert_eq!(span(0, Some(9)).headers(&none), headers(&[("range", "bytes=0-9")]));
        let both = |range| headers(&[("range", range), ("if-range", "\"a\"")]);
        assert_eq!(span(5, Some(9)).headers(&tag), both("bytes=5-9"));
        assert_eq!(span(5, None).headers(&tag), both("bytes=5-"));
        assert!(span(5, Some(9)).headers(&none).is_empty());
    }

    #[test]
    fn range_must_be_exactly_the_one_that_was_asked_for() {
        let mut known = Sidecar::new(&"https://install.example/a".parse().unwrap());
        known.validators.etag = Some("\"a\"".to_owned());
        known.length = Some(20);
        let fits = |range: &str, tag: &str, span, known| {
            fits(&headers(&[("content-range", range), ("etag", tag)]), span, known)
        };
        let middle = Span { first: 5, last: Some(9) };
        assert!(fits("bytes 5-9/20", "\"a\"", middle, Some(&known)));
        for bad in ["bytes 5-8/20", "bytes 5-10/20", "bytes 4-9/20", "bytes 5-9/21", "bytes 5-9/*"] {
            assert!(!fits(bad, "\"a\"", middle, Some(&known)), "{bad}");
        }
        assert!(!fits("bytes 5-9/20", "\"b\"", middle, Some(&known)));
        let end = Span { first: 15, last: Some(24) };
        assert!(fits("bytes 15-19/20", "\"a\"", end, Some(&known)));
        let start = Span { first: 0, last: Some(9) };
        assert!(fits("bytes 0-9/20", "\"b\"", start, None), "the first range shows which version there is");
        assert!(
            !fits("bytes 0-9/20", "W/\"b\"", start, None),
            "with which the others could not be asked for"
        );
    }
}
