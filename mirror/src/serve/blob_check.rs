//! Stored files are checked against their digest before they are served for the first time.
//!
//! Attacks considered: a stored file that was shortened (its length is compared at every request), or changed (hashed
//! once by this process and again whenever device, inode, length or change time differ; the change time cannot be set
//! by a program as the modification time can). The open file that was checked is the one that is sent (J22). A bad
//! file is hashed once, not at every request, also if whoever asked has left meanwhile. Whoever asks for many answers at a
//! time and reads none of them holds one open file and not many.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::{OwnedMutexGuard, Semaphore};

use super::body::read_at;
use crate::Sha256Digest;
use crate::regular_file::{self, Links};

/// A stored file cannot be served.
#[derive(Debug, Error)]
pub(crate) enum BlobProblem {
    #[error("failed to read {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} has {found} bytes, the catalog says {expected}")]
    Length { path: PathBuf, expected: u64, found: u64 },
    #[error("{path} has been changed: its SHA-256 is {found}")]
    Digest { path: PathBuf, found: Sha256Digest },
}

impl BlobProblem {
    /// What is wrong, without the place of the file on this machine.
    pub(crate) fn for_everybody(&self) -> String {
        match self {
            Self::Unreadable { .. } => "cannot be read; the server's log says why".to_owned(),
            Self::Length { expected, found, .. } => format!("has {found} bytes, the catalog says {expected}"),
            Self::Digest { found, .. } => format!("has been changed: its SHA-256 is {found}"),
        }
    }
}

/// A stored file, and what it has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blob<'a> {
    pub(crate) path: &'a Path,
    pub(crate) sha256: Sha256Digest,
    pub(crate) length: u64,
}

/// Remembers which files were checked.
#[derive(Debug)]
pub(crate) struct BlobCheck {
    hash: bool,
    /// What is wrong with which file, as far as is known, for everybody to read.
    bad: Mutex<BTreeMap<Sha256Digest, String>>,
    checked: Mutex<HashMap<Sha256Digest, Slot>>,
    held: Mutex<HashMap<Sha256Digest, Held>>,
    at_a_time: Arc<Semaphore>,
}

/// A small file that stays open: to open it would cost more than to send it.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    /// In which it was checked.
    state: FileState,
    file: Arc<File>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Checked>>>;

/// The digest that a file in a certain state has.
#[derive(Debug)]
struct Checked {
    state: FileState,
    found: Sha256Digest,
    /// The file, while somebody has it open.
    file: Weak<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    file: (u64, u64),
    length: u64,
    changed: (i64, i64),
}

impl BlobCheck {
    /// `hash`: whether digests are checked at all; lengths always are.
    pub(crate) fn new(hash: bool) -> Self {
        Self {
            hash,
            bad: Mutex::default(),
            checked: Mutex::default(),
            held: Mutex::default(),
            at_a_time: Arc::new(Semaphore::new(2)),
        }
    }

    /// Opens a file that is what it should be.
    pub(crate) async fn open(&self, blob: Blob<'_>) -> Result<Arc<File>, BlobProblem> {
        let opened = self.open_checked(blob).await;
        self.remember(blob.sha256, opened.as_ref().err());
        opened.map(|(file, _)| file)
    }

    /// The same for a file that is always at the same path; a small one is kept open.
    pub(crate) async fn open_shared(
        &self,
        path: impl FnOnce() -> PathBuf,
        sha256: Sha256Digest,
        length: u64,
    ) -> Result<Arc<File>, BlobProblem> {
        if length <= SMALL
            && let Some(file) = self.held(&sha256)
        {
            return Ok(file);
        }
        let path = path();
        let opened = Box::pin(self.open_checked(Blob { path: &path, sha256, length })).await;
        self.remember(sha256, opened.as_ref().err());
        let (file, state) = opened?;
        if length <= SMALL {
            self.all_held().insert(sha256, Held { path, state, file: file.clone() });
        }
        Ok(file)
    }

    /// An open file, as long as the one at its path is the same in the same state.
    fn held(&self, sha256: &Sha256Digest) -> Option<Arc<File>> {
        if self.bad.lock().unwrap_or_else(PoisonError::into_inner).contains_key(sha256) {
            return None;
        }
        let all = self.all_held();
        let held = all.get(sha256)?;
        let now = std::fs::metadata(&held.path).ok()?;
        (now.is_file() && FileState::of(&now) == held.state).then(|| held.file.clone())
    }

