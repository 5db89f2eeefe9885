//! `agent/package/incoming`, held open: all work happens inside the open folder, whatever its path leads to later.
//!
//! The folder belongs to the agent's user, and we may be root. Attacks considered:
//! - `package` or `incoming` replaced by a link after it was looked at: both are opened step by step without following
//!   links, and everything after is relative to the open folder
//! - a link or pipe prepared under a name we write: new files only, links are never followed, nothing is truncated
//! - a file exchanged under our temporary name before it is renamed: the renamed file must be the one we wrote

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::error::{PackageError, StageError};
use crate::Sha256Digest;
use crate::agent::AgentHome;
use crate::package::PackageName;
use crate::store::durable;

/// The open folder.
pub(super) struct Incoming {
    path: PathBuf,
    folder: File,
    status: Stat,
}

/// A file that is in incoming already.
pub(super) struct Existing {
    /// Digest of its bytes; `None` if its length alone shows that it is another file.
    pub(super) sha256: Option<Sha256Digest>,
}

impl Incoming {
    /// Opens the folder, and makes it if `package` is there without it.
    pub(super) fn open(home: &AgentHome) -> Result<Self, StageError> {
        let path = home.incoming();
        let package_path = home.path().join("package");
        let agent = open_folder(rustix::fs::CWD, home.path(), home.path())?;
        let package = open_folder(&agent, Path::new("package"), &package_path)?;
        let folder = match open_folder(&package, Path::new("incoming"), &path) {
            Err(StageError::NotAFolder { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make_like(&package, &path)?
            }
            opened => opened?,
        };
        let status = rustix::fs::fstat(&folder).map_err(|e| stage_io("open", &path, e))?;
        Ok(Self { path, folder, status })
    }

    /// Its path, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a package in it, for messages.
    pub(super) fn shown(&self, name: &PackageName) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// Whether something of that name is in it.
    pub(super) fn has(&self, name: &PackageName) -> bool {
        rustix::fs::statat(&self.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Bytes that are free in it.
    pub(super) fn free_bytes(&self) -> Result<u64, StageError> {
        let space = rustix::fs::fstatvfs(&self.folder)
            .map_err(|e| stage_io("ask for the free space of", &self.path, e))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Whether a folder is on the same file system.
    pub(super) fn is_on_device_of(&self, other: &Path) -> Result<bool, StageError> {
        let status = rustix::fs::stat(other).map_err(|e| stage_io("open", other, e))?;
        Ok(status.st_dev == self.status.st_dev)
    }

    /// Removes unfinished files of earlier runs and returns how many there were.
    pub(super) fn remove_leftovers(&self) -> Result<usize, StageError> {
        let failed = |e| stage_io("clean up", &self.path, e);
        let mut removed = 0;
        for entry in rustix::fs::Dir::read_from(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !is_temporary(name) || entry.file_type() == FileType::Directory {
                continue;
            }
            match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
                Ok(()) => removed += 1,
                Err(Errno::NOENT) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(removed)
    }

    /// Looks at what has the name of a package already. It is hashed only if it has the expected length.
    pub(super) fn existing(&self, name: &PackageName, length: u64) -> Result<Option<Existing>, PackageError> {
        let shown = self.shown(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.folder, name.as_str(), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(PackageError::NotAFile { path: shown }),
            Err(e) => return Err(PackageError::io("open", &shown, e)),
        };
        let metadata = file.metadata().map_err(|e| PackageError::io("open", &shown, e))?;
        if !metadata.is_file() {
            return Err(PackageError::NotAFile { path: shown });
        }
        if metadata.len() != length {
            return Ok(Some(Existing { sha256: None }));
        }
        let (sha256, _) = copy_and_hash(file.take(length), &mut io::sink())
            .map_err(|(_, e)| PackageError::io("read", &shown, e))?;
        Ok(Some(Existing { sha256: Some(sha256) }))
    }

    /// Copies verified bytes in and gives them their name, as the last step.
    pub(super) fn place(
        &self,
        copy: &Path,
        name: &PackageName,
        sha256: Sha256Digest,
    ) -> Result<(), PackageError> {
        let temporary = temporary_name(sha256);
        let result = self.write_and_rename(copy, &temporary, name, sha256);
        if result.is_err() {
            // Best effort: the next run removes it as well.
            let _ = rustix::fs::unlinkat(&self.folder, &temporary, AtFlags::empty());
        }
        result
    }

    fn write_and_rename(
        &self,
        copy: &Path,
        temporary: &str,
        name: &PackageName,
        sha256: Sha256Digest,
    ) -> Result<(), PackageError> {
        let shown = self.path.join(temporary);
        let source = File::open(copy).map_err(|e| PackageError::io("open", copy, e))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = rustix::fs::openat(&self.folder, temporary, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|e| PackageError::io("make", &shown, e))?;
        let (found, _) = copy_and_hash(source, &mut file).map_err(|(step, e)| match step {
            Step::Read => PackageError::io("read", copy, e),
            Step::Write => PackageError::io("write", &shown, e),
        })?;
        if found != sha256 {
            return Err(PackageError::Digest { path: copy.to_owned(), expected: sha256, found });
        }
        self.give_to_owner(&file, &shown)?;
        file.sync_all().map_err(|e| PackageError::io("sync", &shown, e))?;
        durable::rename_in(&self.folder, &self.path, temporary, name.as_str()).map_err(|source| {
            if source.is_already_there() {
                PackageError::Conflict { path: self.shown(name), found: None, expected: Some(sha256) }
            } else {
                PackageError::Rename { source }
            }
        })?;
        self.confirm(&file, name)
    }

    /// Owner and group of the folder; read and write for whom the folder lets in, but never for everybody.
    fn give_to_owner(&self, file: &File, shown: &Path) -> Result<(), PackageError> {
        let status = rustix::fs::fstat(file).map_err(|e| PackageError::io("open", shown, e))?;
        let (user, group) = (self.status.st_uid, self.status.st_gid);
        if (status.st_uid, status.st_gid) != (user, group) {
            rustix::fs::fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
                .map_err(|e| PackageError::Owner { path: shown.to_owned(), user, group, source: e.into() })?;
        }
        let mode = Mode::from_raw_mode(self.status.st_mode & 0o664) | Mode::RUSR;
        rustix::fs::fchmod(file, mode).map_err(|e| PackageError::io("set the mode of", shown, e))
    }

    /// Whether the file that has the name now is the one we wrote.
    fn confirm(&self, file: &File, name: &PackageName) -> Result<(), PackageError> {
        let shown = self.shown(name);
        let failed = |e| PackageError::io("look at", &shown, e);
        let ours = rustix::fs::fstat(file).map_err(failed)?;
        match rustix::fs::statat(&self.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) => Ok(()),
            Ok(_) | Err(Errno::NOENT) => Err(PackageError::Exchanged { path: shown }),
            Err(e) => Err(failed(e)),
        }
    }
}

/// Where copying stopped.
pub(super) enum Step {
    Read,
    Write,
}

/// Copies to the end, hashing; returns digest and length.
pub(super) fn copy_and_hash(
    mut from: impl Read,
    to: &mut impl io::Write,
) -> Result<(Sha256Digest, u64), (Step, io::Error)> {
    let mut hasher = Sha256::new();
    let mut length = 0_u64;
    let mut buffer = vec![0; BUFFER_LENGTH];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err((Step::Read, e)),
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        to.write_all(bytes).map_err(|e| (Step::Write, e))?;
        length = length.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok((Sha256Digest::from_bytes(hasher.finalize().into()), length))
}

/// Bytes that are free where a path leads.
pub(super) fn free_bytes(path: &Path) -> Result<u64, StageError> {
    let space = rustix::fs::statvfs(path).map_err(|e| stage_io("ask for the free space of", path, e))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

fn open_folder(parent: impl std::os::fd::AsFd, name: &Path, shown: &Path) -> Result<File, StageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
        .map(File::from)
        .map_err(|e| StageError::NotAFolder { path: shown.to_owned(), source: e.into() })
}

/// Makes `incoming` in `package`, with the owner and mode of `package`.
fn make_like(package: &File, shown: &Path) -> Result<File, StageError> {
    let failed = |e: Errno| stage_io("make the folder", shown, e);
    let status = rustix::fs::fstat(package).map_err(failed)?;
    rustix::fs::mkdirat(package, "incoming", Mode::RWXU).map_err(failed)?;
    let folder = open_folder(package, Path::new("incoming"), shown)?;
    let made = rustix::fs::fstat(&folder).map_err(failed)?;
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid) {
        let (user, group) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
        rustix::fs::fchown(&folder, Some(user), Some(group)).map_err(failed)?;
    }
    rustix::fs::fchmod(folder.as_fd(), Mode::from_raw_mode(status.st_mode & 0o7775)).map_err(failed)?;
    Ok(folder)
}

fn stage_io(operation: &'static str, path: &Path, source: Errno) -> StageError {
    StageError::Io { operation, path: path.to_owned(), source: source.into() }
}

/// The agent takes every name that ends in `.zip` for a finished download, so this one must not.
fn temporary_name(sha256: Sha256Digest) -> String {
    let digest: String = sha256.to_hex().chars().take(16).collect();
    format!("{TEMPORARY_START}{digest}{TEMPORARY_END}")
}

fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY_START) && name.ends_with(TEMPORARY_END)
}

const TEMPORARY_START: &str = ".midmirror-";
const TEMPORARY_END: &str = ".part";
const BUFFER_LENGTH: usize = 256 * 1024;
