//! The key of the store.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use crate::Sha256Digest;
use crate::log::{LogKey, NoteError};

/// An Ed25519 key pair that signs for a store.
#[derive(Clone)]
pub struct StoreKey {
    pair: Arc<Ed25519KeyPair>,
    public: [u8; 32],
}

impl StoreKey {
    /// Reads a private key: PKCS#8 (RFC 8410), DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyRejected> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::new)
    }

    pub(crate) fn new(pair: Ed25519KeyPair) -> Self {
        let mut public = [0; 32];
        // Always 32 bytes: RFC 8032, section 5.1.5.
        for (to, from) in public.iter_mut().zip(pair.public_key().as_ref()) {
            *to = *from;
        }
        Self { pair: Arc::new(pair), public }
    }

    /// The public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// What tells the key from others: the SHA-256 of the public key.
    pub fn id(&self) -> Sha256Digest {
        Sha256Digest::of(&self.public)
    }

    /// The same key as the one that signs the log of that name.
    pub fn for_log(&self, name: &str) -> Result<LogKey, NoteError> {
        LogKey::new(name, self.pair.clone())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKey").field("id", &self.id().to_hex()).finish_non_exhaustive()
    }
}
