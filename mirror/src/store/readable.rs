//! What an audit reads of a store: records as far as they can be read, bytes as they are.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use super::{Admission, Store, StoreError, blob_key, evidence};
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::parallel;
use crate::storage::{Kind, below};

/// All evidence of a store as far as it can be read, its files hashed once.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Oldest first.
    pub(crate) admissions: Vec<Admission>,
    /// The digests of the files, for each admission; why they cannot be had.
    pub(crate) digests: BTreeMap<u64, Result<BTreeMap<String, Sha256Digest>, StoreError>>,
}

impl Evidence {
    /// Reads it.
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let admissions = store.readable_admissions()?;
        let digests =
            admissions.iter().map(|admission| (admission.number(), store.evidence_digests(admission)));
        Ok(Self { digests: digests.collect(), admissions })
    }
}

impl Store {
    /// Every admission whose record can be read, oldest first. Records that cannot be read are left out; [`check`](super::check())
    /// names them.
    ///
    /// # Errors
    /// The folders of the evidence cannot be read.
    pub fn readable_admissions(&self) -> Result<Vec<Admission>, StoreError> {
        let names = evidence::list(self)?;
        let read = parallel::map(&names, |name| Ok::<_, StoreError>(evidence::read(self, *name).ok()))?;
        Ok(read.into_iter().flatten().collect())
    }

    /// Opens a document of the evidence of an admission; that it is not there is an error.
    pub(crate) fn open_document(
        &self,
        admission: &Admission,
        name: &str,
    ) -> Result<Box<dyn Read + Send>, StoreError> {
        let key = below(&evidence::folder(&admission.entry().sha256, admission.number()), name);
        let opened = self.storage.open(&key).map_err(StoreError::reading)?;
        opened.ok_or_else(|| StoreError::file("read", &self.storage.place(&key))(ErrorKind::NotFound.into()))
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
