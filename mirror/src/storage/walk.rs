//! Listing folders below folders: each is opened from the one above it, so that no long path is walked ten thousand times.

use std::ffi::CStr;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use super::StorageError;

/// The folders below each of the folders below this one, in the order of their names; none if it is not there.
pub(super) fn folders_below(path: &Path) -> Result<Vec<(String, Vec<String>)>, StorageError> {
    let failed = |source: io::Error| StorageError::new("read the folder", path, source);
    let folder = match std::fs::File::open(path) {
        Ok(folder) => Dir::new(folder),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut folder = folder.map_err(|e| failed(e.into()))?;
    let mut found = Vec::new();
    for name in folders(&mut folder).map_err(failed)? {
        let inner = match folder.fd().and_then(|folder| openat(folder, name.as_str(), FOLDER, Mode::empty()))
        {
            // Removed, or replaced, since it was listed.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => continue,
            opened => {
                opened.and_then(Dir::new).map_err(io::Error::from).and_then(|mut inner| folders(&mut inner))
            }
        };
        let failed = |source| StorageError::new("read the folder", &path.join(&name), source);
        let inner = inner.map_err(failed)?;
        found.push((name, inner));
    }
    Ok(found)
}

/// The names of the folders in an open one.
fn folders(folder: &mut Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    while let Some(entry) = folder.read() {
        let entry = entry?;
        let name = entry.file_name();
        if is_folder(folder, name, entry.file_type())? && name != c"." && name != c".." {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Some file systems do not say in a listing what something is.
fn is_folder(folder: &Dir, name: &CStr, said: FileType) -> io::Result<bool> {
    match said {
        FileType::Unknown => {
            let stat = statat(folder.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        }
        known => Ok(known == FileType::Directory),
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
