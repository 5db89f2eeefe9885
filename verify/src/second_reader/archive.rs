//! The `zip` crate reads the directory: ordered names, sizes, checksums and positions must be the same; and on demand
//! the contents, whose digests must be the same.
//!
//! Where two readers see different archives, somebody may unpack what nobody verified (CVE-2025-54368 and its kin).
//!
//! Of several entries of one name the crate keeps the place of the first and everything else of the last, and says
//! only that there are some. Our directory is compared in that form; the contents of the earlier ones cannot be
//! reached. An archive with such entries has a finding of its own in any case.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use crate::archive::{Archive, Window};
use crate::finding::Finding;
use crate::limits::{END_RECORDS, exceeded};
use crate::source::Source;

use super::contents;

/// Compares names, sizes, checksums and positions, and contents where `sha256` has the digests of our own reading;
/// only disagreements are findings.
pub(crate) fn compare(
    source: &Source,
    archive: &Archive,
    sha256: &[Option<[u8; 32]>],
    workers: usize,
) -> io::Result<Option<Finding>> {
    let disagree = |what: String| Ok(Some(Finding::ReadersDisagree { what }));
    if archive.end_records > END_RECORDS {
        return disagree(exceeded(format_args!(
            "more than {END_RECORDS} end records, not read a second time"
        )));
    }
    let mut other = match zip::ZipArchive::new(Cursor { source, window: Window::default(), position: 0 }) {
        Ok(other) => other,
        Err(zip::result::ZipError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(error);
        }
        Err(error) => return disagree(format!("the second reader refuses the archive: {error}")),
    };
    let ours = one_of_each_name(archive);
    if other.len() != ours.len() || other.has_duplicate_names() != (ours.len() < archive.entries.len()) {
        return disagree(format!("{} names against {}", ours.len(), other.len()));
    }
    for (index, mine) in ours.iter().copied().enumerate() {
        let file = match other.by_index_raw(index) {
            Ok(file) => file,
            Err(zip::result::ZipError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(error);
            }
            Err(error) => return disagree(format!("the second reader cannot open entry {index}: {error}")),
        };
        let (Some(entry), Some(data)) = (archive.entries.get(mine), archive.data.get(mine)) else { continue };
        let Ok(name) = std::str::from_utf8(file.name_raw()) else {
            return disagree(format!("the name of entry {index} is not UTF-8"));
        };
        if name != entry.name {
            return disagree(format!("entry {index} is {:?} to one and {name:?} to the other", entry.name));
        }
        let same = entry.size == file.size()
            && entry.compressed_size == file.compressed_size()
            && entry.crc32 == file.crc32()
            && data.as_ref().ok().copied() == file.data_start();
        if !same {
            return disagree(format!("size, checksum or position of {name:?}"));
        }
    }
    contents::compare(&other, archive, &ours, sha256, workers)
}

pub(super) fn disagree(what: String) -> io::Result<Option<Finding>> {
    Ok(Some(Finding::ReadersDisagree { what }))
}

/// The indices of our entries as the second reader keeps them.
fn one_of_each_name(archive: &Archive) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::with_capacity(archive.entries.len());
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(archive.entries.len());
    for (index, entry) in archive.entries.iter().enumerate() {
        let place = *places.entry(&entry.name).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(slot) => *slot = index,
            None => kept.push(index),
        }
    }
    kept
}

/// A [`Source`] as a seekable stream.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    source: &'a Source,
    window: Window,
    position: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length().saturating_sub(self.position);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let target = buffer.get_mut(..count).unwrap_or_default();
        self.window.read_exact_at(self.source, target, self.position)?;
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
