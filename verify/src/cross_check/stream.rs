//! The archive as a stream, entry by entry: from its bytes as `ZipInputStream` reads them, or known beforehand.
//!
//! Attacks considered here: entries that only local headers know, sizes and CRC-32 that differ from the directory,
//! data descriptors of either width, endless unpacking (bounded), cut files (the end of the file is an error or the end
//! of the stream, as in Java).

use std::io;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::FirstPass;
use crate::archive::{Archive, extra_field, inflate_fault, u16_at, u32_at, u64_at};
use crate::java_error::JavaError;
use crate::jdk::StreamRules;
use crate::limits::Limits;
use crate::source::Source;

/// What ends the pass.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes cannot be read from their source.
    Io(io::Error),
    /// An exception.
    Java(JavaError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<JavaError> for Stop {
    fn from(error: JavaError) -> Self {
        Self::Java(error)
    }
}

/// An entry that the stream has met.
#[derive(Debug)]
pub(super) struct StreamEntry {
    pub(super) name: String,
}

/// The stream.
pub(super) enum Stream<'a> {
    /// Its entries are those of the directory, and their contents are known to be right.
    Known(Known),
    /// It has to be read.
    Bytes(Box<ByteStream<'a>>),
}

/// What is known of the stream.
pub(super) struct Known {
    order: std::vec::IntoIter<usize>,
    current: Option<usize>,
}

impl<'a> Stream<'a> {
    pub(super) fn known(order: Vec<usize>) -> Self {
        Self::Known(Known { order: order.into_iter(), current: None })
    }

    pub(super) fn of_bytes(source: &'a Source, rules: &'a StreamRules, limits: &'a Limits) -> Self {
        Self::Bytes(Box::new(ByteStream {
            source,
            rules,
            limits,
            at: 0,
            entry: None,
            unpacked: 0,
            input: vec![0; BUFFER],
            output: vec![0; BUFFER],
            inflate: Inflate::new(false, 15),
        }))
    }

    /// The next entry; the last one must be finished.
    pub(super) fn next(&mut self, archive: &Archive) -> Result<Option<StreamEntry>, Stop> {
        match self {
            Self::Known(known) => {
                known.current = known.order.next();
                let entry = known.current.and_then(|index| archive.entries.get(index));
                Ok(entry.map(|entry| StreamEntry { name: entry.name.clone() }))
            }
            Self::Bytes(stream) => stream.next(),
        }
    }

    /// The position in the directory of the entry that is being read, if it is known.
    pub(super) fn current(&self) -> Option<usize> {
        match self {
            Self::Known(known) => known.current,
            Self::Bytes(_) => None,
        }
    }

    /// Reads the rest of the current entry; nothing comes if its content is known to be right.
    pub(super) fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<(), Stop> {
        match self {
            Self::Known(_) => Ok(()),
            Self::Bytes(stream) => stream.finish(sink),
        }
    }

    /// Reads the current entry into memory: a manifest, a signature file or a block.
    pub(super) fn read_small(&mut self, first: &FirstPass<'_>) -> Result<Vec<u8>, Stop> {
        match self {
            Self::Known(known) => {
                let index = known.current.unwrap_or(usize::MAX);
                Ok(first.archive.read_small(first.source, index, first.limits)??)
            }
            Self::Bytes(stream) => {
                let limit = usize::try_from(first.limits.signature_file).unwrap_or(usize::MAX);
                let mut bytes = Vec::new();
                let mut too_large = false;
                stream.finish(&mut |chunk| {
                    too_large |= bytes.len() + chunk.len() > limit;
                    if !too_large {
                        bytes.extend_from_slice(chunk);
                    }
                })?;
                if too_large {
                    return Err(JavaError::io(format!("a signature file exceeds {limit} bytes")).into());
                }
                Ok(bytes)
            }
        }
    }
}

/// An archive that is read from its first byte on.
pub(super) struct ByteStream<'a> {
    source: &'a Source,
    rules: &'a StreamRules,
    limits: &'a Limits,
    /// The position in the file.
    at: u64,
    /// The entry whose content begins here, until it has been read.
    entry: Option<LocalHeader>,
    /// Bytes that have been unpacked, of all entries.
    unpacked: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    inflate: Inflate,
}

