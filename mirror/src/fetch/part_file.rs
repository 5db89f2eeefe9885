//! The file that bytes are written to while they are hashed, and the sidecar that makes it possible to continue.
//!
//! ```text
//! NAME          the bytes so far, written in order and nothing else
//! NAME.json     URL, validators and length of the resource they belong to; written before the first byte
//! ```
//!
//! A process that dies loses at most the bytes that it had not handed to the system. The part is hashed again
//! once when it is continued; bytes that a power cut spoilt then show up as a wrong digest, which leads to a
//! clean start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use url::Url;

use super::error::FetchError;
use super::validator::Validators;
use crate::Sha256Digest;
use crate::store::durable::fault::{self, Operation};
use crate::store::durable::{self, DurableError, FileMode};

/// An open file that only grows, and the hash of everything in it.
pub(crate) struct PartFile {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
}

impl PartFile {
    /// Begins with nothing; what stood there before is gone.
    pub(crate) fn create(path: &Path) -> Result<Self, FetchError> {
        fault::step(Operation::Create, path)?;
        let file = open(path, OpenOptions::new().write(true).create(true).truncate(true))?;
        Ok(Self { path: path.to_owned(), file, hasher: Sha256::new(), length: 0 })
    }

    /// Continues with what stands there, which is read and hashed once.
    pub(crate) fn reopen(path: &Path) -> Result<Self, FetchError> {
        let mut file = open(path, OpenOptions::new().read(true).write(true))?;
        let (hasher, length) = hash(&mut file).map_err(|source| FetchError::io("read", path, source))?;
        Ok(Self { path: path.to_owned(), file, hasher, length })
    }

    /// Bytes in the file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Throws away everything.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| FetchError::io("empty", &self.path, source))?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    /// Writes and hashes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        // How the bytes come in pieces is the network's choice: only the first one is a step.
        let written = match self.length {
            0 => fault::step(Operation::Write, &self.path).map_err(DurableError::into_io),
            _ => Ok(()),
        };
        if let Err(source) = written.and_then(|()| self.file.write_all(bytes)) {
            // A part of it may have been written: cut back to what the hash covers.
            let cut = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
            let error = FetchError::io("write", &self.path, source);
            return cut.map_err(|source| FetchError::io("shorten", &self.path, source)).and(Err(error));
        }
        self.hasher.update(bytes);
        self.length += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    /// Takes pieces until the sender has gone. The file comes back even if writing failed.
    pub(crate) fn receive(mut self, mut pieces: mpsc::Receiver<Bytes>) -> (Self, Result<(), FetchError>) {
        while let Some(piece) = pieces.blocking_recv() {
            if let Err(error) = self.append(&piece) {
                return (self, Err(error));
            }
        }
        (self, Ok(()))
    }

    /// Makes the bytes durable and returns their digest and length.
    pub(crate) fn finish(self) -> Result<(Sha256Digest, u64), FetchError> {
        fault::step(Operation::Sync, &self.path)?;
        self.file.sync_all().map_err(|source| FetchError::io("sync", &self.path, source))?;
        Ok((Sha256Digest::from_bytes(self.hasher.finalize().into()), self.length))
    }
}

/// What the bytes of a part belong to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sidecar {
    format: u32,
    pub(crate) url: String,
    pub(crate) validators: Validators,
    pub(crate) length: Option<u64>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Sidecar {
    pub(crate) fn new(url: &Url) -> Self {
        Self {
            format: FORMAT,
            url: url.to_string(),
            validators: Validators::default(),
            length: None,
            headers: Vec::new(),
        }
    }

    /// Reads the sidecar of a part; `None` if there is none that this version understands and that fits the URL.
    pub(crate) fn load(part: &Path, url: &Url) -> Option<Self> {
        let text = fs::read(sidecar_path(part)).ok()?;
        let sidecar: Self = serde_json::from_slice(&text).ok()?;
        (sidecar.format == FORMAT && sidecar.url == url.as_str()).then_some(sidecar)
    }

    pub(crate) fn save(&self, part: &Path) -> Result<(), FetchError> {
        let path = sidecar_path(part);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| FetchError::io("write", &path, io::Error::other(error)))?;
        Ok(durable::replace(&path, &text, FileMode::Shared)?)
    }
}

