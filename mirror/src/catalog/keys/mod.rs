//! The keys that sign the catalog.
//!
//! ```text
//! KEYS/                   0700
//!   root-1.pem …          0600; belong offline, with different holders: they are needed again only when keys change or
//!                         the root metadata expires
//!   targets.pem           0600; signs which packages there are
//!   snapshot.pem          0600
//!   timestamp.pem         0600; signs most often
//!   store.pem             0600; signs the log
//!   ROLE-ID.pem           0600; a key that came later, with the beginning of its id
//!   next-root.json        0600; a change of keys that is not signed by enough root keys yet, see `root`
//! ```
//!
//! Private keys as PKCS#8 in PEM, as `openssl genpkey` makes them; under a passphrase if wanted. Which of them count is
//! said by the root metadata, not by their names: a file that it does not list is of no effect. Whoever has targets,
//! snapshot and timestamp key can put packages into the catalog, though not past the signature check of the importers;
//! whoever has as many root keys as their threshold can replace all keys. Any file may be missing.

mod file;
mod pair;
mod sealed;

use std::path::{Path, PathBuf};

use tough::schema::Root;
use zeroize::Zeroizing;

pub use file::{NewKey, is_encrypted_key, read_private_key, read_public_key, rewrite_key, write_new_key};
pub use pair::{KeyAlgorithm, PublicKey, RoleKey};
pub use sealed::Passphrase;

use super::error::CatalogError;
use super::metadata::Role;
use super::publish::trusting;
use super::trust::trust_root;
use crate::attest::StoreKey;
use crate::store::Store;
use crate::store::durable::{self, FileMode};
use file::KeyFile;

/// The keys of a folder: any number for each role.
#[derive(Debug)]
pub struct SigningKeys {
    folder: PathBuf,
    keys: Vec<KeyHere>,
    locked: Vec<Locked>,
    /// What the others were opened with.
    passphrase: Option<Passphrase>,
    /// Missing in folders of early versions.
    store: Option<StoreKey>,
    first_root_threshold: Option<u64>,
}

/// A key and the file it is in.
#[derive(Debug)]
struct KeyHere {
    /// The role that the file is named for.
    role: Role,
    path: PathBuf,
    key: RoleKey,
    is_encrypted: bool,
}

/// An encrypted file that could not be opened.
#[derive(Debug)]
struct Locked {
    /// None for the key of the store.
    role: Option<Role>,
    path: PathBuf,
    /// A passphrase was given, and it is another one.
    was_tried: bool,
}

impl Locked {
    fn error(&self) -> CatalogError {
        let path = self.path.clone();
        if self.was_tried { CatalogError::WrongPassphrase { path } } else { CatalogError::KeyLocked { path } }
    }
}

/// Which keys a new folder gets.
#[derive(Debug, Clone, Copy)]
pub struct NewKeys<'a> {
    /// How many root keys, 1 to 16.
    pub root_keys: u8,
    /// How the keys of the four roles sign; the key of the store is Ed25519 in any case.
    pub algorithm: KeyAlgorithm,
    /// Encrypts all of them.
    pub passphrase: Option<&'a Passphrase>,
}

impl Default for NewKeys<'_> {
    fn default() -> Self {
        Self { root_keys: 1, algorithm: KeyAlgorithm::default(), passphrase: None }
    }
}

/// How a new key is to be kept.
#[derive(Debug, Clone, Copy)]
pub enum Keeping<'a> {
    /// As a plain file.
    Plain,
    /// Under a passphrase of its own.
    Encrypted,
    /// Under the one that opened the others.
    Under(&'a Passphrase),
}

impl SigningKeys {
    /// Makes new keys in a new or empty folder, one for each role and for the store: all of them or none.
    pub fn create(folder: &Path) -> Result<Self, CatalogError> {
        Self::create_with(folder, &NewKeys::default())
    }

