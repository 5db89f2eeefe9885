//! Private keys under a passphrase: PKCS#8 EncryptedPrivateKeyInfo with PBES2 (RFC 8018), as `openssl pkey -aes256` and
//! `openssl pkcs8 -topk8` write and read them.
//!
//! Written with PBKDF2-HMAC-SHA256, 600,000 rounds, and AES-256-CBC; scrypt is read as well. A file states how much work
//! it makes: one that asks for more than a second or two, or for more than 256 MiB, is refused before it is tried.

use std::fmt;
use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::asn1::OctetString;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use zeroize::Zeroizing;

use crate::catalog::error::CatalogError;

/// What opens encrypted key files.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// A passphrase of 1 to 1,024 bytes on one line; `None` for others. A line end at its end, as editors leave it, does
    /// not count. Of several lines other programs take the first one only (`openssl -passin file:`), so they are refused.
    pub fn new(text: &[u8]) -> Option<Self> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_one_line = !text.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        (is_one_line && !text.is_empty() && text.len() <= 1024).then(|| Self(text.to_vec().into()))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Opens EncryptedPrivateKeyInfo, DER, and returns PKCS#8, DER.
pub(super) fn open(
    der: &[u8],
    passphrase: &Passphrase,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, CatalogError> {
    let unreadable = |reason| CatalogError::KeyEncryption { path: path.to_owned(), reason };
    let info = EncryptedPrivateKeyInfo::<OctetString>::from_der(der)
        .map_err(|_| unreadable("it is not PKCS#8 with PBES2 (RFC 8018)"))?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(unreadable(
            "it is encrypted with an outdated scheme; openssl pkcs8 -topk8 makes a new one of it",
        ));
    };
    if is_too_costly(&parameters.kdf) {
        return Err(unreadable("it asks for more work than any key needs"));
    }
    let opened = info
        .decrypt(passphrase.0.as_slice())
        .map_err(|_| CatalogError::WrongPassphrase { path: path.to_owned() })?;
    Ok(opened.as_bytes().to_vec().into())
}

/// Encrypts PKCS#8, DER, and returns EncryptedPrivateKeyInfo, DER.
pub(super) fn seal(der: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, CatalogError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    for bytes in [&mut salt, &mut iv] {
        aws_lc_rs::rand::fill(bytes).map_err(|_| CatalogError::KeyGeneration)?;
    }
    let failed = |_| CatalogError::KeyGeneration;
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv).map_err(failed)?;
    let encrypted = parameters.encrypt(passphrase.0.as_slice(), der).map_err(failed)?;
    let encrypted_data = OctetString::new(encrypted).map_err(|_| CatalogError::KeyGeneration)?;
    let info = EncryptedPrivateKeyInfo { encryption_algorithm: parameters.into(), encrypted_data };
    info.to_der().map_err(|_| CatalogError::KeyGeneration)
}

fn is_too_costly(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count > 10 * ROUNDS,
        Kdf::Scrypt(scrypt) => {
            let memory = scrypt.cost_parameter.saturating_mul(128 * u64::from(scrypt.block_size));
            memory > 256 * 1024 * 1024 || scrypt.parallelization > 16
        }
        _ => true,
    }
}

/// What OWASP recommends for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet, 2023).
const ROUNDS: u32 = 600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn sealed_keys_open_with_their_passphrase_only() {
        let key = super::super::pair::generate(crate::catalog::KeyAlgorithm::Ed25519).unwrap();
        let sealed = seal(&key, &passphrase("correct horse")).unwrap();
        let path = Path::new("x.pem");
        assert_eq!(open(&sealed, &passphrase("correct horse\n"), path).unwrap(), key);
        let wrong = open(&sealed, &passphrase("battery staple"), path);
        assert!(matches!(wrong, Err(CatalogError::WrongPassphrase { .. })), "{wrong:?}");
        let garbage = open(b"garbage", &passphrase("x"), path);
        assert!(matches!(garbage, Err(CatalogError::KeyEncryption { .. })), "{garbage:?}");
        assert!(Passphrase::new(b"\n").is_none() && Passphrase::new(&[b'x'; 1025]).is_none());
    }

    #[test]
    fn passphrase_is_one_line_with_or_without_its_end() {
        let key = super::super::pair::generate(crate::catalog::KeyAlgorithm::Ed25519).unwrap();
        let sealed = seal(&key, &passphrase("one line")).unwrap();
        for text in ["one line", "one line\n", "one line\r\n"] {
            assert_eq!(open(&sealed, &passphrase(text), Path::new("x.pem")).unwrap(), key, "{text:?}");
        }
        for text in ["", "\r\n", "one line\nanother\n", "one line\n\n", "one\rline"] {
            assert!(Passphrase::new(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn endless_work_is_refused_before_it_begins() {
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(90_000_000, &[1; 16], [2; 16]).unwrap();
        let info = EncryptedPrivateKeyInfo {
            encryption_algorithm: parameters.into(),
            encrypted_data: OctetString::new(vec![0; 64]).unwrap(),
        };
        let refused = open(&info.to_der().unwrap(), &passphrase("x"), Path::new("x.pem"));
        assert!(matches!(refused, Err(CatalogError::KeyEncryption { .. })), "{refused:?}");
    }
}
