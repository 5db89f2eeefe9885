//! What a range asks for, found by looking at each byte (RFC 9110, section 14.1.2); written apart from `conditions`.

/// What has to come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: there is no range, or none that counts.
    Whole,
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing: 416.
    Nothing,
}

/// Reads one value of `Range`.
pub(super) fn asked(range: &[u8], whole: &[u8]) -> Asked {
    let text = match std::str::from_utf8(range) {
        Ok(text) if text.is_ascii() => text,
        _ => return Asked::Whole,
    };
    let Some(at) = text.find('=') else { return Asked::Whole };
    if !text[..at].eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let is_blank = |c: char| c == ' ' || c == '\t';
    let given: Vec<&str> = text[at + 1..]
        .split(',')
        .map(|one| one.trim_matches(is_blank))
        .filter(|one| !one.is_empty())
        .collect();
    let [one] = given.as_slice() else { return Asked::Whole };
    let parts: Vec<&str> = one.splitn(2, '-').collect();
    let [first, last] = parts.as_slice() else { return Asked::Whole };
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if (!first.is_empty() && !is_number(first))
        || (!last.is_empty() && !is_number(last))
        || (first.is_empty() && last.is_empty())
    {
        return Asked::Whole;
    }
    // Numbers of any length are compared as texts, without their leading zeros.
    let bare = |text: &str| text.trim_start_matches('0').to_owned();
    let at_most = |one: &str, other: &str| {
        let (one, other) = (bare(one), bare(other));
        (one.len(), one) <= (other.len(), other)
    };
    if !first.is_empty() && !last.is_empty() && !at_most(first, last) {
        // Beyond 64 bits two numbers count as one.
        return if at_most("18446744073709551615", last) { Asked::Nothing } else { Asked::Whole };
    }
    let chosen = whole.iter().enumerate().filter(|(at, _)| match (*first, *last) {
        ("", count) => at_most(&(whole.len() - at).to_string(), count),
        (first, "") => at_most(first, &at.to_string()),
        (first, last) => at_most(first, &at.to_string()) && at_most(&at.to_string(), last),
    });
    let bytes: Vec<u8> = chosen.map(|(_, byte)| *byte).collect();
    if bytes.is_empty() { Asked::Nothing } else { Asked::Bytes(bytes) }
}
