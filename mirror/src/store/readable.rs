//! What an audit reads of a store: records as far as they can be read, bytes as they are.

use std::path::PathBuf;

use super::{Admission, Store, StoreError, blob_key, evidence};
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::storage::Kind;

impl Store {
    /// Every admission whose record can be read, oldest first. Records that cannot be read are left out; [`check`](super::check())
    /// names them.
    ///
    /// # Errors
    /// The folders of the evidence cannot be read.
    pub fn readable_admissions(&self) -> Result<Vec<Admission>, StoreError> {
        let names = evidence::list(self)?;
        Ok(names.into_iter().filter_map(|name| evidence::read(self, name).ok()).collect())
    }

    /// The admission by which the catalog names these bytes under this path: the newest that is not held.
    ///
    /// # Errors
    /// The evidence of these bytes cannot be read.
    pub(crate) fn admission_of(&self, entry: &CatalogEntry) -> Result<Option<Admission>, StoreError> {
        for name in evidence::list_of(self, &entry.sha256)?.into_iter().rev() {
            let admission = evidence::read(self, name)?;
            if !admission.is_held() && admission.entry().path == entry.path {
                return Ok(Some(admission));
            }
        }
        Ok(None)
    }

    /// The length of the bytes with a digest; none if there are none.
    pub(crate) fn blob_length(&self, digest: &Sha256Digest) -> Result<Option<u64>, StoreError> {
        let key = blob_key(digest);
        match self.storage.look(&key).map_err(StoreError::reading)? {
            None => Ok(None),
            Some(Kind::Object(length)) => Ok(Some(length)),
            Some(_) => Err(StoreError::Misplaced {
                path: self.storage.place(&key),
                reason: "it is not a regular file",
            }),
        }
    }

    /// The file with the bytes of a digest, where blobs are files of this machine.
    pub(crate) fn blob_file(&self, digest: &Sha256Digest) -> Option<PathBuf> {
        self.storage.file(&blob_key(digest))
    }
}
