//! The one place that renames and syncs: what these functions have returned `Ok` for survives a power cut.
//!
//! Every write goes to a temporary file in the same folder (its name begins with [`TEMPORARY_PREFIX`]), which is
//! synced, renamed, and then the folder is synced. A crash therefore leaves the old state, the new state, or the old
//! state and a temporary file; never half a file under its final name.

mod copying;
pub(crate) mod fault;

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::copying::copy_and_hash;
use self::fault::Operation;
use crate::Sha256Digest;

/// What the names of temporary files and folders begin with.
pub const TEMPORARY_PREFIX: &str = ".midmirror-tmp-";

/// Who may read and change a new file. On Unix the umask still applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// Readable by all, writable by the owner (0644).
    Shared,
    /// Readable by all, writable by nobody (0444).
    ReadOnly,
    /// Readable and writable by the owner only (0600).
    Secret,
}

/// A file could not be put safely on disk.
#[derive(Debug, Error)]
#[error("failed to {operation} {}", path.display())]
pub struct DurableError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl DurableError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_owned(), source }
    }

    /// Whether the file is there already.
    pub fn is_already_there(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the two places are on different file systems, so that a file cannot be renamed from one to the other.
    pub fn crosses_devices(&self) -> bool {
        self.source.kind() == io::ErrorKind::CrossesDevices
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn into_io(self) -> io::Error {
        self.source
    }

    pub(crate) fn into_parts(self) -> (&'static str, PathBuf, io::Error) {
        (self.operation, self.path, self.source)
    }

    /// What the system says.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Writes a new file; a file that is there already is an error and stays as it is.
pub fn write_new(path: &Path, bytes: &[u8], mode: FileMode) -> Result<(), DurableError> {
    let temporary = temporary_file(path, mode, |file| file.write_all(bytes))?;
    persist_new(temporary, path)
}

/// Writes a file and replaces what was there.
pub fn replace(path: &Path, bytes: &[u8], mode: FileMode) -> Result<(), DurableError> {
    let temporary = temporary_file(path, mode, |file| file.write_all(bytes))?;
    let temporary = keep_if_stopped(temporary, Operation::Rename, path)?;
    temporary.persist(path).map_err(|e| DurableError::new("replace", path, e.error))?;
    sync_folder(folder_of(path))
}

/// Moves a finished file to a new place in the same file system; a file that is there already is an error.
///
/// See [`DurableError::crosses_devices`] for when [`copy_in`] is to be used instead.
pub fn move_in(from: &Path, to: &Path, mode: FileMode) -> Result<(), DurableError> {
    let file = File::open(from).map_err(|e| DurableError::new("open", from, e))?;
    fault::step(Operation::Mode, from)?;
    set_mode(&file, mode).map_err(|e| DurableError::new("set the mode of", from, e))?;
    fault::step(Operation::Sync, from)?;
    file.sync_all().map_err(|e| DurableError::new("sync", from, e))?;
    drop(file);
    rename_new(from, to)?;
    sync_folder(folder_of(to))
}

/// A new name for a file; one that is taken is an error.
fn rename_new(from: &Path, to: &Path) -> Result<(), DurableError> {
    fault::step(Operation::Rename, to)?;
    let source = tempfile::TempPath::try_from_path(from).map_err(|e| DurableError::new("move", from, e))?;
    source.persist_noclobber(to).map_err(|failure| {
        let mut source = failure.path;
        source.disable_cleanup(true);
        DurableError::new("move a file to", to, failure.error)
    })
}

/// Copies a file into a new one; bytes with another digest than the expected one are not kept.
pub fn copy_in(from: &Path, to: &Path, mode: FileMode, expected: Sha256Digest) -> Result<(), DurableError> {
    let mut source = File::open(from).map_err(|e| DurableError::new("open", from, e))?;
    let temporary = new_temporary(to, mode)?;
    let mut temporary = keep_if_stopped(temporary, Operation::Write, to)?;
    let failed = |e| DurableError::new("write a temporary file for", to, e);
    let copy = File::open(temporary.path()).map_err(failed)?;
    let digest = copy_and_hash(&mut source, temporary.as_file_mut(), copy).map_err(failed)?;
    if digest != expected {
        let differs = io::Error::new(io::ErrorKind::InvalidData, "the copied bytes have another digest");
        return Err(failed(differs));
    }
    let temporary = keep_if_stopped(temporary, Operation::Sync, to)?;
    temporary.as_file().sync_all().map_err(failed)?;
    persist_new(temporary, to)
}

/// Gives a finished file a second name in the same file system; a file that is there already is an error.
pub fn link_in(from: &Path, to: &Path) -> Result<(), DurableError> {
    fault::step(Operation::Rename, to)?;
    std::fs::hard_link(from, to).map_err(|e| DurableError::new("link a file to", to, e))?;
    sync_folder(folder_of(to))
}

/// Gives a file of ours another name in the same file system; a file that is there already is an error.
pub fn rename(from: &Path, to: &Path) -> Result<(), DurableError> {
    rename_new(from, to)?;
    sync_folder(folder_of(to))?;
    sync_folder(folder_of(from))
}

/// Removes a file. That there is none is no error.
pub fn remove_file(path: &Path) -> Result<(), DurableError> {
    fault::step(Operation::Remove, path)?;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(DurableError::new("remove", path, e)),
        Ok(()) => sync_folder(folder_of(path)),
    }
}

/// Removes a folder with all that is in it. That there is none is no error.
pub fn remove_folder(path: &Path) -> Result<(), DurableError> {
    fault::step(Operation::Remove, path)?;
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(DurableError::new("remove the folder", path, e)),
        Ok(()) => sync_folder(folder_of(path)),
    }
}

