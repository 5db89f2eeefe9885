//! What a client remembers of the catalogs it has trusted, so that an older one is noticed (TUF 1.0, section 5.1).
//!
//! One small JSON file, replaced as a whole after all checks of an update have passed, never before.

use std::path::Path;

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::ends::RoleEnd;
use super::error::TrustError;
use crate::Sha256Digest;
use crate::store::durable::{self, FileMode};

/// The highest versions seen, and the root metadata from which the next update begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) format: u64,
    /// Digest of the root metadata the host was enrolled with.
    pub(super) enrolled: Sha256Digest,
    /// The newest root metadata, in base64.
    root: String,
    pub(super) timestamp: u64,
    pub(super) timestamp_sha256: Sha256Digest,
    pub(super) snapshot: u64,
    pub(super) targets: u64,
    /// The latest time at which a catalog was found valid.
    pub(super) latest: jiff::Timestamp,
    /// When its roles end; not in files of early versions.
    #[serde(default)]
    pub(super) ends: Vec<RoleEnd>,
}

/// What changes with every update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) timestamp: u64,
    pub(super) timestamp_sha256: Sha256Digest,
    pub(super) snapshot: u64,
    pub(super) targets: u64,
}

impl Remembered {
    pub(super) fn new(
        enrolled: Sha256Digest,
        root: &[u8],
        seen: Seen,
        latest: jiff::Timestamp,
        ends: Vec<RoleEnd>,
    ) -> Self {
        Self {
            format: FORMAT,
            enrolled,
            root: base64::engine::general_purpose::STANDARD.encode(root),
            timestamp: seen.timestamp,
            timestamp_sha256: seen.timestamp_sha256,
            snapshot: seen.snapshot,
            targets: seen.targets,
            latest,
            ends,
        }
    }

    /// Reads the file; none if this is the first time. A file that cannot be read is an error: going on without it
    /// would let an older catalog in.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, TrustError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(path, e)),
        };
        let remembered: Self = serde_json::from_slice(&bytes).map_err(|e| failed(path, e))?;
        if remembered.format != FORMAT {
            let text = format!("its format is {}, format {FORMAT} is understood", remembered.format);
            return Err(failed(path, std::io::Error::other(text)));
        }
        Ok(Some(remembered))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), TrustError> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| failed(path, e))?;
        json.push(b'\n');
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            durable::create_folders(folder).map_err(|e| failed(path, e))?;
        }
        durable::replace(path, &json, FileMode::Shared).map_err(|e| failed(path, e))
    }

    /// The newest root metadata.
    pub(super) fn root(&self, path: &Path) -> Result<Vec<u8>, TrustError> {
        base64::engine::general_purpose::STANDARD.decode(&self.root).map_err(|e| failed(path, e))
    }
}

/// When the roles of the catalog end that a host has trusted last; nothing if it has trusted none yet, or by an early version.
pub fn remembered_ends(state: &Path) -> Result<Vec<RoleEnd>, TrustError> {
    Ok(Remembered::read(state)?.map(|remembered| remembered.ends).unwrap_or_default())
}

fn failed(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> TrustError {
    TrustError::State { path: path.to_owned(), source: Box::new(source) }
}

const FORMAT: u64 = 1;
