//! What can go wrong with an export.

use std::path::PathBuf;

use thiserror::Error;

use crate::catalog::TrustError;
use crate::store::StoreError;
use crate::store::durable::DurableError;

/// An export failed; what the folder had before is still in force.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The folder holds something else.
    #[error("{} is not empty and is no export of this store", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder lies in the store, or the store in it.
    #[error("{} and the store lie in each other", folder.display())]
    InStore {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has a newer catalog than the store.
    #[error("{} has version {exported} of timestamp.json, the store has {stored}", folder.display())]
    WouldGoBackwards {
        /// The folder.
        folder: PathBuf,
        /// The version there.
        exported: u64,
        /// The version in the store.
        stored: u64,
    },
    /// A numbered metadata file has other bytes than the one of the store.
    #[error("{} is not the store's file of that name", path.display())]
    OtherMetadata {
        /// The file.
        path: PathBuf,
    },
    /// The catalog was published anew again and again meanwhile.
    #[error("the catalog changed while it was read")]
    Moving,
    /// The catalog of the store, or the one that was exported, cannot be trusted.
    #[error("the catalog cannot be used")]
    Catalog {
        /// Why.
        #[from]
        source: TrustError,
    },
    /// Bytes are missing or damaged.
    #[error("the store cannot give {name}")]
    Store {
        /// The package.
        name: String,
        /// Why.
        source: StoreError,
    },
    /// A file or folder could not be read, written or removed.
    #[error(transparent)]
    File(#[from] DurableError),
}
