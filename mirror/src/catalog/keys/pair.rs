//! One key: a pair that signs, or the public half of one that is elsewhere.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use tough::schema::decoded::{Decoded, EcdsaFlex, Hex};
use tough::schema::key::{EcdsaKey, EcdsaScheme, Ed25519Key, Ed25519Scheme, Key};
use zeroize::Zeroizing;

use crate::catalog::error::CatalogError;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032).
    #[default]
    Ed25519,
    /// ECDSA with P-256 and SHA-256 (FIPS 186-5), for sites where Ed25519 is not allowed.
    EcdsaP256,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "Ed25519",
            Self::EcdsaP256 => "ECDSA P-256",
        })
    }
}

/// A public key as it stands in root metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: Key,
    id: Decoded<Hex>,
}

/// A key pair of a role.
pub struct RoleKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

impl PublicKey {
    pub(in crate::catalog) fn new(key: Key) -> Option<Self> {
        let id = key.key_id().ok()?;
        Some(Self { key, id })
    }

    /// Reads the SubjectPublicKeyInfo (RFC 5280) of an Ed25519 or P-256 key.
    pub(super) fn from_spki(der: &[u8]) -> Option<Self> {
        if let Some(public) = der.strip_prefix(ED25519_SPKI).filter(|public| public.len() == 32) {
            return Self::new(ed25519(public));
        }
        let public = der.strip_prefix(P256_SPKI).filter(|public| public.len() == 64)?;
        Self::new(ecdsa(&[&[UNCOMPRESSED], public].concat()))
    }

    /// Its SubjectPublicKeyInfo; none for kinds of keys that are not made here.
    pub(super) fn to_spki(&self) -> Option<Vec<u8>> {
        match &self.key {
            Key::Ed25519 { keyval, .. } => Some([ED25519_SPKI, &keyval.public].concat()),
            Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => {
                let public = keyval.public.strip_prefix(&[UNCOMPRESSED])?;
                Some([P256_SPKI, public].concat())
            }
            Key::Rsa { .. } => None,
        }
    }

    /// The key id: the SHA-256 digest of the key's canonical JSON, in hexadecimal digits (TUF 1.0, section 4.2).
    pub fn id(&self) -> String {
        hex::encode(&*self.id)
    }

    /// How it signs; none for kinds of keys that are not made here.
    pub fn algorithm(&self) -> Option<KeyAlgorithm> {
        match self.key {
            Key::Ed25519 { .. } => Some(KeyAlgorithm::Ed25519),
            Key::Ecdsa { .. } | Key::EcdsaOld { .. } => Some(KeyAlgorithm::EcdsaP256),
            Key::Rsa { .. } => None,
        }
    }

    pub(in crate::catalog) fn raw_id(&self) -> &Decoded<Hex> {
        &self.id
    }

    pub(in crate::catalog) fn key(&self) -> &Key {
        &self.key
    }
}

impl RoleKey {
    /// Reads a private key: PKCS#8 (RFC 5958), DER.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            let public = PublicKey::new(ed25519(pair.public_key().as_ref()))?;
            return Some(Self { pair: Pair::Ed25519(pair), public });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok()?;
        let public = PublicKey::new(ecdsa(pair.public_key().as_ref()))?;
        Some(Self { pair: Pair::EcdsaP256(pair), public })
    }

    /// The key id: the digest of the public key's canonical JSON.
    pub(in crate::catalog) fn id(&self) -> &Decoded<Hex> {
        self.public.raw_id()
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(in crate::catalog) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CatalogError> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::EcdsaP256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                Ok(signature.map_err(|_| CatalogError::Signing)?.as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for RoleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleKey").field("id", &self.public.id()).finish_non_exhaustive()
    }
}

/// Makes a private key: PKCS#8, DER.
pub(super) fn generate(algorithm: KeyAlgorithm) -> Result<Zeroizing<Vec<u8>>, CatalogError> {
    let failed = |_| CatalogError::KeyGeneration;
    match algorithm {
        KeyAlgorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            Ok(der.as_ref().to_vec().into())
        }
        KeyAlgorithm::EcdsaP256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
            Ok(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec().into())
        }
    }
}

fn ed25519(public: &[u8]) -> Key {
    Key::Ed25519 {
        keyval: Ed25519Key { public: public.to_vec().into(), _extra: HashMap::new() },
        scheme: Ed25519Scheme::Ed25519,
        _extra: HashMap::new(),
    }
}

fn ecdsa(public: &[u8]) -> Key {
    let public: Decoded<EcdsaFlex> = public.to_vec().into();
    Key::Ecdsa {
        keyval: EcdsaKey { public, _extra: HashMap::new() },
        scheme: EcdsaScheme::EcdsaSha2Nistp256,
        _extra: HashMap::new(),
    }
}

/// What comes before the 32 bytes of an Ed25519 key (RFC 8410, section 4).
const ED25519_SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What comes before the 64 bytes of an uncompressed P-256 point (RFC 5480, section 2).
const P256_SPKI: &[u8] = &[
    0x30,
    0x59,
    0x30,
    0x13,
    0x06,
    0x07,
    0x2a,
    0x86,
    0x48,
    0xce,
    0x3d,
    0x02,
    0x01,
    0x06,
    0x08,
    0x2a,
    0x86,
    0x48,
    0xce,
    0x3d,
    0x03,
    0x01,
    0x07,
    0x03,
    0x42,
    0x00,
    UNCOMPRESSED,
];
/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_halves_are_written_and_read() {
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::EcdsaP256] {
            let key = RoleKey::from_pkcs8(&generate(algorithm).unwrap()).unwrap();
            assert_eq!(key.public().algorithm(), Some(algorithm));
            let again = PublicKey::from_spki(&key.public().to_spki().unwrap()).unwrap();
            assert_eq!(&again, key.public());
            assert_eq!(again.id().len(), 64);
        }
        assert!(PublicKey::from_spki(&[ED25519_SPKI, &[0; 31]].concat()).is_none());
        assert!(PublicKey::from_spki(&[P256_SPKI, &[0; 65]].concat()).is_none());
        assert!(RoleKey::from_pkcs8(b"").is_none());
    }
}
