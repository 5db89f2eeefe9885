//! Manifests and signature files (JAR File Specification, "Name-Value pairs and Sections"), read as the JDK reads
//! them, together with the raw bytes of every section, which is what signature files digest.
//!
//! Attacks considered here: headers without line ends, a million sections (bounded), endless continuation lines
//! (CVE-2022-21340): the caller bounds the bytes, every step consumes some. Several sections of one name: merged for
//! attributes, concatenated for digests, as the JDK does. A last line without line end: dropped, as the JDK does.

use std::collections::HashMap;
use std::ops::Range;

use crate::java_error::JavaError;
use crate::limits;

/// A parsed manifest or signature file.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    main: Attributes,
    sections: Vec<(String, Attributes)>,
    index: HashMap<String, usize>,
}

/// Headers of one section in order of first appearance; names compare without case.
#[derive(Debug, Default, Clone)]
pub(crate) struct Attributes {
    headers: Vec<(String, String)>,
    /// Where a name is, in lower case; only of sections with many headers, where searching would take hours.
    index: HashMap<String, usize>,
}

impl Attributes {
    /// The value of a header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn put(&mut self, name: String, value: String) {
        let known = self.position(&name);
        match known.and_then(|position| self.headers.get_mut(position)) {
            // The JDK keeps the first spelling and the last value.
            Some((_, old)) => *old = value,
            None => {
                if self.headers.len() >= MANY_HEADERS {
                    self.index.insert(name.to_ascii_lowercase(), self.headers.len());
                }
                self.headers.push((name, value));
            }
        }
    }

    fn position(&mut self, name: &str) -> Option<usize> {
        if self.headers.len() < MANY_HEADERS {
            return self.headers.iter().position(|(key, _)| key.eq_ignore_ascii_case(name));
        }
        if self.index.is_empty() {
            let names = self.headers.iter().enumerate();
            self.index = names.map(|(position, (key, _))| (key.to_ascii_lowercase(), position)).collect();
        }
        self.index.get(&name.to_ascii_lowercase()).copied()
    }
}

impl Manifest {
    /// Parses the bytes; the error is the JDK's.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, JavaError> {
        let mut manifest = Self::default();
        let mut lines = Lines { bytes, at: 0, number: 0, headers: 0 };
        read_attributes(&mut lines, &mut manifest.main)?;
        while let Some(name) = read_name(&mut lines)? {
            let slot = match manifest.index.get(&name) {
                Some(slot) => *slot,
                None if manifest.sections.len() >= limits::SECTIONS => {
                    return Err(beyond(limits::SECTIONS, "sections"));
                }
                None => {
                    let slot = manifest.sections.len();
                    manifest.index.insert(name.clone(), slot);
                    manifest.sections.push((name, Attributes::default()));
                    slot
                }
            };
            if let Some((_, attributes)) = manifest.sections.get_mut(slot) {
                read_attributes(&mut lines, attributes)?;
            }
        }
        Ok(manifest)
    }

    /// The main section.
    pub(crate) fn main(&self) -> &Attributes {
        &self.main
    }

    /// The section of a name.
    pub(crate) fn section(&self, name: &str) -> Option<&Attributes> {
        let slot = *self.index.get(name)?;
        self.sections.get(slot).map(|(_, attributes)| attributes)
    }

    /// The section of a name as the JDK looks it up: also as `./name` and `/name`.
    pub(crate) fn section_of_entry(&self, name: &str) -> Option<&Attributes> {
        self.section(name)
            .or_else(|| self.section(&format!("./{name}")))
            .or_else(|| self.section(&format!("/{name}")))
    }

    /// Whether there is a section for an entry.
    pub(crate) fn lists(&self, name: &str) -> bool {
        self.section_of_entry(name).is_some()
    }

    /// All sections in order of first appearance.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&str, &Attributes)> {
        self.sections.iter().map(|(name, attributes)| (name.as_str(), attributes))
    }
}