/// Gives a finished, synced file in an open folder a name that is free, and syncs the folder.
///
/// For folders that somebody else may exchange meanwhile: nothing is looked up by a path; `path` is for messages only.
#[cfg(unix)]
pub fn rename_in(folder: &File, path: &Path, from: &str, to: &str) -> Result<(), DurableError> {
    use rustix::fs::{AtFlags, RenameFlags, linkat, renameat_with, unlinkat};
    use rustix::io::Errno;
    let failed = |operation| move |e: Errno| DurableError::new(operation, &path.join(to), e.into());
    fault::step(Operation::Rename, &path.join(to))?;
    match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // Some file systems (NFS) cannot rename without replacing; a link is never made over a file.
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(folder, from, folder, to, AtFlags::empty()).map_err(failed("link a file to"))?;
            unlinkat(folder, from, AtFlags::empty()).map_err(failed("unlink the temporary name of"))?;
        }
        renamed => renamed.map_err(failed("rename a file to"))?,
    }
    fault::step(Operation::SyncFolder, path)?;
    folder.sync_all().map_err(|e| DurableError::new("sync the folder", path, e))
}

/// Makes a new folder with files in it that appears complete or not at all. An empty folder may be there already.
///
/// A folder of secrets is open to its owner only.
pub fn new_folder(path: &Path, files: &[(&str, &[u8])], mode: FileMode) -> Result<(), DurableError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    builder.permissions(unix_permissions(if mode == FileMode::Secret { 0o700 } else { 0o755 }));
    fault::step(Operation::MakeFolder, path)?;
    let mut temporary = builder
        .tempdir_in(folder_of(path))
        .map_err(|e| DurableError::new("make a temporary folder for", path, e))?;
    let filled =
        fill_folder(temporary.path(), files, mode).and_then(|()| fault::step(Operation::Rename, path));
    if let Err(error) = filled {
        temporary.disable_cleanup(fault::is_stopped());
        return Err(error);
    }
    let temporary = temporary.keep();
    if let Err(e) = rename_folder(&temporary, path) {
        let there = matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory);
        let e = if there { io::ErrorKind::AlreadyExists.into() } else { e };
        drop(std::fs::remove_dir_all(&temporary));
        return Err(DurableError::new("make the folder", path, e));
    }
    sync_folder(folder_of(path))
}

