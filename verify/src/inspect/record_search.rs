//! What is left of an archive whose directory cannot be read: every record signature in the file is looked at.
//!
//! The file is read once from start to end through one buffer, so a file of any size costs constant memory. Data of
//! entries may hold signatures as well (archives inside the archive): what is found is a hint, no more.

use std::collections::VecDeque;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{u16_at, u32_at};
use crate::source::Source;

/// Records found by their signatures (APPNOTE 4.3), wherever they are. Hints for whoever looks for the damage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct RecordSearch {
    /// How many local file headers there are.
    pub local_headers: u64,
    /// The first local file headers, up to ten.
    pub first_local_headers: Vec<FoundHeader>,
    /// The last local file header, if it is not among the first.
    pub last_local_header: Option<FoundHeader>,
    /// How many central directory headers there are.
    pub directory_headers: u64,
    /// The first central directory header.
    pub first_directory_header: Option<FoundHeader>,
    /// How many end records there are.
    pub end_records: u64,
    /// The last end records, up to ten, in the order of the file.
    pub last_end_records: Vec<FoundEndRecord>,
}

/// A header that names an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct FoundHeader {
    /// Where it is, from the start of the file.
    pub offset: u64,
    /// The name, as far as the file has it; bytes that are no UTF-8 are replaced.
    pub name: String,
    /// Length of the stored data as declared; 0 where it stands behind the data.
    pub compressed_size: u64,
    /// How many bytes of a local header with its data lie beyond the end of the file: it was cut.
    pub missing_bytes: u64,
}

/// An end of central directory record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct FoundEndRecord {
    /// Where it is, from the start of the file.
    pub offset: u64,
    /// Entries it announces.
    pub entries: u64,
    /// Where it says that the directory is.
    pub directory_offset: u64,
    /// How long it says that the directory is.
    pub directory_length: u64,
    /// How long it says that the comment is.
    pub comment_length: u64,
    /// Where the directory would have to be for the record to be right: just before it. Absent: before the file.
    pub expected_directory_offset: Option<u64>,
    /// Whether a central directory header is at that place.
    pub directory_there: bool,
    /// Bytes of the file after the record and its comment; negative: so many are missing.
    pub bytes_after: i64,
}

/// Searches the whole file.
pub(super) fn search(source: &Source) -> io::Result<RecordSearch> {
    let mut found = RecordSearch::default();
    let mut seen = Seen::default();
    let mut buffer = vec![0; BUFFER];
    let mut start = 0;
    while start < source.length() {
        let length = usize::try_from(source.length() - start).unwrap_or(usize::MAX).min(BUFFER);
        let Some(window) = buffer.get_mut(..length) else { break };
        source.read_exact_at(window, start)?;
        for at in signatures(window) {
            let offset = start + u64::try_from(at).unwrap_or(0);
            match window.get(at + 2..at + 4) {
                Some([3, 4]) => {
                    found.local_headers += 1;
                    seen.note_local_header(offset);
                }
                Some([1, 2]) => {
                    found.directory_headers += 1;
                    seen.directory_header.get_or_insert(offset);
                }
                Some([5, 6]) => {
                    found.end_records += 1;
                    seen.note_end_record(offset);
                }
                _ => {}
            }
        }
        if length < BUFFER {
            break;
        }
        // A signature across the border is found at the start of the next window.
        start += u64::try_from(length - OVERLAP).unwrap_or(1);
    }
    found.read_seen(source, &seen)?;
    Ok(found)
}

/// Where the records are that are shown. They are read after the search, so that a file full of signatures costs no more
/// than another.
#[derive(Default)]
struct Seen {
    local_headers: Vec<u64>,
    last_local_header: Option<u64>,
    directory_header: Option<u64>,
    end_records: VecDeque<u64>,
}

impl Seen {
    fn note_local_header(&mut self, offset: u64) {
        if self.local_headers.len() < SHOWN {
            self.local_headers.push(offset);
        } else {
            self.last_local_header = Some(offset);
        }
    }

