//! The admissions whose records can be read, where some cannot.

use super::evidence;
use super::{Admission, Store, StoreError};

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
}
