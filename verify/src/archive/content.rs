//! Reading the content of entries: bounded, streaming, several digests in one pass.

use std::io;

use zlib_rs::{Inflate, InflateFlush, Status};

use crate::digest_algorithm::Hasher;
use crate::java_error::JavaError;
use crate::source::Source;

use super::{Archive, Window};

/// What came out of one entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    /// Bytes that came out, up to one more than declared.
    pub(crate) length: u64,
    /// Whether the CRC-32 of all bytes is the declared one.
    pub(crate) crc_matches: bool,
    /// Whether more comes out than the directory declares.
    pub(crate) longer_than_declared: bool,
    /// Stored bytes that the decompressor did not need.
    pub(crate) unused_compressed: u64,
    /// A failure among the bytes that the JDK reads: those up to the declared size.
    pub(crate) error: Option<JavaError>,
    /// A failure after the declared size, which the JDK never notices in a signed archive.
    pub(crate) late_error: Option<JavaError>,
}

/// Buffers for reading entries one after the other.
pub(crate) struct ContentReader {
    /// How many bytes behind the declared size are read: a fault among them is one to a JDK that has nothing to verify.
    beyond: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    inflate: Inflate,
    window: Window,
}

impl Default for ContentReader {
    fn default() -> Self {
        Self {
            beyond: 0,
            input: vec![0; BUFFER],
            output: vec![0; BUFFER],
            inflate: Inflate::new(false, 15),
            window: Window::default(),
        }
    }
}