fn fill_folder(folder: &Path, files: &[(&str, &[u8])], mode: FileMode) -> Result<(), DurableError> {
    for (name, bytes) in files {
        let file = folder.join(name);
        let failed = |e| DurableError::new("write", &file, e);
        fault::step(Operation::Create, &file)?;
        let mut new = create(&file, mode).map_err(failed)?;
        fault::step(Operation::Write, &file)?;
        new.write_all(bytes).map_err(failed)?;
        fault::step(Operation::Sync, &file)?;
        new.sync_all().map_err(failed)?;
    }
    sync_folder(folder)
}

/// Makes a folder and those above it, where they are missing.
pub fn create_folders(path: &Path) -> Result<(), DurableError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    create_folders(parent)?;
    fault::step(Operation::MakeFolder, path)?;
    match std::fs::create_dir(path) {
        Ok(()) => sync_folder(parent),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(DurableError::new("make the folder", path, e)),
    }
}

/// Makes the names in a folder durable. Windows has no such call and needs none.
pub fn sync_folder(path: &Path) -> Result<(), DurableError> {
    if cfg!(unix) {
        fault::step(Operation::SyncFolder, path)?;
        let folder = File::open(path).map_err(|e| DurableError::new("open the folder", path, e))?;
        folder.sync_all().map_err(|e| DurableError::new("sync the folder", path, e))?;
    }
    Ok(())
}

/// Whether a file name is that of an unfinished write.
pub fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
}

#[expect(clippy::disallowed_methods, reason = "this is the module that renames")]
fn rename_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// The folder a file is in; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_file(
    path: &Path,
    mode: FileMode,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<tempfile::NamedTempFile, DurableError> {
    let mut named = new_temporary(path, mode)?;
    let failed = |e| DurableError::new("write a temporary file for", path, e);
    named = keep_if_stopped(named, Operation::Write, path)?;
    fill(named.as_file_mut()).map_err(failed)?;
    named = keep_if_stopped(named, Operation::Sync, path)?;
    named.as_file().sync_all().map_err(failed)?;
    Ok(named)
}

fn new_temporary(path: &Path, mode: FileMode) -> Result<tempfile::NamedTempFile, DurableError> {
    fault::step(Operation::Create, path)?;
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .make_in(folder_of(path), |temporary| create(temporary, mode))
        .map_err(|e| DurableError::new("make a temporary file for", path, e))
}

/// Gives a finished temporary file its name, which nobody may have.
fn persist_new(temporary: tempfile::NamedTempFile, path: &Path) -> Result<(), DurableError> {
    let temporary = keep_if_stopped(temporary, Operation::Rename, path)?;
    temporary.persist_noclobber(path).map_err(|e| DurableError::new("write the new file", path, e.error))?;
    sync_folder(folder_of(path))
}

fn create(path: &Path, mode: FileMode) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, unix_mode(mode));
    options.open(path)
}

#[cfg(unix)]
fn unix_mode(mode: FileMode) -> u32 {
    match mode {
        FileMode::Shared => 0o644,
        FileMode::ReadOnly => 0o444,
        FileMode::Secret => 0o600,
    }
}

#[cfg(unix)]
fn unix_permissions(mode: u32) -> Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[cfg(unix)]
fn set_mode(file: &File, mode: FileMode) -> io::Result<()> {
    file.set_permissions(unix_permissions(unix_mode(mode)))
}

#[cfg(not(unix))]
fn set_mode(file: &File, mode: FileMode) -> io::Result<()> {
    let mut permissions: Permissions = file.metadata()?.permissions();
    permissions.set_readonly(mode == FileMode::ReadOnly);
    file.set_permissions(permissions)
}

/// In tests a write can be stopped here as a kill would: the temporary file stays.
fn keep_if_stopped(
    mut temporary: tempfile::NamedTempFile,
    next: Operation,
    path: &Path,
) -> Result<tempfile::NamedTempFile, DurableError> {
    if let Err(error) = fault::step(next, path) {
        temporary.disable_cleanup(fault::is_stopped());
        return Err(error);
    }
    Ok(temporary)
}

#[cfg(test)]
mod tests;
