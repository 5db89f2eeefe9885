//! Package bytes, named by their digest.

use std::io::{self, Read};
use std::path::Path;

use sha2::Digest as _;

use super::durable::FileMode;
use super::{Store, StoreError, blob_key};
use crate::Sha256Digest;
use crate::fetch::QuarantinedPackage;
use crate::storage::Kind;

/// Opens a blob; only a regular file will do.
pub(super) fn open(store: &Store, digest: &Sha256Digest) -> Result<Box<dyn Read + Send>, StoreError> {
    let key = blob_key(digest);
    if store
        .storage
        .look(&key)
        .map_err(StoreError::reading)?
        .is_some_and(|kind| !matches!(kind, Kind::Object(_)))
    {
        let path = store.storage.place(&key);
        return Err(StoreError::Misplaced { path, reason: "it is not a regular file" });
    }
    let opened = store.storage.open(&key).map_err(StoreError::reading)?;
    opened.ok_or(StoreError::NoBlob { digest: *digest })
}

/// Puts verified bytes into their place: moved within a file system, else copied and hashed again.
///
/// Bytes that are there already are hashed, and kept if they are the same.
pub(super) fn store(store: &Store, package: &QuarantinedPackage) -> Result<(), StoreError> {
    let digest = package.sha256();
    let target = store.blob_path(&digest);
    match open(store, &digest) {
        Ok(mut bytes) => return compare(&mut bytes, &target, digest),
        Err(StoreError::NoBlob { .. }) => {}
        Err(other) => return Err(other),
    }
    let source = package.file();
    let metadata = source.symlink_metadata().map_err(StoreError::file("look at", source))?;
    if !metadata.is_file() {
        return Err(StoreError::Misplaced { path: source.to_owned(), reason: "it is not a regular file" });
    }
    if metadata.len() != package.length() {
        return Err(StoreError::Length {
            path: source.to_owned(),
            expected: package.length(),
            found: metadata.len(),
        });
    }
    Ok(store.storage.take(&blob_key(&digest), source, digest, FileMode::ReadOnly)?)
}

/// Hashes what is left to read, telling `read` of every piece.
pub(super) fn digest_of(file: &mut dyn Read, mut read: impl FnMut(u64)) -> io::Result<Sha256Digest> {
    let mut digest = sha2::Sha256::new();
    let mut buffer = vec![0; BUFFER_LENGTH];
    loop {
        let length = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        digest.update(bytes);
        read(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(Sha256Digest::from_bytes(digest.finalize().into()))
}

pub(super) fn compare(file: &mut dyn Read, path: &Path, expected: Sha256Digest) -> Result<(), StoreError> {
    let found = digest_of(file, |_| {}).map_err(StoreError::file("read", path))?;
    if found == expected { Ok(()) } else { Err(StoreError::DamagedBlob { path: path.to_owned(), found }) }
}

const BUFFER_LENGTH: usize = 256 * 1024;
