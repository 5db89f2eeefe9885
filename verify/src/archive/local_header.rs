//! Local headers and data descriptors (APPNOTE 4.3.7, 4.3.9), compared with the central directory.

use std::io;

use crate::finding::{Finding, HeaderField};
use crate::java_error::JavaError;
use crate::source::Source;

use super::Window;
use super::bytes::{extra_field, strange_extra, u16_at, u32_at, u64_at};
use super::central_directory::EntryHeader;

/// Why a local header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalHeaderFault {
    /// The archive ends before it.
    Missing,
    /// There is something else.
    BadSignature,
}

impl From<LocalHeaderFault> for JavaError {
    fn from(fault: LocalHeaderFault) -> Self {
        match fault {
            LocalHeaderFault::Missing => Self::end_of_file(""),
            LocalHeaderFault::BadSignature => Self::zip("ZipFile invalid LOC header (bad signature)"),
        }
    }
}

/// The space one entry takes in the file.
struct Extent {
    start: u64,
    end: u64,
    index: usize,
}

/// Finds the data of every entry, compares headers, and checks that the extents tile the file.
pub(super) fn examine(
    source: &Source,
    entries: &[EntryHeader],
    base: u64,
    directory_start: u64,
    threads: usize,
    findings: &mut Vec<Finding>,
) -> io::Result<(Vec<DataPosition>, Option<Vec<usize>>)> {
    let before = findings.len();
    let mut plain = true;
    let part = entries.len().div_ceil(threads.max(1)).max(SMALL_PART);
    let parts = entries.chunks(part).enumerate();
    let run = |(number, entries)| examine_part(source, entries, number * part, base);
    let parts: Vec<io::Result<Part>> = if part >= entries.len() {
        parts.map(run).collect()
    } else {
        std::thread::scope(|scope| {
            let running: Vec<_> = parts.map(|part| scope.spawn(move || run(part))).collect();
            running.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(not_examined()))).collect()
        })
    };
    let mut data = Vec::with_capacity(entries.len());
    let mut extents = Vec::with_capacity(entries.len());
    for part in parts {
        let mut part = part?;
        data.append(&mut part.data);
        extents.append(&mut part.extents);
        findings.append(&mut part.findings);
        plain &= part.plain;
    }
    let order = check_tiling(entries, extents, directory_start, findings);
    // Any finding here means that a reader of the stream may see something else.
    let streams = (plain && findings.len() == before).then_some(order);
    Ok((data, streams))
}

/// Where the data of an entry starts, or why its local header cannot be used.
type DataPosition = Result<u64, LocalHeaderFault>;

/// What was found of some entries.
struct Part {
    data: Vec<DataPosition>,
    extents: Vec<Extent>,
    findings: Vec<Finding>,
    /// Whether every reader takes the headers alike.
    plain: bool,
}

fn examine_part(source: &Source, entries: &[EntryHeader], first: usize, base: u64) -> io::Result<Part> {
    let mut part = Part {
        data: Vec::with_capacity(entries.len()),
        extents: Vec::with_capacity(entries.len()),
        findings: Vec::new(),
        plain: true,
    };
    let mut reader = Reader { source, window: Window::default(), buffer: Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        let start = base.saturating_add(entry.local_header_offset);
        let (position, end) = examine_one(&mut reader, entry, start, &mut part.findings, &mut part.plain)?;
        part.plain &= position.is_ok() && (entry.method != STORED || entry.compressed_size == entry.size);
        part.data.push(position);
        part.extents.push(Extent { start, end, index: first + index });
    }
    Ok(part)
}

fn not_examined() -> io::Error {
    io::Error::other("local headers were not examined")
}

/// The file, and what was read of it last.
struct Reader<'a> {
    source: &'a Source,
    window: Window,
    buffer: Vec<u8>,
}

