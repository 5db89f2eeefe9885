//! Objects as files.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{FileMode, Kind, Listed, Storage, StorageError, below};
use crate::Sha256Digest;
use crate::regular_file::{self, Links};
use crate::store::durable;

/// A folder of this machine; every object is a file. What has returned `Ok` survives a power cut.
#[derive(Debug, Clone)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The objects below a folder; nothing is looked at yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, key: &str) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(key.split('/').filter(|word| !word.is_empty()));
        path
    }

    fn new_path(&self, key: &str) -> Result<PathBuf, StorageError> {
        let path = self.path(key);
        if let Some(folder) = path.parent() {
            durable::create_folders(folder)?;
        }
        Ok(path)
    }

    /// Opens a regular file, if there is one.
    fn open_file(&self, key: &str, links: Links) -> Result<Option<File>, StorageError> {
        let path = self.path(key);
        match regular_file::open(&path, links) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StorageError::new("open", &path, e)),
        }
    }

    fn recover_below(&self, folder: &str, removed: &mut Vec<PathBuf>) -> Result<(), StorageError> {
        let listed = self.list(folder)?;
        for Listed { name, kind } in &listed {
            let key = below(folder, name);
            if durable::is_temporary(name.as_ref()) {
                self.remove_leftover(&key, *kind, removed)?;
            } else if *kind == Kind::Folder {
                self.recover_below(&key, removed)?;
            }
        }
        if listed.is_empty() { Ok(()) } else { durable::sync_folder(&self.path(folder)) }
    }

    fn remove_leftover(&self, key: &str, kind: Kind, removed: &mut Vec<PathBuf>) -> Result<(), StorageError> {
        match kind {
            Kind::Folder => self.remove_folder(key)?,
            _ => self.remove(key)?,
        }
        removed.push(self.path(key));
        Ok(())
    }
}

impl Storage for LocalFolder {
    fn place(&self, key: &str) -> PathBuf {
        self.path(key)
    }

    fn file(&self, key: &str) -> Option<PathBuf> {
        Some(self.path(key))
    }

    fn read(&self, key: &str, max: u64) -> Result<Option<Vec<u8>>, StorageError> {
        // Links are followed here: metadata may be linked into place.
        let Some(file) = self.open_file(key, Links::Followed)? else { return Ok(None) };
        let path = self.path(key);
        let failed = |source| StorageError::new("read", &path, source);
        let mut bytes = Vec::new();
        file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Some(bytes))
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn Read + Send>>, StorageError> {
        let Some(file) = self.open_file(key, Links::Refused)? else { return Ok(None) };
        Ok(Some(Box::new(file)))
    }

    fn look(&self, key: &str) -> Result<Option<Kind>, StorageError> {
        let path = self.path(key);
        // The place itself may be a link; what is in it may not.
        let metadata = if key.is_empty() { path.metadata() } else { path.symlink_metadata() };
        match metadata {
            Ok(metadata) => Ok(Some(kind(&metadata))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StorageError::new("look at", &path, e)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        let path = self.path(folder);
        let failed = |source| StorageError::new("read the folder", &path, source);
        let Some(entries) = read_dir(&path).map_err(failed)? else { return Ok(Vec::new()) };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let kind = match entry.metadata() {
                Ok(metadata) => kind(&metadata),
                // Removed meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(StorageError::new("look at", &entry.path(), e)),
            };
            listed.push(Listed { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let path = self.path(folder);
        let failed = |source| StorageError::new("read the folder", &path, source);
        let Some(entries) = read_dir(&path).map_err(failed)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    #[cfg(unix)]
    fn folders_below(&self, folder: &str) -> Result<Vec<(String, Vec<String>)>, StorageError> {
        let path = self.path(folder);
        super::walk::folders_below(&path)
    }

    fn create(&self, key: &str, bytes: &[u8], mode: FileMode) -> Result<(), StorageError> {
        durable::write_new(&self.new_path(key)?, bytes, mode)
    }

    fn replace(&self, key: &str, bytes: &[u8], mode: FileMode) -> Result<(), StorageError> {
        durable::replace(&self.new_path(key)?, bytes, mode)
    }

    fn create_folder(
        &self,
        folder: &str,
        objects: &[(&str, &[u8])],
        mode: FileMode,
    ) -> Result<(), StorageError> {
        durable::new_folder(&self.new_path(folder)?, objects, mode)
    }

    fn take(&self, key: &str, file: &Path, sha256: Sha256Digest, mode: FileMode) -> Result<(), StorageError> {
        let path = self.new_path(key)?;
        match durable::move_in(file, &path, mode) {
            Err(e) if e.crosses_devices() => durable::copy_in(file, &path, mode, sha256),
            moved => moved,
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        durable::rename(&self.path(from), &self.new_path(to)?)
    }

    fn remove(&self, key: &str) -> Result<(), StorageError> {
        durable::remove_file(&self.path(key))
    }

    fn remove_folder(&self, folder: &str) -> Result<(), StorageError> {
        durable::remove_folder(&self.path(folder))
    }

    fn recover(&self, folders: &[&str]) -> Result<Vec<PathBuf>, StorageError> {
        let mut removed = Vec::new();
        for Listed { name, kind } in self.list("")? {
            if durable::is_temporary(name.as_ref()) {
                self.remove_leftover(&name, kind, &mut removed)?;
            }
        }
        durable::sync_folder(&self.root)?;
        for folder in folders {
            self.recover_below(folder, &mut removed)?;
        }
        removed.sort_unstable();
        Ok(removed)
    }
}

/// What is in a folder; none if there is no such folder.
fn read_dir(path: &Path) -> io::Result<Option<std::fs::ReadDir>> {
    match std::fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn kind(metadata: &Metadata) -> Kind {
    match metadata {
        metadata if metadata.is_file() => Kind::Object(metadata.len()),
        metadata if metadata.is_dir() => Kind::Folder,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regular_file::tests::{make_pipe, without_waiting};

    #[test]
    fn read_and_open_do_not_wait_at_a_named_pipe() {
        let folder = tempfile::tempdir().unwrap();
        make_pipe(&folder.path().join("pipe"));
        std::os::unix::fs::symlink("pipe", folder.path().join("link")).unwrap();
        for key in ["pipe", "link"] {
            let storage = LocalFolder::new(folder.path());
            let (read, opened) =
                without_waiting(move || (storage.read(key, 10), storage.open(key).map(|_| ())));
            for error in [read.unwrap_err(), opened.unwrap_err()] {
                let said = std::error::Error::source(&error).unwrap().to_string();
                assert_eq!(said, "it is not a regular file", "{key}: {error}");
            }
        }
    }
}
