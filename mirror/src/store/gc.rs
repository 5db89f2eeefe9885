//! What a store holds and nobody needs: found by reading only, removed by whoever holds the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{BLOBS, EVIDENCE, LOG, REPOSITORY, Store, StoreError, StoreWriter, blob_key, durable};
use crate::Sha256Digest;
use crate::catalog::TrustedCatalog;
use crate::prune::Pruned;
use crate::storage::{Kind, Listed, below};

/// Something that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Garbage {
    /// Why it is not needed.
    pub kind: GarbageKind,
    /// Where it is.
    #[serde(serialize_with = "lossy")]
    pub place: PathBuf,
    /// How many bytes it has.
    pub bytes: u64,
    /// What it is to the storage; none for what is only in the local folder.
    #[serde(skip)]
    key: Option<(String, bool)>,
}

/// Why something is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GarbageKind {
    /// A writer was interrupted and left it.
    Leftover,
    /// Bytes of a package without any evidence: they were never admitted.
    UnadmittedBlob,
    /// Bytes of a package that was pruned; whoever pruned it was interrupted before they were removed.
    PrunedBlob,
    /// A download or refused package that nobody has touched for long.
    OldAttempt,
}

/// Finds what nobody needs. Attempts in quarantine are old when nothing in them was changed since `attempts_before`. Bytes of
/// pruned packages are found only with the current catalog, which must not name them.
///
/// # Errors
/// Store or quarantine cannot be read.
pub fn garbage(
    store: &Store,
    catalog: Option<&TrustedCatalog>,
    attempts_before: Timestamp,
) -> Result<Vec<Garbage>, StoreError> {
    let mut found = Vec::new();
    // Not in `withdrawals`: a decision there does not wait for whoever holds the lock, and must not fail by this.
    for folder in ["", BLOBS, EVIDENCE, REPOSITORY, LOG] {
        leftovers(store, folder, !folder.is_empty(), &mut found)?;
    }
    let names = super::evidence::list(store)?;
    let newest: BTreeMap<Sha256Digest, u64> = names.iter().map(|name| (name.sha256, name.number)).collect();
    let pruned = Pruned::of(store)?;
    let listed: Option<BTreeSet<_>> =
        catalog.map(|catalog| catalog.entries().iter().map(|entry| entry.sha256).collect());
    let kind_of = |digest: &Sha256Digest| match newest.get(digest) {
        None => Some(GarbageKind::UnadmittedBlob),
        Some(number) => listed
            .as_ref()
            .filter(|listed| !listed.contains(digest) && pruned.covers(digest, *number))
            .map(|_| GarbageKind::PrunedBlob),
    };
    for shard in list(store, BLOBS)? {
        for blob in list(store, &below(BLOBS, &shard.name))? {
            let (Ok(digest), Kind::Object(bytes)) = (blob.name.parse(), blob.kind) else { continue };
            if let Some(kind) = kind_of(&digest) {
                let key = blob_key(&digest);
                let place = store.storage.place(&key);
                found.push(Garbage { kind, place, bytes, key: Some((key, false)) });
            }
        }
    }
    old_attempts(&store.quarantine_dir(), attempts_before, &mut found)?;
    found.sort_unstable();
    Ok(found)
}

impl StoreWriter {
    /// Finds and removes what nobody needs; returns what was removed.
    ///
    /// # Errors
    /// As [`garbage`], or something cannot be removed; what was removed before stays removed.
    pub fn collect_garbage(
        &mut self,
        catalog: Option<&TrustedCatalog>,
        attempts_before: Timestamp,
    ) -> Result<Vec<Garbage>, StoreError> {
        let found = garbage(self.store(), catalog, attempts_before)?;
        for garbage in &found {
            match &garbage.key {
                Some((key, true)) => self.store().storage.remove_folder(key)?,
                Some((key, false)) => self.store().storage.remove(key)?,
                None => durable::remove_folder(&garbage.place)?,
            }
        }
        Ok(found)
    }
}

fn list(store: &Store, folder: &str) -> Result<Vec<Listed>, StoreError> {
    store.storage.list(folder).map_err(StoreError::reading)
}

fn leftovers(store: &Store, folder: &str, deep: bool, found: &mut Vec<Garbage>) -> Result<(), StoreError> {
    for Listed { name, kind } in list(store, folder)? {
        let key = below(folder, &name);
        if durable::is_temporary(name.as_ref()) {
            let bytes = size(store, &key, kind)?;
            let place = store.storage.place(&key);
            let key = Some((key, kind == Kind::Folder));
            found.push(Garbage { kind: GarbageKind::Leftover, place, bytes, key });
        } else if deep && kind == Kind::Folder {
            leftovers(store, &key, deep, found)?;
        }
    }
    Ok(())
}

