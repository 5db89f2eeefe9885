//! Central directory headers (APPNOTE 4.3.12), accepted and refused as the JDK's `ZipFile` does.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::java_error::JavaError;
use crate::signature_names::{MANIFEST_NAME, has_meta_inf_prefix, is_block_or_signature_file};
use crate::source::Source;

use super::bytes::{StrangeExtra, extra_field, strange_extra, u16_at, u32_at, u64_at};

/// One entry as the central directory describes it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EntryHeader {
    /// The name, decoded as UTF-8.
    pub(crate) name: String,
    /// Compression method: 0 stored, 8 deflated; nothing else gets this far.
    pub(crate) method: u16,
    /// General purpose bit flags.
    pub(crate) flags: u16,
    /// CRC-32 of the content, as declared.
    pub(crate) crc32: u32,
    /// Length of the stored data.
    pub(crate) compressed_size: u64,
    /// Length of the content, as declared.
    pub(crate) size: u64,
    /// Offset of the local header relative to the start of the archive.
    pub(crate) local_header_offset: u64,
    /// Host system that made the entry (upper byte of "version made by"); 3 is Unix.
    pub(crate) host_system: u8,
    /// External attributes; for Unix the mode is in the upper 16 bits.
    pub(crate) external_attributes: u32,
    /// Time of last modification.
    pub(crate) modified: Modified,
    /// What is wrong with the extra fields.
    pub(crate) strange_extra: Option<StrangeExtra>,
    /// Length of the entry's comment.
    pub(crate) comment_length: u16,
}

/// Time of last modification as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modified {
    /// Milliseconds since 1970 UTC, from an NTFS or extended timestamp extra field.
    Utc(i64),
    /// MS-DOS date (upper half) and time (lower half) in the local zone of whoever reads it.
    Dos(u32),
}

impl EntryHeader {
    /// Whether the name is that of a directory.
    pub(crate) fn is_directory(&self) -> bool {
        self.name.ends_with('/')
    }

    /// An empty entry.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self {
            name: String::new(),
            method: 0,
            flags: 0,
            crc32: 0,
            compressed_size: 0,
            size: 0,
            local_header_offset: 0,
            host_system: 0,
            external_attributes: 0,
            modified: Modified::Dos(0),
            strange_extra: None,
            comment_length: 0,
        }
    }

    /// The Unix mode, if the entry was made on Unix.
    pub(crate) fn unix_mode(&self) -> Option<u32> {
        (self.host_system == 3).then_some(self.external_attributes >> 16)
    }
}

/// What some JDKs refuse and others do not, or in other words.
#[derive(Debug, Default)]
pub(super) struct Contested {
    /// The first comment that is not UTF-8: its fault as Java states it.
    pub(super) bad_comment: Option<JavaError>,
    /// The entry with that comment.
    pub(super) bad_comment_at: usize,
    /// Whether the manifest has such a comment, and the first signature file or block with one.
    pub(super) bad_manifest_comment: bool,
    pub(super) bad_file_comment_at: Option<usize>,
    /// Whether a header with name, extra fields and comment is longer than 65,535 bytes.
    pub(super) long_header: bool,
    /// What is wrong with the first ZIP64 extra field that has other values than those that are marked, in the words of
    /// the JDKs that refuse it.
    pub(super) inexact_zip64: Option<&'static str>,
}

impl Contested {
    fn note(
        &mut self,
        index: usize,
        header: &EntryHeader,
        window: &[u8],
        (at, next): (usize, usize),
        window_start: usize,
    ) {
        let comment_start = next - usize::from(header.comment_length);
        let comment = window.get(comment_start..next).unwrap_or_default();
        if let Err(error) = std::str::from_utf8(comment) {
            if self.bad_comment.is_none() {
                let error = JavaError::malformed_utf8(comment, &error, window_start + comment_start);
                (self.bad_comment, self.bad_comment_at) = (Some(error), index);
            }
            self.bad_manifest_comment |= header.name.eq_ignore_ascii_case(MANIFEST_NAME);
            if has_meta_inf_prefix(&header.name) && is_block_or_signature_file(&header.name) {
                self.bad_file_comment_at.get_or_insert(index);
            }
        }
        let raw = window.get(at..comment_start).unwrap_or_default();
        self.inexact_zip64 = self.inexact_zip64.or_else(|| inexact_zip64(raw));
        self.long_header |= window_start + next - at > usize::from(u16::MAX);
    }
}

