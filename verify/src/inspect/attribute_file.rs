//! Manifests and signature files (JAR File Specification, "JAR Manifest", "Signature File").

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::manifest::Manifest;
use crate::signature_names::{is_signature_related, plain_name};

/// A manifest or a signature file.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct AttributeFile {
    /// The name of the entry.
    pub name: String,
    /// Length in bytes, unpacked; 0 if it cannot be read.
    pub length: u64,
    /// Why it cannot be read, in the JDK's words.
    pub unreadable: Option<String>,
    /// The main section, in the order of the file.
    pub main_attributes: Vec<AttributeLine>,
    /// The number of named sections; several of one name count once.
    pub sections: usize,
    /// Which digests the named sections state.
    pub digests: Vec<DigestCount>,
    /// Named sections for which the archive has no entry.
    pub sections_without_entry: Vec<String>,
    /// Files of the archive, signature files and manifest aside, for which there is no named section.
    pub entries_without_section: Vec<String>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct AttributeLine {
    /// The name before the colon.
    pub name: String,
    /// The value, continuation lines joined.
    pub value: String,
}

/// How many sections state a digest of one algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct DigestCount {
    /// The algorithm as the file spells it.
    pub algorithm: String,
    /// In how many named sections.
    pub sections: usize,
}

impl AttributeFile {
    pub(super) fn read(name: &str, bytes: Result<Vec<u8>, String>, entries: &HashSet<&str>) -> Self {
        let mut file = Self { name: name.to_owned(), ..Self::default() };
        let parsed = bytes.and_then(|bytes| {
            file.length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            Manifest::parse(bytes).map_err(|error| error.to_string())
        });
        match parsed {
            Ok(parsed) => file.describe(&parsed, entries),
            Err(reason) => file.unreadable = Some(reason),
        }
        file
    }

    fn describe(&mut self, parsed: &Manifest, entries: &HashSet<&str>) {
        let line =
            |(name, value): (&str, &str)| AttributeLine { name: name.to_owned(), value: value.to_owned() };
        self.main_attributes = parsed.main().iter().map(line).collect();
        let mut digests: BTreeMap<String, usize> = BTreeMap::new();
        for (slot, name) in parsed.names() {
            self.sections += 1;
            if !entries.contains(name.as_ref()) && !entries.contains(plain_name(&name)) {
                self.sections_without_entry.push(name.into_owned());
            }
            for (key, _) in parsed.attributes(slot).iter() {
                if let Some(algorithm) = key.strip_suffix("-Digest") {
                    *digests.entry(algorithm.to_owned()).or_default() += 1;
                }
            }
        }
        self.digests =
            digests.into_iter().map(|(algorithm, sections)| DigestCount { algorithm, sections }).collect();
        self.entries_without_section = entries
            .iter()
            .filter(|name| !name.ends_with('/') && !is_signature_related(name) && !parsed.lists(name))
            .map(|name| (*name).to_owned())
            .collect();
        self.entries_without_section.sort();
    }

    /// The value of a main attribute; case of the name does not matter.
    pub fn main_attribute(&self, name: &str) -> Option<&str> {
        let line = self.main_attributes.iter().find(|line| line.name.eq_ignore_ascii_case(name))?;
        Some(&line.value)
    }
}