impl ContentReader {
    /// A reader that also looks at what lies behind the declared size, for an archive of so many entries: within a bound
    /// for all of them together, since sizes that are not declared count for no other limit.
    pub(crate) fn reading_beyond(entries: usize) -> Self {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX).max(1);
        Self { beyond: LARGEST_BEYOND.min(ALL_BEYOND / entries), ..Self::default() }
    }

    /// Reads entry `index` as the JDK does while it walks through the directory: each entry from its own position. Only
    /// the first is looked up by its name, because in between the JDK has looked at the signature files.
    ///
    /// `sink` sees the bytes up to the declared size.
    pub(crate) fn read(
        &mut self,
        source: &Source,
        archive: &Archive,
        index: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Content> {
        let Some(entry) = archive.entries.get(index) else { return Ok(Content::default()) };
        let found = match index {
            0 => archive.index_of(&entry.name).unwrap_or(index),
            _ => index,
        };
        self.read_up_to(source, archive, (index, found), entry.size, sink)
    }

    /// Reads the data of entry `found` as those of entry `index`, and as many as `declared`.
    pub(crate) fn read_up_to(
        &mut self,
        source: &Source,
        archive: &Archive,
        (index, found): (usize, usize),
        declared: u64,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Content> {
        let Some(entry) = archive.entries.get(index) else { return Ok(Content::default()) };
        let (Some(stored), Some(data)) = (archive.entries.get(found), archive.data.get(found)) else {
            return Ok(Content::default());
        };
        let position = match data {
            Ok(position) => *position,
            Err(fault) => return Ok(Content { error: Some((*fault).into()), ..Content::default() }),
        };
        let mut run = Run {
            source,
            window: &mut self.window,
            position,
            start: position,
            remaining: stored.compressed_size,
            stored: stored.compressed_size,
            declared,
            beyond: self.beyond,
            crc: 0,
            content: Content::default(),
            sink,
        };
        match stored.method {
            0 => run.copy(&mut self.input)?,
            _ => {
                self.inflate.reset(false);
                run.inflate(&mut self.inflate, &mut self.input, &mut self.output)?;
            }
        }
        let mut content = run.content;
        content.crc_matches = run.crc == entry.crc32;
        content.longer_than_declared = content.length > declared;
        Ok(content)
    }

    /// Reads entry `index` and computes digests of it.
    pub(crate) fn digest(
        &mut self,
        source: &Source,
        archive: &Archive,
        index: usize,
        hashers: &mut [Hasher],
    ) -> io::Result<Content> {
        self.read(source, archive, index, &mut |bytes| {
            for hasher in hashers.iter_mut() {
                hasher.update(bytes);
            }
        })
    }

    /// Reads entry `index` into memory; the caller has checked its declared size.
    pub(crate) fn read_whole(
        &mut self,
        source: &Source,
        archive: &Archive,
        index: usize,
    ) -> io::Result<Result<Vec<u8>, JavaError>> {
        // Growing by and by would leave holes as large as the manifest itself.
        let declared = archive.entries.get(index).map_or(0, |entry| entry.size);
        let mut bytes = Vec::with_capacity(usize::try_from(declared).unwrap_or(0).min(LARGEST_RESERVE));
        let content = self.read(source, archive, index, &mut |chunk| bytes.extend_from_slice(chunk))?;
        Ok(match content.error {
            Some(error) => Err(error),
            None => Ok(bytes),
        })
    }
}

/// One entry while it is read.
struct Run<'a> {
    source: &'a Source,
    window: &'a mut Window,
    position: u64,
    start: u64,
    remaining: u64,
    /// What `remaining` was at the start.
    stored: u64,
    declared: u64,
    beyond: u64,
    crc: u32,
    content: Content,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl Run<'_> {
    /// Reads the next stored bytes into `buffer`; nothing if the archive has ended.
    fn fill<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let available = self.source.length().saturating_sub(self.position).min(self.remaining);
        let wanted = usize::try_from(available).unwrap_or(usize::MAX).min(buffer.len());
        let Some(target) = buffer.get_mut(..wanted) else { return Ok(&[]) };
        if target.is_empty() {
            self.remaining = 0;
            return Ok(target);
        }
        self.window.read_exact_at(self.source, target, self.position)?;
        let count = u64::try_from(wanted).unwrap_or(0);
        self.position += count;
        self.remaining -= count;
        Ok(target)
    }

    /// Takes unpacked bytes: those up to the declared size go to the sink.
    fn take(&mut self, bytes: &[u8]) {
        self.crc = zlib_rs::crc32::crc32(self.crc, bytes);
        let room = usize::try_from(self.declared.saturating_sub(self.content.length)).unwrap_or(usize::MAX);
        let within = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        if !within.is_empty() {
            (self.sink)(within);
        }
        self.content.length += u64::try_from(bytes.len()).unwrap_or(0);
    }

    fn fail(&mut self, error: JavaError) {
        if self.content.length < self.declared {
            self.content.error = Some(error);
        } else {
            self.content.late_error = Some(error);
        }
    }

    fn copy(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        while self.remaining > 0 && self.content.length <= self.declared {
            // Where the archive ends the JDK sees the end of the entry, not a failure.
            // One byte behind the declared size is enough to see that there are more.
            let room = self.declared.saturating_sub(self.content.length).saturating_add(1);
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
            let bytes = self.fill(buffer.get_mut(..room).unwrap_or_default())?;
            self.take(bytes);
        }
        Ok(())
    }

    /// Decompresses all once more, for nothing but the fault: in small steps the decompressor takes no fast path, and
    /// remembers what it met.
    fn fault_in_small_steps(&mut self, inflate: &mut Inflate, input: &mut [u8]) -> io::Result<JavaError> {
        (self.position, self.remaining) = (self.start, self.stored);
        inflate.reset(false);
        let mut output = [0; SMALL_STEP];
        loop {
            let mut pending: &[u8] = self.fill(input)?;
            let is_last = pending.is_empty();
            if is_last {
                pending = &[0];
            }
            loop {
                let before = (inflate.total_in(), inflate.total_out());
                if inflate.decompress(pending, &mut output, InflateFlush::NoFlush).is_err() || is_last {
                    return Ok(inflate_fault(inflate));
                }
                let used = usize::try_from(inflate.total_in() - before.0).unwrap_or(0);
                let produced = usize::try_from(inflate.total_out() - before.1).unwrap_or(0);
                pending = pending.get(used..).unwrap_or_default();
                if produced < SMALL_STEP && (used == 0 || pending.is_empty()) {
                    break;
                }
            }
        }
    }

    fn inflate(&mut self, inflate: &mut Inflate, input: &mut [u8], output: &mut [u8]) -> io::Result<()> {
        let mut consumed = 0;
        let mut filled = 0;
        let mut padded = false;
        loop {
            if consumed == filled {
                if self.remaining > 0 {
                    // At the end of the archive nothing comes and nothing remains; the next turn pads.
                    (consumed, filled) = (0, self.fill(input)?.len());
                } else if !padded {
                    // The JDK gives the decompressor one zero byte past the end before it gives up.
                    padded = true;
                    if let Some(first) = input.first_mut() {
                        *first = 0;
                    }
                    (consumed, filled) = (0, 1);
                } else {
                    self.fail(JavaError::end_of_file("Unexpected end of ZLIB input stream"));
                    return Ok(());
                }
            }
            // Up to the declared size first, so that a failure behind it is told apart; then one byte more.
            let room = match self.declared.saturating_sub(self.content.length) {
                0 if self.beyond == 0 => 1,
                0 => output.len(),
                room => usize::try_from(room).unwrap_or(usize::MAX).min(output.len()),
            };
            let Some(target) = output.get_mut(..room) else { return Ok(()) };
            let Some(pending) = input.get(consumed..filled) else { return Ok(()) };
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(pending, target, InflateFlush::NoFlush);
            let produced = usize::try_from(inflate.total_out() - before_out).unwrap_or(0);
            let used = usize::try_from(inflate.total_in() - before_in).unwrap_or(0);
            consumed += used;
            match status {
                Ok(status) => {
                    let bytes = target.get(..produced).unwrap_or_default();
                    if !bytes.is_empty() {
                        self.take(bytes);
                    }
                    if status == Status::StreamEnd {
                        let left = u64::try_from(filled - consumed).unwrap_or(0);
                        let pad = u64::from(padded && left > 0);
                        self.content.unused_compressed = self.remaining + left - pad;
                        return Ok(());
                    }
                    if self.content.length > self.declared.saturating_add(self.beyond) {
                        return Ok(());
                    }
                    if produced == 0 && used == 0 && consumed < filled {
                        // No progress although there is input and room: not a deflate stream.
                        self.fail(JavaError::zip("Invalid ZLIB data format"));
                        return Ok(());
                    }
                }
                Err(_) => {
                    let fault = match inflate.error_message() {
                        None | Some(FORGOTTEN) => self.fault_in_small_steps(inflate, input)?,
                        Some(_) => inflate_fault(inflate),
                    };
                    self.fail(fault);
                    return Ok(());
                }
            }
        }
    }
}

