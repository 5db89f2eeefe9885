//! Where the signed statement about an admission stands: beside its folder, because it is made later, with the key.

use std::path::PathBuf;

use super::durable::FileMode;
use super::{Admission, Store, StoreError, evidence, evidence_key};
use crate::storage::below;

impl Store {
    /// The file with the statement about an admission: a DSSE envelope, see [`Admitted`](crate::attest::Admitted).
    pub fn statement_path(&self, admission: &Admission) -> PathBuf {
        self.storage.place(&key(admission))
    }

    /// The statement about an admission as it stands there; none if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is longer than a statement can be (1 MiB).
    pub fn statement(&self, admission: &Admission) -> Result<Option<Vec<u8>>, StoreError> {
        self.storage.read(&key(admission), LIMIT).map_err(StoreError::reading)
    }

    /// Whether there is a statement about an admission.
    pub(crate) fn is_stated(&self, admission: &Admission) -> Result<bool, StoreError> {
        Ok(self.storage.look(&key(admission)).map_err(StoreError::reading)?.is_some())
    }

    /// Writes the statement about an admission, which has none yet.
    pub(crate) fn put_statement(&self, admission: &Admission, bytes: &[u8]) -> Result<(), StoreError> {
        Ok(self.storage.create(&key(admission), bytes, FileMode::ReadOnly)?)
    }

    /// A document of the evidence of an admission, for instance `report.json`; that it is not there is an error.
    pub(crate) fn document(&self, admission: &Admission, name: &str) -> Result<Vec<u8>, StoreError> {
        let folder = evidence::folder(&admission.entry().sha256, admission.number());
        evidence::read_object(self, &below(&folder, name))
    }
}

fn key(admission: &Admission) -> String {
    let folder = evidence_key(&admission.entry().sha256);
    below(&folder, &format!("{:08}.{STATEMENT_NAME}", admission.number()))
}

/// The name of the folder whose statement has this name.
pub(super) fn folder_of(name: &str) -> Option<&str> {
    let number = name.strip_suffix(STATEMENT_NAME)?.strip_suffix('.')?;
    evidence::parse_number(number).map(|_| number)
}

/// The statement's name among the files of the evidence.
pub const STATEMENT_NAME: &str = "statement.dsse.json";
/// Ours have about 3 KB; reasons of people may be longer.
const LIMIT: u64 = 1 << 20;
