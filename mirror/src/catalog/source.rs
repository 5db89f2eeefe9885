//! Where metadata files are read from.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use thiserror::Error;

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
pub struct FolderSource(PathBuf);

impl FolderSource {
    /// Reads from a folder with the metadata files in it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Reads a file without an async runtime.
    pub(super) fn read(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, MetadataError> {
        read_limited(&self.0.join(name), name, max)
    }
}

impl MetadataSource for FolderSource {
    fn fetch<'a>(&'a self, name: &'a str, max: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, MetadataError>> {
        let (source, owned_name) = (self.clone(), name.to_owned());
        Box::pin(async move {
            let path = source.0.join(&owned_name);
            match tokio::task::spawn_blocking(move || source.read(&owned_name, max)).await {
                Ok(result) => result,
                Err(e) => Err(MetadataError::File { path, source: std::io::Error::other(e) }),
            }
        })
    }

    fn describe(&self) -> String {
        self.0.display().to_string()
    }
}

fn read_limited(path: &Path, name: &str, max: u64) -> Result<Option<Vec<u8>>, MetadataError> {
    let failed = |source| MetadataError::File { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            // A missing folder (a share that is not mounted) is not an answer.
            return match path.parent().map(std::fs::metadata) {
                Some(Err(e)) => Err(failed(e)),
                _ => Ok(None),
            };
        }
        Err(e) => return Err(failed(e)),
    };
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= max => Ok(Some(bytes)),
        _ => Err(MetadataError::TooLong { name: name.to_owned(), max }),
    }
}