/// Lines with their ends, at most 512 bytes long.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
    /// Headers read so far.
    headers: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end. A last line without end does not exist for the JDK.
    fn next(&mut self, too_long: &str) -> Result<Option<&'a [u8]>, JavaError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let window = rest.get(..MAX_LINE).unwrap_or(rest);
        let Some(end) = window.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.at = self.bytes.len();
            if window.len() < MAX_LINE {
                return Ok(None);
            }
            self.number += 1;
            return Err(JavaError::io(format!("{too_long} (line {})", self.number)));
        };
        let both = window.get(end) == Some(&b'\r') && window.get(end + 1) == Some(&b'\n');
        self.at += end + 1 + usize::from(both);
        self.number += 1;
        Ok(window.get(..end))
    }

    /// Whether the next line continues this one.
    fn continues(&self) -> bool {
        self.bytes.get(self.at) == Some(&b' ')
    }

    fn error(&self, message: &str) -> JavaError {
        JavaError::io(format!("{message} (line {})", self.number))
    }
}

/// Reads headers up to an empty line or the end.
fn read_attributes(lines: &mut Lines<'_>, attributes: &mut Attributes) -> Result<(), JavaError> {
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut seen_header = false;
    while let Some(line) = lines.next("line too long")? {
        if line.is_empty() {
            break;
        }
        let (name, value) = if let Some(more) = line.strip_prefix(b" ") {
            if !seen_header {
                return Err(lines.error("misplaced continuation line"));
            }
            let Some((name, mut value)) = pending.take() else {
                return Err(lines.error("misplaced continuation line"));
            };
            value.extend_from_slice(more);
            (name, value)
        } else {
            let (name, value) = split_header(line).ok_or_else(|| lines.error("invalid header field"))?;
            seen_header = true;
            (name, value.to_vec())
        };
        if lines.continues() {
            pending = Some((name, value));
            continue;
        }
        if !is_header_name(&name) {
            return Err(lines.error(&format!("invalid header field name: {name}")));
        }
        lines.headers += 1;
        if lines.headers > limits::HEADERS {
            return Err(beyond(limits::HEADERS, "headers"));
        }
        attributes.put(name, String::from_utf8_lossy(&value).into_owned());
    }
    Ok(())
}

fn beyond(limit: usize, what: &str) -> JavaError {
    JavaError::io(limits::exceeded(format_args!("more than {limit} {what} in a manifest or signature file")))
}

fn split_header(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let value = line.get(colon + 1..)?.strip_prefix(b" ")?;
    Some((String::from_utf8_lossy(line.get(..colon)?).into_owned(), value))
}

fn is_header_name(name: &str) -> bool {
    (1..=70).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Reads the `Name: ` line that starts a section, with its continuations.
fn read_name(lines: &mut Lines<'_>) -> Result<Option<String>, JavaError> {
    let mut value: Option<Vec<u8>> = None;
    while let Some(line) = lines.next("manifest line too long")? {
        let mut joined = match value.take() {
            None if line.is_empty() => continue,
            None => {
                let name = line
                    .split_at_checked(6)
                    .filter(|(head, _)| head.eq_ignore_ascii_case(b"Name: "))
                    .ok_or_else(|| lines.error("invalid manifest format"))?;
                name.1.to_vec()
            }
            Some(mut joined) => {
                joined.extend_from_slice(line.get(1..).unwrap_or_default());
                joined
            }
        };
        if lines.continues() {
            value = Some(std::mem::take(&mut joined));
            continue;
        }
        return Ok(Some(String::from_utf8_lossy(&joined).into_owned()));
    }
    Ok(None)
}

/// The raw bytes of a manifest, cut into the sections that signature files digest.
#[derive(Debug, Default)]
pub(crate) struct RawSections {
    main: Option<RawSection>,
    named: HashMap<String, Vec<RawSection>>,
}

/// One section: with its blank line, and where it ends without.
#[derive(Debug, Clone)]
pub(crate) struct RawSection {
    with_blank: Range<usize>,
    end_without_blank: usize,
}

impl RawSections {
    /// Cuts a manifest.
    pub(crate) fn cut(bytes: &[u8]) -> Self {
        let mut sections = Self::default();
        let mut start = 0;
        while let Some((section, first_line_end)) = find_section(bytes, start) {
            let next = section.with_blank.end;
            if start == 0 {
                sections.main = Some(section);
            } else if let Some(name) = section_name(bytes, start, first_line_end, section.end_without_blank) {
                sections.named.entry(name).or_default().push(section);
            }
            start = next;
        }
        sections
    }

    /// The bytes of the main section with its blank line.
    pub(crate) fn main<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.main.as_ref()?.with_blank.clone())
    }

    /// The bytes of all sections of a name; `blank` says whether with the blank lines.
    pub(crate) fn named<'a>(&self, bytes: &'a [u8], name: &str, blank: bool) -> Option<Vec<&'a [u8]>> {
        let parts = self.named.get(name)?.iter().filter_map(|section| {
            let end = if blank { section.with_blank.end } else { section.end_without_blank };
            bytes.get(section.with_blank.start..end)
        });
        Some(parts.collect())
    }
}