fn examine_one(
    reader: &mut Reader<'_>,
    entry: &EntryHeader,
    start: u64,
    findings: &mut Vec<Finding>,
    plain: &mut bool,
) -> io::Result<(Result<u64, LocalHeaderFault>, u64)> {
    let Reader { source, window, buffer } = reader;
    let source = *source;
    // Mostly name and extra fields are no longer than expected, and one read does.
    let available = usize::try_from(source.length().saturating_sub(start)).unwrap_or(usize::MAX);
    buffer.resize(available.min(HEADER_LENGTH + entry.name.len() + USUAL_EXTRA), 0);
    window.read_exact_at(source, buffer, start)?;
    let Some((header, rest)) = buffer.split_first_chunk::<HEADER_LENGTH>() else {
        return Ok((Err(LocalHeaderFault::Missing), start));
    };
    if header.get(..4) != Some(b"PK\x03\x04".as_slice()) {
        return Ok((Err(LocalHeaderFault::BadSignature), start));
    }
    let header = *header;
    let name_length = u64::from(u16_at(&header, 26).unwrap_or(0));
    let extra_length = u64::from(u16_at(&header, 28).unwrap_or(0));
    let position = start + 30 + name_length + extra_length;
    let variable_length = usize::try_from(name_length + extra_length).unwrap_or(0);
    let long;
    let variable = match rest.get(..variable_length) {
        Some(variable) => variable,
        None => match source.read_vec_at(start + 30, variable_length) {
            Ok(variable) => {
                long = variable;
                &long
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                *plain = false;
                return Ok((Ok(position), position));
            }
            Err(error) => return Err(error),
        },
    };
    let (name, extra) =
        variable.split_at_checked(usize::try_from(name_length).unwrap_or(0)).unwrap_or_default();
    if let Some(strange) = entry.strange_extra.or_else(|| strange_extra(extra)) {
        findings.push(Finding::ExtraField { entry: entry.name.clone(), reason: strange.reason() });
    }
    let flags = u16_at(&header, 6).unwrap_or(0);
    let described = flags & 8 != 0;
    if described && u16_at(&header, 8) != Some(DEFLATED) {
        findings.push(Finding::StoredWithDescriptor { entry: entry.name.clone() });
    }
    let mut differs = |field| findings.push(Finding::HeadersDisagree { entry: entry.name.clone(), field });
    if name != entry.name.as_bytes() {
        differs(HeaderField::Name);
    }
    if u16_at(&header, 8) != Some(entry.method) {
        differs(HeaderField::Method);
    }
    // Bits 1 and 2 describe the compressor's effort, bit 11 the name's encoding; the rest changes the reading.
    if (flags ^ entry.flags) & !0b0000_1000_0000_0110 != 0 {
        differs(HeaderField::Flags);
    }
    let declared = LocalSizes::read(&header, extra);
    *plain &= wide_sizes_are_plain(&header, extra, entry);
    let mut end = position.saturating_add(entry.compressed_size);
    if described {
        // With a data descriptor the local fields are zero, or already right.
        if declared.crc32 != 0 && declared.crc32 != entry.crc32 {
            differs(HeaderField::Crc32);
        }
        if declared.size != 0 && declared.size != entry.size
            || declared.compressed_size != 0 && declared.compressed_size != entry.compressed_size
        {
            differs(HeaderField::Size);
        }
        match descriptor_length(source, window, entry, extra, end)? {
            Some(descriptor) => {
                *plain &=
                    descriptor.plain && [18, 22].iter().all(|at| u32_at(&header, *at) != Some(u32::MAX));
                end = end.saturating_add(descriptor.length);
            }
            None => differs(HeaderField::DataDescriptor),
        }
    } else {
        if declared.crc32 != entry.crc32 {
            differs(HeaderField::Crc32);
        }
        if declared.size != entry.size || declared.compressed_size != entry.compressed_size {
            differs(HeaderField::Size);
        }
    }
    Ok((Ok(position), end))
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// For fewer entries a thread is not worth starting.
const SMALL_PART: usize = 4096;
/// The fixed part of a local header.
const HEADER_LENGTH: usize = 30;
/// Room for the extra fields that archivers usually write.
const USUAL_EXTRA: usize = 64;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4b50;

/// Whether 64-bit sizes stand where every reader looks for them: both of them, the size first (APPNOTE 4.5.3).
fn wide_sizes_are_plain(header: &[u8], extra: &[u8], entry: &EntryHeader) -> bool {
    let zip64 = extra_field(extra, 0x0001).unwrap_or_default();
    [(22, 0, entry.size), (18, 8, entry.compressed_size)].iter().all(|(field, at, value)| {
        u32_at(header, *field) != Some(u32::MAX) || zip64.len() >= 16 && u64_at(zip64, *at) == Some(*value)
    })
}

struct LocalSizes {
    crc32: u32,
    size: u64,
    compressed_size: u64,
}

impl LocalSizes {
    fn read(header: &[u8], extra: &[u8]) -> Self {
        let word = |at| u32_at(header, at).unwrap_or(0);
        let (size, compressed_size) = (word(22), word(18));
        let zip64 = extra_field(extra, 0x0001).unwrap_or_default();
        let wide = |value: u32, at| match value {
            u32::MAX => u64_at(zip64, at).unwrap_or(u64::from(value)),
            value => u64::from(value),
        };
        let second = if size == u32::MAX { 8 } else { 0 };
        Self { crc32: word(14), size: wide(size, 0), compressed_size: wide(compressed_size, second) }
    }
}

/// A data descriptor with the right values.
struct Descriptor {
    length: u64,
    /// Whether everybody reads it alike: 64-bit sizes only where the sizes need them, and no CRC-32 that looks like the
    /// signature.
    plain: bool,
}

/// The data descriptor at `position`, if one with the right values is there.
///
/// With a ZIP64 extra field the sizes have 64 bits (APPNOTE 4.3.9.2), without one 32, unless they do not fit, as the JDK
/// writes them; else readers disagree about where the next entry starts.
fn descriptor_length(
    source: &Source,
    window: &mut Window,
    entry: &EntryHeader,
    extra: &[u8],
    position: u64,
) -> io::Result<Option<Descriptor>> {
    let must_be_wide = extra_field(extra, 0x0001).is_some();
    let may_be_wide = must_be_wide || entry.size.max(entry.compressed_size) >= u64::from(u32::MAX);
    let mut bytes = [0; 24];
    let available = usize::try_from(source.length().saturating_sub(position)).unwrap_or(usize::MAX);
    let bytes = bytes.get_mut(..available.min(24)).unwrap_or_default();
    window.read_exact_at(source, bytes, position)?;
    let bytes = &*bytes;
    for (signature, wide) in [(true, false), (false, false), (true, true), (false, true)] {
        let at = if signature { 4 } else { 0 };
        if wide && !may_be_wide
            || !wide && must_be_wide
            || signature && bytes.get(..4) != Some(b"PK\x07\x08".as_slice())
        {
            continue;
        }
        let sizes = if wide {
            (u64_at(bytes, at + 4), u64_at(bytes, at + 12))
        } else {
            (u32_at(bytes, at + 4).map(u64::from), u32_at(bytes, at + 8).map(u64::from))
        };
        if u32_at(bytes, at) == Some(entry.crc32) && sizes == (Some(entry.compressed_size), Some(entry.size))
        {
            let length = at + if wide { 20 } else { 12 };
            let needs_wide = entry.size.max(entry.compressed_size) > u64::from(u32::MAX);
            let plain = wide == needs_wide && (signature || entry.crc32 != DESCRIPTOR_SIGNATURE);
            return Ok(u64::try_from(length).ok().map(|length| Descriptor { length, plain }));
        }
    }
    Ok(None)
}

/// Entries must follow each other without a gap from offset 0 to the central directory. Returns them in that order.
fn check_tiling(
    entries: &[EntryHeader],
    mut extents: Vec<Extent>,
    directory_start: u64,
    findings: &mut Vec<Finding>,
) -> Vec<usize> {
    extents.sort_by_key(|extent| (extent.start, extent.end));
    let mut expected = 0;
    for extent in &extents {
        if extent.start > expected {
            let length = extent.start - expected;
            findings.push(if expected == 0 {
                Finding::LeadingBytes { length }
            } else {
                Finding::HiddenBytes { offset: expected, length }
            });
        } else if extent.start < expected {
            let entry = entries.get(extent.index).map(|entry| entry.name.clone()).unwrap_or_default();
            findings.push(Finding::OverlappingEntries { entry });
        }
        expected = expected.max(extent.end);
    }
    if expected < directory_start {
        let length = directory_start - expected;
        findings.push(if extents.is_empty() {
            Finding::LeadingBytes { length }
        } else {
            Finding::HiddenBytes { offset: expected, length }
        });
    } else if expected > directory_start {
        findings.push(Finding::OverlappingEntries { entry: "the central directory".to_owned() });
    }
    // Collecting would keep the memory of the extents.
    let mut order = Vec::with_capacity(extents.len());
    order.extend(extents.iter().map(|extent| extent.index));
    order
}
