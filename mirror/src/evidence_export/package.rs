//! The bytes of the package.

use std::io::Read as _;
use std::path::Path;

use super::{ExportError, ExportInputs, read};
use crate::Sha256Digest;
use crate::prune::Pruned;
use crate::store::StoreError;
use crate::store::durable::{self, FileMode};

/// Copies the bytes of an admission, unless they were pruned; others are not kept. Returns whether they are there.
pub(super) fn copy(inputs: &ExportInputs<'_>, pruned: &Pruned, place: &Path) -> Result<bool, ExportError> {
    let (store, entry) = (inputs.store, inputs.admission.entry());
    let sha256 = entry.sha256;
    if store.blob_length(&sha256)?.is_none() {
        let is_published = inputs.catalog.digests().contains(&sha256);
        let is_pruned = pruned.among(&store.readable_admissions()?).contains(&sha256);
        return match is_pruned && !is_published {
            true => Ok(false),
            false => Err(StoreError::NoBlob { digest: sha256 }.into()),
        };
    }
    if let Some(parent) = place.parent() {
        durable::create_folders(parent)?;
    }
    if let Some(file) = store.blob_file(&sha256) {
        durable::copy_in(&file, place, FileMode::Shared, sha256)?;
        return Ok(true);
    }
    let mut bytes = Vec::new();
    let mut reader = store.open_blob(&sha256)?;
    read(place, |_| reader.read_to_end(&mut bytes))?;
    let found = Sha256Digest::of(&bytes);
    if found != sha256 {
        return Err(StoreError::DamagedBlob { path: store.blob_path(&sha256), found }.into());
    }
    durable::write_new(place, &bytes, FileMode::Shared)?;
    Ok(true)
}
