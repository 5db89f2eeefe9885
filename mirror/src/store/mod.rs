//! The store on disk, format 2. See `format` for how earlier ones get there.
//!
//! ```text
//! STORE/
//!   midmirror-store.json      format version, store id, created; must exist before anything else is touched
//!   lock                      one writer at a time; readers never look at it
//!   blobs/sha256/ab/DIGEST    package bytes, read-only, named by their digest; present means complete
//!   evidence/ab/DIGEST/NUMBER/
//!                             one folder per admission of these bytes; appears complete, never changes
//!     admission.json          what was admitted under which vendor path, when, as the how-manieth of this store, signed with
//!                             which certificates
//!     report.json             the full report and both verdicts
//!     jarsigner.txt           what jarsigner would have printed
//!     anchors.pem             the trust anchors that were used
//!     fetch.json              where the bytes came from
//!   evidence/ab/DIGEST/NUMBER.statement.dsse.json
//!                             what the store states of that admission, signed; see `attest::Admitted`
//!   repository/               the signed catalog, see `catalog`
//!   log/                      what was done, see `log`
//!   withdrawals/NUMBER.json   decisions that nobody is to get some bytes any more, see `withdraw`
//!   SHA256SUMS, SHA256SUMS.minisig, midmirror.pub
//!                             digests of the packages in the catalog, signed; see `attest::sums`
//!   damaged/                  bytes that no longer had their digest, set aside by a repair; nobody serves them
//!   quarantine/ATTEMPT/       unverified bytes, one folder per attempt; belongs to `fetch`
//!   index/v1/                 lookups; may be deleted at any time, nothing is known only here
//! ```
//!
//! Order of a commit: blob, evidence, then (elsewhere) log and catalog, and the index last. A crash after any of these
//! steps leaves what was committed before as it was. An admission may be held: evidence that the catalog does not follow
//! until somebody accepts it, which repeats the evidence under a new number together with the decision. Bytes without evidence were never admitted and are not
//! published; the next commit of the same package finishes them. Nothing is deleted but temporary files.

mod blob;
mod check;
#[cfg(test)]
mod crashes;
pub mod durable;
mod error;
mod evidence;
mod format;
mod gc;
mod held;
mod index;
mod lock;
mod proven;
mod readable;
pub(crate) mod records;
mod repair;
mod statement;
mod stats;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use check::Pace;
pub(crate) use check::check_with_evidence;
pub use check::{CheckDepth, CheckOptions, CheckProgress, CheckReport, CheckSession, Problem, check};
pub use error::StoreError;
pub(crate) use evidence::FETCH_FILE;
pub use evidence::{Acceptance, Admission};
pub use gc::{Garbage, GarbageKind, garbage};
pub use held::{DigestHistory, DigestState, NameHistory, WithdrawalNote};
pub(crate) use readable::Evidence;
pub use records::RecordsError;
pub use repair::{Repair, SetAside};
pub use statement::STATEMENT_NAME;
pub use stats::{Amount, KindAmount, StoreStats, stats};
pub use writer::{Approval, StoreWriter, StoredPackage};

use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::log::LogFolder;
use crate::storage::{LocalFolder, Storage};

/// A store that was found to have a known format.
///
/// What must last is in a [`Storage`]; lock, quarantine and index are in a local folder. Usually both are the same folder.
#[derive(Debug, Clone)]
pub struct Store {
    storage: Arc<dyn Storage>,
    local: PathBuf,
    marker: Marker,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Marker {
    format: u64,
    id: String,
    created: jiff::Timestamp,
}

impl Store {
    /// Makes a store in a new or empty folder.
    pub fn create(folder: &Path, now: jiff::Timestamp) -> Result<Self, StoreError> {
        durable::create_folders(folder)?;
        for entry in std::fs::read_dir(folder).map_err(StoreError::file("read the folder", folder))? {
            let name = entry.map_err(StoreError::file("read the folder", folder))?.file_name();
            if name != "lost+found" && !durable::is_temporary(&name) {
                return Err(StoreError::NotEmpty { path: folder.to_owned() });
            }
        }
        Self::create_in(Arc::new(LocalFolder::new(folder)), folder, now)
    }

