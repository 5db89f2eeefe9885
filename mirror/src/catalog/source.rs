//! Where metadata files are read from.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use super::checks::MAX_ROOT_BYTES;
use super::publish::FIRST_ROOT_FILE;
use crate::storage::{LocalFolder, Storage, StorageError, below};
use crate::store::{REPOSITORY, Store};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place that has the metadata files of a catalog: a folder, a web server, a bundle.
///
/// Nothing it returns is trusted.
pub trait MetadataSource: Send + Sync {
    /// Reads a metadata file by its name, for instance `3.root.json`.
    ///
    /// `None` means that the place is there and the file is not. More than `max` bytes are an error or are cut off
    /// after `max + 1` bytes.
    fn fetch<'a>(&'a self, name: &'a str, max: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, MetadataError>>;

    /// The place in words an operator understands: a folder, a URL.
    fn describe(&self) -> String;
}

/// A metadata file could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// The file is longer than is ever accepted.
    #[error("{name} is longer than {max} bytes")]
    TooLong {
        /// The file.
        name: String,
        /// The limit.
        max: u64,
    },
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The network or the other side failed.
    #[error("failed to fetch {url}")]
    Network {
        /// What was asked for.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The `repository` folder of a store, or a copy of it.
#[derive(Debug, Clone)]
pub struct FolderSource {
    storage: Arc<dyn Storage>,
    folder: &'static str,
}

impl FolderSource {
    /// Reads from a folder with the metadata files in it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { storage: Arc::new(LocalFolder::new(folder)), folder: "" }
    }

    /// Reads from a store.
    pub fn of(store: &Store) -> Self {
        Self { storage: store.storage().clone(), folder: REPOSITORY }
    }

    /// Reads a file without an async runtime.
    pub(super) fn read(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, MetadataError> {
        let failed = |error: StorageError| match error.into_parts() {
            (_, _, source) if source.kind() == std::io::ErrorKind::FileTooLarge => {
                MetadataError::TooLong { name: name.to_owned(), max }
            }
            (_, path, source) => MetadataError::File { path, source },
        };
        let bytes = self.storage.read(&below(self.folder, name), max).map_err(failed)?;
        // A missing folder (a share that is not mounted) is not an answer.
        if bytes.is_none() && self.storage.look(self.folder).map_err(failed)?.is_none() {
            let path = self.storage.place(&below(self.folder, name));
            return Err(MetadataError::File { path, source: std::io::ErrorKind::NotFound.into() });
        }
        Ok(bytes)
    }
}

/// The first root metadata of a store, which its own catalog can be verified with; none if it has no catalog.
///
/// # Errors
/// The file cannot be read.
pub fn first_root(store: &Store) -> Result<Option<Vec<u8>>, MetadataError> {
    let read = store.storage().read(&below(REPOSITORY, FIRST_ROOT_FILE), MAX_ROOT_BYTES);
    read.map_err(|error| {
        let (_, path, source) = error.into_parts();
        MetadataError::File { path, source }
    })
}

impl MetadataSource for FolderSource {
    fn fetch<'a>(&'a self, name: &'a str, max: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, MetadataError>> {
        let (source, owned_name) = (self.clone(), name.to_owned());
        Box::pin(async move {
            let path = source.storage.place(&below(source.folder, &owned_name));
            match tokio::task::spawn_blocking(move || source.read(&owned_name, max)).await {
                Ok(result) => result,
                Err(e) => Err(MetadataError::File { path, source: std::io::Error::other(e) }),
            }
        })
    }

    fn describe(&self) -> String {
        self.storage.place(self.folder).display().to_string()
    }
}
