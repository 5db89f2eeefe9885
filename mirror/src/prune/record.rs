//! The records of a store.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Sha256Digest;
use crate::package::PackagePath;
use crate::storage::{FileMode, StorageError, below};
use crate::store::{Store, StoreWriter};

/// What was pruned at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruning {
    /// Its number in this store, beginning with 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who carried it out, as that person says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The packages, at most 20,000.
    pub packages: Vec<PrunedPackage>,
}

/// A package that was pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedPackage {
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Their length.
    pub length: u64,
    /// The newest admission of these bytes by then.
    pub admission: u64,
    /// The vendor path under which they were admitted last.
    pub path: PackagePath,
    /// Why, as the plan said.
    pub reason: String,
}

/// Packages could not be pruned, or the records not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// Too much at one time.
    #[error("{found} packages are to be pruned at one time, at most {MAX_PACKAGES} can be")]
    TooMany {
        /// How many.
        found: usize,
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
    #[error("a record of pruning cannot be read")]
    Read {
        /// Why.
        source: StorageError,
    },
    /// A record could not be written.
    #[error("the pruning cannot be recorded")]
    Write {
        /// Why.
        source: StorageError,
    },
}

/// Records what is pruned: from the next publication on nobody gets it.
///
/// # Errors
/// There is too much, or the record cannot be written.
pub fn record(
    writer: &StoreWriter,
    packages: Vec<PrunedPackage>,
    by: Option<String>,
    at: Timestamp,
) -> Result<Pruning, PruneError> {
    if packages.len() > MAX_PACKAGES {
        return Err(PruneError::TooMany { found: packages.len() });
    }
    let store = writer.store();
    let number = prunings(store)?.last().map_or(1, |record| record.number.saturating_add(1));
    let pruning = Pruning { number, at, by, packages };
    let key = key(number);
    let mut json = serde_json::to_vec_pretty(&pruning)
        .map_err(|source| PruneError::Garbled { path: store.storage().place(&key), source })?;
    json.push(b'\n');
    store.storage().create(&key, &json, FileMode::ReadOnly).map_err(|source| PruneError::Write { source })?;
    Ok(pruning)
}

/// All prunings of a store in their order.
///
/// # Errors
/// A record cannot be read, or one between others is gone.
pub fn prunings(store: &Store) -> Result<Vec<Pruning>, PruneError> {
    let listed = store.storage().list(PRUNINGS).map_err(|source| PruneError::Read { source })?;
    let mut numbers: Vec<u64> = Vec::new();
    for listed in listed {
        // Unfinished files of somebody who was interrupted have other names.
        let number = listed.name.strip_suffix(".json").and_then(|number| number.parse().ok());
        numbers.extend(number.filter(|number| key(*number) == below(PRUNINGS, &listed.name)));
    }
    numbers.sort_unstable();
    let mut records = Vec::new();
    for (expected, number) in (1_u64..).zip(numbers) {
        if number != expected {
            return Err(PruneError::Missing { path: store.storage().place(&key(expected)) });
        }
        records.push(read(store, number)?);
    }
    Ok(records)
}

fn read(store: &Store, number: u64) -> Result<Pruning, PruneError> {
    let key = key(number);
    let path = store.storage().place(&key);
    let bytes = store.storage().read(&key, MAX_RECORD).map_err(|source| PruneError::Read { source })?;
    let bytes = bytes.ok_or_else(|| PruneError::Missing { path: path.clone() })?;
    let record: Pruning = serde_json::from_slice(&bytes)
        .map_err(|source| PruneError::Garbled { path: path.clone(), source })?;
    if record.number != number {
        return Err(PruneError::Misplaced { path });
    }
    Ok(record)
}

/// The digest of a record as it is on disk; none if it is not there.
pub(crate) fn pruning_digest(store: &Store, number: u64) -> Option<Sha256Digest> {
    let bytes = store.storage().read(&key(number), MAX_RECORD).ok().flatten();
    bytes.map(|bytes| Sha256Digest::of(&bytes))
}

fn key(number: u64) -> String {
    below(PRUNINGS, &format!("{number:08}.json"))
}

/// Where the records are in a store.
pub(crate) const PRUNINGS: &str = "prunings";
/// More than any store is to have.
pub(super) const MAX_PACKAGES: usize = 20_000;
/// A package takes some 500 bytes.
const MAX_RECORD: u64 = 64 << 20;
