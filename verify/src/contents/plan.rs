//! Which digests each entry of an archive must have.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use jiff::Timestamp;

use crate::archive::Archive;
use crate::digest_algorithm::DigestAlgorithm;
use crate::manifest::{Attributes, Manifest};
use crate::mime_base64;
use crate::places::Places;
use crate::signature_names::plain_name;
use crate::signatures::{Signatures, algorithms_at, strip_suffix_ignoring_case};

/// Which digests each entry must have.
pub(super) struct Plan<'a> {
    pub(super) signatures: &'a Signatures,
    pub(super) archive: &'a Archive,
    pub(super) places: &'a Places,
    /// What the manifest states for names of several entries. The headers of all others are read when they are needed.
    pub(super) shared: HashMap<u32, Vec<Expected<'a>>>,
    /// For each set of signers, the moment that algorithms are judged at.
    pub(super) times: Vec<Timestamp>,
    /// The first entry with a digest that counts although its algorithm is disabled by another name.
    pub(super) escaping: AtomicUsize,
}

/// One digest that an entry must have.
pub(crate) struct Expected<'a> {
    /// The name as the manifest spells it.
    pub(super) spelled: &'a str,
    pub(crate) digest: DigestAlgorithm,
    pub(crate) value: Result<Vec<u8>, String>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        archive: &'a Archive,
        signatures: &'a Signatures,
        places: &'a Places,
        now: Timestamp,
    ) -> Self {
        let covered = &signatures.covered;
        let mut plan = Self {
            signatures,
            archive,
            places,
            shared: HashMap::new(),
            times: Vec::new(),
            escaping: AtomicUsize::new(usize::MAX),
        };
        let mut sorted: Vec<u32> =
            (0..archive.entries.len()).filter_map(|index| plan.number(index)).collect();
        sorted.sort_unstable();
        let mut repeated: Vec<u32> = sorted
            .windows(2)
            .filter_map(|pair| pair.first().filter(|first| pair.last() == Some(*first)).copied())
            .collect();
        repeated.dedup();
        let expected = |number: &u32| expected_digests(signatures.manifest.as_ref(), covered.name(*number));
        plan.shared = repeated.iter().map(|number| (*number, expected(number))).collect();
        let signers = |set: &Arc<[usize]>| {
            algorithms_at(set.iter().filter_map(|index| signatures.signers.get(*index)), now)
        };
        plan.times = covered.sets().iter().map(signers).collect();
        plan
    }

    /// The number of the covered name that covers an entry.
    pub(super) fn number(&self, index: usize) -> Option<u32> {
        let number = self.places.number(index)?;
        let entry = self.archive.entries.get(index)?;
        let named = !entry.is_directory() && self.signatures.manifest_name.as_ref() != Some(&entry.name);
        named.then_some(number)
    }

    /// The digests that the manifest states for an entry.
    pub(super) fn expected(&self, index: usize) -> Vec<Expected<'a>> {
        let manifest = self.signatures.manifest.as_ref();
        let name = self.archive.entries.get(index).map_or("", |entry| entry.name.as_str());
        if plain_name(name) != name {
            return expected_digests(manifest, plain_name(name));
        }
        let section = self.places.section(index);
        let section = section.and_then(|section| Some(manifest?.attributes(section)));
        section.as_ref().map(stated).unwrap_or_default()
    }
}

/// The known digests that the manifest states for a name.
pub(crate) fn expected_digests<'a>(manifest: Option<&'a Manifest>, name: &str) -> Vec<Expected<'a>> {
    let section = manifest.and_then(|manifest| manifest.section_of_entry(name));
    section.as_ref().map(stated).unwrap_or_default()
}

fn stated<'a>(section: &Attributes<'a>) -> Vec<Expected<'a>> {
    section
        .iter()
        .filter_map(|(key, value)| {
            let spelled = strip_suffix_ignoring_case(key, "-Digest")?;
            let digest = DigestAlgorithm::from_jca(spelled)?;
            let value = mime_base64::decode(value);
            Some(Expected { spelled, digest, value })
        })
        .collect()
}
