//! Refused packages: kept for people to look at, out of the way of the next fetch.

use std::path::Path;

use super::error::FetchError;
use super::part_file::{rename, replace};

/// Renames a refused file to `refused.zip` beside the reasons in `refused.json`, so that the next run fetches it anew
/// instead of meeting the same bytes again.
pub(crate) fn set_aside(file: &Path, reasons_json: &[u8]) -> Result<(), FetchError> {
    replace(&file.with_file_name("refused.json"), reasons_json)?;
    rename(file, &file.with_file_name("refused.zip"))
}
