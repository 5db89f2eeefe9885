//! Build stamps as the vendor writes them, for instance
//! `zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134`.
//!
//! ```text
//! stamp  = family "-" fdate "__patch" N [a-z] ["-hotfix" M [a-z]] "-" tdate "_" bdate "_" hhmm
//! family = [a-z]+    fdate, tdate, bdate = mm-dd-yyyy    hhmm = 24 h, 4 digits
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A build stamp: regular (all fields known) or opaque (kept as it was given, fields unknown).
///
/// The whole stamp is the key of a build: one build tag may be built twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Buildstamp {
    text: String,
    fields: Option<StampFields>,
}

/// The fields of a regular build stamp.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StampFields {
    /// Release family in lower case, for instance `zurich`.
    pub family: String,
    /// Date of the family branch.
    pub family_date: Date,
    /// Patch number with an optional letter, for instance `7b`.
    pub patch: String,
    /// Hotfix number with an optional letter, for instance `2`.
    pub hotfix: Option<String>,
    /// Date of the build tag.
    pub tag_date: Date,
    /// Date and time of the build; the date names the vendor's folder.
    pub built: DateTime,
}

/// The text cannot be a build stamp, not even an opaque one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildstampError {
    /// Nothing was left after trimming.
    #[error("the build stamp is empty")]
    Empty,
    /// Longer than 200 bytes; the longest real one has fewer than 80.
    #[error("the build stamp is {length} bytes long, at most 200 are accepted")]
    TooLong {
        /// Length of what was given, in bytes.
        length: usize,
    },
    /// Contains a character that no package name has.
    #[error("the build stamp {text:?} contains {character:?}; only letters, digits, '-' and '_' may occur")]
    Character {
        /// What was given.
        text: String,
        /// The first character that may not occur.
        character: char,
    },
}

impl Buildstamp {
    /// Parses a stamp as printed by the vendor. Irregular stamps become opaque, see [`Buildstamp::fields`].
    ///
    /// Nothing is repaired here; [`Buildstamp::from_input`] is for what people paste.
    pub fn parse(text: &str) -> Result<Self, BuildstampError> {
        if text.is_empty() {
            return Err(BuildstampError::Empty);
        }
        if text.len() > 200 {
            return Err(BuildstampError::TooLong { length: text.len() });
        }
        if let Some(character) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'))
        {
            return Err(BuildstampError::Character { text: text.to_owned(), character });
        }
        Ok(Self { text: text.to_owned(), fields: parse_fields(text) })
    }

    /// Parses what a person typed or pasted: blanks around it and Markdown's `\_` are undone, nothing else.
    pub fn from_input(text: &str) -> Result<Self, BuildstampError> {
        Self::parse(&text.trim().replace("\\_", "_"))
    }

    /// The stamp as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The fields of a regular stamp; `None` for an opaque one, which needs a full URL to be fetched.
    pub fn fields(&self) -> Option<&StampFields> {
        self.fields.as_ref()
    }

    /// The family of a regular stamp.
    pub fn family(&self) -> Option<&str> {
        self.fields.as_ref().map(|f| f.family.as_str())
    }
}

impl fmt::Display for Buildstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Buildstamp {
    type Err = BuildstampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Buildstamp {
    type Error = BuildstampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Buildstamp> for String {
    fn from(stamp: Buildstamp) -> Self {
        stamp.text
    }
}

fn parse_fields(text: &str) -> Option<StampFields> {
    let (branch, rest) = text.split_once("__patch")?;
    let (family, family_date) = branch.split_once('-')?;
    if family.is_empty() || !family.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let mut tail = rest.rsplitn(3, '_');
    let (time, build_date, tag) = (tail.next()?, tail.next()?, tail.next()?);
    let tag_date = tag.get(tag.len().checked_sub(10)?..)?;
    let release = tag.get(..tag.len().checked_sub(10)?)?.strip_suffix('-')?;
    let (patch, hotfix) = match release.split_once("-hotfix") {
        Some((patch, hotfix)) => (patch, Some(numbered(hotfix)?)),
        None => (release, None),
    };
    let tag_date = parse_date(tag_date)?;
    let built = parse_date(build_date)?.to_datetime(parse_time(time)?);
    Some(StampFields {
        family: family.to_owned(),
        family_date: parse_date(family_date)?,
        patch: numbered(patch)?,
        hotfix,
        tag_date,
        built,
    })
}

/// Accepts `12` or `12b`.
fn numbered(text: &str) -> Option<String> {
    let digits = text.strip_suffix(|c: char| c.is_ascii_lowercase()).unwrap_or(text);
    (!digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.to_owned())
}

/// Accepts `mm-dd-yyyy`.
fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || month.len() != 2 || day.len() != 2 || year.len() != 4 {
        return None;
    }
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Accepts `hhmm`.
fn parse_time(text: &str) -> Option<Time> {
    if text.len() != 4 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Time::new(text.get(..2)?.parse().ok()?, text.get(2..)?.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_stamp_has_all_fields() {
        let text = "zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134";
        let stamp = Buildstamp::parse(text).unwrap();
        let fields = stamp.fields().unwrap();
        assert_eq!(fields.family, "zurich");
        assert_eq!(fields.patch, "7b");
        assert_eq!(fields.hotfix.as_deref(), Some("2"));
        assert_eq!(fields.tag_date.to_string(), "2026-06-18");
        assert_eq!(fields.built.to_string(), "2026-06-19T01:34:00");
        assert_eq!(stamp.to_string(), text);
    }

    #[test]
    fn irregular_stamps_stay_opaque() {
        for text in [
            "2012-07-18-1833",
            "trackdiscocopper-10-09-2020_10-14-2021_2200",
            "london-06-27-2018__patch2-hotfix5-11-22-201_11-22-2018_1058",
            "vancouver-07-06-2023_patch1-08-30-2023_09-07-2023_2046",
            "xanadu-07-02-2024__patch5-12-24-2024__12-31-2024_0455",
            "yokohama-12-18-2024__patch3-hotfix4-06-25_2025_06-26-2025_2019",
        ] {
            let stamp = Buildstamp::parse(text).unwrap();
            assert_eq!(stamp.fields(), None, "{text}");
            assert_eq!(stamp.as_str(), text);
        }
    }

    #[test]
    fn blanks_and_markdown_escapes_are_undone_only_for_input() {
        let clean = "newyork-06-26-2019__patch0-hotfix2-07-10-2019_07-16-2019_1636";
        let pasted = format!("  {} \n", clean.replace('_', "\\_"));
        assert_eq!(Buildstamp::from_input(&pasted).unwrap().as_str(), clean);
        assert!(Buildstamp::parse(&pasted).is_err());
        assert!(Buildstamp::parse("a/../b").is_err());
    }
}
