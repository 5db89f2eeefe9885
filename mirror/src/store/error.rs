//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::durable::DurableError;
use crate::Sha256Digest;

/// The store could not be read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder has no `midmirror-store.json`.
    #[error("{} is not a midmirror store (it has no {})", path.display(), super::MARKER_FILE)]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A store is to be made in a folder that has something in it.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The store was made by another version of midmirror.
    #[error(
        "{} has store format {format}, this midmirror knows the formats {} to {}",
        path.display(),
        super::format::OLDEST,
        super::format::NEWEST
    )]
    UnknownFormat {
        /// The folder.
        path: PathBuf,
        /// The format it states.
        format: u64,
    },
    /// Another process is writing to the store.
    #[error("the store {} is in use: {holder}", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// Who holds the lock, as that process wrote it down.
        holder: String,
    },
    /// There is nothing under a name that could be accepted.
    #[error("nothing to accept under {package}: {reason}")]
    NothingToAccept {
        /// The vendor path.
        package: String,
        /// Why.
        reason: &'static str,
    },
    /// The decisions to withdraw packages cannot be read.
    #[error("the withdrawals of the store cannot be read")]
    Withdrawals {
        /// Why.
        #[from]
        source: crate::withdraw::WithdrawError,
    },
    /// A JSON file of the store cannot be read.
    #[error("{} is garbled", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A record stands in a place that is not its own.
    #[error("{} does not belong where it is: {reason}", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: &'static str,
    },
    /// A write failed.
    #[error("failed to change the store")]
    Write {
        /// What failed.
        #[from]
        source: DurableError,
    },
    /// Another file operation failed.
    #[error("failed to {operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not have the length it had when it was verified.
    #[error("{} has {found} bytes instead of {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The length that was verified.
        expected: u64,
        /// The length now.
        found: u64,
    },
    /// The bytes stored under a digest have another digest.
    #[error("the stored file {} is damaged: its digest is {found}", path.display())]
    DamagedBlob {
        /// The file.
        path: PathBuf,
        /// The digest of its bytes.
        found: Sha256Digest,
    },
    /// There are no bytes with this digest.
    #[error("the store has no package with digest {digest}")]
    NoBlob {
        /// The digest.
        digest: Sha256Digest,
    },
    /// The records of what was pruned cannot be read.
    #[error("the records of what was pruned cannot be read")]
    Prunings {
        /// Why.
        source: Box<crate::prune::PruneError>,
    },
    /// No random bytes could be had for the store's id.
    #[error("failed to get random bytes")]
    Random,
    /// A record could not be written as JSON.
    #[error("failed to write {what} as JSON")]
    Encode {
        /// The record.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The store has no further admission number.
    #[error("the admission numbers of the store are used up")]
    NumbersUsedUp,
}

impl From<crate::prune::PruneError> for StoreError {
    fn from(source: crate::prune::PruneError) -> Self {
        Self::Prunings { source: Box::new(source) }
    }
}

impl StoreError {
    /// For `map_err`: something could not be read.
    pub(super) fn reading(source: DurableError) -> Self {
        let (operation, path, source) = source.into_parts();
        Self::File { operation, path, source }
    }

    /// For `map_err`: names operation and file of an input or output error.
    pub(super) fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { operation, path: path.to_owned(), source }
    }
}