/// Removes a part and its sidecar; that they are not there is fine.
pub(crate) fn discard(part: &Path) -> Result<(), FetchError> {
    remove(part)?;
    remove(&sidecar_path(part))
}

/// Removes a file; that it is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), FetchError> {
    fault::step(Operation::Remove, path)?;
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FetchError::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

/// Hashes a whole file.
pub(crate) fn digest_of(path: &Path) -> Result<(Sha256Digest, u64), FetchError> {
    let (hasher, length) = File::open(path)
        .and_then(|mut file| hash(&mut file))
        .map_err(|source| FetchError::io("read", path, source))?;
    Ok((Sha256Digest::from_bytes(hasher.finalize().into()), length))
}

/// Bytes that a folder's disk can take.
pub(crate) fn available_space(folder: &Path) -> Result<u64, FetchError> {
    let space = rustix::fs::statvfs(folder)
        .map_err(|error| FetchError::io("ask for free space of", folder, error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Checks that a folder's disk can take so many more bytes and still has the reserve left.
pub(crate) fn check_space(folder: &Path, needed: u64) -> Result<(), FetchError> {
    let available = available_space(folder)?;
    match missing_space(available, needed) {
        Some(needed) => Err(FetchError::NoSpace { path: folder.to_owned(), needed, available }),
        None => Ok(()),
    }
}

/// Bytes that would have to be free for so many more, the reserve included, if fewer are.
pub(crate) fn missing_space(available: u64, needed: u64) -> Option<u64> {
    let needed = needed.saturating_add(RESERVE);
    (available < needed).then_some(needed)
}

/// Runs work that waits for the disk beside the asynchronous tasks.
pub(crate) async fn beside<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(FetchError::io("work on", path, io::Error::other(error))),
    }
}

fn open(path: &Path, options: &OpenOptions) -> Result<File, FetchError> {
    options.open(path).map_err(|source| FetchError::io("open", path, source))
}

fn hash(file: &mut File) -> io::Result<(Sha256, u64)> {
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher, length)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..count).unwrap_or_default());
        length += u64::try_from(count).unwrap_or_default();
    }
}

fn sidecar_path(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

const FORMAT: u32 = 1;

/// Bytes that a download leaves free, so that the log and the catalog can still be written.
const RESERVE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_is_hashed_while_written_and_once_more_when_reopened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("package.part");
        let mut part = PartFile::create(&path).unwrap();
        part.append(b"half ").unwrap();
        drop(part);
        let mut part = PartFile::reopen(&path).unwrap();
        assert_eq!(part.length(), 5);
        part.append(b"whole").unwrap();
        assert_eq!(part.finish().unwrap(), (Sha256Digest::of(b"half whole"), 10));
        assert_eq!(digest_of(&path).unwrap(), (Sha256Digest::of(b"half whole"), 10));
        let mut part = PartFile::reopen(&path).unwrap();
        part.restart().unwrap();
        part.append(b"new").unwrap();
        assert_eq!(part.finish().unwrap(), (Sha256Digest::of(b"new"), 3));
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn sidecar_of_another_url_or_format_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("package.part");
        let url = Url::parse("https://install.example/a").unwrap();
        Sidecar::new(&url).save(&part).unwrap();
        assert!(Sidecar::load(&part, &url).is_some());
        assert!(Sidecar::load(&part, &Url::parse("https://install.example/b").unwrap()).is_none());
        fs::write(sidecar_path(&part), "{\"format\":2}").unwrap();
        assert!(Sidecar::load(&part, &url).is_none());
        discard(&part).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn missing_space_is_noticed_before_the_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        check_space(folder.path(), 0).unwrap();
        assert!(matches!(check_space(folder.path(), u64::MAX), Err(FetchError::NoSpace { .. })));
    }

    #[test]
    fn what_is_needed_includes_the_reserve_so_that_it_is_more_than_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let space = rustix::fs::statvfs(folder.path()).unwrap();
        let all_but_reserve = space.f_bavail * space.f_frsize - RESERVE / 2;
        match check_space(folder.path(), all_but_reserve) {
            Err(FetchError::NoSpace { needed, available, .. }) => assert!(needed > available),
            other => panic!("{other:?}"),
        }
    }
}
