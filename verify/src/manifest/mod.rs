//! Manifests and signature files (JAR File Specification, "Name-Value pairs and Sections"), read as the JDK reads
//! them, together with the raw bytes of every section, which is what signature files digest.
//!
//! A manifest keeps its bytes and where in them the sections are; headers are read when they are asked for. A package
//! of 50,000 entries has as many sections, in its manifest and once more in its signature file.
//!
//! Attacks considered here: headers without line ends, a million sections (bounded), endless continuation lines
//! (CVE-2022-21340): the caller bounds the bytes, every step consumes some. Several sections of one name: merged for
//! attributes, concatenated for digests, as the JDK does. A last line without line end: dropped, as the JDK does.

mod attributes;
mod lines;
mod raw_sections;
mod repeated;

use std::borrow::Cow;

use crate::java_error::JavaError;
use crate::limits;
use crate::name_index::NameIndex;

pub(crate) use self::attributes::Attributes;
use self::lines::Lines;
pub(crate) use self::raw_sections::RawSections;
use self::repeated::Repeated;

/// A parsed manifest or signature file.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    bytes: Vec<u8>,
    /// The first section of each name, in order of appearance.
    sections: Vec<Section>,
    /// More sections of names that have one.
    repeated: Repeated<Section>,
    index: NameIndex,
}

/// Where a section is.
#[derive(Debug, Clone, Copy)]
struct Section {
    /// Its name starts here, or empty lines before it.
    name: u32,
    /// Its headers start here.
    headers: u32,
}

impl Manifest {
    /// Parses the bytes; the error is the JDK's.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, JavaError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(JavaError::io("a manifest or signature file of 4 GiB or more"));
        }
        let narrow = |position| u32::try_from(position).unwrap_or(u32::MAX);
        let mut sections: Vec<Section> = Vec::new();
        let mut repeated = Repeated::default();
        let mut index = NameIndex::default();
        let mut lines = Lines::new(&bytes, 0);
        // What is read here can be read again, so nothing else has to be kept.
        let mut headers = 0;
        lines.read_headers(|_, _| headers += 1)?;
        loop {
            let name = narrow(lines.position());
            let Some(text) = lines.read_name()? else { break };
            let section = Section { name, headers: narrow(lines.position()) };
            sections.push(section);
            let slot = narrow(sections.len() - 1);
            if let Some(first) = index.insert_as(&text, slot, |slot| name_of(&bytes, &sections, slot)) {
                sections.pop();
                repeated.push(first, section);
            }
            lines.read_headers(|_, _| headers += 1)?;
            if sections.len() > limits::SECTIONS {
                return Err(beyond(limits::SECTIONS, "sections"));
            }
        }
        if headers > limits::HEADERS {
            return Err(beyond(limits::HEADERS, "headers"));
        }
        repeated.sort();
        sections.shrink_to_fit();
        Ok(Self { bytes, sections, repeated, index })
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The main section.
    pub(crate) fn main(&self) -> Attributes<'_> {
        let mut attributes = Attributes::default();
        attributes.read(&self.bytes, 0);
        attributes
    }

    /// The section of a name.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn section(&self, name: &str) -> Option<Attributes<'_>> {
        Some(self.attributes(self.slot(name)?))
    }

    /// The section of a name as the JDK looks it up: also as `./name` and `/name`.
    pub(crate) fn section_of_entry(&self, name: &str) -> Option<Attributes<'_>> {
        Some(self.attributes(self.slot_of_entry(name)?))
    }

    /// Whether there is a section for an entry.
    pub(crate) fn lists(&self, name: &str) -> bool {
        self.slot_of_entry(name).is_some()
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.sections.len()
    }

    /// The names of all sections in order of first appearance, with what [`Self::attributes`] knows them by.
    pub(crate) fn names(&self) -> impl Iterator<Item = (u32, Cow<'_, str>)> {
        (0u32..).zip(&self.sections).map(|(slot, section)| (slot, section.name(&self.bytes)))
    }

    /// The headers of a section; several sections of one name count as one.
    pub(crate) fn attributes(&self, slot: u32) -> Attributes<'_> {
        let mut attributes = Attributes::default();
        let first = usize::try_from(slot).ok().and_then(|slot| self.sections.get(slot));
        for section in first.into_iter().chain(self.repeated.of(slot)) {
            attributes.read(&self.bytes, wide(section.headers));
        }
        attributes
    }

    /// Which section has which name.
    pub(crate) fn index(&self) -> &NameIndex {
        &self.index
    }

    fn slot(&self, name: &str) -> Option<u32> {
        self.index.get(name, |slot| name_of(&self.bytes, &self.sections, slot))
    }

    /// What [`Self::attributes`] knows the section of an entry by.
    pub(crate) fn slot_of_entry(&self, name: &str) -> Option<u32> {
        self.slot(name).or_else(|| self.slot(&format!("./{name}"))).or_else(|| self.slot(&format!("/{name}")))
    }
}

