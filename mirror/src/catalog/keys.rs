//! The keys that sign the catalog.
//!
//! ```text
//! KEYS/             0700
//!   root.pem        0600; belongs offline: it is needed again only when keys change or the root metadata expires
//!   targets.pem     0600; signs which packages there are
//!   snapshot.pem    0600
//!   timestamp.pem   0600; signs most often
//!   store.pem       0600; signs the log
//! ```
//!
//! Ed25519 private keys (RFC 8032) as PKCS#8 version 1 in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` makes
//! them. Whoever has targets, snapshot and timestamp key can put packages into the catalog, though not past the
//! signature check of the importers; whoever has the root key can replace all keys. `root.pem` may be missing when
//! keys are loaded.

use std::collections::HashMap;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};

use super::error::CatalogError;
use super::metadata::Role;
use crate::attest::StoreKey;
use crate::store::durable::{self, FileMode};

/// One key for each role; the root key only if it is here.
#[derive(Debug)]
pub struct SigningKeys {
    root: Option<RoleKey>,
    targets: RoleKey,
    snapshot: RoleKey,
    timestamp: RoleKey,
    /// Missing in folders of early versions.
    store: Option<StoreKey>,
}

/// The key of one role.
pub(super) struct RoleKey {
    pair: Ed25519KeyPair,
    public: Key,
    id: Decoded<Hex>,
}

impl SigningKeys {
    /// Makes new keys in a new or empty folder: all of them or none.
    pub fn create(folder: &Path) -> Result<Self, CatalogError> {
        let mut files = Vec::new();
        for role in Role::ALL {
            files.push((file_name(role), new_key()?));
        }
        files.push((STORE_KEY_FILE.to_owned(), new_key()?));
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, pem)| (name.as_str(), pem.as_bytes())).collect();
        if let Some(parent) = folder.parent() {
            durable::create_folders(parent)?;
        }
        match durable::new_folder(folder, &files, FileMode::Secret) {
            Ok(()) => Self::load(folder),
            Err(e) if e.is_already_there() => Err(CatalogError::KeysExist { path: folder.to_owned() }),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes the key of the store in a folder of an early version; a key that is there stays.
    pub fn complete(folder: &Path) -> Result<Self, CatalogError> {
        let path = folder.join(STORE_KEY_FILE);
        if path.symlink_metadata().is_err() {
            durable::write_new(&path, new_key()?.as_bytes(), FileMode::Secret)?;
        }
        Self::load(folder)
    }

    /// Reads the keys of a folder. Files that others may read are refused; only a group may read along.
    pub fn load(folder: &Path) -> Result<Self, CatalogError> {
        let store = if_there(load_pair(&folder.join(STORE_KEY_FILE)))?;
        Ok(Self {
            root: if_there(load(&folder.join(file_name(Role::Root))))?,
            targets: load(&folder.join(file_name(Role::Targets)))?,
            snapshot: load(&folder.join(file_name(Role::Snapshot)))?,
            timestamp: load(&folder.join(file_name(Role::Timestamp)))?,
            store: store.map(StoreKey::new),
        })
    }

    /// The key that signs for the store itself; none in folders of early versions.
    pub fn store(&self) -> Option<&StoreKey> {
        self.store.as_ref()
    }

    /// The key of a role; none if it is the root key and not here.
    pub(super) fn key(&self, role: Role) -> Option<&RoleKey> {
        match role {
            Role::Root => self.root.as_ref(),
            Role::Targets => Some(&self.targets),
            Role::Snapshot => Some(&self.snapshot),
            Role::Timestamp => Some(&self.timestamp),
        }
    }
}

impl RoleKey {
    fn new(pair: Ed25519KeyPair) -> Option<Self> {
        let public = Key::Ed25519 {
            keyval: Ed25519Key { public: pair.public_key().as_ref().to_vec().into(), _extra: HashMap::new() },
            scheme: Ed25519Scheme::Ed25519,
            _extra: HashMap::new(),
        };
        let id = public.key_id().ok()?;
        Some(Self { pair, public, id })
    }

    /// The key id: the digest of the public key's canonical JSON.
    pub(super) fn id(&self) -> &Decoded<Hex> {
        &self.id
    }

    /// The public key as it stands in root metadata.
    pub(super) fn public(&self) -> &Key {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl std::fmt::Debug for RoleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoleKey").field("id", &hex::encode(&*self.id)).finish_non_exhaustive()
    }
}

fn file_name(role: Role) -> String {
    format!("{role}.pem")
}

/// The key, or none if there is no such file.
fn if_there<T>(loaded: Result<T, CatalogError>) -> Result<Option<T>, CatalogError> {
    match loaded {
        Err(CatalogError::KeyFile { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn new_key() -> Result<String, CatalogError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| CatalogError::KeyGeneration)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| CatalogError::KeyGeneration)?;
    Ok(pem(der.as_ref()))
}

fn load(path: &Path) -> Result<RoleKey, CatalogError> {
    RoleKey::new(load_pair(path)?).ok_or_else(|| CatalogError::KeyFormat { path: path.to_owned() })
}

fn load_pair(path: &Path) -> Result<Ed25519KeyPair, CatalogError> {
    let failed = |source| CatalogError::KeyFile { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(failed)?;
    refuse_open_mode(path)?;
    let malformed = || CatalogError::KeyFormat { path: path.to_owned() };
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| malformed())?;
    Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| malformed())
}

#[cfg(unix)]
fn refuse_open_mode(path: &Path) -> Result<(), CatalogError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        path.metadata().map_err(|source| CatalogError::KeyFile { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    // Reading by a group is how container platforms and service managers hand over secrets.
    if mode & 0o037 != 0 {
        return Err(CatalogError::KeyMode { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on Unix")]
fn refuse_open_mode(_path: &Path) -> Result<(), CatalogError> {
    Ok(())
}

const STORE_KEY_FILE: &str = "store.pem";

/// PEM as RFC 7468 wants it: lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    let encoded: Vec<char> = base64::engine::general_purpose::STANDARD.encode(der).chars().collect();
    for line in encoded.chunks(64) {
        text.extend(line);
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let made = SigningKeys::create(&path).unwrap();
        let loaded = SigningKeys::load(&path).unwrap();
        for role in Role::ALL {
            assert_eq!(made.key(role).unwrap().id(), loaded.key(role).unwrap().id());
        }
        assert_ne!(made.targets.id(), made.snapshot.id());
        assert!(matches!(SigningKeys::create(&path), Err(CatalogError::KeysExist { .. })));
        std::fs::remove_file(path.join("root.pem")).unwrap();
        assert!(SigningKeys::load(&path).unwrap().key(Role::Root).is_none());
    }

    #[test]
    fn key_of_the_store_is_made_where_it_is_missing_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        SigningKeys::create(&path).unwrap();
        std::fs::remove_file(path.join("store.pem")).unwrap();
        assert!(SigningKeys::load(&path).unwrap().store().is_none());
        let made = SigningKeys::complete(&path).unwrap().store().unwrap().id();
        assert_eq!(SigningKeys::complete(&path).unwrap().store().unwrap().id(), made);
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        SigningKeys::create(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("targets.pem"))), (0o700, 0o600));
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path.join("targets.pem"), open).unwrap();
        assert!(matches!(SigningKeys::load(&path), Err(CatalogError::KeyMode { mode: 0o644, .. })));
    }
}
