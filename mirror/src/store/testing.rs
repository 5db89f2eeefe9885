//! Stores and packages for the unit tests of this crate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Store, StoreWriter, StoredPackage};
use crate::Sha256Digest;
use crate::admit::VerifiedPackage;
use crate::fetch::{FetchRecord, QuarantinedPackage};
use crate::package::PackagePath;
use crate::storage::Memory;

/// A store in a temporary folder, which goes away with it.
pub(crate) struct TestStore {
    folder: Folder,
    pub(crate) store: Store,
}

enum Folder {
    Ours(tempfile::TempDir),
    Foreign(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Ours(folder) => folder.path(),
            Self::Foreign(folder) => folder,
        }
    }
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store"), at(0)).unwrap();
        Self { folder: Folder::Ours(folder), store }
    }

    /// A store whose objects are in memory; lock, quarantine and index are in a temporary folder.
    pub(crate) fn in_memory(memory: &Memory) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("local");
        let store = Store::create_in(Arc::new(memory.clone()), &local, at(0)).unwrap();
        Self { folder: Folder::Ours(folder), store }
    }

    /// The store of another process, in the folder that process has made.
    pub(crate) fn of_another(folder: PathBuf) -> Self {
        let store = Store::open(&folder.join("store")).unwrap();
        Self { folder: Folder::Foreign(folder), store }
    }

    /// Leaves the folder where it is; it is for another [`TestStore`] then.
    pub(crate) fn keep(self) -> PathBuf {
        match self.folder {
            Folder::Ours(folder) => folder.keep(),
            Folder::Foreign(folder) => folder,
        }
    }

    /// A path beside the store.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Bytes in quarantine that pass for verified.
    pub(crate) fn verified(&self, path: &PackagePath, bytes: &[u8], report: &str) -> VerifiedPackage {
        let attempt = tempfile::tempdir_in(self.store.quarantine_dir()).unwrap().keep();
        let file = attempt.join("package");
        std::fs::write(&file, bytes).unwrap();
        let record = FetchRecord::by_hand("file:test".to_owned(), at(0));
        let length = u64::try_from(bytes.len()).unwrap();
        let quarantined =
            QuarantinedPackage::new(path.clone(), file, Sha256Digest::of(bytes), length, record);
        VerifiedPackage::for_tests(quarantined, report.as_bytes())
    }

    /// Commits bytes under a path, with a report that names them.
    pub(crate) fn commit(&self, writer: &mut StoreWriter, path: &PackagePath, bytes: &[u8]) -> StoredPackage {
        let report = format!("{{\"sha256\": \"{}\"}}", Sha256Digest::of(bytes));
        writer.commit(self.verified(path, bytes, &report), at(1)).unwrap()
    }
}

/// The vendor path of a `mid-core` package of hotfix `number`.
pub(crate) fn path(number: u32) -> PackagePath {
    let stamp = format!("zurich-07-01-2025__patch7-hotfix{number}-06-18-2026_06-19-2026_0134");
    let folder = "glide/distribution/builds/package/app-signed/mid-core/2026/06/19";
    PackagePath::parse(&format!("{folder}/mid-core.{stamp}.universal.universal.zip")).unwrap()
}

/// The second `seconds` of a day in June 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_782_000_000 + seconds).unwrap()
}