/// A section ends with its first empty line, or with the line end that ends the file.
fn find_section(bytes: &[u8], start: usize) -> Option<(RawSection, usize)> {
    let mut first_line_end = None;
    let mut last_line_end = start;
    let mut blank = true;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\r' | b'\n' => {
                first_line_end.get_or_insert(at);
                if *byte == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
                    at += 1;
                }
                if blank || at == bytes.len() - 1 {
                    let end_without_blank = if blank { last_line_end } else { at } + 1;
                    let section = RawSection { with_blank: start..at + 1, end_without_blank };
                    return Some((section, first_line_end.unwrap_or(at)));
                }
                last_line_end = at;
                blank = true;
            }
            _ => blank = false,
        }
        at += 1;
    }
    None
}

/// The name in a section's first line and its continuations.
fn section_name(bytes: &[u8], start: usize, first_line_end: usize, end: usize) -> Option<String> {
    let first = bytes.get(start..first_line_end)?;
    let (head, name) = first.split_at_checked(6)?;
    if !head.eq_ignore_ascii_case(b"Name: ") {
        return None;
    }
    let mut name = name.to_vec();
    let mut rest = bytes.get(first_line_end..end).unwrap_or_default();
    loop {
        rest = rest
            .strip_prefix(b"\r\n")
            .or_else(|| rest.split_first().map(|(_, rest)| rest))
            .unwrap_or_default();
        let Some(more) = rest.strip_prefix(b" ") else { break };
        let line_end = more.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(more.len());
        let (line, after) = more.split_at_checked(line_end)?;
        name.extend_from_slice(line);
        rest = after;
    }
    Some(String::from_utf8_lossy(&name).into_owned())
}

const MAX_LINE: usize = 512;
const MANY_HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_names_and_merged_sections_are_read() {
        let text = b"Manifest-Version: 1.0\r\n\r\nName: very-lo\r\n ng\r\nSHA-256-Digest: AA==\r\n\r\nName: very-long\nX: 1\n\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.main().value("manifest-version"), Some("1.0"));
        let section = manifest.section("very-long").unwrap();
        assert_eq!((section.value("SHA-256-Digest"), section.value("X")), (Some("AA=="), Some("1")));
        let raw = RawSections::cut(text);
        assert_eq!(raw.main(text), Some(b"Manifest-Version: 1.0\r\n\r\n".as_slice()));
        assert_eq!(raw.named(text, "very-long", true).unwrap().len(), 2);
    }

    #[test]
    fn many_headers_of_one_section_are_told_apart_without_case() {
        let headers: String = (0..100).map(|number| format!("h{number}: a\n")).collect();
        let text = format!("{headers}H3: b\nH77: c\nh99: d\n");
        let main = Manifest::parse(text.as_bytes()).unwrap().main;
        assert_eq!(
            (main.value("h3"), main.value("h77"), main.value("h99")),
            (Some("b"), Some("c"), Some("d"))
        );
        assert_eq!(main.iter().count(), 100);
    }

    #[test]
    fn last_line_without_end_is_dropped() {
        let manifest = Manifest::parse(b"A: 1\nB: 2").unwrap();
        assert_eq!((manifest.main().value("A"), manifest.main().value("B")), (Some("1"), None));
    }

    #[test]
    fn long_lines_and_bad_headers_are_errors() {
        assert!(Manifest::parse(format!("A: {}\n", "x".repeat(509)).as_bytes()).is_err());
        assert!(Manifest::parse(format!("A: {}\n", "x".repeat(508)).as_bytes()).is_ok());
        for bad in ["no colon\n", "A:1\n", "A b: 1\n", " x\n", "A: 1\n\nX: 1\n"] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
