//! Key files: PEM (RFC 7468), encrypted or not, for their owner only.
//!
//! | label | content |
//! | --- | --- |
//! | `PRIVATE KEY` | PKCS#8 (RFC 5958) |
//! | `ENCRYPTED PRIVATE KEY` | the same under a passphrase, see `sealed` |
//! | `PUBLIC KEY` | SubjectPublicKeyInfo (RFC 5280) |

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::pair::{KeyAlgorithm, PublicKey, RoleKey, generate};
use super::sealed::{self, Passphrase};
use crate::catalog::error::CatalogError;
use crate::store::durable::{self, FileMode};

/// What a key file holds.
pub(super) enum KeyFile {
    /// A private key.
    Private {
        /// PKCS#8, DER.
        der: Zeroizing<Vec<u8>>,
        /// Whether the file is under a passphrase.
        is_encrypted: bool,
    },
    /// A private key whose passphrase was not given.
    Locked,
    /// SubjectPublicKeyInfo, DER.
    Public(Vec<u8>),
}

/// Reads a file. A private key that others than the owner and a group may read is refused.
pub(super) fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<KeyFile, CatalogError> {
    let failed = |source| CatalogError::KeyFile { path: path.to_owned(), source };
    // At once as long as it may become: what grows leaves copies of itself behind.
    let mut text = Zeroizing::new(Vec::with_capacity(CAPACITY));
    let file = File::open(path).map_err(failed)?;
    (&file).take(LIMIT).read_to_end(&mut text).map_err(failed)?;
    let malformed = || CatalogError::KeyFormat { path: path.to_owned() };
    let (label, der) = std::str::from_utf8(&text).ok().and_then(section).ok_or_else(malformed)?;
    if label == PUBLIC {
        return Ok(KeyFile::Public(der.to_vec()));
    }
    refuse_open_mode(&file, path)?;
    match (label, passphrase) {
        (PRIVATE, _) => Ok(KeyFile::Private { der, is_encrypted: false }),
        (ENCRYPTED, Some(passphrase)) => {
            Ok(KeyFile::Private { der: sealed::open(&der, passphrase, path)?, is_encrypted: true })
        }
        (ENCRYPTED, None) => Ok(KeyFile::Locked),
        _ => Err(malformed()),
    }
}

/// Reads a private key.
///
/// # Errors
/// It cannot be read, others may read it, it is of another kind, or it is encrypted and the passphrase is another one or
/// was not given.
pub fn read_private_key(path: &Path, passphrase: Option<&Passphrase>) -> Result<RoleKey, CatalogError> {
    let malformed = || CatalogError::KeyFormat { path: path.to_owned() };
    match read(path, passphrase)? {
        KeyFile::Private { der, .. } => RoleKey::from_pkcs8(&der).ok_or_else(malformed),
        KeyFile::Locked => Err(CatalogError::KeyLocked { path: path.to_owned() }),
        KeyFile::Public(_) => Err(malformed()),
    }
}

/// Reads the public half of a key, from a file with a public key or with a private one.
pub fn read_public_key(path: &Path, passphrase: Option<&Passphrase>) -> Result<PublicKey, CatalogError> {
    match read(path, passphrase)? {
        KeyFile::Public(der) => {
            PublicKey::from_spki(&der).ok_or_else(|| CatalogError::KeyFormat { path: path.to_owned() })
        }
        _ => Ok(read_private_key(path, passphrase)?.public().clone()),
    }
}

/// Makes a new key pair and writes `FILE` (the private key, 0600) and `FILE.pub` beside it. Files that are there stay.
pub fn write_new_key(
    path: &Path,
    algorithm: KeyAlgorithm,
    passphrase: Option<&Passphrase>,
) -> Result<PublicKey, CatalogError> {
    let key = NewKey::generate(algorithm)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".pub");
    let beside = Path::new(&beside);
    if let Some(there) = [path, beside].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(CatalogError::KeysExist { path: there.to_owned() });
    }
    // No public half of a key that is nowhere.
    durable::write_new(path, key.pem(passphrase)?.as_bytes(), FileMode::Secret)?;
    durable::write_new(beside, public_pem(key.public())?.as_bytes(), FileMode::Shared)?;
    Ok(key.public().clone())
}

/// Encrypts a private key file under a passphrase, or under another one; with none it becomes a plain one.
pub fn rewrite_key(
    path: &Path,
    current: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), CatalogError> {
    match read(path, current)? {
        KeyFile::Private { der, .. } => {
            Ok(durable::replace(path, private_pem(&der, new)?.as_bytes(), FileMode::Secret)?)
        }
        KeyFile::Locked => Err(CatalogError::KeyLocked { path: path.to_owned() }),
        KeyFile::Public(_) => Err(CatalogError::KeyFormat { path: path.to_owned() }),
    }
}

/// Whether a file holds a private key under a passphrase; false as well if it cannot be read.
pub fn is_encrypted_key(path: &Path) -> bool {
    matches!(read(path, None), Ok(KeyFile::Locked))
}

/// A key pair that is in no file yet.
#[derive(Debug)]
pub struct NewKey {
    der: Secret,
    key: RoleKey,
}

/// PKCS#8, DER.
struct Secret(Zeroizing<Vec<u8>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl NewKey {
    /// Makes a key pair.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, CatalogError> {
        let der = generate(algorithm)?;
        let key = RoleKey::from_pkcs8(&der).ok_or(CatalogError::KeyGeneration)?;
        Ok(Self { der: Secret(der), key })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// The private key as PEM.
    pub(super) fn pem(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, CatalogError> {
        private_pem(&self.der.0, passphrase)
    }

    pub(super) fn into_key(self) -> RoleKey {
        self.key
    }
}

fn private_pem(der: &[u8], passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, CatalogError> {
    Ok(match passphrase {
        Some(passphrase) => pem(ENCRYPTED, &sealed::seal(der, passphrase)?),
        None => pem(PRIVATE, der),
    })
}

/// The public half as PEM.
pub(super) fn public_pem(key: &PublicKey) -> Result<String, CatalogError> {
    Ok(pem(PUBLIC, &key.to_spki().ok_or(CatalogError::KeyGeneration)?).to_string())
}

/// PEM as RFC 7468 wants it: lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(der.len().saturating_mul(2).saturating_add(200)));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let encoded = Zeroizing::new(BASE64.encode(der));
    let mut rest = encoded.as_str();
    while let Some((line, after)) = rest.split_at_checked(64).or((!rest.is_empty()).then_some((rest, ""))) {
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Label and bytes of the first section; text around it is passed over.
fn section(text: &str) -> Option<(&'static str, Zeroizing<Vec<u8>>)> {
    [PRIVATE, ENCRYPTED, PUBLIC].into_iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
        base64.extend(body.split_ascii_whitespace());
        Some((label, BASE64.decode(base64.as_bytes()).ok()?.into()))
    })
}

#[cfg(unix)]
fn refuse_open_mode(file: &File, path: &Path) -> Result<(), CatalogError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        file.metadata().map_err(|source| CatalogError::KeyFile { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    // Reading by a group is how container platforms and service managers hand over secrets.
    if mode & 0o037 != 0 {
        return Err(CatalogError::KeyMode { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on Unix")]
fn refuse_open_mode(_file: &File, _path: &Path) -> Result<(), CatalogError> {
    Ok(())
}

const PRIVATE: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// A key file has less than 1 KB.
const LIMIT: u64 = 64 * 1024;
const CAPACITY: usize = 64 * 1024 + 1;
