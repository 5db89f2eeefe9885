//! The page `stats.do` of an instance, as HTML or as text that was copied from a browser.
//!
//! ```text
//! Build name: Zurich
//! Build date: 06-19-2026_0859
//! Build tag: glide-zurich-07-01-2025__patch9-hotfix3-06-13-2026
//! MID buildstamp: zurich-07-01-2025__patch9-hotfix3-06-13-2026_06-19-2026_0859
//! ```
//!
//! | attack or damage | defence |
//! | --- | --- |
//! | endless page, endless tag | [`MAX_PAGE_BYTES`]; one pass, nothing nests |
//! | scripts, comments, attributes that hold our labels | dropped before labels are looked for |
//! | values with markup, paths, control characters | only the characters of a build stamp pass |
//! | two different values under one label | refused, none is chosen |
//! | login or error page | no label is found, which is said |

use thiserror::Error;

use crate::package::{BuildTag, Buildstamp, BuildstampError};

/// The largest page that is read; a real one has some ten kilobytes.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What the page says of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsPage {
    stamp: Buildstamp,
    differs: Option<Buildstamp>,
}

/// The page says nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatsPageError {
    /// Too long.
    #[error("the page has {length} bytes, at most {MAX_PAGE_BYTES} are read")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// No label was found.
    #[error(
        "the page has neither a line \"MID buildstamp: …\" nor \"Build tag: glide-…\" with \"Build date: …\"; a login page has none of them"
    )]
    NoBuild,
    /// A label occurs with different values.
    #[error("the page has different values for {label:?}: {first:?} and {second:?}")]
    Contradiction {
        /// The label.
        label: &'static str,
        /// The first value, shortened.
        first: String,
        /// Another value, shortened.
        second: String,
    },
    /// A value is no build stamp.
    #[error("the value of {label:?} is no build stamp")]
    Value {
        /// The label.
        label: &'static str,
        /// What is wrong with it.
        source: BuildstampError,
    },
}

impl StatsPage {
    /// Reads a page, HTML or not.
    pub fn parse(page: &str) -> Result<Self, StatsPageError> {
        if page.len() > MAX_PAGE_BYTES {
            return Err(StatsPageError::TooLong { length: page.len() });
        }
        let lines = lines(page);
        let (stamp, tag, date) = (value(&lines, STAMP)?, value(&lines, TAG)?, value(&lines, DATE)?);
        let named = stamp.map(Buildstamp::from_input).transpose().map_err(wrong(STAMP))?;
        let built = match (tag, date) {
            (Some(tag), Some(date)) => {
                let tag = BuildTag::parse(tag).map_err(wrong(TAG))?;
                Some(tag.built(date).map_err(wrong(DATE))?)
            }
            _ => None,
        };
        match (named, built) {
            (Some(stamp), built) => Ok(Self { differs: built.filter(|built| *built != stamp), stamp }),
            (None, Some(stamp)) => Ok(Self { stamp, differs: None }),
            (None, None) => Err(StatsPageError::NoBuild),
        }
    }

    /// The build that the instance assigns to its MID Servers: `MID buildstamp`, or else the instance's own build.
    pub fn stamp(&self) -> &Buildstamp {
        &self.stamp
    }

    /// The instance's own build, if `MID buildstamp` names another one, as after `mid.version.override`.
    pub fn differs(&self) -> Option<&Buildstamp> {
        self.differs.as_ref()
    }
}

fn wrong(label: &'static str) -> impl Fn(BuildstampError) -> StatsPageError {
    move |source| StatsPageError::Value { label, source }
}

/// The value behind a label at the beginning of a line, in any case. It is what follows up to the end of the line.
fn value<'a>(lines: &'a [String], label: &'static str) -> Result<Option<&'a str>, StatsPageError> {
    let mut found: Option<&str> = None;
    for line in lines {
        let Some((start, rest)) = line.split_at_checked(label.len()) else { continue };
        if !start.eq_ignore_ascii_case(label) {
            continue;
        }
        let Some(text) = rest.trim_start().strip_prefix(':').map(str::trim) else { continue };
        match found {
            _ if text.is_empty() => {}
            Some(first) if first != text => {
                let clip = super::error::clip;
                return Err(StatsPageError::Contradiction { label, first: clip(first), second: clip(text) });
            }
            _ => found = Some(text),
        }
    }
    Ok(found)
}

/// The lines that a reader of the page sees, without markup, entities decoded, blanks joined.
fn lines(page: &str) -> Vec<String> {
    // Text from a browser has no tags, but may have been copied with them shown.
    let text = without_markup(page);
    let text = html_escape::decode_html_entities(&text);
    let join = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(join).filter(|line| !line.is_empty()).collect()
}

/// Drops comments, scripts, styles and tags. A tag of a block ends the line, any other is a blank.
fn without_markup(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            text.push('<');
            rest = tag;
            continue;
        }
        let Some((tag, after)) = split_tag(tag) else {
            rest = "";
            break;
        };
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect();
        let name = name.to_ascii_lowercase();
        rest = if HIDDEN.contains(&name.as_str()) { behind_element(after, &name) } else { after };
        text.push(if INLINE.contains(&name.trim_matches('/')) { ' ' } else { '\n' });
    }
    text.push_str(rest);
    text
}

