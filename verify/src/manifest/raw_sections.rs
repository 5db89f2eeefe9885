//! The raw bytes of a manifest, cut into the sections that signature files digest.

use std::borrow::Cow;
use std::ops::Range;

use super::Manifest;
use super::repeated::Repeated;
use crate::name_index::NameIndex;

/// Where the sections of a manifest are; the manifest has the bytes.
#[derive(Debug, Default)]
pub(crate) struct RawSections {
    main: Option<Range<usize>>,
    /// The first section of each name.
    named: Vec<RawSection>,
    /// More sections of names that have one.
    repeated: Repeated<RawSection>,
    index: NameIndex,
}

/// One section: with its blank line, and where it ends without.
#[derive(Debug, Clone, Copy)]
struct RawSection {
    start: u32,
    end: u32,
    end_without_blank: u32,
}

impl RawSections {
    /// Cuts a manifest.
    pub(crate) fn cut(manifest: &Manifest) -> Self {
        let bytes = manifest.bytes();
        let mut sections = Self::default();
        let mut start = 0;
        while let Some(Found { end, end_without_blank, named }) = find_section(bytes, start) {
            if start == 0 {
                sections.main = Some(0..end);
            } else if named
                && let Some(section) = RawSection::new(start, end, end_without_blank)
                && let Ok(slot) = u32::try_from(sections.named.len())
            {
                sections.named.push(section);
                let name_of = name_of(bytes, &sections.named);
                if let Some(first) = sections.index.insert(slot, name_of) {
                    sections.named.pop();
                    sections.repeated.push(first, section);
                }
            }
            start = end;
        }
        sections.repeated.sort();
        sections
    }

    /// The bytes of the main section with its blank line.
    pub(crate) fn main<'a>(&self, manifest: &'a Manifest) -> Option<&'a [u8]> {
        manifest.bytes().get(self.main.clone()?)
    }

    /// The bytes of all sections of a name; `blank` says whether with the blank lines.
    pub(crate) fn named<'a>(&self, manifest: &'a Manifest, name: &str, blank: bool) -> Option<Vec<&'a [u8]>> {
        let bytes = manifest.bytes();
        let slot = self.index.get(name, name_of(bytes, &self.named))?;
        let first = usize::try_from(slot).ok().and_then(|slot| self.named.get(slot))?;
        let parts = std::iter::once(first)
            .chain(self.repeated.of(slot))
            .filter_map(|section| bytes.get(section.range(blank)));
        Some(parts.collect())
    }
}

impl RawSection {
    fn new(start: usize, end: usize, end_without_blank: usize) -> Option<Self> {
        let narrow = |position| u32::try_from(position).ok();
        Some(Self { start: narrow(start)?, end: narrow(end)?, end_without_blank: narrow(end_without_blank)? })
    }

    fn range(&self, blank: bool) -> Range<usize> {
        let wide = |position| usize::try_from(position).unwrap_or(usize::MAX);
        wide(self.start)..wide(if blank { self.end } else { self.end_without_blank })
    }
}

/// The names of sections by their slots.
fn name_of<'a>(bytes: &'a [u8], sections: &[RawSection]) -> impl Fn(u32) -> Cow<'a, str> {
    move |slot| {
        let section = usize::try_from(slot).ok().and_then(|slot| sections.get(slot));
        let section = section.and_then(|section| bytes.get(section.range(false)));
        section.and_then(section_name).unwrap_or_default()
    }
}

/// A section as it is found.
struct Found {
    end: usize,
    end_without_blank: usize,
    named: bool,
}

/// A section ends with its first empty line, or with the line end that ends the file.
fn find_section(bytes: &[u8], start: usize) -> Option<Found> {
    let mut last_line_end = start;
    let mut blank = true;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\r' | b'\n' => {
                if *byte == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
                    at += 1;
                }
                if blank || at == bytes.len() - 1 {
                    let end_without_blank = if blank { last_line_end } else { at } + 1;
                    let named = bytes.get(start..end_without_blank).is_some_and(is_named);
                    return Some(Found { end: at + 1, end_without_blank, named });
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

/// Whether the first line of a section is that of a name.
fn is_named(section: &[u8]) -> bool {
    let first = section.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    first.and_then(|line| line.get(..6)).is_some_and(|head| head.eq_ignore_ascii_case(b"Name: "))
}

/// The name in a section's first line and its continuations.
fn section_name(section: &[u8]) -> Option<Cow<'_, str>> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let first_line_end = section.iter().position(is_end)?;
    let (first, mut rest) = section.split_at_checked(first_line_end)?;
    let mut name = Cow::Borrowed(first.get(6..)?);
    loop {
        rest = rest
            .strip_prefix(b"\r\n")
            .or_else(|| rest.split_first().map(|(_, rest)| rest))
            .unwrap_or_default();
        let Some(more) = rest.strip_prefix(b" ") else { break };
        let line_end = more.iter().position(is_end).unwrap_or(more.len());
        let (line, after) = more.split_at_checked(line_end)?;
        name.to_mut().extend_from_slice(line);
        rest = after;
    }
    Some(super::lines::text(name))
}
