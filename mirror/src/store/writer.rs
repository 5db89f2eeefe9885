//! The one who holds the lock: commits verified packages.

use std::path::PathBuf;

use tracing::{debug, warn};

use super::evidence::{self, Acceptance, Admission, AdmissionName};
use super::index::Index;
use super::lock::Lock;
use super::proven::remember;
use super::{BLOBS, EVIDENCE, LOG, REPOSITORY, Store, StoreError, blob, blob_key};
use super::{format, held};
use crate::Sha256Digest;
use crate::admit::{EarlierAdmission, History, Notice, Purpose, SignerCertificate, VerifiedPackage};
use crate::catalog::{CatalogEntry, Event, last_admission};
use crate::fetch::QuarantinedPackage;
use crate::package::PackagePath;
use crate::prune::Pruned;
use crate::storage::Kind;

/// The right to change the store; ends when it is dropped.
#[derive(Debug)]
pub struct StoreWriter {
    store: Store,
    index: Index,
    /// Every admission, oldest first; nobody else adds any while the lock is held.
    names: Vec<AdmissionName>,
    /// Admissions that were begun and have no name among these: a write may fail after its folder has appeared.
    begun: u64,
    next_number: u64,
    /// Read when it is first asked for.
    known_signers: Option<Vec<SignerCertificate>>,
    leftovers: Vec<PathBuf>,
    upgraded_from: Option<u64>,
    /// What the log is to tell besides what the evidence says.
    notes: Vec<Event>,
    // Last, so that the index is closed before the next writer comes.
    _lock: Lock,
}

/// Who decides that bytes are published, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval<'a> {
    /// Who, as far as known.
    pub by: Option<&'a str>,
    /// Why.
    pub reason: &'a str,
}

/// A package whose bytes and evidence are durably in the store. Only [`StoreWriter::commit`] makes one.
#[derive(Debug)]
pub struct StoredPackage {
    admission: Admission,
    notices: Vec<Notice>,
}

impl StoredPackage {
    /// What the catalog will say about the package.
    pub fn entry(&self) -> &CatalogEntry {
        self.admission.entry()
    }

    /// The admission this package was stored by.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What an operator should see of it.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

impl StoreWriter {
    pub(super) fn open(store: &Store) -> Result<Self, StoreError> {
        let (lock, last_writer_died) = Lock::take(store.root_dir(), &store.lock_file())?;
        let mut store = store.clone();
        let leftovers = recover(&store, last_writer_died)?;
        let upgraded_from = format::upgrade(&mut store)?;
        if let Some(from) = upgraded_from {
            warn!(
                from,
                to = store.format(),
                "the store has a new format; earlier versions cannot use it any more"
            );
        }
        store.create_folders()?;
        let store = &store;
        let names = evidence::list(store)?;
        let last = names.last().map_or(0, |name| name.number).max(last_admission(store));
        let next_number = last.checked_add(1).ok_or(StoreError::NumbersUsedUp)?;
        let index = Index::open(store, &names)?;
        Ok(Self {
            store: store.clone(),
            index,
            names,
            begun: 0,
            next_number,
            known_signers: None,
            leftovers,
            upgraded_from,
            notes: Vec::new(),
            _lock: lock,
        })
    }

    /// The store this writer may change.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What an interrupted writer had left behind and was removed when this writer was opened.
    pub fn leftovers(&self) -> &[PathBuf] {
        &self.leftovers
    }

    /// Every admission in the order they were made, read from the evidence.
    pub(crate) fn admissions(&self) -> Result<Vec<Admission>, StoreError> {
        match self.begun {
            0 => evidence::read_these(&self.store, &self.names),
            _ => evidence::read_all(&self.store),
        }
    }

    /// Remembers an admission that was made just now.
    fn add(&mut self, admission: &Admission) {
        self.begun = self.begun.saturating_sub(1);
        self.names.push(admission.name());
        self.index.put(admission);
    }

    /// Removes what interrupted writers left behind.
    pub(super) fn recover(&self) -> Result<Vec<PathBuf>, StoreError> {
        recover(&self.store, true)
    }

