//! The store on disk, format 1.
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
//!   SHA256SUMS, SHA256SUMS.minisig, midmirror.pub
//!                             digests of the packages in the catalog, signed; see `attest::sums`
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
mod held;
mod index;
mod lock;
mod proven;
mod readable;
mod statement;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use check::{CheckDepth, CheckProgress, CheckReport, Problem, check};
pub use error::StoreError;
pub use evidence::{Acceptance, Admission};
pub use held::{DigestHistory, DigestState, NameHistory};
pub use statement::STATEMENT_NAME;
pub use writer::{Approval, StoreWriter, StoredPackage};

use crate::Sha256Digest;
use crate::catalog::CatalogEntry;

/// A store that was found to have a known format.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
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
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| StoreError::Random)?;
        let marker = Marker { format: FORMAT, id: hex::encode(id), created: now };
        let json = to_json("the store's description", &marker)?;
        durable::write_new(&folder.join(MARKER_FILE), &json, durable::FileMode::Shared)?;
        let store = Self { root: folder.to_owned(), marker };
        store.create_folders()?;
        Ok(store)
    }

    /// Opens a store for reading. Nothing is changed, so a read-only medium will do.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(MARKER_FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::NotAStore { path: folder.to_owned() });
            }
            Err(e) => return Err(StoreError::file("read", &path)(e)),
        };
        // The format is read first and alone: later formats may have other fields.
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u64,
        }
        let garbled = |source| StoreError::Garbled { path: path.clone(), source };
        let FormatOnly { format } = serde_json::from_slice(&bytes).map_err(garbled)?;
        if format != FORMAT {
            return Err(StoreError::UnknownFormat { path: folder.to_owned(), format });
        }
        let marker = serde_json::from_slice(&bytes).map_err(garbled)?;
        Ok(Self { root: folder.to_owned(), marker })
    }

    /// Locks the store for writing and removes what crashed writers left behind.
    ///
    /// Fails at once with [`StoreError::Busy`] if another writer has the lock. Readers are not affected.
    pub fn write(&self) -> Result<StoreWriter, StoreError> {
        StoreWriter::open(self)
    }

    /// The folder of the store.
    pub fn root_dir(&self) -> &Path {
        &self.root
    }

    /// The random id the store got when it was made.
    pub fn id(&self) -> &str {
        &self.marker.id
    }

    /// When the store was made.
    pub fn created(&self) -> jiff::Timestamp {
        self.marker.created
    }

    /// The folder for unverified bytes.
    pub fn quarantine_dir(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// The folder of the signed catalog.
    pub fn repository_dir(&self) -> PathBuf {
        self.root.join("repository")
    }

    /// The usual folder for signing keys when they are kept beside the store; never served.
    pub fn keys_dir(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Where the bytes with a digest are or would be.
    pub fn blob_path(&self, digest: &Sha256Digest) -> PathBuf {
        sharded(&self.blobs_dir(), digest)
    }

    /// Opens the bytes with a digest. They are not hashed again; see [`check`].
    pub fn open_blob(&self, digest: &Sha256Digest) -> Result<File, StoreError> {
        blob::open(&self.blob_path(digest), digest)
    }

    /// The folder with all evidence about the bytes with a digest: one numbered folder per admission.
    pub fn evidence_dir(&self, digest: &Sha256Digest) -> PathBuf {
        sharded(&self.evidence_root(), digest)
    }

    /// The folder with the documents of one admission.
    pub fn admission_dir(&self, admission: &Admission) -> PathBuf {
        evidence::folder(self, &admission.entry().sha256, admission.number())
    }

    /// Every admission of this store in the order they were made, read from the evidence.
    pub fn admissions(&self) -> Result<Vec<Admission>, StoreError> {
        evidence::read_all(self)
    }

    /// What the catalog has to say: for each vendor path the newest admission that is not held, in the order of the
    /// paths.
    pub fn admitted(&self) -> Result<Vec<CatalogEntry>, StoreError> {
        Ok(newest(self.admissions()?))
    }

    /// Where the bytes with a digest are, from the root of the store; with slashes everywhere.
    pub(crate) fn blob_name(&self, digest: &Sha256Digest) -> String {
        let path = self.blob_path(digest);
        let parts = path.strip_prefix(&self.root).unwrap_or(&path).components();
        let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }

    /// The folder of the log.
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The digests of the files of an admission's evidence; those that are not there are left out.
    pub(crate) fn evidence_digests(
        &self,
        admission: &Admission,
    ) -> Result<std::collections::BTreeMap<String, Sha256Digest>, StoreError> {
        evidence::digests(self, admission)
    }

    fn blobs_dir(&self) -> PathBuf {
        self.root.join("blobs").join("sha256")
    }

    fn evidence_root(&self) -> PathBuf {
        self.root.join("evidence")
    }

    fn index_dir(&self) -> PathBuf {
        self.root.join("index").join("v1")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    fn create_folders(&self) -> Result<(), StoreError> {
        for folder in [self.blobs_dir(), self.evidence_root(), self.repository_dir(), self.quarantine_dir()] {
            durable::create_folders(&folder)?;
        }
        Ok(())
    }
}

/// What the catalog has to say after these admissions.
pub(crate) fn newest(admissions: Vec<Admission>) -> Vec<CatalogEntry> {
    let mut newest = std::collections::BTreeMap::new();
    let mut first = std::collections::HashMap::new();
    for admission in admissions {
        let held = admission.is_held();
        let entry = admission.into_entry();
        if let Some(at) = entry.first_verified_at() {
            first.entry(entry.sha256).and_modify(|known| *known = at.min(*known)).or_insert(at);
        }
        if !held {
            newest.insert(entry.path.as_str().to_owned(), entry);
        }
    }
    for entry in newest.values_mut() {
        entry.first_admitted_at = first.get(&entry.sha256).copied().filter(|at| *at != entry.admitted_at);
    }
    newest.into_values().collect()
}

/// `ROOT/ab/abcdef…`: at most 256 folders per folder and one level of names.
fn sharded(root: &Path, digest: &Sha256Digest) -> PathBuf {
    let hex = digest.to_hex();
    let shard: String = hex.chars().take(2).collect();
    root.join(shard).join(hex)
}

fn to_json(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|source| StoreError::Encode { what, source })?;
    json.push(b'\n');
    Ok(json)
}

/// The file that makes a folder a store.
pub const MARKER_FILE: &str = "midmirror-store.json";
/// The format this code reads and writes.
const FORMAT: u64 = 1;

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
        std::fs::write(folder.path().join(MARKER_FILE), r#"{"format": 2, "shape": "other"}"#).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::UnknownFormat { format: 2, .. }), "{error}");
        std::fs::write(folder.path().join(MARKER_FILE), "").unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Garbled { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
