//! What people call a build: a release name (`Zurich Patch 9 Hotfix 3`).
//!
//! A release name never says which build it is: the dates are missing. It is only good for looking builds up.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::buildstamp::StampFields;

/// A release as people write it: family, patch and hotfix, all but the family optional.
///
/// Read are `zurich patch 9 hotfix 3`, `Zurich Patch 9 HF3`, `zurich-p9h3`, `zurich p9hf3`, `zurich-patch9-hotfix3`: the
/// family as one word or two (`San Diego`), then `patch` or `p`, then `hotfix`, `hf` or `h`, in any case, separated by
/// blanks, hyphens, underscores or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseName {
    family: String,
    patch: Option<String>,
    hotfix: Option<String>,
}

/// The text is no release name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no release name such as \"zurich patch 9 hotfix 3\"")]
pub struct ReleaseNameError {
    text: String,
}

impl ReleaseName {
    /// Parses what a person typed.
    pub fn parse(text: &str) -> Result<Self, ReleaseNameError> {
        let malformed = || ReleaseNameError { text: text.chars().take(100).collect() };
        if text.len() > MAX_LENGTH {
            return Err(malformed());
        }
        let lower = text.trim().to_ascii_lowercase();
        let words = split_words(&lower).ok_or_else(malformed)?;
        let mut words = words.into_iter().peekable();
        let mut family = String::new();
        while let Some(word) = words.next_if(|word| !is_number(word) && !is_keyword(word)) {
            family.push_str(word);
        }
        let patch = numbered(&mut words, PATCH_WORDS).map_err(|()| malformed())?;
        let hotfix = numbered(&mut words, HOTFIX_WORDS).map_err(|()| malformed())?;
        let is_family =
            !family.is_empty() && !is_keyword(&family) && family.bytes().all(|b| b.is_ascii_lowercase());
        if !is_family || words.next().is_some() || (hotfix.is_some() && patch.is_none()) {
            return Err(malformed());
        }
        Ok(Self { family, patch, hotfix })
    }

    /// Whether it names a release and not only a family.
    pub fn has_patch(&self) -> bool {
        self.patch.is_some()
    }

    /// Whether a build is of this very release; without a hotfix it is the patch itself.
    pub fn is_of(&self, stamp: &StampFields) -> bool {
        self.family == stamp.family
            && self.patch.as_deref() == Some(&stamp.patch)
            && self.hotfix == stamp.hotfix
    }

    /// Whether a build is of the same family and, if a patch is named, of that patch with any letter and any hotfix.
    pub fn is_near(&self, stamp: &StampFields) -> bool {
        let number = |text: &str| text.trim_end_matches(|c: char| c.is_ascii_lowercase()).to_owned();
        let same = |patch: &String| number(patch) == number(&stamp.patch);
        self.family == stamp.family && self.patch.as_ref().is_none_or(same)
    }

    /// The family in lower case, without blanks.
    pub fn family(&self) -> &str {
        &self.family
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.family)?;
        for (word, number) in [("patch", &self.patch), ("hotfix", &self.hotfix)] {
            if let Some(number) = number {
                write!(f, " {word} {number}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for ReleaseName {
    type Err = ReleaseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Splits `zurich-p9h3` into `zurich`, `p`, `9`, `h`, `3`; a letter that ends a number stays with it (`7b`).
fn split_words(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    for part in text.split([' ', '\t', '-', '_']).filter(|part| !part.is_empty()) {
        let mut rest = part;
        while !rest.is_empty() {
            let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
            let length = match letters {
                0 => number_length(rest)?,
                letters => letters,
            };
            let (word, after) = rest.split_at_checked(length)?;
            words.push(word);
            rest = after;
        }
    }
    Some(words)
}

/// The length of `9` or `7b` at the beginning of a text. In `9h3` the letter belongs to what follows.
fn number_length(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(digits..)?;
    let letters = rest.bytes().take_while(u8::is_ascii_lowercase).count();
    let letter = match (letters, rest.get(..letters).is_some_and(is_keyword)) {
        (1, false) => 1,
        // `7bh3`: the letter, then a keyword.
        (2.., false)
            if !rest.get(..1).is_some_and(is_keyword) && rest.get(1..letters).is_some_and(is_keyword) =>
        {
            1
        }
        _ => 0,
    };
    (digits > 0).then_some(digits + letter)
}

fn numbered<'a>(
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    keywords: &[&str],
) -> Result<Option<String>, ()> {
    if words.next_if(|word| keywords.contains(word)).is_none() {
        return Ok(None);
    }
    match words.next_if(|word| is_number(word) && word.len() <= 5) {
        Some(number) => Ok(Some(number.to_owned())),
        None => Err(()),
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

fn is_keyword(word: &str) -> bool {
    PATCH_WORDS.contains(&word) || HOTFIX_WORDS.contains(&word)
}

const PATCH_WORDS: &[&str] = &["patch", "p"];
const HOTFIX_WORDS: &[&str] = &["hotfix", "hf", "h"];
const MAX_LENGTH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Buildstamp;

    const STAMP: &str = "zurich-07-01-2025__patch9-hotfix3-06-13-2026_06-19-2026_0859";

    #[test]
    fn spellings_of_one_release() {
        let plain = ReleaseName::parse("zurich patch 9 hotfix 3").unwrap();
        for text in [
            "Zurich Patch 9 Hotfix 3",
            "zurich-p9h3",
            " zurich p9hf3",
            "ZURICH P9 HF 3",
            "zurich-patch9-hotfix3",
            "zurich_patch9_hotfix3",
        ] {
            assert_eq!(ReleaseName::parse(text).unwrap(), plain, "{text}");
        }
        assert_eq!(plain.to_string(), "zurich patch 9 hotfix 3");
        for (text, shown) in [
            ("San Diego Patch 9a Hotfix 1", "sandiego patch 9a hotfix 1"),
            ("yokohama p12h2b", "yokohama patch 12 hotfix 2b"),
            ("zurich p7bh2", "zurich patch 7b hotfix 2"),
            ("zurich p7bhf2", "zurich patch 7b hotfix 2"),
            ("Washington DC", "washingtondc"),
        ] {
            assert_eq!(ReleaseName::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_release_names() {
        for text in [
            "",
            " ",
            "9",
            "patch 9",
            "zurich 9",
            "zurich patch",
            "zurich hotfix 3",
            "zurich patch 9 hotfix",
            "zurich patch 9 patch 3",
            "zurich patch x",
            "zürich patch 9",
            "zurich patch 9.1",
            "zurich patch 123456",
            STAMP,
            "2012-07-18-1833",
        ] {
            assert!(ReleaseName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_patch_is_not_its_hotfixes_nor_its_letters() {
        let stamp = Buildstamp::parse(STAMP).unwrap();
        let fields = stamp.fields().unwrap();
        let name = |text| ReleaseName::parse(text).unwrap();
        assert!(name("zurich p9h3").is_of(fields));
        for other in ["zurich p9", "zurich p9h2", "zurich p9bh3", "yokohama p9h3", "zurich"] {
            assert!(!name(other).is_of(fields), "{other}");
        }
        for near in ["zurich p9", "zurich p9h2", "zurich p9b", "zurich"] {
            assert!(name(near).is_near(fields), "{near}");
        }
        assert!(!name("zurich p1").is_near(fields));
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(text in "(zurich|patch|p|hotfix|h|[0-9]|[a-z]|-| |\\PC){0,12}") {
            if let Ok(name) = ReleaseName::parse(&text) {
                proptest::prop_assert_eq!(ReleaseName::parse(&name.to_string()).ok(), Some(name));
            }
        }
    }
}
