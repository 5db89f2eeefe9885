//! Why a parameter of a request is not taken.
//!
//! Attacks considered: what a client has sent comes back in the answer (a hundred characters at most, and all but letters,
//! digits and harmless signs as `\u{…}`, so that nothing of it is markup, a line of a log or a terminal's command).

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

/// A parameter that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ParameterError {
    #[error("the query is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("there is no parameter {} here", .0.name)]
    Unknown(WrongParameter),
    #[error("{} is given more than once", .0.name)]
    Repeated(WrongParameter),
    #[error("{} has to be {}", .0.name, .0.expected)]
    Value(WrongParameter),
}

/// A parameter that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct WrongParameter {
    /// Its name, as it was given: at most 100 characters, odd ones as `\u{…}`.
    name: String,
    /// Its value, likewise.
    value: String,
    /// What it has to be.
    expected: &'static str,
    /// All that it can be, where that is a list; of a parameter that is not known, the names of those that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<Vec<&'static str>>,
}

impl ParameterError {
    /// For a name that is not among the known ones.
    pub(super) fn unknown(name: &str, value: &str, known: &[&'static str]) -> Self {
        let expected =
            if known.is_empty() { "left out: there are none here" } else { "one of those that are known" };
        Self::Unknown(WrongParameter::new(name, value, expected, Some(known.to_vec())))
    }

    /// For a second value.
    pub(super) fn repeated(name: &str, value: &str) -> Self {
        Self::Repeated(WrongParameter::new(name, value, "given once", None))
    }

    /// For a value that does not fit.
    pub(super) fn value(
        name: &str,
        value: &str,
        expected: &'static str,
        allowed: Option<Vec<&'static str>>,
    ) -> Self {
        Self::Value(WrongParameter::new(name, value, expected, allowed))
    }

    /// The parameter, if it is one that is wrong.
    pub(super) fn parameter(&self) -> Option<&WrongParameter> {
        match self {
            Self::TooLong { .. } => None,
            Self::Unknown(parameter) | Self::Repeated(parameter) | Self::Value(parameter) => Some(parameter),
        }
    }
}

impl WrongParameter {
    fn new(name: &str, value: &str, expected: &'static str, allowed: Option<Vec<&'static str>>) -> Self {
        Self { name: shown(name), value: shown(value), expected, allowed }
    }
}

/// The beginning of a text, harmless wherever it is put.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(LONGEST_SHOWN) {
        match character {
            ' ' | '-' | '_' | '.' | ',' | ':' | '/' | '+' | '*' | '=' | '@' | '(' | ')' => {
                shown.push(character)
            }
            letter if letter.is_alphanumeric() => shown.push(letter),
            odd => shown.extend(odd.escape_unicode()),
        }
    }
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// In characters, of which each takes ten at most.
const LONGEST_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_shown_bounded_and_harmless() {
        assert_eq!(shown("zurich-p9 h3_ä"), "zurich-p9 h3_ä");
        assert_eq!(shown("<b>\"&'\\"), "\\u{3c}b\\u{3e}\\u{22}\\u{26}\\u{27}\\u{5c}");
        assert_eq!(shown("a\n\u{1b}[2J\u{202e}\0"), "a\\u{a}\\u{1b}\\u{5b}2J\\u{202e}\\u{0}");
        assert_eq!(shown(&"x".repeat(100)), "x".repeat(100));
        assert_eq!(shown(&"x".repeat(5000)), format!("{}…", "x".repeat(100)));
        assert!(shown(&"\u{10ffff}".repeat(5000)).len() < 1100);
    }
}