/// The bytes of an object, or of all objects in a folder.
pub(super) fn size(store: &Store, key: &str, kind: Kind) -> Result<u64, StoreError> {
    let mut bytes: u64 = match kind {
        Kind::Object(length) => length,
        _ => 0,
    };
    if kind == Kind::Folder {
        for listed in list(store, key)? {
            bytes = bytes.saturating_add(size(store, &below(key, &listed.name), listed.kind)?);
        }
    }
    Ok(bytes)
}

/// Attempts are folders; whoever works in one holds a lock on a file in it.
fn old_attempts(quarantine: &Path, before: Timestamp, found: &mut Vec<Garbage>) -> Result<(), StoreError> {
    for folder in local_entries(quarantine)? {
        let (mut bytes, mut changed) = (0_u64, Timestamp::MIN);
        for file in std::iter::once(folder.clone()).chain(local_entries(&folder)?) {
            let Ok(metadata) = file.symlink_metadata() else { continue };
            if metadata.is_file() {
                bytes = bytes.saturating_add(metadata.len());
            }
            let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
            changed = changed.max(modified.unwrap_or(Timestamp::MAX));
        }
        let is_folder = folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        if changed < before && is_folder && !is_locked(&folder.join("lock")) {
            found.push(Garbage { kind: GarbageKind::OldAttempt, place: folder, bytes, key: None });
        }
    }
    Ok(())
}

fn is_locked(lock: &Path) -> bool {
    // Opening a pipe would wait for whoever writes into it.
    let is_file = lock.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && std::fs::File::open(lock).is_ok_and(|file| file.try_lock().is_err())
}

fn local_entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(StoreError::file("read the folder", folder)(e)),
    };
    entries.map(|entry| Ok(entry.map_err(StoreError::file("read the folder", folder))?.path())).collect()
}

/// Paths need not be UTF-8, JSON must be.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestStore, path};
    use super::*;

    fn kinds(garbage: &[Garbage]) -> Vec<(GarbageKind, u64)> {
        garbage.iter().map(|garbage| (garbage.kind, garbage.bytes)).collect()
    }

    #[test]
    fn only_what_nobody_needs_is_removed() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let kept = test.commit(&mut writer, &path(1), b"package 1").entry().sha256;
        let evidence = test.store.evidence_dir(&kept);
        let unadmitted = test.store.blob_path(&Sha256Digest::of(b"never admitted"));
        std::fs::create_dir_all(unadmitted.parent().unwrap()).unwrap();
        std::fs::write(&unadmitted, b"never admitted").unwrap();
        let leftover = evidence.join(format!("{}x", durable::TEMPORARY_PREFIX));
        std::fs::create_dir(&leftover).unwrap();
        std::fs::write(leftover.join("report.json"), b"half").unwrap();
        std::fs::write(test.store.root_dir().join(format!("{}y", durable::TEMPORARY_PREFIX)), b"1").unwrap();
        let attempt = |name: &str| {
            let folder = test.store.quarantine_dir().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("package.part"), b"12345").unwrap();
            std::fs::File::create(folder.join("lock")).unwrap()
        };
        drop(attempt("fetch-old"));
        let at_work = attempt("fetch-at-work");
        at_work.try_lock().unwrap();

        let found = garbage(&test.store, None, Timestamp::MIN).unwrap();
        let expected =
            [(GarbageKind::Leftover, 1), (GarbageKind::Leftover, 4), (GarbageKind::UnadmittedBlob, 14)];
        assert_eq!(kinds(&found), expected, "no attempt is that old");
        let found = garbage(&test.store, None, Timestamp::MAX).unwrap();
        assert_eq!(kinds(&found)[3..], [(GarbageKind::OldAttempt, 5)]);
        assert_eq!(found[3].place, test.store.quarantine_dir().join("fetch-old"));

        assert_eq!(writer.collect_garbage(None, Timestamp::MAX).unwrap(), found);
        assert_eq!(garbage(&test.store, None, Timestamp::MAX).unwrap(), []);
        assert!(test.store.open_blob(&kept).is_ok() && !unadmitted.exists() && !leftover.exists());
        assert_eq!(test.store.admissions().unwrap().len(), 1);
        assert!(test.store.quarantine_dir().join("fetch-at-work/package.part").exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_in_quarantine_are_not_followed_and_not_waited_for() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let elsewhere = test.beside("elsewhere");
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("kept"), b"123").unwrap();
        let quarantine = test.store.quarantine_dir();
        std::os::unix::fs::symlink(&elsewhere, quarantine.join("fetch-link")).unwrap();
        let odd = quarantine.join("fetch-\u{202e}odd\n");
        std::fs::create_dir(&odd).unwrap();
        std::os::unix::fs::symlink(&elsewhere, odd.join("inside")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            odd.join("lock"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let removed = writer.collect_garbage(None, Timestamp::MAX).unwrap();
        assert_eq!(removed.iter().map(|garbage| &garbage.place).collect::<Vec<_>>(), [&odd]);
        assert!(!odd.exists() && elsewhere.join("kept").exists());
        assert!(quarantine.join("fetch-link").exists());
    }
}