/// A local file header (APPNOTE 4.3.7) as far as a stream needs it.
#[derive(Debug, Clone, Copy)]
struct LocalHeader {
    described: bool,
    method: u16,
    crc32: u32,
    compressed_size: u64,
    size: u64,
    /// Whether both sizes are marked as 64-bit ones.
    marked_wide: bool,
}

impl ByteStream<'_> {
    fn next(&mut self) -> Result<Option<StreamEntry>, Stop> {
        let mut header = [0; 30];
        match self.source.read_exact_at(&mut header, self.at) {
            Ok(()) if header.starts_with(b"PK\x03\x04") => self.at += 30,
            Ok(()) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let half = |at| u16_at(&header, at).unwrap_or(0);
        let word = |at| u32_at(&header, at).unwrap_or(0);
        let name = self.read(half(26).into())?;
        let name = String::from_utf8(name).map_err(|error| {
            if self.rules.bad_name_is_zip_error {
                JavaError::zip("invalid LOC header (bad entry name)")
            } else {
                JavaError::malformed_utf8(error.as_bytes(), &error.utf8_error(), 0)
            }
        })?;
        let (flags, method) = (half(6), half(8));
        if flags & 1 != 0 {
            return Err(JavaError::zip("encrypted ZIP entry not supported").into());
        }
        let described = flags & 8 != 0;
        if described && method != DEFLATED {
            return Err(JavaError::zip("only DEFLATED entries can have EXT descriptor").into());
        }
        let extra = self.read(half(28).into())?;
        let zip64 = extra_field(&extra, 0x0001).filter(|data| data.len() >= 16);
        // One marker is enough for both values to be taken.
        let marked = [18, 22].iter().any(|at| word(*at) == u32::MAX);
        let wide = |field, at| match zip64.filter(|_| marked).and_then(|data| u64_at(data, at)) {
            Some(value) => value,
            None => u64::from(word(field)),
        };
        self.entry = Some(LocalHeader {
            described,
            method,
            crc32: word(14),
            compressed_size: wide(18, 8),
            size: wide(22, 0),
            marked_wide: zip64.is_some() && word(18) == u32::MAX && word(22) == u32::MAX,
        });
        Ok(Some(StreamEntry { name }))
    }

    /// The next bytes, all of them.
    fn read(&mut self, length: usize) -> Result<Vec<u8>, Stop> {
        let bytes = match self.source.read_vec_at(self.at, length) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(JavaError::end_of_file("").into());
            }
            Err(error) => return Err(error.into()),
        };
        self.at += u64::try_from(length).unwrap_or(0);
        Ok(bytes)
    }

    fn finish(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<(), Stop> {
        let Some(header) = self.entry.take() else { return Ok(()) };
        match header.method {
            0 => self.copy(header, sink),
            DEFLATED => self.unpack(header, sink),
            _ => Err(JavaError::zip("invalid compression method").into()),
        }
    }

    /// Fills the input buffer with at most `wanted` bytes; with none at the end of the file.
    fn fill(&mut self, wanted: u64) -> Result<usize, Stop> {
        let available = self.source.length().saturating_sub(self.at).min(wanted);
        let count = usize::try_from(available).unwrap_or(usize::MAX).min(self.input.len());
        if let Some(target) = self.input.get_mut(..count) {
            self.source.read_exact_at(target, self.at)?;
        }
        Ok(count)
    }

    fn count_unpacked(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.unpacked = self.unpacked.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.unpacked > self.limits.total_size {
            let limit = self.limits.total_size;
            return Err(JavaError::io(format!("the stream unpacks to more than {limit} bytes")).into());
        }
        Ok(())
    }

    /// A stored entry: as many bytes as its size says. The CRC-32 of nothing is not looked at.
    fn copy(&mut self, header: LocalHeader, sink: &mut dyn FnMut(&[u8])) -> Result<(), Stop> {
        let mut remaining = header.size;
        let mut crc = 0;
        while remaining > 0 {
            let count = self.fill(remaining)?;
            if count == 0 {
                return Err(JavaError::zip("unexpected EOF").into());
            }
            let bytes = self.input.get(..count).unwrap_or_default();
            crc = zlib_rs::crc32::crc32(crc, bytes);
            sink(bytes);
            let count = u64::try_from(count).unwrap_or(0);
            self.at += count;
            remaining -= count;
        }
        if header.size > 0 { expect_crc(header.crc32, crc) } else { Ok(()) }
    }

    fn unpack(&mut self, header: LocalHeader, sink: &mut dyn FnMut(&[u8])) -> Result<(), Stop> {
        self.inflate.reset(false);
        let mut crc = 0;
        let (mut consumed, mut filled) = (0, 0);
        loop {
            if consumed == filled {
                (consumed, filled) = (0, self.fill(u64::MAX)?);
                if filled == 0 {
                    return Err(JavaError::end_of_file("Unexpected end of ZLIB input stream").into());
                }
            }
            let pending = self.input.get(consumed..filled).unwrap_or_default();
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(pending, &mut self.output, InflateFlush::NoFlush);
            let used = self.inflate.total_in() - before_in;
            let produced = usize::try_from(self.inflate.total_out() - before_out).unwrap_or(0);
            consumed += usize::try_from(used).unwrap_or(0);
            self.at += used;
            let Ok(status) = status else { return Err(inflate_fault(&self.inflate).into()) };
            let output = std::mem::take(&mut self.output);
            let bytes = output.get(..produced).unwrap_or_default();
            crc = zlib_rs::crc32::crc32(crc, bytes);
            sink(bytes);
            let counted = self.count_unpacked(bytes);
            self.output = output;
            counted?;
            if status == Status::StreamEnd {
                return self.check_end(header, crc);
            }
            if used == 0 && produced == 0 {
                return Err(JavaError::zip("Invalid ZLIB data format").into());
            }
        }
    }

    /// Compares what came out with the header, or with the data descriptor (APPNOTE 4.3.9).
    fn check_end(&mut self, mut header: LocalHeader, crc: u32) -> Result<(), Stop> {
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        if header.described {
            let large = read.max(written) > u64::from(u32::MAX);
            self.read_descriptor(&mut header, large)?;
        }
        if header.size != written {
            let text = format!("invalid entry size (expected {} but got {written} bytes)", header.size);
            return Err(JavaError::zip(text).into());
        }
        if header.compressed_size != read {
            let expected = header.compressed_size;
            let text = format!("invalid entry compressed size (expected {expected} but got {read} bytes)");
            return Err(JavaError::zip(text).into());
        }
        expect_crc(header.crc32, crc)
    }

    fn read_descriptor(&mut self, header: &mut LocalHeader, large: bool) -> Result<(), Stop> {
        let wide = large || self.rules.announced_wide_descriptors && header.marked_wide;
        // As many bytes as with the signature; those that are too many without it go back.
        let bytes = self.read(if wide { 24 } else { 16 })?;
        let start = if bytes.starts_with(b"PK\x07\x08") {
            4
        } else {
            self.at -= 4;
            0
        };
        let narrow = |at| u32_at(&bytes, at).unwrap_or(0);
        header.crc32 = narrow(start);
        if wide {
            header.compressed_size = u64_at(&bytes, start + 4).unwrap_or(0);
            header.size = u64_at(&bytes, start + 12).unwrap_or(0);
        } else {
            header.compressed_size = narrow(start + 4).into();
            header.size = narrow(start + 8).into();
        }
        Ok(())
    }
}

fn expect_crc(expected: u32, found: u32) -> Result<(), Stop> {
    if expected == found {
        return Ok(());
    }
    Err(JavaError::zip(format!("invalid entry CRC (expected 0x{expected:x} but got 0x{found:x})")).into())
}

const DEFLATED: u16 = 8;
const BUFFER: usize = 64 * 1024;
