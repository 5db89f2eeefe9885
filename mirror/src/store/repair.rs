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
use crate::storage::{Kind, below};

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
                    // Another repair may have been faster, and the package be fetched anew.
                    let is_bad = |sha256: &Sha256Digest| self.store().check_blob(sha256).is_err();
                    if let Some(sha256) = sha256.filter(is_new).filter(is_bad) {
                        self.set_aside(sha256, &mut repair)?;
                    }
                }
                Problem::MissingBlob { sha256 } => {
                    // A link or folder in its place would keep the bytes out.
                    let is_taken =
                        self.store().storage.look(&blob_key(sha256)).map_err(StoreError::reading)?;
                    match is_taken {
                        // Somebody has brought them since the check.
                        Some(Kind::Object(_)) => {}
                        Some(_) => self.set_aside(*sha256, &mut repair)?,
                        None => repair.missing.push(*sha256),
                    }
                }
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
        let report = full(&test);
        let again = writer.repair(&report).unwrap();
        assert!(again.set_aside[0].place.ends_with(".2"), "{again:?}");
        // What a report of yesterday says of bytes that are good again does no harm.
        test.commit(&mut writer, &path(1), b"package 1");
        assert_eq!(writer.repair(&report).unwrap(), Repair::default());
        assert_eq!(full(&test).problems, []);
    }

    #[cfg(unix)]
    #[test]
    fn what_stands_in_the_place_of_bytes_is_set_aside_and_not_followed() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let blob =
            |number: u32| test.store.blob_path(&Sha256Digest::of(format!("package {number}").as_bytes()));
        for number in 1..=2 {
            test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
            std::fs::remove_file(blob(number)).unwrap();
        }
        let elsewhere = test.beside("elsewhere");
        std::fs::write(&elsewhere, b"package 1").unwrap();
        std::os::unix::fs::symlink(&elsewhere, blob(1)).unwrap();
        std::fs::create_dir(blob(2)).unwrap();
        let repair = writer.repair(&full(&test)).unwrap();
        assert_eq!((repair.set_aside.len(), repair.missing.len(), repair.left), (2, 2, 0), "{repair:?}");
        for number in 1..=2 {
            assert!(blob(number).symlink_metadata().is_err());
            test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
        }
        assert_eq!(full(&test).problems, []);
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"package 1");
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
