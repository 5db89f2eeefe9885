//! Reading manifest, signature files and blocks. The two large ones, the manifest and the first signature file, are read
//! and parsed side by side: in an archive of many entries that is most of the signature stage.

use std::io;

use super::SignatureFile;
use crate::archive::Archive;
use crate::java_error::JavaError;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::signature_names::is_block;
use crate::source::Source;

/// A file of a signature.
pub(super) enum File {
    /// Has nothing in it, and counts for nothing.
    Empty,
    SignatureFile(SignatureFile),
    Block(Vec<u8>),
}

/// What reading a file gave; the inner error is the JDK's.
type Read<T> = io::Result<Result<T, JavaError>>;

/// A file that has been read before its turn.
pub(super) struct ReadAhead {
    /// Its position in the directory.
    pub(super) index: usize,
    pub(super) read: Read<File>,
}

/// Reads the manifest, and on another thread `first`, if that is given. Nothing is concluded from the latter yet: in its
/// turn it counts as if it were read then.
pub(super) fn read_first(
    source: &Source,
    archive: &Archive,
    manifest: usize,
    first: Option<usize>,
    limits: &Limits,
) -> (Read<Manifest>, Option<ReadAhead>) {
    let read_manifest = || Ok(read_whole(source, archive, manifest, limits)?.and_then(Manifest::parse));
    let Some(index) = first else { return (read_manifest(), None) };
    std::thread::scope(|scope| {
        let ahead = scope.spawn(|| read_file(source, archive, index, limits));
        let manifest = read_manifest();
        let read = ahead.join().unwrap_or_else(|_| Err(io::Error::other("a signature file was not read")));
        (manifest, Some(ReadAhead { index, read }))
    })
}

/// Reads a signature file or block.
pub(super) fn read_file(source: &Source, archive: &Archive, index: usize, limits: &Limits) -> Read<File> {
    let name = archive.entries.get(index).map(|entry| entry.name.to_uppercase()).unwrap_or_default();
    Ok(read_whole(source, archive, index, limits)?.map(|bytes| {
        if bytes.is_empty() {
            File::Empty
        } else if is_block(&name) {
            File::Block(bytes)
        } else {
            File::SignatureFile(Manifest::parse(bytes))
        }
    }))
}

fn read_whole(source: &Source, archive: &Archive, index: usize, limits: &Limits) -> Read<Vec<u8>> {
    let bytes = archive.read_small(source, index, limits)?;
    let size = archive.entries.get(index).map_or(0, |entry| entry.size);
    Ok(bytes.and_then(|bytes| {
        let complete = u64::try_from(bytes.len()).is_ok_and(|length| length == size);
        let short = || JavaError::end_of_file(format!("Expected:{size}, read:{}", bytes.len()));
        if complete { Ok(bytes) } else { Err(short()) }
    }))
}

/// From this size on a thread of its own is worth it.
pub(super) const LARGE_FILE: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn what_is_read_ahead_is_what_is_read_in_turn() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let files = [
            ("M", "A: 1\n\nName: a\n\n"),
            ("S.SF", "Signature-Version: 1.0\n\n"),
            ("S.RSA", "x"),
            ("E.SF", ""),
        ];
        for (name, text) in files {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        let source = Source::from_bytes(writer.finish().unwrap().into_inner());
        let limits = Limits::default();
        let archive = Archive::open(&source, &limits).unwrap().unwrap();
        let text = |read: Read<File>| match read.unwrap().unwrap() {
            File::Empty => "empty".to_owned(),
            File::SignatureFile(file) => format!("file {:?}", file.unwrap().bytes()),
            File::Block(bytes) => format!("block {bytes:?}"),
        };
        for index in 1..files.len() {
            let (manifest, ahead) = read_first(&source, &archive, 0, Some(index), &limits);
            assert!(manifest.unwrap().unwrap().lists("a"));
            let ahead = ahead.unwrap();
            assert_eq!(ahead.index, index);
            assert_eq!(text(ahead.read), text(read_file(&source, &archive, index, &limits)));
        }
        assert!(read_first(&source, &archive, 0, None, &limits).1.is_none());
        let small = Limits { signature_file: 5, ..limits };
        let (manifest, ahead) = read_first(&source, &archive, 0, Some(1), &small);
        assert!(manifest.unwrap().is_err() && ahead.unwrap().read.unwrap().is_err(), "there is a limit");
    }
}
