//! The end of central directory record and its ZIP64 companions (APPNOTE 4.3.14 to 4.3.16).
//!
//! Found the way the JDK's `ZipFile` finds it, so that both look at the same directory; whatever else an
//! attacker hides in the tail (a second end record, a comment, trailing bytes) becomes a finding.

use crate::java_error::JavaError;
use crate::source::Source;

use super::bytes::{u16_at, u32_at, u64_at};

/// Where the central directory is.
#[derive(Debug, Clone)]
pub(crate) struct EndRecord {
    /// Position of the end record that was taken (of the ZIP64 end record if that one counts).
    pub(crate) position: u64,
    /// Position of the classic end record.
    pub(crate) classic_position: u64,
    /// Number of entries announced.
    pub(crate) entries: u64,
    /// Length of the central directory.
    pub(crate) directory_length: u64,
    /// Announced offset of the central directory.
    pub(crate) directory_offset: u64,
    /// Length of the comment.
    pub(crate) comment_length: u64,
    /// Bytes after the end record and its comment.
    pub(crate) trailing: u64,
    /// Whether a ZIP64 end record was used.
    pub(crate) zip64: bool,
    /// Other end records that some reader might take for the real one.
    pub(crate) other_signatures: usize,
    /// Whether there is a ZIP64 locator that the JDK passes over; other readers follow it.
    pub(crate) ignored_zip64: bool,
    /// Disk numbers other than 0.
    pub(crate) multi_disk: bool,
}

/// Finds the end record as `java.util.zip.ZipFile` does.
pub(crate) fn find(source: &Source) -> std::io::Result<Result<EndRecord, JavaError>> {
    let length = source.length();
    if length == 0 {
        return Ok(Err(JavaError::zip("zip file is empty")));
    }
    let tail_length = length.min(MAX_TAIL);
    let tail_start = length - tail_length;
    let tail = source.read_vec_at(tail_start, usize::try_from(tail_length).unwrap_or(0))?;
    let not_found = || JavaError::zip("zip END header not found");
    let Some(last) = tail.len().checked_sub(END_LENGTH) else { return Ok(Err(not_found())) };

    let mut found: Option<EndRecord> = None;
    let mut others = Vec::new();
    for at in (0..=last).rev() {
        if tail.get(at..at + 4) != Some(END_SIGNATURE) {
            continue;
        }
        let position = tail_start + u64::try_from(at).unwrap_or(0);
        let Some(record) = parse(&tail, at, position, length) else { continue };
        if found.is_none() && (record.trailing == 0 || directory_is_there(source, &record)?) {
            found = Some(record);
        } else {
            others.push((position, record.trailing == 0));
        }
    }
    let Some(mut record) = found else { return Ok(Err(not_found())) };
    // The JDK reads the comment, and fails where it ends after the file.
    let end = record.position + u64::try_from(END_LENGTH).unwrap_or(0) + record.comment_length;
    if record.comment_length > 0 && end > length {
        return Ok(Err(JavaError::end_of_file("")));
    }
    apply_zip64(source, &mut record)?;
    if record.position == 0 {
        // Nothing stands before the record, so the JDK does not look at what it says.
        (record.directory_length, record.directory_offset, record.entries) = (0, 0, 0);
    }
    record.other_signatures = usize::from(record.ignored_zip64)
        + others.iter().filter(|(position, fits)| *fits || record.is_misplaced(*position)).count();
    Ok(Ok(record))
}

impl EndRecord {
    /// Whether an end record at `position` is neither this one nor part of an entry's data. Archives that are stored
    /// inside the package (its JARs) have end records of their own, in front of the central directory.
    fn is_misplaced(&self, position: u64) -> bool {
        position >= self.position.saturating_sub(self.directory_length)
    }
}

fn parse(tail: &[u8], at: usize, position: u64, length: u64) -> Option<EndRecord> {
    let comment_length = u64::from(u16_at(tail, at + 20)?);
    let end = position + u64::try_from(END_LENGTH).ok()? + comment_length;
    Some(EndRecord {
        position,
        classic_position: position,
        entries: u64::from(u16_at(tail, at + 10)?),
        directory_length: u64::from(u32_at(tail, at + 12)?),
        directory_offset: u64::from(u32_at(tail, at + 16)?),
        comment_length,
        // A comment that claims more than there is counts like trailing bytes: the record must prove itself.
        trailing: if end == length { 0 } else { length.saturating_sub(end).max(1) },
        zip64: false,
        other_signatures: 0,
        ignored_zip64: false,
        multi_disk: u16_at(tail, at + 4)? != 0
            || u16_at(tail, at + 6)? != 0
            || u16_at(tail, at + 8)? != u16_at(tail, at + 10)?,
    })
}

/// A record that is not at the very end counts only if a directory and a local header are where it says.
fn directory_is_there(source: &Source, record: &EndRecord) -> std::io::Result<bool> {
    let Some(directory) = record.position.checked_sub(record.directory_length) else { return Ok(false) };
    let Some(first_local) = directory.checked_sub(record.directory_offset) else { return Ok(false) };
    let mut signature = [0; 4];
    for (position, expected) in [(directory, CENTRAL_SIGNATURE), (first_local, LOCAL_SIGNATURE)] {
        match source.read_exact_at(&mut signature, position) {
            Ok(()) if signature == *expected => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Takes the ZIP64 values if a locator stands right before the record and the values do not contradict it.
fn apply_zip64(source: &Source, record: &mut EndRecord) -> std::io::Result<()> {
    let Some(locator_position) = record.position.checked_sub(ZIP64_LOCATOR_LENGTH) else { return Ok(()) };
    let mut locator = [0; 20];
    source.read_exact_at(&mut locator, locator_position)?;
    if locator.get(..4) != Some(ZIP64_LOCATOR_SIGNATURE) {
        return Ok(());
    }
    record.ignored_zip64 = true;
    let Some(position) = u64_at(&locator, 8) else { return Ok(()) };
    let mut zip64 = [0; 56];
    match source.read_exact_at(&mut zip64, position) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(error),
    }
    let (Some(entries), Some(length), Some(offset)) =
        (u64_at(&zip64, 32), u64_at(&zip64, 40), u64_at(&zip64, 48))
    else {
        return Ok(());
    };
    let contradicts = |classic: u64, marker: u64, value: u64| classic != marker && classic != value;
    if zip64.get(..4) != Some(ZIP64_END_SIGNATURE)
        || contradicts(record.directory_length, 0xFFFF_FFFF, length)
        || contradicts(record.directory_offset, 0xFFFF_FFFF, offset)
        || contradicts(record.entries, 0xFFFF, entries)
    {
        return Ok(());
    }
    record.position = position;
    record.entries = entries;
    record.directory_length = length;
    record.directory_offset = offset;
    record.zip64 = true;
    record.ignored_zip64 = false;
    Ok(())
}

const END_LENGTH: usize = 22;
const MAX_TAIL: u64 = 65_535 + 22;
const ZIP64_LOCATOR_LENGTH: u64 = 20;
const END_SIGNATURE: &[u8; 4] = b"PK\x05\x06";
const CENTRAL_SIGNATURE: &[u8; 4] = b"PK\x01\x02";
const LOCAL_SIGNATURE: &[u8; 4] = b"PK\x03\x04";
const ZIP64_LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const ZIP64_END_SIGNATURE: &[u8] = b"PK\x06\x06";
