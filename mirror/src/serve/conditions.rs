//! Which part of a representation a request asks for: conditions (RFC 9110, section 13) and ranges (section 14).
//!
//! Pure functions of the headers. Several ranges at once are answered with the whole body, which section 14.2 allows.

use std::time::SystemTime;

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, Method};

/// What the request's headers are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selected<'a> {
    /// The strong entity tag, quotes included.
    pub(crate) etag: &'a str,
    /// The time of the last change in whole seconds.
    pub(crate) last_modified: Option<SystemTime>,
    /// The length of the whole.
    pub(crate) length: u64,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// 200 with everything.
    Whole,
    /// 206 with these bytes, both ends included.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    NotSatisfiable,
}

/// Evaluates the conditions in the order of RFC 9110, section 13.2.2.
pub(crate) fn decide(method: &Method, headers: &HeaderMap, selected: &Selected<'_>) -> Decision {
    // Steps 1 and 2
    if headers.contains_key(IF_MATCH) {
        if !matches_tag(headers, &IF_MATCH, selected.etag, Comparison::Strong) {
            return Decision::PreconditionFailed;
        }
    } else if let (Some(limit), Some(modified)) =
        (date(headers, &IF_UNMODIFIED_SINCE), selected.last_modified)
        && modified > limit
    {
        return Decision::PreconditionFailed;
    }
    // Steps 3 and 4
    if headers.contains_key(IF_NONE_MATCH) {
        if matches_tag(headers, &IF_NONE_MATCH, selected.etag, Comparison::Weak) {
            return Decision::NotModified;
        }
    } else if let (Some(known), Some(modified)) = (date(headers, &IF_MODIFIED_SINCE), selected.last_modified)
        && modified <= known
    {
        return Decision::NotModified;
    }
    // Step 5; section 14.2: ranges are for GET alone
    if *method != Method::GET || !headers.contains_key(RANGE) || !if_range_holds(headers, selected) {
        return Decision::Whole;
    }
    range(headers, selected.length)
}

/// How entity tags are compared (section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn matches_tag(headers: &HeaderMap, name: &HeaderName, etag: &str, comparison: Comparison) -> bool {
    headers.get_all(name).iter().any(|value| {
        let Ok(value) = value.to_str() else { return false };
        value.trim() == "*"
            || tags(value).any(|(weak, tag)| tag == etag && !(weak && comparison == Comparison::Strong))
    })
}

/// Splits a list of entity tags; ends at the first thing that is none.
fn tags(list: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let end = quoted.strip_prefix('"')?.find('"')? + 2;
        let (tag, after) = quoted.split_at_checked(end)?;
        rest = after;
        Some((weak, tag))
    })
}

/// Section 13.1.5: a strong tag, or exactly the date; anything else does not hold and the whole is sent.
fn if_range_holds(headers: &HeaderMap, selected: &Selected<'_>) -> bool {
    let Some(value) = headers.get(IF_RANGE) else { return true };
    let Ok(value) = value.to_str().map(str::trim) else { return false };
    if value.starts_with('"') || value.starts_with("W/") {
        return value == selected.etag;
    }
    let known = httpdate::parse_http_date(value).ok();
    known.is_some() && known == selected.last_modified
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Section 14.1.2. What is malformed, of another unit, or more than one range is ignored.
fn range(headers: &HeaderMap, length: u64) -> Decision {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Decision::Whole };
    let Some((unit, set)) = value.to_str().ok().and_then(|value| value.split_once('=')) else {
        return Decision::Whole;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Decision::Whole;
    }
    let mut ranges =
        set.split(',').map(|range| range.trim_matches([' ', '\t'])).filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Decision::Whole };
    let Some((first, last)) = range.split_once('-') else { return Decision::Whole };
    match (position(first), position(last)) {
        // -N: the last N bytes
        (None, Some(count)) if first.is_empty() => {
            if count == 0 || length == 0 {
                return Decision::NotSatisfiable;
            }
            Decision::Part { first: length.saturating_sub(count), last: length - 1 }
        }
        // N-
        (Some(first), None) if last.is_empty() => part(first, u64::MAX, length),
        (Some(first), Some(last)) if first <= last => part(first, last, length),
        _ => Decision::Whole,
    }
}

fn part(first: u64, last: u64, length: u64) -> Decision {
    if first >= length {
        Decision::NotSatisfiable
    } else {
        Decision::Part { first, last: last.min(length - 1) }
    }
}

