//! What can go wrong with withdrawals.

use std::path::PathBuf;

use thiserror::Error;

use crate::storage::StorageError;

/// A withdrawal could not be recorded, or the records not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WithdrawError {
    /// A text is empty, too long, or has characters that cannot be seen.
    #[error("the {what} must have 1 to {max} visible characters")]
    Text {
        /// Which text.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// Nothing is withdrawn that could be lifted.
    #[error("these bytes are not withdrawn")]
    NotWithdrawn,
    /// There is no room for another one.
    #[error("{max} digests are withdrawn already, and no catalog can name more")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// A record between others is gone.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A record is not what it should be.
    #[error("{} is garbled", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A record stands under another number.
    #[error("{} does not belong where it is", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
    },
    /// A record could not be read.
    #[error("a withdrawal cannot be read")]
    Read {
        /// Why.
        source: StorageError,
    },
    /// A record could not be written.
    #[error("the withdrawal cannot be recorded")]
    Write {
        /// Why.
        source: StorageError,
    },
}