    /// Makes a store in a place without objects; lock, quarantine and index get into a local folder.
    pub fn create_in(
        storage: Arc<dyn Storage>,
        local: &Path,
        now: jiff::Timestamp,
    ) -> Result<Self, StoreError> {
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| StoreError::Random)?;
        let marker = Marker { format: format::NEWEST, id: hex::encode(id), created: now };
        let json = to_json("the store's description", &marker)?;
        storage.create(MARKER_FILE, &json, durable::FileMode::Shared)?;
        let store = Self { storage, local: local.to_owned(), marker };
        store.create_folders()?;
        Ok(store)
    }

    /// Opens a store for reading. Nothing is changed, so a read-only medium will do.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_in(Arc::new(LocalFolder::new(folder)), folder)
    }

    /// Opens a store in any place for objects; lock, quarantine and index are in a local folder.
    pub fn open_in(storage: Arc<dyn Storage>, local: &Path) -> Result<Self, StoreError> {
        let path = storage.place(MARKER_FILE);
        let place = storage.place("");
        let Some(bytes) = storage.read(MARKER_FILE, MARKER_LIMIT).map_err(StoreError::reading)? else {
            return Err(StoreError::NotAStore { path: place });
        };
        // The format is read first and alone: later formats may have other fields.
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u64,
        }
        let garbled = |source| StoreError::Garbled { path: path.clone(), source };
        let FormatOnly { format } = serde_json::from_slice(&bytes).map_err(garbled)?;
        if !(format::OLDEST..=format::NEWEST).contains(&format) {
            return Err(StoreError::UnknownFormat { path: place, format });
        }
        let marker = serde_json::from_slice(&bytes).map_err(garbled)?;
        Ok(Self { storage, local: local.to_owned(), marker })
    }

    /// Locks the store for writing and removes what crashed writers left behind.
    ///
    /// Fails at once with [`StoreError::Busy`] if another writer has the lock. Readers are not affected.
    pub fn write(&self) -> Result<StoreWriter, StoreError> {
        StoreWriter::open(self)
    }

    /// The local folder of the store.
    pub fn root_dir(&self) -> &Path {
        &self.local
    }

    /// Where blobs, evidence, repository and log are.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The random id the store got when it was made.
    pub fn id(&self) -> &str {
        &self.marker.id
    }

    /// The format it has.
    pub fn format(&self) -> u64 {
        self.marker.format
    }

    /// When the store was made.
    pub fn created(&self) -> jiff::Timestamp {
        self.marker.created
    }

    /// The folder for unverified bytes.
    pub fn quarantine_dir(&self) -> PathBuf {
        self.local.join("quarantine")
    }

    /// The folder of the signed catalog.
    pub fn repository_dir(&self) -> PathBuf {
        self.storage.place(REPOSITORY)
    }

    /// The usual folder for signing keys when they are kept beside the store; never served.
    pub fn keys_dir(&self) -> PathBuf {
        self.local.join("keys")
    }

    /// Where the bytes with a digest are or would be.
    pub fn blob_path(&self, digest: &Sha256Digest) -> PathBuf {
        self.storage.place(&blob_key(digest))
    }

    /// Opens the bytes with a digest. They are not hashed again; see [`check`].
    pub fn open_blob(&self, digest: &Sha256Digest) -> Result<Box<dyn Read + Send>, StoreError> {
        blob::open(self, digest)
    }

    /// The folder with all evidence about the bytes with a digest: one numbered folder per admission.
    pub fn evidence_dir(&self, digest: &Sha256Digest) -> PathBuf {
        self.storage.place(&evidence_key(digest))
    }

    /// The folder with the documents of one admission.
    pub fn admission_dir(&self, admission: &Admission) -> PathBuf {
        self.storage.place(&evidence::folder(&admission.entry().sha256, admission.number()))
    }

    /// Every admission of this store in the order they were made, read from the evidence.
    pub fn admissions(&self) -> Result<Vec<Admission>, StoreError> {
        evidence::read_all(self)
    }

    /// What the catalog has to say: for each vendor path the newest admission that is not held, unless its bytes are
    /// withdrawn, in the order of the paths.
    pub fn admitted(&self) -> Result<Vec<CatalogEntry>, StoreError> {
        let withdrawn = crate::withdraw::withdrawn(self)?;
        let admissions = self.admissions()?;
        let pruned = crate::prune::pruned_digests(self, &admissions)?;
        let is_gone = |sha256: &Sha256Digest| withdrawn.contains_key(sha256) || pruned.contains(sha256);
        Ok(newest(&admissions).into_iter().filter(|entry| !is_gone(&entry.sha256)).collect())
    }

    /// Where the bytes with a digest are, from the root of the store; with slashes everywhere.
    pub(crate) fn blob_name(&self, digest: &Sha256Digest) -> String {
        blob_key(digest)
    }

    /// The log.
    pub fn log(&self) -> LogFolder {
        LogFolder::in_storage(&self.storage, LOG)
    }

    /// The folder of the log.
    pub fn log_dir(&self) -> PathBuf {
        self.storage.place(LOG)
    }

    /// The digests of the files of an admission's evidence; those that are not there are left out.
    pub(crate) fn evidence_digests(
        &self,
        admission: &Admission,
    ) -> Result<std::collections::BTreeMap<String, Sha256Digest>, StoreError> {
        evidence::digests(self, admission)
    }

    fn index_dir(&self) -> PathBuf {
        self.local.join("index").join("v1")
    }

    fn lock_file(&self) -> PathBuf {
        self.local.join("lock")
    }

    fn create_folders(&self) -> Result<(), StoreError> {
        durable::create_folders(&self.quarantine_dir())?;
        for folder in [BLOBS, EVIDENCE, REPOSITORY].iter().filter_map(|folder| self.storage.file(folder)) {
            durable::create_folders(&folder)?;
        }
        Ok(())
    }
}

