//! What can go wrong with a log.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::note::NoteError;
use crate::store::durable::DurableError;

/// The log could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that the checkpoint asks for is not there.
    #[error("{} is missing from the log", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is not what the log needs it to be.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// The checkpoint is not trusted.
    #[error("{} is not a checkpoint of this log", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NoteError,
    },
    /// The tiles do not have the root hash that was signed.
    #[error("the log {} does not have the root hash that its checkpoint states for {size} entries; `midmirror log verify` finds out what was changed", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// How many entries the checkpoint states.
        size: u64,
    },
    /// There is no such entry.
    #[error("there is no entry {index} in a log of {size}")]
    NoEntry {
        /// The entry that was asked for; the first is 0.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// An entry is too long.
    #[error("a log entry of {length} bytes; at most 65,535 are possible")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// The checkpoint cannot be signed.
    #[error("failed to sign the checkpoint of the log")]
    Sign {
        /// Why.
        #[from]
        source: NoteError,
    },
    /// A write failed.
    #[error("failed to write to the log")]
    Write {
        /// What failed.
        #[from]
        source: DurableError,
    },
}