/// Digits only; a number too large for 64 bits is as good as the largest.
fn position(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {

    use http::HeaderValue;

    use super::*;

    const DATE: &str = "Fri, 19 Jun 2026 01:34:00 GMT";
    const EARLIER: &str = "Fri, 19 Jun 2026 01:33:59 GMT";
    const LATER: &str = "Fri, 19 Jun 2026 01:34:01 GMT";

    fn decision(method: &Method, lines: &[(&str, &str)]) -> Decision {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let selected = Selected {
            etag: "\"a\"",
            last_modified: Some(httpdate::parse_http_date(DATE).unwrap()),
            length: 100,
        };
        decide(method, &headers, &selected)
    }

    #[test]
    fn ranges() {
        let part = |first, last| Decision::Part { first, last };
        for (range, expected) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=99-", part(99, 99)),
            ("bytes=50-1000", part(50, 99)),
            ("bytes=-1", part(99, 99)),
            ("bytes=-1000", part(0, 99)),
            ("BYTES=5-5", part(5, 5)),
            ("bytes= 5-6 ,", part(5, 6)),
            ("bytes=0-99999999999999999999999", part(0, 99)),
            ("bytes=100-", Decision::NotSatisfiable),
            ("bytes=99999999999999999999999-", Decision::NotSatisfiable),
            ("bytes=-0", Decision::NotSatisfiable),
            ("bytes=9-5", Decision::Whole),
            ("bytes=0-1,5-6", Decision::Whole),
            ("bytes=a-b", Decision::Whole),
            ("bytes=-", Decision::Whole),
            ("bytes=5", Decision::Whole),
            ("bytes=--5", Decision::Whole),
            ("bytes=+1-5", Decision::Whole),
            ("bytes=", Decision::Whole),
            ("lines=0-9", Decision::Whole),
            ("0-9", Decision::Whole),
        ] {
            assert_eq!(decision(&Method::GET, &[("range", range)]), expected, "{range}");
            assert_eq!(decision(&Method::HEAD, &[("range", range)]), Decision::Whole, "HEAD {range}");
        }
        assert_eq!(
            decision(&Method::GET, &[("range", "bytes=0-1"), ("range", "bytes=0-1")]),
            Decision::Whole
        );
    }

    #[test]
    fn conditions() {
        let whole = Decision::Whole;
        let part = Decision::Part { first: 5, last: 99 };
        let range = ("range", "bytes=5-");
        let cases: &[(&[(&str, &str)], Decision)] = &[
            (&[("if-none-match", "\"a\"")], Decision::NotModified),
            (&[("if-none-match", "W/\"a\"")], Decision::NotModified),
            (&[("if-none-match", "\"x\", \"a,b\" ,\"a\"")], Decision::NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], Decision::NotModified),
            (&[("if-none-match", "*")], Decision::NotModified),
            (&[("if-none-match", "\"x\"")], whole),
            (&[("if-none-match", "a")], whole),
            (&[("if-none-match", "\"x\""), ("if-modified-since", LATER)], whole),
            (&[("if-modified-since", DATE)], Decision::NotModified),
            (&[("if-modified-since", LATER)], Decision::NotModified),
            (&[("if-modified-since", EARLIER)], whole),
            (&[("if-modified-since", "yesterday")], whole),
            (&[("if-match", "\"a\"")], whole),
            (&[("if-match", "*")], whole),
            (&[("if-match", "W/\"a\"")], Decision::PreconditionFailed),
            (&[("if-match", "\"x\"")], Decision::PreconditionFailed),
            (&[("if-unmodified-since", EARLIER)], Decision::PreconditionFailed),
            (&[("if-unmodified-since", DATE)], whole),
            (&[("if-match", "\"a\""), ("if-unmodified-since", EARLIER)], whole),
            (&[("if-match", "\"x\""), ("if-none-match", "\"a\"")], Decision::PreconditionFailed),
            (&[range, ("if-range", "\"a\"")], part),
            (&[range, ("if-range", "\"x\"")], whole),
            (&[range, ("if-range", "W/\"a\"")], whole),
            (&[range, ("if-range", DATE)], part),
            (&[range, ("if-range", LATER)], whole),
            (&[range, ("if-range", "junk")], whole),
            (&[range, ("if-none-match", "\"a\"")], Decision::NotModified),
            (&[range, ("if-match", "\"a\"")], part),
        ];
        for (lines, expected) in cases {
            assert_eq!(decision(&Method::GET, lines), *expected, "{lines:?}");
        }
    }
}