    fn note_end_record(&mut self, offset: u64) {
        if self.end_records.len() >= SHOWN {
            self.end_records.pop_front();
        }
        self.end_records.push_back(offset);
    }
}

/// Positions of `PK` and two more bytes.
fn signatures(window: &[u8]) -> impl Iterator<Item = usize> {
    let pairs = window.windows(4).enumerate();
    pairs.filter(|(_, bytes)| bytes.starts_with(b"PK")).map(|(at, _)| at)
}

impl RecordSearch {
    fn read_seen(&mut self, source: &Source, seen: &Seen) -> io::Result<()> {
        let local = Layout { fixed: 30, name: 26, extra: 28, size: 18 };
        for offset in &seen.local_headers {
            self.first_local_headers.push(header(source, *offset, &local)?);
        }
        if let Some(offset) = seen.last_local_header {
            self.last_local_header = Some(header(source, offset, &local)?);
        }
        if let Some(offset) = seen.directory_header {
            let mut found = header(source, offset, &Layout { fixed: 46, name: 28, extra: 30, size: 20 })?;
            // Its data is elsewhere.
            found.missing_bytes = 0;
            self.first_directory_header = Some(found);
        }
        for offset in &seen.end_records {
            self.last_end_records.extend(end_record(source, *offset)?);
        }
        Ok(())
    }
}

/// The end record at an offset; `None` if the file ends before it does.
fn end_record(source: &Source, offset: u64) -> io::Result<Option<FoundEndRecord>> {
    let Some(bytes) = available(source, offset, 22)?.filter(|bytes| bytes.len() == 22) else {
        return Ok(None);
    };
    let half = |at| u64::from(u16_at(&bytes, at).unwrap_or(0));
    let word = |at| u64::from(u32_at(&bytes, at).unwrap_or(0));
    let (directory_length, comment_length) = (word(12), half(20));
    let expected_directory_offset = offset.checked_sub(directory_length);
    let directory_there = match expected_directory_offset {
        Some(at) => available(source, at, 4)?.as_deref() == Some(b"PK\x01\x02".as_slice()),
        None => false,
    };
    let end = offset.saturating_add(22).saturating_add(comment_length);
    Ok(Some(FoundEndRecord {
        offset,
        entries: half(10),
        directory_offset: word(16),
        directory_length,
        comment_length,
        expected_directory_offset,
        directory_there,
        bytes_after: i64::try_from(i128::from(source.length()) - i128::from(end)).unwrap_or(i64::MAX),
    }))
}

/// Where the fields of a header are.
struct Layout {
    fixed: usize,
    name: usize,
    extra: usize,
    size: usize,
}

fn header(source: &Source, offset: u64, layout: &Layout) -> io::Result<FoundHeader> {
    let fixed = available(source, offset, layout.fixed)?.unwrap_or_default();
    let name_length = u16_at(&fixed, layout.name).unwrap_or(0);
    let extra_length = u16_at(&fixed, layout.extra).unwrap_or(0);
    let compressed_size = u64::from(u32_at(&fixed, layout.size).unwrap_or(0));
    let name_at = offset.saturating_add(u64::try_from(layout.fixed).unwrap_or(0));
    let name = available(source, name_at, usize::from(name_length))?.unwrap_or_default();
    let end = name_at
        .saturating_add(u64::from(name_length))
        .saturating_add(u64::from(extra_length))
        .saturating_add(compressed_size);
    Ok(FoundHeader {
        offset,
        name: String::from_utf8_lossy(&name).into_owned(),
        compressed_size,
        missing_bytes: end.saturating_sub(source.length()),
    })
}

/// The bytes from `offset` on, as many of `length` as the file has; `None` beyond its end.
fn available(source: &Source, offset: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(left) = source.length().checked_sub(offset) else { return Ok(None) };
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(length);
    source.read_vec_at(offset, length).map(Some)
}

const BUFFER: usize = 64 * 1024;
const OVERLAP: usize = 3;
const SHOWN: usize = 10;
