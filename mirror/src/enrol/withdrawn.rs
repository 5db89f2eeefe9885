//! What the catalog of this host's mirror withdrew when it was last seen.
//!
//! It counts where no catalog is at hand: for a plain folder of packages, and for `status`. A newer catalog replaces it as
//! a whole, and only a catalog that was trusted and has not gone backwards gets that far.

use std::io;
use std::path::PathBuf;

use super::error::EnrolError;
use super::state::{Enrolment, read_private};
use crate::store::durable::{self, FileMode};
use crate::withdraw::WithdrawnPackage;

impl Enrolment {
    /// What nobody is to get any more, as the newest catalog that was seen here says; nothing before there was one.
    ///
    /// # Errors
    /// The file is there and cannot be read, or others could change it.
    pub fn withdrawn(&self) -> Result<Vec<WithdrawnPackage>, EnrolError> {
        let path = self.withdrawn_file();
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            _ => {}
        }
        let bytes = read_private(&path, MAX_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|source| EnrolError::Withdrawn { path, source })
    }

    /// Remembers what the newest catalog says.
    pub(crate) fn remember_withdrawn(&self, withdrawn: &[WithdrawnPackage]) -> Result<(), EnrolError> {
        let path = self.withdrawn_file();
        if self.withdrawn().is_ok_and(|known| known == withdrawn) {
            return Ok(());
        }
        let json = serde_json::to_vec_pretty(withdrawn)
            .map_err(|source| EnrolError::Withdrawn { path: path.clone(), source })?;
        durable::replace(&path, &json, FileMode::Shared)
            .map_err(|source| EnrolError::Write { state_dir: self.state_dir().to_owned(), source })
    }

    /// Beside the catalog versions seen; another one for each enrolled root.
    fn withdrawn_file(&self) -> PathBuf {
        self.catalog_state_file().with_extension("withdrawn.json")
    }
}

/// As much as a whole catalog may have.
const MAX_BYTES: u64 = 64 << 20;
