//! Keystores: certificates with the names under which somebody keeps them.

mod jks;
mod pkcs12;

use std::collections::HashMap;
use std::sync::Arc;

use crate::certificate::Certificate;
use crate::trust_store::TrustStoreError;

/// The certificates of a Java keystore (JKS or PKCS12) with their aliases.
#[derive(Debug, Clone, Default)]
pub struct Keystore {
    entries: Vec<KeystoreEntry>,
    /// Certificates that could not be parsed, with the reason.
    skipped: Vec<String>,
    by_sha256: HashMap<String, usize>,
}

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct KeystoreEntry {
    pub(crate) alias: String,
    /// Whether it is a trusted certificate; otherwise it belongs to a private key.
    pub(crate) trusted: bool,
    pub(crate) certificate: Arc<Certificate>,
}

/// An entry before its certificate is parsed.
struct RawEntry {
    alias: String,
    trusted: bool,
    der: Vec<u8>,
}

impl Keystore {
    /// Whether the bytes look like a keystore.
    pub(crate) fn is_keystore(bytes: &[u8]) -> bool {
        bytes.starts_with(&jks::MAGIC) || pkcs12::is_pkcs12(bytes)
    }

    /// Reads a keystore; `name` is for messages.
    ///
    /// `password` opens a PKCS12 keystore and checks the integrity of both kinds. Without it, integrity is not
    /// checked and encrypted certificates cannot be read.
    ///
    /// # Errors
    ///
    /// If the bytes have no known form or are damaged, or the password is wrong.
    pub fn read(name: &str, bytes: &[u8], password: Option<&str>) -> Result<Self, TrustStoreError> {
        let raw = if bytes.starts_with(&jks::MAGIC) {
            jks::read(bytes, password)
        } else if pkcs12::is_pkcs12(bytes) {
            pkcs12::read(bytes, password)
        } else {
            Err("it is no Java keystore (JKS or PKCS12)".to_owned())
        };
        let raw = raw.map_err(|reason| TrustStoreError::Malformed { name: name.to_owned(), reason })?;
        let mut store = Self::default();
        for RawEntry { alias, trusted, der } in raw {
            match Certificate::parse(&der) {
                Ok(certificate) => {
                    let slot = store.entries.len();
                    store.by_sha256.entry(certificate.sha256()).or_insert(slot);
                    store.entries.push(KeystoreEntry { alias, trusted, certificate });
                }
                Err(error) => store.skipped.push(format!("{alias}: {error}")),
            }
        }
        Ok(store)
    }

    /// Whether the bytes are a PKCS12 keystore that can be read with at most so many rounds of key derivation, for the
    /// fuzz targets.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_cheap(bytes: &[u8], password: &str, iterations: u32) -> bool {
        !pkcs12::read_within(bytes, Some(password), iterations)
            .is_err_and(|reason| crate::limits::is_exceeded(&reason))
    }

    /// The alias under which a certificate is kept.
    pub(crate) fn alias_of(&self, sha256: &str) -> Option<&str> {
        self.entries.get(*self.by_sha256.get(sha256)?).map(|entry| entry.alias.as_str())
    }

    /// The entries that make certificates trusted: trusted ones, and self-signed ones of private keys.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = &KeystoreEntry> {
        self.entries.iter().filter(|entry| entry.trusted || entry.certificate.is_self_signed())
    }

    /// Certificates that could not be parsed, with the reason.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }
}
