//! Refused packages: kept for people to look at, out of the way of the next fetch.

use std::path::Path;

use crate::store::durable::{self, DurableError, FileMode};

/// Renames a refused file to `refused.zip` beside the reasons in `refused.json`, so that the next run fetches it anew
/// instead of meeting the same bytes again.
pub(crate) fn set_aside(file: &Path, reasons_json: &[u8]) -> Result<(), DurableError> {
    durable::replace(&file.with_file_name("refused.json"), reasons_json, FileMode::Shared)?;
    let refused = file.with_file_name("refused.zip");
    // What was refused before makes room; that it is not there is the ordinary case.
    let _not_there = std::fs::remove_file(&refused);
    durable::move_in(file, &refused, FileMode::ReadOnly)
}
