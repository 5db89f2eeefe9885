//! The records of a store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Sha256Digest;
use crate::package::PackagePath;
use crate::store::records::{Record, create, next_number, read_all};
use crate::store::{RecordsError, Store, StoreWriter};
use crate::withdraw::{MAX_BY, is_text};

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
    /// The name of who decides is empty, too long, or has characters that cannot be seen.
    #[error("the name of who decides must have 1 to {MAX_BY} visible characters")]
    By,
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl Record for Pruning {
    const FOLDER: &'static str = PRUNINGS;
    /// A package takes some 500 bytes.
    const MAX_BYTES: u64 = 64 << 20;

    fn number(&self) -> u64 {
        self.number
    }
}

/// Records what is pruned: from the next publication on nobody gets it.
///
/// # Errors
/// There is too much, the name is not acceptable, or the record cannot be written.
pub fn record(
    writer: &StoreWriter,
    packages: Vec<PrunedPackage>,
    by: Option<String>,
    at: Timestamp,
) -> Result<Pruning, PruneError> {
    if packages.len() > MAX_PACKAGES {
        return Err(PruneError::TooMany { found: packages.len() });
    }
    if by.as_deref().is_some_and(|by| !is_text(by, MAX_BY)) {
        return Err(PruneError::By);
    }
    let store = writer.store();
    let pruning = Pruning { number: next_number(&prunings(store)?), at, by, packages };
    create(store, &pruning)?;
    Ok(pruning)
}

/// All prunings of a store in their order.
///
/// # Errors
/// A record cannot be read, or one between others is gone.
pub fn prunings(store: &Store) -> Result<Vec<Pruning>, PruneError> {
    Ok(read_all(store)?)
}

/// Where the records are in a store.
pub(crate) const PRUNINGS: &str = "prunings";
/// More than any store is to have.
pub(super) const MAX_PACKAGES: usize = 20_000;
