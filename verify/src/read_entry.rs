//! One small entry of an archive, for callers that look inside a package they have examined.

use std::io;

use crate::archive::{Archive, ContentReader};
use crate::limits::Limits;
use crate::source::Source;

/// Reads the entry of that name; `None` if there is none, if it is larger than `max` bytes, or if the archive or the
/// entry cannot be read. Nothing is verified here: see [`examine`](crate::examine).
///
/// # Errors
///
/// Only if the bytes cannot be read from their source.
pub fn read_entry(source: &Source, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
    let Ok(archive) = Archive::open(source, &Limits::default())? else { return Ok(None) };
    let Some(index) = archive.index_of(name) else { return Ok(None) };
    if archive.entries.get(index).is_none_or(|entry| entry.size > max) {
        return Ok(None);
    }
    Ok(ContentReader::default().read_whole(source, &archive, index)?.ok())
}