/// Reads and parses all headers of a central directory, which is within the file. The inner error is the JDK's.
pub(super) fn read(
    source: &Source,
    start: u64,
    length: usize,
    declared_entries: u64,
    max_entries: usize,
) -> io::Result<Result<(Vec<EntryHeader>, Contested), JavaError>> {
    // No more than fit into the directory, whatever is declared.
    let expected = usize::try_from(declared_entries).unwrap_or(usize::MAX).min(length / HEADER_LENGTH);
    let mut entries = Vec::with_capacity(expected.min(max_entries));
    let mut contested = Contested::default();
    let mut at = 0usize;
    // A part of the directory and where it starts; always the whole next header, or all that is left.
    let (mut window, mut window_start) = (Vec::new(), 0usize);
    while at + HEADER_LENGTH <= length {
        if entries.len() >= max_entries {
            return Ok(Err(JavaError::zip(format!("more than {max_entries} entries"))));
        }
        let window_end = window_start + window.len();
        if window_end < length && window_end - at < LONGEST_HEADER {
            let offset = u64::try_from(at).unwrap_or(u64::MAX);
            window = source.read_vec_at(start.saturating_add(offset), WINDOW.min(length - at))?;
            window_start = at;
        }
        match parse_header(&window, at - window_start, window_start) {
            Ok((header, next)) => {
                contested.note(entries.len(), &header, &window, (at, next), window_start);
                entries.push(header);
                at = window_start + next;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(if at == length {
        Ok((entries, contested))
    } else {
        Err(JavaError::zip("invalid CEN header (bad header size)"))
    })
}

/// `start` is where `directory` begins in the central directory.
fn parse_header(directory: &[u8], at: usize, start: usize) -> Result<(EntryHeader, usize), JavaError> {
    let short = || JavaError::zip("invalid CEN header (bad header size)");
    let header = directory.get(at..at + HEADER_LENGTH).ok_or_else(short)?;
    let half = |position| u16_at(header, position).ok_or_else(short);
    let word = |position| u32_at(header, position).ok_or_else(short);
    if header.get(..4) != Some(b"PK\x01\x02".as_slice()) {
        return Err(JavaError::zip("invalid CEN header (bad signature)"));
    }
    let (flags, method) = (half(8)?, half(10)?);
    if flags & 1 != 0 {
        return Err(JavaError::zip("invalid CEN header (encrypted entry)"));
    }
    if method != 0 && method != 8 {
        return Err(JavaError::zip(format!("invalid CEN header (bad compression method: {method})")));
    }
    let (name_length, extra_length, comment_length) = (half(28)?, half(30)?, half(32)?);
    let name_end = at + HEADER_LENGTH + usize::from(name_length);
    let extra_end = name_end + usize::from(extra_length);
    let next = extra_end + usize::from(comment_length);
    let raw_name = directory.get(at + HEADER_LENGTH..name_end).ok_or_else(short)?;
    let extra = directory.get(name_end..extra_end).ok_or_else(short)?;
    let sizes = [word(24)?, word(20)?, word(42)?];
    check_extra_fields(extra, sizes, start + at)?;
    if directory.len() < next {
        return Err(short());
    }
    let name = String::from_utf8(raw_name.to_vec()).map_err(|_| JavaError::zip(BAD_NAME))?;
    let [size, compressed_size, local_header_offset] = resolve_zip64(extra, sizes);
    let entry = EntryHeader {
        name,
        method,
        flags,
        crc32: word(16)?,
        compressed_size,
        size,
        local_header_offset,
        host_system: header.get(5).copied().unwrap_or(0),
        external_attributes: word(38)?,
        modified: modified(extra, word(12)?),
        strange_extra: strange_extra(extra),
        comment_length,
    };
    Ok((entry, next))
}

/// The JDK's checks of extra fields (17.0.8 and later).
fn check_extra_fields(extra: &[u8], sizes: [u32; 3], header_start: usize) -> Result<(), JavaError> {
    let mut at = 0usize;
    while at + 4 <= extra.len() {
        let (Some(id), Some(size)) = (u16_at(extra, at), u16_at(extra, at + 2)) else { break };
        let start = at + 4;
        let end = start + usize::from(size);
        if end > extra.len() {
            return Err(JavaError::zip(format!(
                "Invalid CEN header (invalid extra data field size for tag: 0x{id:04x} at {header_start})"
            )));
        }
        if id == ZIP64_EXTRA {
            let data = extra.get(start..end).unwrap_or_default();
            check_zip64_block(data, sizes).map_err(JavaError::zip)?;
        }
        at = end;
    }
    Ok(())
}

/// What is wrong with a header, without its comment, whose ZIP64 extra field is not exactly as long as what is marked, or
/// that has no extra fields at all.
fn inexact_zip64(header: &[u8]) -> Option<&'static str> {
    let wide = [24, 20, 42].iter().filter(|at| u32_at(header, **at) == Some(u32::MAX)).count();
    let narrow = usize::from(u16_at(header, 34) == Some(u16::MAX));
    let mut extra = header.get(HEADER_LENGTH + usize::from(u16_at(header, 28)?)..)?;
    if extra.is_empty() && wide + narrow > 0 {
        return Some("Invalid CEN header (invalid zip64 extra len size)");
    }
    while let (Some(id), Some(size)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        if id == ZIP64_EXTRA && usize::from(size) != 8 * wide + 4 * narrow {
            return Some("Invalid CEN header (invalid zip64 extra data field size)");
        }
        extra = extra.get(4 + usize::from(size)..)?;
    }
    None
}

/// The error is the JDK's text.
fn check_zip64_block(data: &[u8], [size, compressed_size, offset]: [u32; 3]) -> Result<(), &'static str> {
    const BAD_SIZE: &str = "Invalid CEN header (invalid zip64 extra data field size)";
    let values = [
        (size, "Invalid zip64 extra block size value"),
        (compressed_size, "Invalid zip64 extra block compressed size value"),
    ];
    if data.is_empty() {
        let marked = [size, compressed_size, offset].contains(&u32::MAX);
        return if marked { Err(BAD_SIZE) } else { Ok(()) };
    }
    if !matches!(data.len(), 8 | 16 | 24 | 28) {
        return Err(BAD_SIZE);
    }
    let marked = values.into_iter().filter(|(value, _)| *value == u32::MAX);
    for ((_, negative), at) in marked.zip([0, 8]) {
        if i64::try_from(u64_at(data, at).ok_or(BAD_SIZE)?).is_err() {
            return Err(negative);
        }
    }
    Ok(())
}

/// Replaces the marker 0xFFFFFFFF by the 64-bit values of the ZIP64 extra field, as far as they are there.
fn resolve_zip64(extra: &[u8], sizes: [u32; 3]) -> [u64; 3] {
    let data = extra_field(extra, ZIP64_EXTRA).unwrap_or_default();
    let mut at = 0;
    sizes.map(|value| {
        if value != u32::MAX {
            return u64::from(value);
        }
        let wide = u64_at(data, at);
        at += 8;
        wide.unwrap_or(u64::from(value))
    })
}

/// The JDK prefers NTFS and extended timestamps over the MS-DOS fields; a later field wins.
fn modified(extra: &[u8], dos: u32) -> Modified {
    let mut modified = Modified::Dos(dos);
    let mut at = 0usize;
    while let (Some(id), Some(size)) = (u16_at(extra, at), u16_at(extra, at + 2)) {
        let start = at + 4;
        let Some(data) = extra.get(start..start + usize::from(size)) else { break };
        let found = match id {
            NTFS_EXTRA => ntfs_time(data),
            EXTENDED_TIMESTAMP_EXTRA => extended_time(data),
            _ => None,
        };
        if let Some(millis) = found {
            modified = Modified::Utc(millis);
        }
        at = start + usize::from(size);
    }
    modified
}

fn ntfs_time(data: &[u8]) -> Option<i64> {
    if data.len() < 32 || u16_at(data, 4)? != 1 || u16_at(data, 6)? != 24 {
        return None;
    }
    let ticks = i64::from_le_bytes(data.get(8..16)?.try_into().ok()?);
    Some(ticks.div_euclid(10_000).saturating_sub(11_644_473_600_000))
}

fn extended_time(data: &[u8]) -> Option<i64> {
    if data.first()? & 1 == 0 {
        return None;
    }
    let seconds = i32::from_le_bytes(data.get(1..5)?.try_into().ok()?);
    Some(i64::from(seconds) * 1000)
}

/// What is said of a name that is not UTF-8.
pub(super) const BAD_NAME: &str = "invalid CEN header (bad entry name)";
const HEADER_LENGTH: usize = 46;
/// A header with name, extra fields and comment.
const LONGEST_HEADER: usize = HEADER_LENGTH + 3 * 65_535;
/// How much of the directory is in memory at a time.
const WINDOW: usize = 512 * 1024;
const ZIP64_EXTRA: u16 = 0x0001;
const NTFS_EXTRA: u16 = 0x000A;
const EXTENDED_TIMESTAMP_EXTRA: u16 = 0x5455;

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of `count` headers with names of 60,000 bytes: larger than what is in memory at a time.
    fn directory(count: usize) -> Vec<u8> {
        let mut directory = Vec::new();
        for number in 0..count {
            let mut header = [0; HEADER_LENGTH];
            header[..4].copy_from_slice(b"PK\x01\x02");
            header[28..30].copy_from_slice(&60_000u16.to_le_bytes());
            directory.extend_from_slice(&header);
            directory.extend_from_slice(format!("{number:060000}").as_bytes());
        }
        directory
    }

    #[test]
    fn a_directory_larger_than_its_window_is_read_whole() {
        let directory = directory(40);
        assert!(directory.len() > 4 * WINDOW);
        let source = Source::from_bytes(directory.clone());
        let entries = read(&source, 0, directory.len(), 40, 1000).unwrap().unwrap();
        let names: Vec<usize> = entries.0.iter().map(|entry| entry.name.parse().unwrap()).collect();
        assert_eq!(names, (0..40).collect::<Vec<_>>());
        assert!(read(&source, 0, directory.len(), 40, 39).unwrap().is_err(), "there is a limit");
        for cut in [1, 60_000, 60_040] {
            assert!(
                read(&source, 0, directory.len() - cut, 40, 1000).unwrap().is_err(),
                "{cut} bytes are cut off"
            );
        }
    }
}