    fn all_held(&self) -> MutexGuard<'_, HashMap<Sha256Digest, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open_checked(&self, blob: Blob<'_>) -> Result<(Arc<File>, FileState), BlobProblem> {
        if !self.hash {
            return blob.open().map(|(file, state)| (Arc::new(file), state));
        }
        // One asker hashes, the others wait for the result.
        let mut slot = self.slot(blob.sha256).lock_owned().await;
        let (file, state, found) = match slot.as_ref().and_then(|checked| checked.still_open(blob)) {
            Some(known) => known,
            None => {
                let (file, state) = blob.open()?;
                let file = Arc::new(file);
                match slot.as_mut().filter(|checked| checked.state == state) {
                    Some(checked) => {
                        checked.file = Arc::downgrade(&file);
                        (file, state, checked.found)
                    }
                    None => {
                        // A task of its own: it goes on if the asker leaves, and nobody begins a second one.
                        let hashing = hash_once(slot, self.at_a_time.clone(), file.clone(), state);
                        let hashed = tokio::spawn(hashing).await.map_err(io::Error::other);
                        let found =
                            hashed.and_then(|found| found).map_err(|source| blob.unreadable(source))?;
                        (file, state, found)
                    }
                }
            }
        };
        blob.compare(found).map(|()| (file, state))
    }

    /// Reads a file whether or not it was checked before, in a thread that may block; `passed` is told of the bytes, and says
    /// whether to go on.
    ///
    /// # Errors
    /// The file is not what it should be; `Ok(false)` if it was not read to its end.
    pub(crate) fn scrub(&self, blob: Blob<'_>, passed: impl FnMut(u64) -> bool) -> Result<bool, BlobProblem> {
        let scrubbed = blob.open().and_then(|(file, state)| {
            let found = hash(&file, passed).map_err(|source| blob.unreadable(source))?;
            let Some(found) = found else { return Ok(false) };
            *self.slot(blob.sha256).blocking_lock() = Some(Checked { state, found, file: Weak::new() });
            if found != blob.sha256 {
                // Bytes can change without the file system's knowing of it.
                self.all_held().remove(&blob.sha256);
            }
            blob.compare(found).map(|()| true)
        });
        if !matches!(scrubbed, Ok(false)) {
            self.remember(blob.sha256, scrubbed.as_ref().err());
        }
        scrubbed
    }

    /// What is wrong with files of the store, by digest; see [`BlobProblem::for_everybody`].
    pub(crate) fn bad(&self) -> BTreeMap<Sha256Digest, String> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, sha256: Sha256Digest, problem: Option<&BlobProblem>) {
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => drop(bad.insert(sha256, problem.for_everybody())),
            None if bad.is_empty() => {}
            None => drop(bad.remove(&sha256)),
        }
    }

    fn slot(&self, sha256: Sha256Digest) -> Slot {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).entry(sha256).or_default().clone()
    }
}

impl Checked {
    /// The file that is open already, if the path still leads to it and nothing of it has changed.
    fn still_open(&self, blob: Blob<'_>) -> Option<(Arc<File>, FileState, Sha256Digest)> {
        let file = self.file.upgrade()?;
        let state = FileState::of(&std::fs::metadata(blob.path).ok()?);
        (state == self.state && state.length == blob.length).then_some((file, state, self.found))
    }
}

/// Hashes a file when it is its turn, and puts down what was found.
async fn hash_once(
    mut slot: OwnedMutexGuard<Option<Checked>>,
    turns: Arc<Semaphore>,
    file: Arc<File>,
    state: FileState,
) -> io::Result<Sha256Digest> {
    let _turn = turns.acquire().await;
    let of = Arc::downgrade(&file);
    let hashed = tokio::task::spawn_blocking(move || hash(&file, |_| true)).await;
    let found = hashed.map_err(io::Error::other)??.ok_or(io::ErrorKind::Interrupted)?;
    *slot = Some(Checked { state, found, file: of });
    Ok(found)
}

