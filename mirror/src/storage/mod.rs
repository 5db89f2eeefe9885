//! Where a store keeps what must last: blobs, evidence, the repository and the log.
//!
//! An object has a key, words with slashes between them (`blobs/sha256/ab/abcdef…`), and bytes. [`Storage`] is what the store
//! needs of a place for objects and nothing more, so that a folder ([`LocalFolder`]) is not the only one that will do. What
//! an object store without renames has to keep to:
//!
//! - An object is there whole or not at all, and what was written is there for every later reader.
//! - [`create`](Storage::create) never writes over an object (`PUT` with `If-None-Match: *`). Everything that is numbered or named by
//!   its digest is created, none of it is ever changed.
//! - [`create_folder`](Storage::create_folder) is for a few objects of which nobody may see a part. A place that cannot do that
//!   writes the first one last, and does not list a folder without it.
//! - [`replace`](Storage::replace) is for the few small pointers (`timestamp.json`, `checkpoint`, `SHA256SUMS`), and for tiles
//!   behind the checkpoint that nobody refers to yet. There is one writer at a time; no `If-Match` is needed.
//! - The store hashes what it reads where it matters; a place need not.
//!
//! Lock, quarantine and index are no objects: they are files of the process that writes, in a local folder.

mod local;
mod memory;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod walk;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use local::LocalFolder;
pub use memory::Memory;

use crate::Sha256Digest;
pub use crate::store::durable::{DurableError as StorageError, FileMode};

/// A place for the objects of a store.
///
/// Keys have no leading or trailing slash and no empty, `.` or `..` words. The empty key is the whole place.
pub trait Storage: fmt::Debug + Send + Sync {
    /// The object in words that an operator can look it up by: a path, an address.
    fn place(&self, key: &str) -> PathBuf;

    /// The file of an object, where objects are files of this machine.
    fn file(&self, key: &str) -> Option<PathBuf>;

    /// Reads an object of at most `max` bytes; none if there is none.
    ///
    /// # Errors
    /// It is longer (`FileTooLarge`), or cannot be read.
    fn read(&self, key: &str, max: u64) -> Result<Option<Vec<u8>>, StorageError>;

    /// Opens an object that may be of any length; none if there is none. Only what is an object is opened, no link to it.
    fn open(&self, key: &str) -> Result<Option<Box<dyn Read + Send>>, StorageError>;

    /// What is under a key; none if there is nothing.
    fn look(&self, key: &str) -> Result<Option<Kind>, StorageError>;

    /// What is directly below a folder, in the order of the names; nothing if there is no such folder.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError>;

    /// The names of the folders directly below a folder, in their order. For places that know them without looking at each.
    ///
    /// # Errors
    /// As [`list`](Storage::list).
    fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError> {
        let listed = self.list(folder)?.into_iter();
        Ok(listed.filter(|listed| listed.kind == Kind::Folder).map(|listed| listed.name).collect())
    }

    /// The folders directly below each of the folders directly below this one, both in the order of their names.
    ///
    /// # Errors
    /// As [`list`](Storage::list).
    fn folders_below(&self, folder: &str) -> Result<Vec<(String, Vec<String>)>, StorageError> {
        let names = self.folders(folder)?.into_iter();
        names.map(|name| self.folders(&below(folder, &name)).map(|inner| (name, inner))).collect()
    }

    /// Writes a new object; one that is there already is an error and stays as it is.
    fn create(&self, key: &str, bytes: &[u8], mode: FileMode) -> Result<(), StorageError>;

    /// Writes an object, whether or not there is one.
    fn replace(&self, key: &str, bytes: &[u8], mode: FileMode) -> Result<(), StorageError>;

    /// Writes the objects of a new folder: all or none. A folder that is there already is an error.
    fn create_folder(
        &self,
        folder: &str,
        objects: &[(&str, &[u8])],
        mode: FileMode,
    ) -> Result<(), StorageError>;

    /// Makes a file of this machine a new object and removes it where it was. Whoever copies compares the digest.
    fn take(&self, key: &str, file: &Path, sha256: Sha256Digest, mode: FileMode) -> Result<(), StorageError>;

    /// Moves an object to a new key; one that is there already is an error.
    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Removes an object. That there is none is no error.
    fn remove(&self, key: &str) -> Result<(), StorageError>;

    /// Removes a folder with all that is in it. That there is none is no error.
    fn remove_folder(&self, folder: &str) -> Result<(), StorageError>;

    /// Puts in order what a writer left that was interrupted: makes durable what may not be so yet, removes and names what
    /// is only half there.
    fn recover(&self, folders: &[&str]) -> Result<Vec<PathBuf>, StorageError>;
}

/// What is under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An object, and its length in bytes.
    Object(u64),
    /// Objects have keys that begin with this one.
    Folder,
    /// Neither; a link for instance.
    Other,
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The last word of its key. Names that are no Unicode are approximated: none of ours are like that.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// A key and a further word.
pub(crate) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
