//! Making a damaged store good again, as far as that is possible without the damaged bytes.
//!
//! Bad bytes are set aside in `damaged/`, where nobody serves them, so that the next sync fetches their packages anew. Evidence is
//! never made up: what is damaged or lost there stays named.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{CheckReport, Problem};
use super::index::Index;
use super::{StoreError, StoreWriter, blob_key, evidence};
use crate::Sha256Digest;
use crate::catalog::Event;
use crate::storage::below;

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Repair {
    /// Packages whose bytes were bad and are in `damaged/` now.
    pub set_aside: Vec<SetAside>,
    /// Leftovers of interrupted writers that were removed.
    pub removed: u64,
    /// Digests of admitted packages whose bytes are not there, those set aside included: fetch them again.
    pub missing: Vec<Sha256Digest>,
    /// How many problems a repair cannot do anything about; `store check` names them.
    pub left: u64,
}

/// Bytes that are not what their name says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetAside {
    /// The digest that they should have.
    pub sha256: Sha256Digest,
    /// The key of the object that they are now, below the store.
    pub place: String,
}

impl StoreWriter {
    /// Builds the index again from the evidence, sets bad bytes aside, and removes leftovers.
    ///
    /// # Errors
    /// The store cannot be read or changed.
    pub fn repair(&mut self, report: &CheckReport) -> Result<Repair, StoreError> {
        let mut repair = Repair::default();
        for problem in &report.problems {
            match problem {
                Problem::WrongLength { path, .. } | Problem::WrongDigest { path, .. } => {
                    let name = path.file_name().and_then(|name| name.to_str());
                    let sha256 = name.and_then(|name| name.parse().ok());
                    // Bytes that are too short have a wrong digest as well.
                    let is_new =
                        |sha256: &Sha256Digest| repair.set_aside.iter().all(|aside| aside.sha256 != *sha256);
                    if let Some(sha256) = sha256.filter(is_new) {
                        self.set_aside(sha256, &mut repair)?;
                    }
                }
                Problem::MissingBlob { sha256 } => repair.missing.push(*sha256),
                Problem::Leftover { .. } => {}
                problem if problem.is_damage() => repair.left = repair.left.saturating_add(1),
                _ => {}
            }
        }
        let recovered = self.recover()?;
        repair.removed = u64::try_from(recovered.len()).unwrap_or(u64::MAX);
        let names = evidence::list(self.store())?;
        let store = self.store().clone();
        self.replace_index(|| Index::rebuild(&store, &names))?;
        Ok(repair)
    }

    /// The log will tell of a repair, with the next publication.
    pub fn note_repair(&mut self, repair: &Repair, at: jiff::Timestamp) {
        self.note(Event::repaired(repair, at));
    }

    fn set_aside(&mut self, sha256: Sha256Digest, repair: &mut Repair) -> Result<(), StoreError> {
        let storage = &self.store().storage;
        // A file can be damaged twice.
        let free = (1_u32..).map(|number| below(DAMAGED, &format!("{sha256}.{number}")));
        for place in free.take(MOST_TRIES) {
            match storage.rename(&blob_key(&sha256), &place) {
                Ok(()) => {
                    repair.set_aside.push(SetAside { sha256, place });
                    repair.missing.push(sha256);
                    return Ok(());
                }
                Err(error) if error.is_already_there() => {}
                Err(error) => return Err(error.into()),
            }
        }
        repair.left = repair.left.saturating_add(1);
        Ok(())
    }
}

/// Where bad bytes are kept for people to look at.
pub(super) const DAMAGED: &str = "damaged";
const MOST_TRIES: usize = 1000;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::testing::{TestStore, path};
    use super::super::{CheckDepth, CheckOptions, check};
    use super::*;

    fn overwrite(path: &Path, bytes: &[u8]) {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn full(test: &TestStore) -> CheckReport {
        let mut options = CheckOptions::new(CheckDepth::Full);
        check(&test.store, None, &mut options, &mut |_| {}).unwrap()
    }

    #[test]
    fn bad_bytes_are_set_aside_and_their_packages_can_be_stored_again() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        for number in 1..=3 {
            test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
        }
        let blob =
            |number: u32| test.store.blob_path(&Sha256Digest::of(format!("package {number}").as_bytes()));
        let digests = [1, 2].map(|number| Sha256Digest::of(format!("package {number}").as_bytes()));
        overwrite(&blob(1), b"package X");
        overwrite(&blob(2), b"short");
        std::fs::remove_dir_all(test.store.index_dir()).unwrap();
        let repair = writer.repair(&full(&test)).unwrap();
        assert_eq!((repair.set_aside.len(), repair.left), (2, 0));
        assert!(digests.iter().all(|digest| repair.missing.contains(digest)), "{repair:?}");
        for aside in &repair.set_aside {
            assert!(test.store.root_dir().join(&aside.place).is_file());
        }
        assert!(!blob(1).exists() && blob(3).exists());
        assert_eq!(writer.find(&path(1)).unwrap(), None);
        assert!(writer.find(&path(3)).unwrap().is_some(), "the index is there again");
        assert!(test.store.index_dir().is_dir());

        test.commit(&mut writer, &path(1), b"package 1");
        test.commit(&mut writer, &path(2), b"package 2");
        assert_eq!(full(&test).problems, []);
        assert_eq!(writer.repair(&full(&test)).unwrap(), Repair::default());

        overwrite(&blob(1), b"again");
        let again = writer.repair(&full(&test)).unwrap();
        assert!(again.set_aside[0].place.ends_with(".2"), "{again:?}");
    }

    #[test]
    fn damaged_evidence_is_left_and_counted() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let stored = test.commit(&mut writer, &path(1), b"package 1");
        let folder = test.store.admission_dir(stored.admission());
        std::fs::remove_file(folder.join("jarsigner.txt")).unwrap();
        let repair = writer.repair(&full(&test)).unwrap();
        assert_eq!((repair.left, repair.set_aside.len(), repair.missing.len()), (1, 0, 0));
    }
}