impl Blob<'_> {
    fn open(&self) -> Result<(File, FileState), BlobProblem> {
        let file =
            regular_file::open(self.path, Links::Followed).map_err(|source| self.unreadable(source))?;
        let metadata = file.metadata().map_err(|source| self.unreadable(source))?;
        let (path, expected, found) = (self.path.to_owned(), self.length, metadata.len());
        if found != expected {
            return Err(BlobProblem::Length { path, expected, found });
        }
        Ok((file, FileState::of(&metadata)))
    }

    fn compare(&self, found: Sha256Digest) -> Result<(), BlobProblem> {
        if found == self.sha256 {
            return Ok(());
        }
        Err(BlobProblem::Digest { path: self.path.to_owned(), found })
    }

    fn unreadable(&self, source: io::Error) -> BlobProblem {
        BlobProblem::Unreadable { path: self.path.to_owned(), source }
    }
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The digest of a file; none if it was not to be read to its end.
pub(crate) fn hash(file: &File, mut passed: impl FnMut(u64) -> bool) -> io::Result<Option<Sha256Digest>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut position = 0;
    loop {
        let count = read_at(file, &mut buffer, position)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Some(Sha256Digest::from_bytes(hasher.finalize().into())));
        }
        hasher.update(bytes);
        let count = u64::try_from(count).unwrap_or_default();
        position += count;
        if !passed(count) {
            return Ok(None);
        }
    }
}

/// Bytes of files that stay open; few packages are so small.
const SMALL: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[tokio::test]
    async fn change_is_noticed_even_if_length_and_modification_time_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, b"good").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let check = BlobCheck::new(true);
        let digest = Sha256Digest::of(b"good");
        for _ in 0..2 {
            check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
            check.open_shared(|| path.clone(), digest, 4).await.unwrap();
        }
        // The clock of the file system may tick only every few milliseconds.
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::fs::write(&path, b"evil").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        for _ in 0..2 {
            let error = check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap_err();
            assert!(matches!(error, BlobProblem::Digest { .. }), "{error:?}");
            assert!(check.open_shared(|| path.clone(), digest, 4).await.is_err());
        }
        std::fs::write(&path, b"goo").unwrap();
        assert!(matches!(
            check.open(Blob { path: &path, sha256: digest, length: 4 }).await,
            Err(BlobProblem::Length { found: 3, .. })
        ));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            check.open(Blob { path: &path, sha256: digest, length: 4 }).await,
            Err(BlobProblem::Unreadable { .. })
        ));
        // Nobody waits for a writer.
        regular_file::tests::make_pipe(&path);
        let opened = tokio::time::timeout(
            Duration::from_secs(20),
            check.open(Blob { path: &path, sha256: digest, length: 4 }),
        )
        .await;
        assert!(matches!(opened, Ok(Err(BlobProblem::Unreadable { .. }))));
        assert_eq!(check.bad().into_keys().collect::<Vec<_>>(), [digest]);
    }

    #[tokio::test]
    async fn many_askers_have_one_open_file_and_a_changed_one_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, b"good").unwrap();
        let (check, digest) = (BlobCheck::new(true), Sha256Digest::of(b"good"));
        let first = check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
        let second = check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        // The same bytes in another file.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"good").unwrap();
        let third = check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &third));
        drop((first, second, third));
        assert_eq!(check.slot(digest).lock().await.as_ref().unwrap().file.strong_count(), 0, "held open");
        check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
    }

    #[tokio::test]
    async fn asker_that_leaves_does_not_have_the_file_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let bytes = vec![7; 8_000_000];
        std::fs::write(&path, &bytes).unwrap();
        let (check, digest) = (BlobCheck::new(true), Sha256Digest::of(&bytes));
        let blob = Blob { path: &path, sha256: digest, length: 8_000_000 };
        let left = tokio::time::timeout(Duration::ZERO, check.open(blob)).await;
        assert!(left.is_err(), "it was to leave before the end");
        assert!(check.slot(digest).lock().await.is_some(), "what it had begun was not finished");
    }

    #[tokio::test]
    async fn scrub_finds_what_no_asker_would_see_and_what_was_put_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, b"good").unwrap();
        let check = Arc::new(BlobCheck::new(true));
        let digest = Sha256Digest::of(b"good");
        check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
        let scrub = |go_on: bool| {
            let (check, path) = (check.clone(), path.clone());
            tokio::task::spawn_blocking(move || {
                check.scrub(Blob { path: &path, sha256: digest, length: 4 }, |_| go_on)
            })
        };
        assert!(scrub(true).await.unwrap().unwrap());
        assert!(!scrub(false).await.unwrap().unwrap(), "stopped");
        std::fs::write(&path, b"evil").unwrap();
        assert!(matches!(scrub(true).await.unwrap(), Err(BlobProblem::Digest { .. })));
        assert!(check.open(Blob { path: &path, sha256: digest, length: 4 }).await.is_err());
        assert_eq!(check.bad().len(), 1);
        std::fs::write(&path, b"good").unwrap();
        assert!(scrub(true).await.unwrap().unwrap());
        assert_eq!(check.bad().len(), 0);
        check.open(Blob { path: &path, sha256: digest, length: 4 }).await.unwrap();
    }
}