impl Section {
    fn name<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        Lines::new(bytes, wide(self.name)).read_name().ok().flatten().unwrap_or_default()
    }
}

fn name_of<'a>(bytes: &'a [u8], sections: &[Section], slot: u32) -> Cow<'a, str> {
    sections.get(wide(slot)).map(|section| section.name(bytes)).unwrap_or_default()
}

fn beyond(limit: usize, what: &str) -> JavaError {
    JavaError::io(limits::exceeded(format_args!("more than {limit} {what} in a manifest or signature file")))
}

fn wide(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_names_and_merged_sections_are_read() {
        let text = b"Manifest-Version: 1.0\r\n\r\nName: very-lo\r\n ng\r\nSHA-256-Digest: AA==\r\n\r\nName: very-long\nX: 1\n\n";
        let manifest = Manifest::parse(text.to_vec()).unwrap();
        assert_eq!(manifest.main().value("manifest-version"), Some("1.0"));
        let section = manifest.section_of_entry("very-long").unwrap();
        assert_eq!((section.value("SHA-256-Digest"), section.value("X")), (Some("AA=="), Some("1")));
        let raw = RawSections::cut(&manifest);
        assert_eq!(raw.main(&manifest), Some(b"Manifest-Version: 1.0\r\n\r\n".as_slice()));
        let parts = raw.named(&manifest, "very-long", true).unwrap();
        assert_eq!((parts.len(), parts.last()), (2, Some(&b"Name: very-long\nX: 1\n\n".as_slice())));
    }

    #[test]
    fn many_headers_of_one_section_are_told_apart_without_case() {
        let headers: String = (0..100).map(|number| format!("h{number}: a\n")).collect();
        let text = format!("{headers}H3: b\nH77: c\nh99: d\n");
        let main = Manifest::parse(text.into_bytes()).unwrap();
        let main = main.main();
        assert_eq!(
            (main.value("h3"), main.value("h77"), main.value("h99")),
            (Some("b"), Some("c"), Some("d"))
        );
        assert_eq!(main.iter().count(), 100);
    }

    #[test]
    fn last_line_without_end_is_dropped() {
        let manifest = Manifest::parse(b"A: 1\nB: 2".to_vec()).unwrap();
        assert_eq!((manifest.main().value("A"), manifest.main().value("B")), (Some("1"), None));
    }

    #[test]
    fn long_lines_and_bad_headers_are_errors() {
        assert!(Manifest::parse(format!("A: {}\n", "x".repeat(509)).into_bytes()).is_err());
        assert!(Manifest::parse(format!("A: {}\n", "x".repeat(508)).into_bytes()).is_ok());
        for bad in ["no colon\n", "A:1\n", "A b: 1\n", " x\n", "A: 1\n\nX: 1\n"] {
            assert!(Manifest::parse(bad.into()).is_err(), "{bad:?}");
        }
    }
}
