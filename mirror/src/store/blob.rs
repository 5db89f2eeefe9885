//! Package bytes, named by their digest.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::Digest as _;

use super::durable::{self, FileMode};
use super::{Store, StoreError};
use crate::Sha256Digest;
use crate::fetch::QuarantinedPackage;

/// Opens a blob; only a regular file will do.
pub(super) fn open(path: &Path, digest: &Sha256Digest) -> Result<File, StoreError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => File::open(path).map_err(StoreError::file("open", path)),
        Ok(_) => Err(StoreError::Misplaced { path: path.to_owned(), reason: "it is not a regular file" }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::NoBlob { digest: *digest }),
        Err(e) => Err(StoreError::file("look at", path)(e)),
    }
}

/// Puts verified bytes into their place: moved within a file system, else copied and hashed again.
///
/// Bytes that are there already are hashed, and kept if they are the same.
pub(super) fn store(store: &Store, package: &QuarantinedPackage) -> Result<(), StoreError> {
    let digest = package.sha256();
    let target = store.blob_path(&digest);
    match open(&target, &digest) {
        Ok(mut file) => return compare(&mut file, &target, digest),
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
    if let Some(folder) = target.parent() {
        durable::create_folders(folder)?;
    }
    match durable::move_in(source, &target, FileMode::ReadOnly) {
        Ok(()) => Ok(()),
        Err(e) if e.crosses_devices() => Ok(durable::copy_in(source, &target, FileMode::ReadOnly, digest)?),
        Err(e) => Err(e.into()),
    }
}

/// Hashes a file from where it stands to its end, telling `read` of every piece.
pub(super) fn digest_of(file: &mut File, mut read: impl FnMut(u64)) -> io::Result<Sha256Digest> {
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

pub(super) fn compare(file: &mut File, path: &Path, expected: Sha256Digest) -> Result<(), StoreError> {
    let found = digest_of(file, |_| {}).map_err(StoreError::file("read", path))?;
    if found == expected { Ok(()) } else { Err(StoreError::DamagedBlob { path: path.to_owned(), found }) }
}

const BUFFER_LENGTH: usize = 256 * 1024;
