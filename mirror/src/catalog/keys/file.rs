//! Key files: PEM (RFC 7468), encrypted or not, for their owner only.
//!
//! | label | content |
//! | --- | --- |
//! | `PRIVATE KEY` | PKCS#8 (RFC 5958) |
//! | `ENCRYPTED PRIVATE KEY` | the same under a passphrase, see `sealed` |
//! | `PUBLIC KEY` | SubjectPublicKeyInfo (RFC 5280) |

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::pair::{KeyAlgorithm, PublicKey, RoleKey, generate};
use super::sealed::{self, Passphrase};
use crate::catalog::error::CatalogError;
use crate::store::durable::{self, FileMode};

/// What a key file holds.
pub(super) enum KeyFile {
    /// PKCS#8, DER.
    Private(Vec<u8>),
    /// A private key whose passphrase was not given.
    Locked,
    /// SubjectPublicKeyInfo, DER.
    Public(Vec<u8>),
}

/// Reads a file. A private key that others than the owner and a group may read is refused.
pub(super) fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<KeyFile, CatalogError> {
    let failed = |source| CatalogError::KeyFile { path: path.to_owned(), source };
    let mut text = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut text)).map_err(failed)?;
    let malformed = || CatalogError::KeyFormat { path: path.to_owned() };
    let (label, der) = std::str::from_utf8(&text).ok().and_then(section).ok_or_else(malformed)?;
    if label == PUBLIC {
        return Ok(KeyFile::Public(der));
    }
    refuse_open_mode(path)?;
    match (label, passphrase) {
        (PRIVATE, _) => Ok(KeyFile::Private(der)),
        (ENCRYPTED, Some(passphrase)) => Ok(KeyFile::Private(sealed::open(&der, passphrase, path)?)),
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
        KeyFile::Private(der) => RoleKey::from_pkcs8(&der).ok_or_else(malformed),
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
    let der = generate(algorithm)?;
    let key = RoleKey::from_pkcs8(&der).ok_or(CatalogError::KeyGeneration)?;
    durable::write_new(path, private_pem(&der, passphrase)?.as_bytes(), FileMode::Secret).map_err(
        |e| match e.is_already_there() {
            true => CatalogError::KeysExist { path: path.to_owned() },
            false => e.into(),
        },
    )?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    durable::write_new(Path::new(&public), public_pem(key.public())?.as_bytes(), FileMode::Shared)?;
    Ok(key.public().clone())
}

/// Encrypts a private key file under a passphrase, or under another one; with none it becomes a plain one.
pub fn rewrite_key(
    path: &Path,
    current: Option<&Passphrase>,
    new: Option<&Passphrase>,
) -> Result<(), CatalogError> {
    match read(path, current)? {
        KeyFile::Private(der) => {
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

pub(super) fn private_pem(der: &[u8], passphrase: Option<&Passphrase>) -> Result<String, CatalogError> {
    Ok(match passphrase {
        Some(passphrase) => pem(ENCRYPTED, &sealed::seal(der, passphrase)?),
        None => pem(PRIVATE, der),
    })
}

/// The public half as PEM.
pub(super) fn public_pem(key: &PublicKey) -> Result<String, CatalogError> {
    Ok(pem(PUBLIC, &key.to_spki().ok_or(CatalogError::KeyGeneration)?))
}

/// PEM as RFC 7468 wants it: lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let encoded: Vec<char> = BASE64.encode(der).chars().collect();
    for line in encoded.chunks(64) {
        text.extend(line);
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Label and bytes of the first section; text around it is passed over.
fn section(text: &str) -> Option<(&'static str, Vec<u8>)> {
    [PRIVATE, ENCRYPTED, PUBLIC].into_iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Some((label, BASE64.decode(body).ok()?))
    })
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

const PRIVATE: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// A key file has less than 1 KB.
const LIMIT: u64 = 64 * 1024;