    /// Closes the index and takes another one.
    pub(super) fn replace_index(
        &mut self,
        open: impl FnOnce() -> Result<Index, StoreError>,
    ) -> Result<(), StoreError> {
        // One process can open a database only once.
        self.index.close();
        self.index = open()?;
        Ok(())
    }

    /// The format that the store had before this writer opened it, if it was an earlier one.
    pub fn upgraded_from(&self) -> Option<u64> {
        self.upgraded_from
    }

    /// The log will tell of it, with the next publication.
    pub(crate) fn note(&mut self, event: Event) {
        self.notes.push(event);
    }

    /// What the log has to tell besides what the evidence says.
    pub(crate) fn take_notes(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.notes)
    }

    /// Finds the newest admission under a vendor path whose bytes are there.
    ///
    /// A package whose bytes were lost counts as not there, so that it is fetched again.
    pub fn find(&mut self, path: &PackagePath) -> Result<Option<CatalogEntry>, StoreError> {
        let Some(entry) = self.index.find(path)?.map(Admission::into_entry) else { return Ok(None) };
        if self.is_pruned(&entry.sha256)? {
            return Ok(None);
        }
        let there = self.store.storage.look(&blob_key(&entry.sha256));
        Ok(there.is_ok_and(|kind| kind == Some(Kind::Object(entry.length))).then_some(entry))
    }

    /// What the store knows of bytes and of signers from before, packages of this writer included.
    ///
    /// # Errors
    /// The evidence cannot be read.
    pub fn history(&mut self, sha256: Sha256Digest) -> Result<History, StoreError> {
        let signers = match &self.known_signers {
            Some(known) => known.clone(),
            None => self.known_signers.insert(self.store.known_signers()?).clone(),
        };
        let earlier = EarlierAdmission::in_store(&self.store, sha256)?;
        Ok(History { earlier, signers, purpose: Purpose::Keep })
    }

    /// Stores a verified package: first the bytes, then the evidence, the index last.
    ///
    /// The bytes leave quarantine, and the folder of the attempt is removed. Committing the same package with the same
    /// report again changes nothing. New bytes under a known vendor path become the newest admission; the old bytes
    /// and their evidence stay.
    pub fn commit(
        &mut self,
        package: VerifiedPackage,
        admitted_at: jiff::Timestamp,
    ) -> Result<StoredPackage, StoreError> {
        self.keep(package, admitted_at, false)
    }

    /// Stores a verified package as evidence only: the catalog keeps what it says under this path until somebody
    /// accepts the new bytes.
    ///
    /// Holding the same bytes under the same path again changes nothing.
    pub fn hold(
        &mut self,
        package: VerifiedPackage,
        admitted_at: jiff::Timestamp,
    ) -> Result<StoredPackage, StoreError> {
        self.keep(package, admitted_at, true)
    }

    /// Publishes bytes that the store has under a name: those held last, or those with a digest. The catalog follows
    /// with the next publication.
    ///
    /// # Errors
    /// [`StoreError::NothingToAccept`] if nothing is held under the path, or these bytes were never admitted under it or
    /// are the published ones already.
    pub fn accept(
        &mut self,
        path: &PackagePath,
        sha256: Option<Sha256Digest>,
        approval: &Approval<'_>,
        at: jiff::Timestamp,
    ) -> Result<Admission, StoreError> {
        let old = held::to_accept(&self.store, path, sha256)?;
        drop(self.store.open_blob(&old.entry().sha256)?);
        let number = self.take_number()?;
        let accepted = Acceptance {
            at,
            by: approval.by.map(str::to_owned),
            reason: approval.reason.to_owned(),
            admission: old.number(),
        };
        let admission = evidence::repeat(&self.store, &old, number, accepted)?;
        self.add(&admission);
        Ok(admission)
    }

    /// The newest admission under a vendor path that is not held, whether or not its bytes are still there.
    pub(crate) fn published(&mut self, path: &PackagePath) -> Result<Option<Admission>, StoreError> {
        self.index.find(path)
    }

    /// Whether these bytes made room for others and have not been admitted again since.
    fn is_pruned(&self, sha256: &Sha256Digest) -> Result<bool, StoreError> {
        let pruned = Pruned::of(&self.store)?;
        let newest = evidence::list_of(&self.store, sha256)?.last().map(|name| name.number);
        Ok(newest.is_some_and(|number| pruned.covers(sha256, number)))
    }

