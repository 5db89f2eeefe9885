//! The `zip` crate reads the directory: names, sizes, checksums and positions must be the same.
//!
//! Where two readers see different archives, somebody may unpack what nobody verified (CVE-2025-54368 and its kin).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use crate::archive::Archive;
use crate::finding::Finding;
use crate::limits::{END_RECORDS, exceeded};
use crate::source::Source;

/// Compares names, sizes, checksums and positions; only disagreements are findings.
pub(crate) fn compare(source: &Source, archive: &Archive) -> io::Result<Option<Finding>> {
    let disagree = |what: String| Ok(Some(Finding::ReadersDisagree { what }));
    if archive.end_records > END_RECORDS {
        return disagree(exceeded(format_args!(
            "more than {END_RECORDS} end records, not read a second time"
        )));
    }
    let mut other = match zip::ZipArchive::new(Cursor { source, position: 0 }) {
        Ok(other) => other,
        Err(zip::result::ZipError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(error);
        }
        Err(error) => return disagree(format!("the second reader refuses the archive: {error}")),
    };
    // The second reader keeps one entry of each name.
    let mut ours: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, entry) in archive.entries.iter().enumerate() {
        ours.insert(&entry.name, index);
    }
    if other.len() != ours.len() {
        return disagree(format!("{} names against {}", ours.len(), other.len()));
    }
    for index in 0..other.len() {
        let file = match other.by_index_raw(index) {
            Ok(file) => file,
            Err(zip::result::ZipError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(error);
            }
            Err(error) => return disagree(format!("the second reader cannot open entry {index}: {error}")),
        };
        let Ok(name) = std::str::from_utf8(file.name_raw()) else {
            return disagree(format!("the name of entry {index} is not UTF-8"));
        };
        let Some(mine) = ours.get(name).copied() else {
            return disagree(format!("only the second has {name:?}"));
        };
        let (Some(entry), Some(data)) = (archive.entries.get(mine), archive.data.get(mine)) else { continue };
        let same = entry.size == file.size()
            && entry.compressed_size == file.compressed_size()
            && entry.crc32 == file.crc32()
            && data.as_ref().ok().copied() == file.data_start();
        if !same {
            return disagree(format!("size, checksum or position of {name:?}"));
        }
    }
    Ok(None)
}

/// A [`Source`] as a seekable stream.
struct Cursor<'a> {
    source: &'a Source,
    position: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length().saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let target = buffer.get_mut(..count).unwrap_or_default();
        self.source.read_exact_at(target, self.position)?;
        self.position += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.source.length().checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
