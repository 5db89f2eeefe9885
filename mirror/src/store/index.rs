//! Lookups by vendor path, in a sled database that holds nothing but copies.
//!
//! Whatever is wrong with it (missing, of another version, garbled, behind or ahead of the evidence), it is thrown away
//! and built again from the evidence. The catalog is never made from it. A failing index fails no commit.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::evidence::{self, Admission, AdmissionName};
use super::{Store, StoreError, durable};
use crate::Sha256Digest;
use crate::package::PackagePath;

/// The open index; without database if none could be opened, then every lookup goes to the evidence.
#[derive(Debug)]
pub(super) struct Index {
    store: Store,
    database: Option<sled::Db>,
    seen: Seen,
}

/// Stands for the admissions that the index has: their number, and a digest of their names in the order of their numbers.
#[derive(Debug, Clone, Default)]
struct Seen {
    count: usize,
    names: Sha256,
}

impl Seen {
    fn of(names: &[AdmissionName]) -> Self {
        let mut seen = Self::default();
        names.iter().for_each(|name| seen.add(*name));
        seen
    }

    fn add(&mut self, name: AdmissionName) {
        self.count = self.count.saturating_add(1);
        self.names.update(name.number.to_be_bytes());
        self.names.update(name.sha256.as_bytes());
    }

    /// What the database keeps.
    fn record(&self) -> Result<Vec<u8>, IndexError> {
        Ok(serde_json::to_vec(&(self.count, Sha256Digest::from_bytes(self.names.clone().finalize().into())))?)
    }
}

/// Why the index has to be built again. Never leaves this module.
#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error("the database failed")]
    Database(#[from] sled::Error),
    #[error("a record is garbled")]
    Record(#[from] serde_json::Error),
    #[error("its folder cannot be used")]
    Folder(#[from] durable::DurableError),
    #[error("the database panicked")]
    Panicked,
}

impl Index {
    /// Opens the index and brings it up to the evidence, building it again if need be.
    pub(super) fn open(store: &Store, names: &[AdmissionName]) -> Result<Self, StoreError> {
        let mut index = Self { store: store.clone(), database: None, seen: Seen::default() };
        match index.open_and_catch_up(names)? {
            Ok(()) => return Ok(index),
            Err(error) => {
                let error: &dyn Error = &error;
                warn!(error, "the index is unusable and is built again");
            }
        }
        index.database = None;
        let folder = store.index_dir();
        match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let error: &dyn Error = &e;
                warn!(folder = %folder.display(), error, "cannot remove the old index");
                return Ok(index);
            }
            _ => {}
        }
        if let Err(error) = index.open_and_catch_up(names)? {
            let error: &dyn Error = &error;
            warn!(error, "working without index");
            index.database = None;
        }
        Ok(index)
    }

    /// Throws the index away and builds it again.
    pub(super) fn rebuild(store: &Store, names: &[AdmissionName]) -> Result<Self, StoreError> {
        let folder = store.index_dir();
        if let Err(e) = durable::remove_folder(&folder) {
            let error: &dyn Error = &e;
            warn!(folder = %folder.display(), error, "cannot remove the old index");
        }
        Self::open(store, names)
    }

    /// Works without the database from now on.
    pub(super) fn close(&mut self) {
        if let Some(database) = self.database.take() {
            // Dropping flushes; whatever is lost is read from the evidence again.
            drop(guarded(|| {
                drop(database);
                Ok(())
            }));
        }
    }

    /// Adds an admission that is newer than all others.
    pub(super) fn put(&mut self, admission: &Admission) {
        let Some(database) = &self.database else { return };
        self.seen.add(admission.name());
        if let Err(error) = guarded(|| {
            put(database, admission)?;
            remember(database, &self.seen)
        }) {
            let error: &dyn Error = &error;
            warn!(error, "the index failed; working without it");
            self.database = None;
        }
    }

    /// Finds the newest admission under a vendor path that is not held.
    pub(super) fn find(&mut self, path: &PackagePath) -> Result<Option<Admission>, StoreError> {
        if let Some(database) = &self.database {
            match guarded(|| find(database, path)) {
                Ok(found) => return Ok(found),
                Err(error) => {
                    let error: &dyn Error = &error;
                    warn!(error, "the index failed; working without it");
                    self.database = None;
                }
            }
        }
        let all = evidence::read_all(&self.store)?;
        Ok(all.into_iter().rev().find(|admission| !admission.is_held() && admission.entry().path == *path))
    }

    /// The outer error is one of the evidence, the inner one of the index.
    fn open_and_catch_up(&mut self, names: &[AdmissionName]) -> Result<Result<(), IndexError>, StoreError> {
        let folder = self.store.index_dir();
        let opened = guarded(|| {
            durable::create_folders(&folder)?;
            let database = open_database(&folder)?;
            let known = known(&database, names)?;
            if known.is_none() {
                database.clear()?;
                database.open_tree(SEEN)?.clear()?;
            }
            Ok((database, known.unwrap_or_default()))
        });
        let (database, mut seen) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let missing = names.get(seen.count..).unwrap_or_default();
        for name in missing {
            let admission = evidence::read(&self.store, *name)?;
            if let Err(error) = guarded(|| put(&database, &admission)) {
                return Ok(Err(error));
            }
            seen.add(*name);
        }
        if !missing.is_empty()
            && let Err(error) = guarded(|| remember(&database, &seen))
        {
            return Ok(Err(error));
        }
        self.database = Some(database);
        self.seen = seen;
        Ok(Ok(()))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_database(folder: &Path) -> Result<sled::Db, IndexError> {
    Ok(sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?)
}

/// What the index has, if these are the first of the admissions that there are.
fn known(database: &sled::Db, names: &[AdmissionName]) -> Result<Option<Seen>, IndexError> {
    let Some(record) = database.open_tree(SEEN)?.get(STATE)? else { return Ok(None) };
    let Ok((count, _)) = serde_json::from_slice::<(usize, Sha256Digest)>(&record) else { return Ok(None) };
    let Some(names) = names.get(..count) else { return Ok(None) };
    let seen = Seen::of(names);
    Ok((seen.record()? == *record).then_some(seen))
}

/// Written after what it stands for: an index that was left in between is only behind.
fn remember(database: &sled::Db, seen: &Seen) -> Result<(), IndexError> {
    database.open_tree(SEEN)?.insert(STATE, seen.record()?)?;
    Ok(())
}

fn put(database: &sled::Db, admission: &Admission) -> Result<(), IndexError> {
    if !admission.is_held() {
        database.insert(admission.entry().path.as_str(), serde_json::to_vec(admission)?)?;
    }
    Ok(())
}

fn find(database: &sled::Db, path: &PackagePath) -> Result<Option<Admission>, IndexError> {
    let Some(value) = database.get(path.as_str())? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&value)?))
}