/// What is wrong with compressed data.
pub(crate) fn inflate_fault(inflate: &Inflate) -> JavaError {
    JavaError::zip(match inflate.error_message() {
        // The decompressor has forgotten the fault that its fast path met; this is the usual one.
        None | Some(FORGOTTEN) => "invalid distance too far back",
        Some(message) => message,
    })
}

const BUFFER: usize = 64 * 1024;
/// With less room than this for output there is no fast path.
const SMALL_STEP: usize = 128;
/// What the decompressor says of a fault that it has forgotten.
const FORGOTTEN: &str = "repeated call with bad state";
/// How far behind the declared size of one entry, and of all together, is read.
const LARGEST_BEYOND: u64 = 16 << 20;
const ALL_BEYOND: u64 = 64 << 20;
/// What a declared size may reserve at most, before anything is there.
const LARGEST_RESERVE: usize = 16_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn what_is_read_behind_declared_sizes_is_bounded_in_all() {
        for entries in [0, 1, 4, 5, 1000, 1_000_000] {
            let each = ContentReader::reading_beyond(entries).beyond;
            let all = each * u64::try_from(entries).unwrap();
            assert!(each <= 16 << 20 && all <= 64 << 20, "{entries}: {each}");
        }
        assert_eq!(ContentReader::reading_beyond(4).beyond, 16 << 20);
    }

    #[test]
    fn a_stored_entry_is_read_one_byte_behind_its_declared_size_at_most() {
        let header = |extra: &[u8], tail: &[u8]| {
            let fields = [&[10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0], &[100, 0, 0, 0, 10, 0, 0, 0][..]];
            [extra, &fields.concat(), &[1, 0, 0, 0], tail, b"a"].concat()
        };
        let local = [header(b"PK\x03\x04", b""), vec![b'x'; 100]].concat();
        let central = header(b"PK\x01\x02\x0a\0", &[0; 14]);
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length(&central)[..], &length(&local), &[0, 0]];
        let source = Source::from_bytes([local.clone(), central.clone(), end.concat()].concat());
        let archive = Archive::open(&source, &Limits::default()).unwrap().unwrap();
        let mut seen = 0;
        let content =
            ContentReader::default().read(&source, &archive, 0, &mut |bytes| seen += bytes.len()).unwrap();
        assert_eq!((content.length, seen, content.longer_than_declared), (11, 10, true));
    }
}
