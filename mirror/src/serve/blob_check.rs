//! Stored files are checked against their digest before they are served for the first time.
//!
//! Attacks considered: a stored file that was shortened (its length is compared at every request), or changed (hashed
//! once by this process and again whenever device, inode, length or change time differ; the change time cannot be set
//! by a program as the modification time can). The open file that was checked is the one that is sent (J22). A bad
//! file is hashed once, not at every request.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::body::read_at;
use crate::Sha256Digest;

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

/// Remembers which files were checked.
#[derive(Debug)]
pub(crate) struct BlobCheck {
    hash: bool,
    checked: Mutex<HashMap<Sha256Digest, Arc<tokio::sync::Mutex<Option<Checked>>>>>,
    at_a_time: Semaphore,
}

/// The digest that a file in a certain state has.
#[derive(Debug, Clone, Copy)]
struct Checked {
    state: FileState,
    found: Sha256Digest,
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
        Self { hash, checked: Mutex::default(), at_a_time: Semaphore::new(2) }
    }

    /// Opens a file that has the given digest and length.
    pub(crate) async fn open(
        &self,
        path: &Path,
        sha256: Sha256Digest,
        length: u64,
    ) -> Result<File, BlobProblem> {
        let unreadable = |source| BlobProblem::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
        }
        if metadata.len() != length {
            return Err(BlobProblem::Length {
                path: path.to_owned(),
                expected: length,
                found: metadata.len(),
            });
        }
        if !self.hash {
            return Ok(file);
        }
        let slot =
            self.checked.lock().unwrap_or_else(PoisonError::into_inner).entry(sha256).or_default().clone();
        // One asker hashes, the others wait for the result.
        let mut slot = slot.lock().await;
        let state = FileState::of(&metadata);
        let (file, found) = match *slot {
            Some(checked) if checked.state == state => (file, checked.found),
            _ => {
                let _turn = self.at_a_time.acquire().await;
                let (file, found) = hash(file).await.map_err(unreadable)?;
                *slot = Some(Checked { state, found });
                (file, found)
            }
        };
        if found == sha256 { Ok(file) } else { Err(BlobProblem::Digest { path: path.to_owned(), found }) }
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

async fn hash(file: File) -> io::Result<(File, Sha256Digest)> {
    let hashing = tokio::task::spawn_blocking(move || {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut position = 0;
        loop {
            let count = read_at(&file, &mut buffer, position)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Ok((file, Sha256Digest::from_bytes(hasher.finalize().into())));
            }
            hasher.update(bytes);
            position += u64::try_from(count).unwrap_or_default();
        }
    });
    hashing.await.map_err(io::Error::other)?
}

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
            check.open(&path, digest, 4).await.unwrap();
        }
        // The clock of the file system may tick only every few milliseconds.
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::fs::write(&path, b"evil").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        for _ in 0..2 {
            let error = check.open(&path, digest, 4).await.unwrap_err();
            assert!(matches!(error, BlobProblem::Digest { .. }), "{error:?}");
        }
        std::fs::write(&path, b"goo").unwrap();
        assert!(matches!(check.open(&path, digest, 4).await, Err(BlobProblem::Length { found: 3, .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(check.open(&path, digest, 4).await, Err(BlobProblem::Unreadable { .. })));
    }
}
