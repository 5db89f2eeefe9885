//! A ZIP writer that can do what ordinary ones refuse: duplicates, holes, ZIP64 fields where they are not needed.

use std::io::{Cursor, Read as _};

/// An archive of stored entries, written in pieces that may lie anywhere in the file.
#[derive(Default)]
pub(crate) struct RawZip {
    zip64: bool,
    /// Where the next entry starts, ahead of the bytes written so far by the holes in between.
    pub(crate) position: u64,
    pieces: Vec<(u64, Vec<u8>)>,
    directory: Vec<u8>,
    count: u64,
}

impl RawZip {
    /// One whose sizes and offsets all stand in ZIP64 extra fields.
    pub(crate) fn zip64() -> Self {
        Self { zip64: true, ..Self::default() }
    }

    /// Adds a stored entry.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) {
        let size = u64::try_from(content.len()).unwrap();
        let crc = zlib_crc(content);
        let start = self.position;
        let local = self.header(name, crc, size, None);
        self.write(&[b"PK\x03\x04", local.as_slice(), content].concat());
        let central = self.header(name, crc, size, Some(start));
        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(central);
        self.count += 1;
    }

    /// Bytes that belong to no entry.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap();
        match self.pieces.last_mut() {
            Some((start, piece)) if *start + u64::try_from(piece.len()).unwrap() == self.position => {
                piece.extend(bytes);
            }
            _ => self.pieces.push((self.position, bytes.to_vec())),
        }
        self.position += length;
    }

    /// A header of the central directory made by the caller.
    pub(crate) fn add_directory(&mut self, header: &[u8]) {
        self.directory.extend(header);
        self.count += 1;
    }

    /// A header behind its signature: of the central directory if there is an offset (APPNOTE 4.3.7, 4.3.12).
    fn header(&self, name: &str, crc: u32, size: u64, offset: Option<u64>) -> Vec<u8> {
        let wide = self.zip64 || offset.is_some_and(|offset| offset > u64::from(u32::MAX));
        let mut extra = Vec::new();
        if wide {
            let values: Vec<u64> = [size, size].into_iter().chain(offset).collect();
            extra.extend(1u16.to_le_bytes());
            extra.extend(u16::try_from(values.len() * 8).unwrap().to_le_bytes());
            values.iter().for_each(|value| extra.extend(value.to_le_bytes()));
        }
        let narrow = |value: u64| if wide { u32::MAX } else { u32::try_from(value).unwrap() }.to_le_bytes();
        let mut header = Vec::new();
        if offset.is_some() {
            header.extend([45, 0]);
        }
        // Version needed, flags, method, time, date.
        header.extend([45, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58]);
        header.extend(crc.to_le_bytes());
        header.extend(narrow(size));
        header.extend(narrow(size));
        header.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        header.extend(u16::try_from(extra.len()).unwrap().to_le_bytes());
        if let Some(offset) = offset {
            // Comment, disk, attributes.
            header.extend([0; 10]);
            header.extend(narrow(offset));
        }
        header.extend(name.as_bytes());
        header.extend(extra);
        header
    }

    /// Directory and end record; ZIP64 records where the values or the caller ask for them.
    pub(crate) fn pieces(mut self) -> Vec<(u64, Vec<u8>)> {
        let directory = std::mem::take(&mut self.directory);
        let (start, length) = (self.position, u64::try_from(directory.len()).unwrap());
        self.write(&directory);
        let wide = self.zip64 || self.count > 0xffff || start > u64::from(u32::MAX);
        if wide {
            let end = self.position;
            let mut record = b"PK\x06\x06".to_vec();
            record.extend(44u64.to_le_bytes());
            record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for value in [self.count, self.count, length, start] {
                record.extend(value.to_le_bytes());
            }
            record.extend(b"PK\x06\x07\0\0\0\0");
            record.extend(end.to_le_bytes());
            record.extend(1u32.to_le_bytes());
            self.write(&record);
        }
        let count = if wide { u16::MAX } else { u16::try_from(self.count).unwrap() }.to_le_bytes();
        let narrow = |value: u64| if wide { u32::MAX } else { u32::try_from(value).unwrap() }.to_le_bytes();
        let end =
            [b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &narrow(length), &narrow(start), &[0, 0]];
        self.write(&end.concat());
        self.pieces
    }

    /// The archive in memory; it has no holes.
    pub(crate) fn finish(self) -> Vec<u8> {
        let pieces = self.pieces();
        assert_eq!(pieces.len(), 1, "an archive with holes does not belong into memory");
        pieces.into_iter().next().unwrap().1
    }
}

/// Names and contents of an archive, by a reader that shares no code with ours.
pub(crate) fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut parts = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        parts.push((file.name().unwrap().into_owned(), content));
    }
    parts
}

/// CRC-32 as in APPNOTE 4.4.7, by table-free division.
fn zlib_crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