    /// Makes new keys in a new or empty folder: all of them or none.
    pub fn create_with(folder: &Path, wanted: &NewKeys<'_>) -> Result<Self, CatalogError> {
        let mut names = match wanted.root_keys {
            0 | 1 => vec!["root.pem".to_owned()],
            count => (1..=count.clamp(2, 16)).map(|number| format!("root-{number}.pem")).collect(),
        };
        names.extend([Role::Targets, Role::Snapshot, Role::Timestamp].map(|role| format!("{role}.pem")));
        let mut files = Vec::new();
        for name in names {
            files.push((name, NewKey::generate(wanted.algorithm)?.pem(wanted.passphrase)?));
        }
        files.push((STORE_KEY_FILE.to_owned(), new_store_key(wanted.passphrase)?));
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, pem)| (name.as_str(), pem.as_bytes())).collect();
        if let Some(parent) = folder.parent() {
            durable::create_folders(parent)?;
        }
        match durable::new_folder(folder, &files, FileMode::Secret) {
            Ok(()) => Self::load_with(folder, wanted.passphrase),
            Err(e) if e.is_already_there() => Err(CatalogError::KeysExist { path: folder.to_owned() }),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes the key of the store in a folder of an early version; a key that is there stays.
    pub fn complete(folder: &Path, passphrase: Option<&Passphrase>) -> Result<Self, CatalogError> {
        let path = folder.join(STORE_KEY_FILE);
        if path.symlink_metadata().is_err() {
            durable::write_new(&path, new_store_key(passphrase)?.as_bytes(), FileMode::Secret)?;
        }
        Self::load_with(folder, passphrase)
    }

    /// Makes a new key of the store, in place of the one that is there or was lost. The log and the catalog have to be told
    /// of it: [`change_store_key`](super::change_store_key).
    pub fn renew_store_key(folder: &Path, passphrase: Option<&Passphrase>) -> Result<(), CatalogError> {
        let path = folder.join(STORE_KEY_FILE);
        Ok(durable::replace(&path, new_store_key(passphrase)?.as_bytes(), FileMode::Secret)?)
    }

    /// Reads the keys of a folder, as [`Self::load_with`] without a passphrase.
    pub fn load(folder: &Path) -> Result<Self, CatalogError> {
        Self::load_with(folder, None)
    }

    /// Reads the keys of a folder. Files that others may read are refused; only a group may read along. Encrypted files that
    /// the passphrase does not open count as not there, and are named when they are needed.
    pub fn load_with(folder: &Path, passphrase: Option<&Passphrase>) -> Result<Self, CatalogError> {
        let (mut keys, mut locked) = (Vec::new(), Vec::new());
        for (role, path) in key_files(folder)? {
            match open(&path, passphrase)? {
                Opened::Key { der, is_encrypted } => {
                    let malformed = || CatalogError::KeyFormat { path: path.clone() };
                    let key = RoleKey::from_pkcs8(&der).ok_or_else(malformed)?;
                    keys.push(KeyHere { role, path, key, is_encrypted });
                }
                Opened::Locked { was_tried } => locked.push(Locked { role: Some(role), path, was_tried }),
            }
        }
        let path = folder.join(STORE_KEY_FILE);
        let mut store = None;
        if path.symlink_metadata().is_ok() {
            match open(&path, passphrase)? {
                Opened::Key { der, .. } => {
                    let key = StoreKey::from_pkcs8(&der);
                    store = Some(key.map_err(|_| CatalogError::KeyFormat { path })?);
                }
                Opened::Locked { was_tried } => locked.push(Locked { role: None, path, was_tried }),
            }
        }
        let (folder, passphrase) = (folder.to_owned(), passphrase.cloned());
        Ok(Self { folder, keys, locked, passphrase, store, first_root_threshold: None })
    }

    /// How many root keys must sign for root metadata, for a catalog that has none yet. If it is not said: more than half
    /// of them.
    #[must_use]
    pub fn with_first_root_threshold(mut self, threshold: u64) -> Self {
        self.first_root_threshold = Some(threshold);
        self
    }

    /// The folder they were read from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key that signs for the store itself; none in folders of early versions.
    pub fn store(&self) -> Option<&StoreKey> {
        self.store.as_ref()
    }

    pub(super) fn store_or_error(&self) -> Result<&StoreKey, CatalogError> {
        let locked = || self.locked.iter().find(|locked| locked.role.is_none());
        self.store.as_ref().ok_or_else(|| locked().map_or(CatalogError::NoStoreKey, Locked::error))
    }

    /// An error if a file of a role could not be opened.
    pub(super) fn nothing_locked(&self, role: Role) -> Result<(), CatalogError> {
        match self.locked.iter().find(|locked| locked.role == Some(role)) {
            Some(locked) => Err(locked.error()),
            None => Ok(()),
        }
    }

    /// Files named for a role that could not be opened for want of the passphrase.
    pub fn locked_of(&self, role: Role) -> impl Iterator<Item = &Path> {
        let of_role = self.locked.iter().filter(move |locked| locked.role == Some(role));
        of_role.map(|locked| locked.path.as_path())
    }

    /// Encrypted files that could not be opened for want of the passphrase.
    pub fn locked(&self) -> impl Iterator<Item = &Path> {
        self.locked.iter().map(|locked| locked.path.as_path())
    }

    /// The public halves of all keys here, with the role that their file is named for, and the file.
    pub fn public_keys(&self) -> impl Iterator<Item = (Role, &Path, &PublicKey)> {
        self.keys.iter().map(|here| (here.role, here.path.as_path(), here.key.public()))
    }

    /// The keys whose files are named for a role.
    pub fn named(&self, role: Role) -> impl Iterator<Item = &RoleKey> {
        self.keys.iter().filter(move |here| here.role == role).map(|here| &here.key)
    }

    /// The first key whose file is named for a role.
    #[cfg(test)]
    pub(super) fn key(&self, role: Role) -> Option<&RoleKey> {
        self.named(role).next()
    }

    /// The keys here that may sign for a role.
    pub(super) fn signers(&self, role: Role, root: &Root) -> Vec<&RoleKey> {
        let Some(listed) = root.roles.get(&role.role_type()) else { return Vec::new() };
        let mut signers: Vec<&RoleKey> = Vec::new();
        for key in self.keys.iter().map(|here| &here.key) {
            if listed.keyids.contains(key.id()) && !signers.iter().any(|known| known.id() == key.id()) {
                signers.push(key);
            }
        }
        signers
    }

    /// The keys that will sign for a role, if they are as many as its threshold.
    pub(super) fn enough(&self, role: Role, root: &Root) -> Result<Vec<&RoleKey>, CatalogError> {
        let signers = self.signers(role, root);
        let Some(listed) = root.roles.get(&role.role_type()) else {
            return Err(CatalogError::ForeignKey { role });
        };
        let needed = listed.threshold.get();
        if u64::try_from(signers.len()).unwrap_or(u64::MAX) >= needed {
            return Ok(signers);
        }
        self.nothing_locked(role)?;
        if signers.is_empty() && self.named(role).next().is_some() {
            return Err(CatalogError::ForeignKey { role });
        }
        let is_here = |id: &&_| signers.iter().any(|key| key.id() == *id);
        let missing: Vec<String> =
            listed.keyids.iter().filter(|id| !is_here(id)).map(|id| short(&hex::encode(&**id))).collect();
        Err(CatalogError::TooFewKeys {
            role,
            needed,
            here: signers.len(),
            missing: missing.join(", "),
            folder: self.folder.clone(),
        })
    }

    /// Makes sure that enough keys of a role of a store's catalog are here.
    pub fn can_sign(&self, role: Role, store: &Store, now: jiff::Timestamp) -> Result<(), CatalogError> {
        let root = trusting(store, now, trust_root)?;
        self.enough(role, &root).map(drop)
    }

    /// The threshold of the root role in the first root metadata.
    pub fn first_root_threshold(&self) -> u64 {
        let count = u64::try_from(self.named(Role::Root).count()).unwrap_or(u64::MAX);
        self.first_root_threshold.unwrap_or(count / 2 + 1).clamp(1, count.max(1))
    }

    /// Keeps a new key for a role, `ROLE-ID.pem` beside the others. It is of no effect until root metadata lists it.
    /// Returns the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(
        &mut self,
        role: Role,
        new: NewKey,
        passphrase: Option<&Passphrase>,
    ) -> Result<PathBuf, CatalogError> {
        let path = self.folder.join(format!("{role}-{}.pem", short(&new.public().id())));
        durable::write_new(&path, new.pem(passphrase)?.as_bytes(), FileMode::Secret)?;
        let (key, is_encrypted) = (new.into_key(), passphrase.is_some());
        self.keys.push(KeyHere { role, path: path.clone(), key, is_encrypted });
        Ok(path)
    }

    /// How a new key is to be kept because of those it joins: root keys follow root keys, and each holder has a
    /// passphrase of his own; all others sign unattended, follow one another, and share one. Where there are none of its
    /// kind here, one encrypted file is enough.
    ///
    /// # Errors
    /// The passphrase that the others share was not given: the new key would be under another one, which nobody gives at
    /// night.
    pub fn keeping(&self, is_root: bool) -> Result<Keeping<'_>, CatalogError> {
        let is_same = |role: Option<Role>| (role == Some(Role::Root)) == is_root;
        let here = self.keys.iter().map(|key| (is_same(Some(key.role)), key.is_encrypted));
        let all = here.chain(self.locked.iter().map(|file| (is_same(file.role), true)));
        let (same, others): (Vec<_>, Vec<_>) = all.partition(|(is_same, _)| *is_same);
        let is_alone = same.is_empty();
        let decisive = if is_alone { others } else { same };
        if !decisive.into_iter().any(|(_, is_encrypted)| is_encrypted) {
            return Ok(Keeping::Plain);
        }
        if is_root || is_alone {
            return Ok(Keeping::Encrypted);
        }
        match self.locked.iter().find(|file| is_same(file.role)) {
            Some(locked) => Err(locked.error()),
            None => Ok(self.passphrase.as_ref().map_or(Keeping::Encrypted, Keeping::Under)),
        }
    }
}

