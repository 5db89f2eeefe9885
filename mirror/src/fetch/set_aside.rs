//! Refused packages: kept for people to look at, out of the way of the next fetch.

use std::path::Path;

use super::error::FetchError;
use super::part_file::remove;
use crate::store::durable::{self, FileMode};

/// Moves a refused file to `refused.zip` beside the reasons in `refused.json`, so that the next run fetches it anew
/// instead of meeting the same bytes again. What was refused here before is replaced.
pub(crate) fn set_aside(file: &Path, reasons_json: &[u8]) -> Result<(), FetchError> {
    let refused = file.with_file_name("refused.zip");
    durable::replace(&file.with_file_name("refused.json"), reasons_json, FileMode::Shared)?;
    remove(&refused)?;
    Ok(durable::move_in(file, &refused, FileMode::Shared)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_file_gets_out_of_the_way_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("package.zip");
        for content in ["first", "second"] {
            std::fs::write(&file, content).unwrap();
            set_aside(&file, b"{}").unwrap();
            assert!(!file.exists());
            assert_eq!(std::fs::read_to_string(folder.path().join("refused.zip")).unwrap(), content);
        }
    }
}
