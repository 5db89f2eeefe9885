//! A ZIP archive whose every field can lie (APPNOTE 4.3), read from a true package and written back.
//!
//! For packages made by `midmirror-fixtures`: one disk, no ZIP64, no encryption. Unchanged, it is written back byte by
//! byte; a field that is changed is changed in one place only.
#![expect(clippy::as_conversions, reason = "numbers of small test archives fit the fields of their headers")]

use std::io::{Read as _, Write as _};

/// An archive as its parts.
#[derive(Clone, Default)]
pub(crate) struct Zip {
    pub(crate) prefix: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) before_directory: Vec<u8>,
    /// Between the central directory and the end record.
    pub(crate) before_end: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
    /// Changes the end record once it is complete.
    pub(crate) spoil_end: Option<fn(&mut [u8])>,
}

/// An entry: what the local header says, what the central directory says, and the bytes.
#[derive(Clone, Default)]
pub(crate) struct Entry {
    pub(crate) local: Header,
    pub(crate) central: Header,
    pub(crate) data: Vec<u8>,
    pub(crate) descriptor: Vec<u8>,
    /// Bytes in front of the local header.
    pub(crate) gap: Vec<u8>,
    /// No header in the central directory.
    pub(crate) hidden: bool,
    /// No local header of its own: the offset is that of the entry with this index.
    pub(crate) shares: Option<usize>,
    pub(crate) offset_error: i64,
    pub(crate) made_by: u16,
    pub(crate) external: u32,
    pub(crate) comment: Vec<u8>,
}

/// The fields that both headers have.
#[derive(Clone, Default)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) version: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) time: u32,
    pub(crate) crc: u32,
    pub(crate) compressed: u32,
    pub(crate) size: u32,
    pub(crate) extra: Vec<u8>,
    /// Lengths of name and extra field that are written instead of the true ones.
    pub(crate) claims: (Option<u16>, Option<u16>),
}

impl Zip {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
        let directory = u32_at(bytes, end + 16) as usize;
        let mut entries = Vec::new();
        let mut at = directory;
        while at < end {
            let header = &bytes[at..];
            let (name, extra) = (u16_at(header, 28) as usize, u16_at(header, 30) as usize);
            let comment = u16_at(header, 32) as usize;
            let central = Header {
                name: header[46..46 + name].to_vec(),
                extra: header[46 + name..46 + name + extra].to_vec(),
                ..Header::fixed(&header[6..])
            };
            let start = u32_at(header, 42) as usize;
            let head = &bytes[start..];
            let (name_length, extra_length) = (u16_at(head, 26) as usize, u16_at(head, 28) as usize);
            let local = Header {
                name: head[30..30 + name_length].to_vec(),
                extra: head[30 + name_length..30 + name_length + extra_length].to_vec(),
                ..Header::fixed(&head[4..])
            };
            let data = start + 30 + name_length + extra_length;
            let after = data + central.compressed as usize;
            let next =
                bytes[after..directory + 4].windows(4).position(|w| w == b"PK\x03\x04" || w == b"PK\x01\x02");
            entries.push((
                start,
                Entry {
                    data: bytes[data..after].to_vec(),
                    descriptor: bytes[after..after + next.unwrap()].to_vec(),
                    made_by: u16_at(header, 4),
                    external: u32_at(header, 38),
                    comment: header[46 + name + extra..46 + name + extra + comment].to_vec(),
                    local,
                    central,
                    ..Entry::default()
                },
            ));
            at += 46 + name + extra + comment;
        }
        assert!(entries.is_sorted_by_key(|(start, _)| *start));
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        Self { entries, comment: bytes[end + 22..].to_vec(), ..Self::default() }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = self.prefix.clone();
        let mut directory = Vec::new();
        let (mut count, mut starts) = (0_u16, Vec::new());
        for entry in &self.entries {
            bytes.extend(&entry.gap);
            let start = entry.shares.map_or(bytes.len() - self.prefix.len(), |index| starts[index]);
            starts.push(start);
            if entry.shares.is_none() {
                bytes.extend(b"PK\x03\x04");
                entry.local.write(&mut bytes);
                bytes.extend(&entry.local.name);
                bytes.extend(&entry.local.extra);
                bytes.extend(&entry.data);
                bytes.extend(&entry.descriptor);
            }
            if entry.hidden {
                continue;
            }
            count = count.wrapping_add(1);
            directory.extend(b"PK\x01\x02");
            directory.extend(entry.made_by.to_le_bytes());
            entry.central.write(&mut directory);
            directory.extend((entry.comment.len() as u16).to_le_bytes());
            directory.extend([0; 4]);
            directory.extend(entry.external.to_le_bytes());
            directory.extend(((start as i64 + entry.offset_error) as u32).to_le_bytes());
            directory.extend(&entry.central.name);
            directory.extend(&entry.central.extra);
            directory.extend(&entry.comment);
        }
        bytes.extend(&self.before_directory);
        let position = bytes.len() - self.prefix.len();
        bytes.extend(&directory);
        bytes.extend(&self.before_end);
        let end = end_record(count, directory.len() as u32, position as u32, self.comment.len() as u16);
        let at = bytes.len();
        bytes.extend(end);
        if let Some(spoil) = self.spoil_end {
            spoil(&mut bytes[at..]);
        }
        bytes.extend(&self.comment);
        bytes.extend(&self.suffix);
        bytes
    }

    /// The position of the entry with a name.
    pub(crate) fn at(&self, name: &str) -> usize {
        self.entries.iter().position(|entry| entry.central.name == name.as_bytes()).unwrap()
    }

    pub(crate) fn entry(&mut self, name: &str) -> &mut Entry {
        let at = self.at(name);
        &mut self.entries[at]
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.entries.remove(self.at(name));
    }

    pub(crate) fn push(&mut self, name: &str, content: &[u8]) {
        self.entries.push(Entry::stored(name, content));
    }

    pub(crate) fn push_first(&mut self, name: &str, content: &[u8]) {
        self.entries.insert(0, Entry::stored(name, content));
    }
}

