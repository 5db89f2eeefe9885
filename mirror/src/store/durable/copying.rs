//! Copying a large file, while what has been copied is hashed and on its way to the disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::mpsc;

use sha2::{Digest as _, Sha256};

use crate::Sha256Digest;

/// Copies everything from a file into an empty one, and returns the digest of what stands there now.
///
/// `copy` is the same file as `to`, opened once more to be read. Nothing is synced.
pub(super) fn copy_and_hash(source: &mut File, to: &mut File, copy: File) -> io::Result<Sha256Digest> {
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let hashing = scope.spawn(move || hash(copy, &told));
        // The system copies, which is quicker than reading and writing.
        let copied = loop {
            match io::copy(&mut source.take(PIECE), to) {
                Ok(0) => break Ok(()),
                Ok(length) => drop(tell.send(length)),
                Err(error) => break Err(error),
            }
        };
        drop(tell);
        let digest = hashing.join().unwrap_or_else(|_| Err(io::Error::other("hashing panicked")));
        copied.and(digest)
    })
}

/// Hashes pieces of the given lengths.
fn hash(mut copy: File, lengths: &mpsc::Receiver<u64>) -> io::Result<Sha256Digest> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER_LENGTH];
    let mut begin = 0_u64;
    for length in lengths {
        let mut piece = (&mut copy).take(length);
        loop {
            let length = piece.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            digest.update(bytes);
        }
        if piece.limit() != 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        begin_writing(&copy, begin, length);
        begin = begin.saturating_add(length);
    }
    Ok(Sha256Digest::from_bytes(digest.finalize().into()))
}

/// Has the system write a piece to the disk, and does not wait: the sync at the end has less to do.
#[cfg(target_os = "linux")]
fn begin_writing(file: &File, begin: u64, length: u64) {
    // That it will not be read again soon makes Linux begin. Only advice, so nothing is lost if it is not heard.
    let length = std::num::NonZeroU64::new(length);
    let _advice = rustix::fs::fadvise(file, begin, length, rustix::fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn begin_writing(_: &File, _: u64, _: u64) {}

/// Enough for the disk to be busy, and soon enough for the other core to begin.
const PIECE: u64 = 16 * 1024 * 1024;
const BUFFER_LENGTH: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_of_several_pieces_is_exact_and_so_is_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let piece = usize::try_from(PIECE).unwrap();
        let numbers = (0_u32..).flat_map(u32::to_le_bytes);
        for length in [0, 1, piece, 2 * piece + 5] {
            let bytes: Vec<u8> = numbers.clone().take(length).collect();
            std::fs::write(&from, &bytes).unwrap();
            let mut target = File::create(&to).unwrap();
            let copy = File::open(&to).unwrap();
            let digest = copy_and_hash(&mut File::open(&from).unwrap(), &mut target, copy).unwrap();
            assert_eq!(digest, Sha256Digest::of(&bytes));
            assert!(std::fs::read(&to).unwrap() == bytes, "{length}");
        }
    }

    #[test]
    fn copy_that_lacks_something_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (from, other) = (folder.path().join("from"), folder.path().join("other"));
        std::fs::write(&from, b"bytes").unwrap();
        std::fs::write(&other, b"byte").unwrap();
        let mut target = File::create(folder.path().join("to")).unwrap();
        let copied = copy_and_hash(&mut File::open(&from).unwrap(), &mut target, File::open(&other).unwrap());
        assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
