//! Where entries are found in the manifest and among the covered names: looked up once, on several threads.

use crate::archive::{Archive, EntryHeader};
use crate::signature_names::plain_name;
use crate::signatures::Signatures;

/// The places of all entries, in the order of the directory.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: Vec<Place>,
}

/// The place of one entry.
#[derive(Debug, Clone, Copy)]
struct Place {
    section: u32,
    number: u32,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

impl Places {
    /// Looks up all entries.
    pub(crate) fn find(archive: &Archive, signatures: &Signatures, workers: usize) -> Self {
        let entries = &archive.entries;
        let part = entries.len().div_ceil(workers.max(1)).max(SMALL_PART);
        let find = |entries: &[EntryHeader]| -> Vec<Place> {
            entries.iter().map(|entry| place(entry, signatures)).collect()
        };
        if part >= entries.len() {
            return Self { places: find(entries) };
        }
        let places = std::thread::scope(|scope| {
            let parts: Vec<_> = entries.chunks(part).map(|part| (part, scope.spawn(|| find(part)))).collect();
            let mut places = Vec::with_capacity(entries.len());
            for (part, found) in parts {
                places.append(&mut found.join().unwrap_or_else(|_| find(part)));
            }
            places
        });
        Self { places }
    }

    /// The section of an entry in the manifest.
    pub(crate) fn section(&self, index: usize) -> Option<u32> {
        self.places.get(index).map(|place| place.section).filter(|section| *section != NOWHERE)
    }

    /// The number of the covered name of an entry, without `./` or `/` in front.
    pub(crate) fn number(&self, index: usize) -> Option<u32> {
        self.places.get(index).map(|place| place.number).filter(|number| *number != NOWHERE)
    }

    /// For each entry, whether the manifest lists it.
    pub(crate) fn listed(&self) -> Vec<bool> {
        self.places.iter().map(|place| place.section != NOWHERE).collect()
    }

    /// For each covered name, whether one of these entries has it.
    pub(crate) fn met(&self, entries: impl Iterator<Item = usize>, names: usize) -> Vec<bool> {
        let mut met = vec![false; names];
        for number in entries.filter_map(|index| self.number(index)) {
            if let Some(flag) = usize::try_from(number).ok().and_then(|number| met.get_mut(number)) {
                *flag = true;
            }
        }
        met
    }
}

/// Signature files list their names in the order of the manifest: who knows the section knows the number.
fn place(entry: &EntryHeader, signatures: &Signatures) -> Place {
    let manifest = signatures.manifest.as_ref();
    let section = manifest.and_then(|manifest| manifest.slot_of_entry(&entry.name)).unwrap_or(NOWHERE);
    let number = signatures.covered.number_near(plain_name(&entry.name), section).unwrap_or(NOWHERE);
    Place { section, number }
}

/// Starting a thread takes longer than looking up so many entries.
const SMALL_PART: usize = 4096;
