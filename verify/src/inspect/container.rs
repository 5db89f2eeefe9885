//! The ZIP container: end record, directory, entries.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use super::record_search::{self, RecordSearch};
use crate::archive::{Archive, EntryHeader, find_end_record};
use crate::limits::Limits;
use crate::source::Source;

/// The container as it lies in the file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Container {
    /// What the first bytes look like: `ZIP archive`, or what else they are known as; absent: unknown.
    pub looks_like: Option<&'static str>,
    /// The first bytes of the file, up to 16, in hexadecimal.
    pub first_bytes: String,
    /// Why the directory cannot be read, in the JDK's words; absent: it can be read.
    pub unreadable: Option<String>,
    /// The end record that counts.
    pub end_record: Option<EndRecordContent>,
    /// The comment of the archive; bytes that are no UTF-8 are replaced.
    pub comment: Option<String>,
    /// What is left of an archive whose directory cannot be read.
    pub search: Option<RecordSearch>,
}

/// The end of central directory record (APPNOTE 4.3.16) that the JDK would take, with ZIP64 values where they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct EndRecordContent {
    /// Where the record is, from the start of the file.
    pub offset: u64,
    /// Whether its values are those of a ZIP64 record.
    pub zip64: bool,
    /// Entries it announces.
    pub entries: u64,
    /// Where the directory is, from the start of the archive, as announced.
    pub directory_offset: u64,
    /// Length of the directory in bytes.
    pub directory_length: u64,
}

/// What the central directory says of an entry beyond [`EntryReport`](crate::EntryReport).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct EntryContent {
    /// The name.
    pub name: String,
    /// Compression method (APPNOTE 4.4.5): 0 stored, 8 deflated.
    pub method: u16,
    /// General purpose bit flags (APPNOTE 4.4.4).
    pub flags: u16,
    /// CRC-32 of the content as declared, in hexadecimal.
    pub crc32: String,
    /// Where the local header is, from the start of the archive.
    pub local_header_offset: u64,
    /// The system that made the entry (APPNOTE 4.4.2): 0 MS-DOS, 3 Unix.
    pub host_system: u8,
    /// Length of the entry's comment in bytes.
    pub comment_length: u16,
}

impl EntryContent {
    pub(super) fn of(header: &EntryHeader) -> Self {
        Self {
            name: header.name.clone(),
            method: header.method,
            flags: header.flags,
            crc32: format!("{:08x}", header.crc32),
            local_header_offset: header.local_header_offset,
            host_system: header.host_system,
            comment_length: header.comment_length,
        }
    }
}

/// Reads the container; without a readable directory there is no archive, but a search.
pub(super) fn read(source: &Source, limits: &Limits) -> io::Result<(Container, Option<Archive>)> {
    let mut head = vec![0; usize::try_from(source.length().min(HEAD)).unwrap_or(0)];
    source.read_exact_at(&mut head, 0)?;
    let mut container = Container {
        looks_like: looks_like(&head),
        first_bytes: hex::encode(head.get(..16).unwrap_or(&head)),
        unreadable: None,
        end_record: None,
        comment: None,
        search: None,
    };
    if let Ok(end) = find_end_record(source)? {
        if end.comment_length > 0 {
            let length = usize::try_from(end.comment_length).unwrap_or(0);
            let comment = source.read_vec_at(end.classic_position + 22, length)?;
            container.comment = Some(String::from_utf8_lossy(&comment).into_owned());
        }
        container.end_record = Some(EndRecordContent {
            offset: end.position,
            zip64: end.zip64,
            entries: end.entries,
            directory_offset: end.directory_offset,
            directory_length: end.directory_length,
        });
    }
    match Archive::open(source, limits)? {
        Ok(archive) => Ok((container, Some(archive))),
        Err(error) => {
            container.unreadable = Some(error.to_string());
            container.search = Some(record_search::search(source)?);
            Ok((container, None))
        }
    }
}

/// Names the format that begins like this. A saved error page and a package of another kind are the usual mistakes.
fn looks_like(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        return Some("empty file");
    }
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(name);
    }
    if head.iter().all(|byte| *byte == 0) {
        return Some("zeros (a sparse or unwritten file)");
    }
    let text = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        return Some("HTML page (an error or login page saved as a package)");
    }
    let first = text.chars().next();
    match first {
        Some('<') if text.starts_with("<?xml") => Some("XML document"),
        Some('{' | '[') => Some("JSON document"),
        _ => None,
    }
}

const HEAD: u64 = 512;
const MAGIC: [(&[u8], &str); 14] = [
    (b"PK\x03\x04", "ZIP archive"),
    (b"PK\x05\x06", "ZIP archive without entries"),
    (b"PK\x07\x08", "part of a split ZIP archive"),
    (b"!<arch>\ndebian", "Debian package"),
    (b"\xed\xab\xee\xdb", "RPM package"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Windows installer (.msi) or other OLE file"),
    (b"\x7fELF", "ELF program"),
    (b"MZ", "Windows program; an archive may follow"),
    (b"\x1f\x8b", "gzip file"),
    (b"BZh", "bzip2 file"),
    (b"\xfd7zXZ\0", "xz file"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"%PDF-", "PDF document"),
];
