//! Build tags (`glide-zurich-…`), which instances print beside the build date.

use std::fmt;

use super::buildstamp::{Buildstamp, BuildstampError};

/// A build tag as `stats.do` prints it: `glide-` and the build stamp without its build date.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildTag {
    /// Without `glide-`.
    text: String,
}

impl BuildTag {
    /// What every build tag begins with.
    pub const PREFIX: &'static str = "glide-";

    /// Parses a tag; blanks around it and Markdown's `\_` are undone, nothing else.
    pub fn parse(text: &str) -> Result<Self, BuildstampError> {
        let text = text.trim().replace("\\_", "_");
        let tag = text.strip_prefix(Self::PREFIX).unwrap_or(&text);
        // The characters and the length are those of a stamp.
        Buildstamp::parse(tag)?;
        Ok(Self { text: tag.to_owned() })
    }

    /// The stamp of the build that was made of this tag at a date: `06-19-2026_0859`, or as `glide.properties` is
    /// documented, `06-19-2026-0859`. What makes no regular stamp becomes an opaque one.
    pub fn built(&self, date: &str) -> Result<Buildstamp, BuildstampError> {
        let mut date = date.trim().replace("\\_", "_");
        if date.len() == DATE_AND_TIME && date.get(10..11) == Some("-") {
            date.replace_range(10..11, "_");
        }
        Buildstamp::parse(&format!("{}_{date}", self.text))
    }

    /// Whether a build was made of this tag.
    pub fn is_of(&self, stamp: &Buildstamp) -> bool {
        let rest = stamp.as_str().strip_prefix(&self.text).and_then(|rest| rest.strip_prefix('_'));
        stamp.fields().is_some() && rest.is_some_and(|date| date.len() == DATE_AND_TIME)
    }
}

impl fmt::Display for BuildTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.text)
    }
}

/// `mm-dd-yyyy_hhmm`
const DATE_AND_TIME: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "zurich-07-01-2025__patch9-hotfix3-06-13-2026_06-19-2026_0859";

    #[test]
    fn tag_and_date_make_the_stamp() {
        let tag = BuildTag::parse(" glide-zurich-07-01-2025\\_\\_patch9-hotfix3-06-13-2026\n").unwrap();
        for date in ["06-19-2026_0859", " 06-19-2026-0859 "] {
            let stamp = tag.built(date).unwrap();
            assert_eq!(stamp.as_str(), STAMP);
            assert!(tag.is_of(&stamp));
        }
        assert!(tag.built("yesterday").unwrap().fields().is_none());
        assert!(tag.built("06/19/2026").is_err());
        assert!(
            !BuildTag::parse("glide-zurich-07-01-2025__patch9")
                .unwrap()
                .is_of(&tag.built("06-19-2026_0859").unwrap())
        );
    }
}