/// What the catalog has to say after these admissions.
pub(crate) fn newest(admissions: &[Admission]) -> Vec<CatalogEntry> {
    let mut newest = std::collections::BTreeMap::new();
    let mut first = std::collections::HashMap::new();
    for admission in admissions {
        let entry = admission.entry();
        if let Some(at) = entry.first_verified_at() {
            first
                .entry(entry.sha256)
                .and_modify(|known: &mut jiff::Timestamp| *known = at.min(*known))
                .or_insert(at);
        }
        if !admission.is_held() {
            newest.insert(entry.path.as_str(), entry);
        }
    }
    let first_admitted_at =
        |entry: &CatalogEntry| first.get(&entry.sha256).copied().filter(|at| *at != entry.admitted_at);
    newest
        .into_values()
        .map(|entry| CatalogEntry { first_admitted_at: first_admitted_at(entry), ..entry.clone() })
        .collect()
}

fn blob_key(digest: &Sha256Digest) -> String {
    sharded(BLOBS, digest)
}

fn evidence_key(digest: &Sha256Digest) -> String {
    sharded(EVIDENCE, digest)
}

/// `ROOT/ab/abcdef…`: at most 256 folders per folder and one level of names.
fn sharded(root: &str, digest: &Sha256Digest) -> String {
    let hex = digest.to_hex();
    let shard = hex.get(..2).unwrap_or_default();
    format!("{root}/{shard}/{hex}")
}

fn to_json(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|source| StoreError::Encode { what, source })?;
    json.push(b'\n');
    Ok(json)
}

/// The file that makes a folder a store.
pub const MARKER_FILE: &str = "midmirror-store.json";
const MARKER_LIMIT: u64 = 64 * 1024;
/// Where the package bytes are.
const BLOBS: &str = "blobs/sha256";
/// Where the evidence is.
const EVIDENCE: &str = "evidence";
/// Where the signed catalog is.
pub(crate) const REPOSITORY: &str = "repository";
/// Where the log is.
pub(crate) const LOG: &str = "log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_is_created_once_and_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/store");
        assert!(matches!(Store::open(&path), Err(StoreError::NotAStore { .. })));
        let created = Store::create(&path, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let opened = Store::open(&path).unwrap();
        assert_eq!(created.id(), opened.id());
        assert_eq!(opened.id().len(), 32);
        assert!(matches!(
            Store::create(&path, jiff::Timestamp::UNIX_EPOCH),
            Err(StoreError::NotEmpty { .. })
        ));
    }

    #[test]
    fn unknown_format_is_refused_before_anything_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(MARKER_FILE), r#"{"format": 3, "shape": "other"}"#).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::UnknownFormat { format: 3, .. }), "{error}");
        std::fs::write(folder.path().join(MARKER_FILE), "").unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Garbled { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
