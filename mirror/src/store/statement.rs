//! Where the signed statement about an admission stands: beside its folder, because it is made later, with the key.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::durable::{self, FileMode};
use super::{Admission, Store, StoreError, evidence};

impl Store {
    /// The file with the statement about an admission: a DSSE envelope, see [`Admitted`](crate::attest::Admitted).
    pub fn statement_path(&self, admission: &Admission) -> PathBuf {
        let folder = self.evidence_dir(&admission.entry().sha256);
        folder.join(format!("{:08}.{STATEMENT_NAME}", admission.number()))
    }

    /// The statement about an admission as it stands there; none if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is longer than a statement can be (1 MiB).
    pub fn statement(&self, admission: &Admission) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.statement_path(admission);
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::file("open", &path)(e)),
        };
        let mut bytes = Vec::new();
        let length = file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(StoreError::file("read", &path))?;
        if u64::try_from(length).unwrap_or(u64::MAX) > LIMIT {
            return Err(StoreError::Misplaced { path, reason: "it is longer than a statement can be" });
        }
        Ok(Some(bytes))
    }

    /// Writes the statement about an admission, which has none yet.
    pub(crate) fn put_statement(&self, admission: &Admission, bytes: &[u8]) -> Result<(), StoreError> {
        Ok(durable::write_new(&self.statement_path(admission), bytes, FileMode::ReadOnly)?)
    }
}

/// Whether a file is the statement of an admission whose folder is there.
pub(super) fn is_statement(path: &Path) -> bool {
    let number =
        evidence::name_of(path).and_then(|name| name.strip_suffix(STATEMENT_NAME)?.strip_suffix('.'));
    number.is_some_and(|number| {
        evidence::parse_number(number).is_some() && path.with_file_name(number).is_dir()
    })
}

/// The statement's name among the files of the evidence.
pub const STATEMENT_NAME: &str = "statement.dsse.json";
/// Ours have about 3 KB; reasons of people may be longer.
const LIMIT: u64 = 1 << 20;