    fn keep(
        &mut self,
        package: VerifiedPackage,
        admitted_at: jiff::Timestamp,
        hold: bool,
    ) -> Result<StoredPackage, StoreError> {
        let admission = evidence::admission(&package, self.next_number, admitted_at, hold);
        blob::store(&self.store, package.quarantined())?;
        let is_pruned = self.is_pruned(&admission.entry().sha256)?;
        let known = match hold {
            false => self
                .index
                .find(&admission.entry().path)?
                .filter(|known| says_the_same(known.entry(), admission.entry())),
            true => held::newest_of(&self.store, &admission.entry().path, admission.entry().sha256)?
                .filter(Admission::is_held),
        };
        let admission = match known.filter(|_| !is_pruned) {
            Some(known) => known,
            None => {
                self.take_number()?;
                evidence::write(&self.store, &package, &admission)?;
                self.add(&admission);
                admission
            }
        };
        if let Some(known) = &mut self.known_signers {
            remember(known, admission.signers());
        }
        remove_attempt(&self.store, package.quarantined());
        debug!(package = %admission.entry().path, sha256 = %admission.entry().sha256, "package stored");
        Ok(StoredPackage { admission, notices: package.notices().to_vec() })
    }

    /// The number of the next admission. It is used up first: a failed write may leave a folder of this number.
    fn take_number(&mut self) -> Result<u64, StoreError> {
        let number = self.next_number;
        self.next_number = number.checked_add(1).ok_or(StoreError::NumbersUsedUp)?;
        self.begun = self.begun.saturating_add(1);
        Ok(number)
    }
}

/// Equal but for the time of admission.
fn says_the_same(known: &CatalogEntry, new: &CatalogEntry) -> bool {
    CatalogEntry { admitted_at: new.admitted_at, ..known.clone() } == *new
}

/// Removes the attempt's folder, or the file alone if it does not lie in a folder of its own in quarantine.
///
/// The package is stored by now, so a failure is only worth a warning.
fn remove_attempt(store: &Store, package: &QuarantinedPackage) {
    let file = package.file();
    let attempt = file.parent().filter(|folder| folder.parent() == Some(store.quarantine_dir().as_path()));
    let removed = match attempt {
        Some(folder) => std::fs::remove_dir_all(folder),
        None => std::fs::remove_file(file),
    };
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            let error: &dyn std::error::Error = &e;
            warn!(file = %file.display(), error, "cannot remove the attempt");
        }
        _ => {}
    }
}

/// Removes temporary files, and makes durable what was just renamed, if the last writer was killed.
fn recover(store: &Store, last_writer_died: bool) -> Result<Vec<PathBuf>, StoreError> {
    if !last_writer_died {
        return Ok(Vec::new());
    }
    let leftovers = store.storage.recover(&[BLOBS, EVIDENCE, REPOSITORY, LOG])?;
    for leftover in &leftovers {
        warn!(file = %leftover.display(), "removed what an interrupted writer had left behind");
    }
    Ok(leftovers)
}

#[cfg(test)]
mod tests {
    use super::super::durable;
    use super::super::testing::{TestStore, at, path};
    use super::*;