/// The beginning of a key id, as people read it.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// `ROLE.pem` and `ROLE-….pem` of a folder, in the order of their names.
fn key_files(folder: &Path) -> Result<Vec<(Role, PathBuf)>, CatalogError> {
    let failed = |source| CatalogError::KeyFile { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".pem"));
        let role = stem.and_then(|stem| {
            let name = stem.split('-').next();
            Role::ALL.into_iter().find(|role| name == Some(role.as_str()))
        });
        files.extend(role.map(|role| (role, path)));
    }
    files.sort();
    Ok(files)
}

fn new_store_key(passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, CatalogError> {
    NewKey::generate(KeyAlgorithm::Ed25519)?.pem(passphrase)
}

enum Opened {
    Key { der: Zeroizing<Vec<u8>>, is_encrypted: bool },
    Locked { was_tried: bool },
}

/// Root keys and online keys may well have different passphrases: one that does not fit is no failure yet.
fn open(path: &Path, passphrase: Option<&Passphrase>) -> Result<Opened, CatalogError> {
    match file::read(path, passphrase) {
        Ok(KeyFile::Private { der, is_encrypted }) => Ok(Opened::Key { der, is_encrypted }),
        Ok(KeyFile::Locked) => Ok(Opened::Locked { was_tried: false }),
        Ok(KeyFile::Public(_)) => Err(CatalogError::KeyFormat { path: path.to_owned() }),
        Err(CatalogError::WrongPassphrase { .. }) => Ok(Opened::Locked { was_tried: true }),
        Err(error) => Err(error),
    }
}

const STORE_KEY_FILE: &str = "store.pem";

#[cfg(test)]
mod tests;