impl Entry {
    /// A stored file.
    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        Self::new(name, content, content.to_vec(), 0)
    }

    /// A compressed file.
    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        Self::new(name, content, deflate(content), 8)
    }

    fn new(name: &str, content: &[u8], data: Vec<u8>, method: u16) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let header = Header {
            name: name.as_bytes().to_vec(),
            version: 20,
            flags: 0x800,
            method,
            time: 0x5cd3_0000, // 2026-06-19
            crc: crc.sum(),
            compressed: data.len() as u32,
            size: content.len() as u32,
            ..Header::default()
        };
        let (local, central) = (header.clone(), header);
        Self { local, central, data, made_by: 0x0314, external: 0o100_644 << 16, ..Self::default() }
    }

    /// Sets a field in both headers.
    pub(crate) fn both(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        change(&mut self.central);
    }

    pub(crate) fn rename(&mut self, name: &str) {
        self.both(|header| header.name = name.as_bytes().to_vec());
    }

    pub(crate) fn set_mode(&mut self, mode: u32) {
        self.external = mode << 16;
        self.made_by = 0x0314;
    }

    /// The content, unpacked.
    pub(crate) fn content(&self) -> Vec<u8> {
        if self.central.method == 0 {
            return self.data.clone();
        }
        let mut content = Vec::new();
        flate2::read::DeflateDecoder::new(&self.data[..]).read_to_end(&mut content).unwrap();
        content
    }

    /// Other content with true checksum and sizes under the same name, in the same place.
    pub(crate) fn replace(&mut self, content: &[u8]) {
        let new = Self::deflated(&String::from_utf8(self.central.name.clone()).unwrap(), content);
        *self = Self { made_by: self.made_by, external: self.external, ..new };
    }
}

impl Header {
    /// The fields from "version needed" on.
    fn fixed(bytes: &[u8]) -> Self {
        Self {
            version: u16_at(bytes, 0),
            flags: u16_at(bytes, 2),
            method: u16_at(bytes, 4),
            time: u32_at(bytes, 6),
            crc: u32_at(bytes, 10),
            compressed: u32_at(bytes, 14),
            size: u32_at(bytes, 18),
            ..Self::default()
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for half in [self.version, self.flags, self.method] {
            bytes.extend(half.to_le_bytes());
        }
        for word in [self.time, self.crc, self.compressed, self.size] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(self.claims.0.unwrap_or(self.name.len() as u16).to_le_bytes());
        bytes.extend(self.claims.1.unwrap_or(self.extra.len() as u16).to_le_bytes());
    }
}

/// An end record (APPNOTE 4.3.16).
pub(crate) fn end_record(count: u16, length: u32, position: u32, comment: u16) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(count.to_le_bytes());
    end.extend(count.to_le_bytes());
    end.extend(length.to_le_bytes());
    end.extend(position.to_le_bytes());
    end.extend(comment.to_le_bytes());
    end
}

/// A ZIP64 end record with its locator (APPNOTE 4.3.14, 4.3.15).
pub(crate) fn zip64_end(position: u64, count: u64, length: u64, offset: u64) -> Vec<u8> {
    let mut end = b"PK\x06\x06".to_vec();
    end.extend(44_u64.to_le_bytes());
    end.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [count, count, length, offset] {
        end.extend(value.to_le_bytes());
    }
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend(position.to_le_bytes());
    end.extend([1, 0, 0, 0]);
    end
}

pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn unchanged_package_is_written_back_byte_by_byte() {
    for package in midmirror_fixtures::embedded::packages().iter().filter(|package| package.is_jar_signed()) {
        assert!(Zip::read(package.bytes).write() == package.bytes, "{}", package.path);
    }
}