    #[test]
    fn committed_package_leaves_quarantine_and_is_read_only() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let stored = test.commit(&mut writer, &path(1), b"package");
        let digest = stored.entry().sha256;
        assert_eq!(digest, Sha256Digest::of(b"package"));
        assert_eq!(std::fs::read(test.store.blob_path(&digest)).unwrap(), b"package");
        assert!(test.store.blob_path(&digest).metadata().unwrap().permissions().readonly());
        assert_eq!(std::fs::read_dir(test.store.quarantine_dir()).unwrap().count(), 0);
        let folder = test.store.admission_dir(stored.admission());
        let report = std::fs::read(folder.join("report.json")).unwrap();
        assert_eq!(stored.entry().report, Some(Sha256Digest::of(&report)));
        assert_eq!(test.store.admitted().unwrap(), [stored.entry().clone()]);
        assert_eq!(writer.find(&path(1)).unwrap().as_ref(), Some(stored.entry()));
        assert_eq!(writer.find(&path(2)).unwrap(), None);
    }

    #[test]
    fn same_package_again_changes_nothing_and_a_new_report_is_kept_beside_the_old() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let first = writer.commit(test.verified(&path(1), b"package", "one"), at(1)).unwrap();
        let again = writer.commit(test.verified(&path(1), b"package", "one"), at(2)).unwrap();
        assert_eq!(first.admission(), again.admission());
        assert_eq!(std::fs::read_dir(test.store.quarantine_dir()).unwrap().count(), 0);
        let other = writer.commit(test.verified(&path(1), b"package", "two"), at(3)).unwrap();
        assert_eq!(other.admission().number(), 2);
        assert_eq!(test.store.admissions().unwrap().len(), 2);
        let first_admitted_at = Some(at(1));
        assert_eq!(
            test.store.admitted().unwrap(),
            [CatalogEntry { first_admitted_at, ..other.entry().clone() }]
        );
    }

    #[test]
    fn new_bytes_under_a_known_name_leave_both_in_the_store() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let old = test.commit(&mut writer, &path(1), b"old");
        let new = test.commit(&mut writer, &path(1), b"new");
        assert_eq!(test.store.admitted().unwrap(), [new.entry().clone()]);
        assert_eq!(writer.find(&path(1)).unwrap().as_ref(), Some(new.entry()));
        for stored in [&old, &new] {
            test.store.open_blob(&stored.entry().sha256).unwrap();
            assert!(test.store.evidence_dir(&stored.entry().sha256).is_dir());
        }
    }

    #[test]
    fn lost_bytes_are_stored_again() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let stored = test.commit(&mut writer, &path(1), b"package");
        std::fs::remove_file(test.store.blob_path(&stored.entry().sha256)).unwrap();
        assert_eq!(writer.find(&path(1)).unwrap(), None);
        let again = test.commit(&mut writer, &path(1), b"package");
        assert_eq!(writer.find(&path(1)).unwrap().as_ref(), Some(again.entry()));
    }

    #[test]
    fn damaged_stored_bytes_are_noticed_when_they_come_again() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let stored = test.commit(&mut writer, &path(1), b"package");
        let blob = test.store.blob_path(&stored.entry().sha256);
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&blob, b"packagf").unwrap();
        let again = writer.commit(test.verified(&path(1), b"package", "two"), at(2));
        assert!(matches!(again, Err(StoreError::DamagedBlob { .. })), "{again:?}");
    }

    #[test]
    fn file_changed_in_length_since_it_was_verified_is_refused() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let package = test.verified(&path(1), b"package", "one");
        std::fs::write(package.quarantined().file(), b"package and more").unwrap();
        assert!(matches!(writer.commit(package, at(1)), Err(StoreError::Length { .. })));
        assert!(test.store.admissions().unwrap().is_empty());
    }

    #[test]
    fn second_writer_is_refused_while_readers_go_on() {
        let test = TestStore::new();
        let writer = test.store.write().unwrap();
        assert!(matches!(test.store.write(), Err(StoreError::Busy { .. })));
        Store::open(test.store.root_dir()).unwrap().admitted().unwrap();
        drop(writer);
        test.store.write().unwrap();
    }

    #[test]
    fn leftovers_are_removed_and_named() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let stored = test.commit(&mut writer, &path(1), b"package");
        drop(writer);
        let shard = test.store.blob_path(&stored.entry().sha256).parent().unwrap().to_owned();
        let evidence = test.store.evidence_dir(&stored.entry().sha256);
        let file = shard.join(format!("{}blob", durable::TEMPORARY_PREFIX));
        let folder = evidence.join(format!("{}evidence", durable::TEMPORARY_PREFIX));
        std::fs::write(&file, b"half").unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("report.json"), b"half").unwrap();
        // A killed process leaves its name in the lock.
        std::fs::write(test.store.root_dir().join("lock"), b"process 1 on host test").unwrap();
        let writer = test.store.write().unwrap();
        let mut expected = [file.clone(), folder.clone()];
        expected.sort();
        assert_eq!(writer.leftovers(), expected);
        assert!(!file.exists() && !folder.exists());
        assert_eq!(test.store.admitted().unwrap(), [stored.entry().clone()]);
    }
}