/// sled panics on some kinds of damage; a damaged cache must not end the program.
fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(IndexError::Panicked))
}

/// Tree with one record: what the index has. Indexes of early versions have others there, and none of this name.
const SEEN: &str = "seen";
const STATE: &str = "state";
/// A few thousand packages need far less.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::testing::{TestStore, path};
    use super::*;

    fn files_below(folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() { files.extend(files_below(&entry)) } else { files.push(entry) }
        }
        files
    }

    /// Damages the closed index in a given way; afterwards everything must still be found.
    fn survives(damage: impl Fn(&Path)) {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        for number in 1..=20 {
            test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
        }
        drop(writer);
        damage(&test.store.index_dir());
        let mut writer = test.store.write().unwrap();
        for number in 1..=20 {
            let found = writer.find(&path(number)).unwrap().unwrap();
            assert_eq!(found.sha256, Sha256Digest::of(format!("package {number}").as_bytes()));
        }
        test.commit(&mut writer, &path(21), b"package 21");
        drop(writer);
        assert!(test.store.write().unwrap().find(&path(21)).unwrap().is_some());
        assert_eq!(test.store.admissions().unwrap().len(), 21);
    }

    #[test]
    fn undamaged_index_is_used() {
        survives(|_| {});
    }

    #[test]
    fn deleted_index_is_built_again() {
        survives(|index| std::fs::remove_dir_all(index).unwrap());
    }

    #[test]
    fn emptied_index_files_are_built_again() {
        survives(|index| files_below(index).iter().for_each(|file| std::fs::write(file, b"").unwrap()));
    }

    #[test]
    fn garbled_index_files_are_built_again() {
        for seed in 0..4_u8 {
            survives(|index| {
                for file in files_below(index) {
                    let mut bytes = std::fs::read(&file).unwrap();
                    for (at, byte) in
                        bytes.iter_mut().enumerate().filter(|(at, _)| at % 7 == usize::from(seed))
                    {
                        *byte ^= u8::try_from(at % 251).unwrap();
                    }
                    std::fs::write(file, bytes).unwrap();
                }
            });
        }
    }

    #[test]
    fn truncated_index_files_are_built_again() {
        survives(|index| {
            for file in files_below(index) {
                let bytes = std::fs::read(&file).unwrap();
                std::fs::write(file, &bytes[..bytes.len() / 3]).unwrap();
            }
        });
    }

    #[test]
    fn index_of_an_earlier_version_is_built_again() {
        survives(|index| {
            let database = open_database(index).unwrap();
            database.clear().unwrap();
            let seen = database.open_tree(SEEN).unwrap();
            seen.clear().unwrap();
            for number in 1..=20_u64 {
                let name = (number, Sha256Digest::of(format!("package {number}").as_bytes()));
                seen.insert(number.to_be_bytes(), serde_json::to_vec(&name).unwrap()).unwrap();
            }
        });
    }

    #[test]
    fn file_in_the_place_of_the_index_stops_no_writer() {
        survives(|index| {
            let index = index.parent().unwrap();
            std::fs::remove_dir_all(index).unwrap();
            std::fs::write(index, b"").unwrap();
        });
    }

    #[test]
    fn index_ahead_of_the_evidence_is_built_again() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        test.commit(&mut writer, &path(1), b"one");
        let lost = test.commit(&mut writer, &path(2), b"two");
        drop(writer);
        std::fs::remove_dir_all(test.store.admission_dir(lost.admission())).unwrap();
        let mut writer = test.store.write().unwrap();
        assert!(writer.find(&path(1)).unwrap().is_some());
        assert_eq!(writer.find(&path(2)).unwrap(), None);
    }

    #[test]
    fn index_deleted_under_a_running_writer_loses_nothing() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        test.commit(&mut writer, &path(1), b"one");
        std::fs::remove_dir_all(test.store.index_dir()).unwrap();
        test.commit(&mut writer, &path(2), b"two");
        drop(writer);
        let mut writer = test.store.write().unwrap();
        for number in 1..=2 {
            assert!(writer.find(&path(number)).unwrap().is_some());
        }
    }
}
