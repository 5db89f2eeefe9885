//! The `zip` crate unpacks every entry: its digest must be that of our own reading.
//!
//! Entries that our own reader could not read, or that are not as declared, have findings already and are passed over.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::archive::{Archive, ReadingOrder};
use crate::finding::Finding;

use super::archive::{Cursor, disagree};

/// Compares contents, the largest entries first and on several threads; names the first in archive order that differs.
///
/// `ours` are the indices of our entries in the order of the second reader.
pub(super) fn compare(
    other: &ZipArchive<Cursor<'_>>,
    archive: &Archive,
    ours: &[usize],
    sha256: &[Option<[u8; 32]>],
    workers: usize,
) -> io::Result<Option<Finding>> {
    let mine = |index: usize| ours.get(index).copied().unwrap_or(usize::MAX);
    let expected = |index: usize| sha256.get(mine(index)).copied().flatten();
    let size = |index: usize| archive.entries.get(mine(index)).map_or(0, |entry| entry.size);
    let known = (0..ours.len()).filter(|index| expected(*index).is_some());
    let order = ReadingOrder::new(archive, known, mine);
    let different: Mutex<Option<(usize, String)>> = Mutex::new(None);
    let failure: Mutex<Option<io::Error>> = Mutex::new(None);
    let work = || {
        let mut other = other.clone();
        let mut buffer = vec![0; BUFFER];
        for index in std::iter::from_fn(|| order.take()).flatten() {
            let what = match digest(&mut other, *index, size(*index), &mut buffer) {
                Ok(found) if Some(found) == expected(*index) => continue,
                Ok(_) => "content".to_owned(),
                // The directory was read without failure, so the source is there: only damage is left, or a real fault.
                Err(error) if is_fault(&error) => {
                    order.stop();
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
                Err(error) => format!("content, which the second reader cannot read ({error}),"),
            };
            let mut different = different.lock().unwrap_or_else(PoisonError::into_inner);
            if different.as_ref().is_none_or(|(known, _)| index < known) {
                *different = Some((*index, what));
            }
        }
    };
    match workers.min(order.len()) {
        0 | 1 => work(),
        workers => std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        }),
    }
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    match different.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((index, what)) => {
            let entry = ours.get(index).and_then(|mine| archive.entries.get(*mine));
            disagree(format!("{what} of {:?}", entry.map(|entry| entry.name.as_str()).unwrap_or_default()))
        }
        None => Ok(None),
    }
}

/// SHA-256 of what the second reader unpacks, but not of more than one byte beyond the declared size.
fn digest(
    other: &mut ZipArchive<Cursor<'_>>,
    index: usize,
    size: u64,
    buffer: &mut [u8],
) -> io::Result<[u8; 32]> {
    let file = other.by_index(index).map_err(|error| match error {
        ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    })?;
    let mut bounded = file.take(size.saturating_add(1));
    let mut hasher = Sha256::new();
    loop {
        match bounded.read(buffer)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Whether the source failed, not the archive.
fn is_fault(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Cursor as Memory, Write as _};

    use zip::write::SimpleFileOptions;

    use super::super::archive;
    use super::*;
    use crate::limits::Limits;
    use crate::source::Source;

    /// An archive of entries `0`, `1`, … with these contents, and the digests of our own reading.
    fn zipped(contents: &[&[u8]]) -> (Source, Vec<Option<[u8; 32]>>) {
        let mut writer = zip::ZipWriter::new(Memory::new(Vec::new()));
        for (number, content) in contents.iter().enumerate() {
            writer.start_file(number.to_string(), SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        let digests = contents.iter().map(|content| Some(Sha256::digest(content).into())).collect();
        (Source::from_bytes(writer.finish().unwrap().into_inner()), digests)
    }

    fn compared(source: &Source, sha256: &[Option<[u8; 32]>], workers: usize) -> Option<String> {
        let archive = Archive::open(source, &Limits::default()).unwrap().unwrap();
        let finding = archive::compare(source, &archive, sha256, workers).unwrap()?;
        assert!(finding.is_hazard());
        Some(finding.to_string())
    }

    #[test]
    fn the_first_content_that_differs_is_named() {
        let (source, digests) = zipped(&[b"one", b"two and more", b"", b"four"]);
        for workers in [1, 2] {
            assert_eq!(compared(&source, &digests, workers), None);
            let mut other = digests.clone();
            other[1] = Some([0; 32]);
            other[3] = Some([0; 32]);
            let text = compared(&source, &other, workers).unwrap();
            assert!(text.ends_with("content of \"1\""), "{text}");
            other[1] = None;
            let text = compared(&source, &other, workers).unwrap();
            assert!(text.ends_with("content of \"3\""), "{text}");
        }
    }

    #[test]
    fn content_that_only_our_reader_can_read_differs() {
        let (source, digests) = zipped(&[b"some text some text some text"]);
        let mut bytes = source.read_vec_at(0, usize::try_from(source.length()).unwrap()).unwrap();
        // The first byte of the deflate stream, behind a local header of 30 bytes and a name of one.
        bytes[31] ^= 6;
        let text = compared(&Source::from_bytes(bytes), &digests, 1).unwrap();
        assert!(text.contains("content, which the second reader cannot read"), "{text}");
    }

    #[test]
    fn without_digests_only_directories_are_compared() {
        let (source, _) = zipped(&[b"one"]);
        assert_eq!(compared(&source, &[], 1), None);
    }
}
