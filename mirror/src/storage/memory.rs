//! Objects in memory.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileMode, Kind, Listed, Storage, StorageError, below};
use crate::Sha256Digest;

/// Objects that go away with the process. It shows that a store needs no folder, and is of use in tests.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    objects: Arc<Mutex<BTreeMap<String, Arc<[u8]>>>>,
}

impl Memory {
    /// A place without objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.objects().keys().cloned().collect()
    }

    /// Changes an object behind the back of the store.
    pub fn tamper(&self, key: &str, bytes: &[u8]) {
        self.objects().insert(key.to_owned(), bytes.into());
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Arc<[u8]>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: &'static str, key: &str, source: io::Error) -> StorageError {
        StorageError::new(operation, &self.place(key), source)
    }

    fn insert_new(&self, operation: &'static str, key: &str, bytes: Arc<[u8]>) -> Result<(), StorageError> {
        let mut objects = self.objects();
        if has(&objects, key) {
            return Err(self.error(operation, key, io::ErrorKind::AlreadyExists.into()));
        }
        objects.insert(key.to_owned(), bytes);
        Ok(())
    }
}

impl Storage for Memory {
    fn place(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("memory:{key}"))
    }

    fn file(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn read(&self, key: &str, max: u64) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(bytes) = self.objects().get(key).cloned() else { return Ok(None) };
        if length(&bytes) > max {
            return Err(self.error("read", key, io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Some(bytes.to_vec()))
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn Read + Send>>, StorageError> {
        match self.objects().get(key).cloned() {
            Some(bytes) => Ok(Some(Box::new(Cursor::new(bytes)))),
            None => Ok(None),
        }
    }

    fn look(&self, key: &str) -> Result<Option<Kind>, StorageError> {
        let objects = self.objects();
        Ok(match objects.get(key) {
            Some(bytes) => Some(Kind::Object(length(bytes))),
            None if key.is_empty() || has(&objects, key) => Some(Kind::Folder),
            None => None,
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        let prefix = prefix(folder);
        let mut listed: Vec<Listed> = Vec::new();
        for (key, bytes) in self.objects().iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let rest = key.get(prefix.len()..).unwrap_or_default();
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, Kind::Folder),
                None => (rest, Kind::Object(length(bytes))),
            };
            if !listed.iter().any(|known| known.name == name) {
                listed.push(Listed { name: name.to_owned(), kind });
            }
        }
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn create(&self, key: &str, bytes: &[u8], _mode: FileMode) -> Result<(), StorageError> {
        self.insert_new("write the new object", key, bytes.into())
    }

    fn replace(&self, key: &str, bytes: &[u8], _mode: FileMode) -> Result<(), StorageError> {
        self.objects().insert(key.to_owned(), bytes.into());
        Ok(())
    }

    fn create_folder(
        &self,
        folder: &str,
        objects: &[(&str, &[u8])],
        _mode: FileMode,
    ) -> Result<(), StorageError> {
        let mut all = self.objects();
        if has(&all, folder) {
            return Err(self.error("make the folder", folder, io::ErrorKind::AlreadyExists.into()));
        }
        all.extend(objects.iter().map(|(name, bytes)| (below(folder, name), Arc::from(*bytes))));
        Ok(())
    }

    fn take(
        &self,
        key: &str,
        file: &Path,
        sha256: Sha256Digest,
        _mode: FileMode,
    ) -> Result<(), StorageError> {
        let bytes = std::fs::read(file).map_err(|e| StorageError::new("read", file, e))?;
        if Sha256Digest::of(&bytes) != sha256 {
            let differs = io::Error::new(io::ErrorKind::InvalidData, "the copied bytes have another digest");
            return Err(StorageError::new("copy", file, differs));
        }
        self.insert_new("write the new object", key, bytes.into())?;
        std::fs::remove_file(file).map_err(|e| StorageError::new("remove", file, e))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let Some(bytes) = self.objects().get(from).cloned() else {
            return Err(self.error("rename", from, io::ErrorKind::NotFound.into()));
        };
        self.insert_new("move an object to", to, bytes)?;
        self.remove(from)
    }

    fn remove(&self, key: &str) -> Result<(), StorageError> {
        self.objects().remove(key);
        Ok(())
    }

    fn remove_folder(&self, folder: &str) -> Result<(), StorageError> {
        let prefix = prefix(folder);
        self.objects().retain(|key, _| !key.starts_with(&prefix));
        Ok(())
    }

    fn recover(&self, _folders: &[&str]) -> Result<Vec<PathBuf>, StorageError> {
        Ok(Vec::new())
    }
}

/// Whether there is an object or a folder.
fn has(objects: &BTreeMap<String, Arc<[u8]>>, key: &str) -> bool {
    let below = prefix(key);
    objects.contains_key(key)
        || objects.range(below.clone()..).next().is_some_and(|(k, _)| k.starts_with(&below))
}

fn prefix(folder: &str) -> String {
    if folder.is_empty() { String::new() } else { format!("{folder}/") }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