/// Splits behind the `>` of a tag, which does not count inside a quoted attribute.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// What follows the end tag of an element whose content is not shown.
fn behind_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("</") {
        let is_end = after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        if is_end {
            return split_tag(after).map_or("", |(_, after)| after);
        }
        rest = after;
    }
    ""
}

const STAMP: &str = "MID buildstamp";
const TAG: &str = "Build tag";
const DATE: &str = "Build date";
const HIDDEN: [&str; 5] = ["script", "style", "template", "textarea", "title"];
/// Tags that stand between a label and its value.
const INLINE: [&str; 12] = ["a", "b", "code", "em", "font", "i", "span", "strong", "td", "th", "tt", "u"];

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "zurich-07-01-2025__patch9-hotfix3-06-13-2026_06-19-2026_0859";
    const TAG_TEXT: &str = "glide-zurich-07-01-2025__patch9-hotfix3-06-13-2026";

    fn stamp(page: &str) -> Result<String, StatsPageError> {
        StatsPage::parse(page).map(|page| page.stamp().to_string())
    }

    #[test]
    fn html_and_text_give_the_same_build() {
        for page in [
            format!(
                "Build name: Zurich\r\nBuild date: 06-19-2026_0859\r\nBuild tag: {TAG_TEXT}\r\nMID buildstamp: {STAMP}\r\n"
            ),
            format!(
                "<html><body><h2>x</h2>Build date: 06-19-2026_0859<br/>Build tag: {TAG_TEXT}<br>MID buildstamp: {STAMP}<br/></body></html>"
            ),
            format!("Build tag: {TAG_TEXT}\nBuild date: 06-19-2026_0859\n"),
            format!(
                "<table><tr><td><b>MID buildstamp:</b></td><td>&nbsp;{}</td></tr></table>",
                STAMP.replace('_', "&#95;").replace('-', "&#x2d;")
            ),
            format!("  mid BUILDSTAMP :\u{a0}{}  ", STAMP.replace('_', "\\_")),
            format!(
                "<script>document.write('<br>MID buildstamp: evil')</script><!-- <br>MID buildstamp: evil -->\nMID buildstamp: {STAMP}"
            ),
            format!("Load < 5\nMID buildstamp: {STAMP}\n"),
            format!("<p title=\"><br>MID buildstamp: evil\">MID buildstamp: {STAMP}</p>"),
            format!("MID buildstamp:\nMID buildstamp: {STAMP}\nMID buildstamp: {STAMP}"),
        ] {
            assert_eq!(stamp(&page).as_deref(), Ok(STAMP), "{page}");
        }
    }

    #[test]
    fn hostile_and_foreign_pages_are_refused() {
        for page in [
            "",
            "<html><title>Log in</title><form>",
            "Build tag: glide-x",
            "<",
            "<!--",
            "<a href=\"",
            "MID buildstamp",
            "see MID buildstamp: x",
        ] {
            assert_eq!(stamp(page), Err(StatsPageError::NoBuild), "{page}");
        }
        let two = format!("MID buildstamp: {STAMP}<br>MID buildstamp: other");
        assert!(matches!(stamp(&two), Err(StatsPageError::Contradiction { .. })));
        for value in ["../../etc/passwd", "x y", "x\u{1b}[2J", "x&#47;y", "x\u{202e}y", &"x".repeat(300)] {
            let page = format!("MID buildstamp: {value}");
            assert!(matches!(stamp(&page), Err(StatsPageError::Value { .. })), "{value}");
        }
        let long = "x".repeat(MAX_PAGE_BYTES + 1);
        assert!(matches!(stamp(&long), Err(StatsPageError::TooLong { .. })));
        // Deep or unclosed markup takes one pass.
        assert_eq!(stamp(&"<b".repeat(1 << 20)), Err(StatsPageError::NoBuild));
        assert_eq!(stamp(&"</".repeat(1 << 20)), Err(StatsPageError::NoBuild));
        assert_eq!(stamp(&format!("<script>{}", "</".repeat(1 << 20))), Err(StatsPageError::NoBuild));
    }

    #[test]
    fn another_build_for_mid_servers_than_the_instances_own_is_told() {
        let page = format!(
            "Build tag: {TAG_TEXT}\nBuild date: 06-19-2026_0859\nMID buildstamp: rome-06-23-2021__patch3-10-20-2021_10-28-2021_1851"
        );
        let page = StatsPage::parse(&page).unwrap();
        assert_eq!(page.stamp().family(), Some("rome"));
        assert_eq!(page.differs().unwrap().as_str(), STAMP);
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(parts in proptest::collection::vec("(<br>|<script>|</script>|<!--|-->|MID buildstamp: |Build tag: |Build date: |&#95;|&|\"|<|>|\\PC{0,6})", 0..40)) {
            let _ = StatsPage::parse(&parts.concat());
        }
    }
}
