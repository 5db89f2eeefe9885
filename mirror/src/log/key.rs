//! The key that signs checkpoints.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::note::{NoteError, NoteKey};

/// An Ed25519 key pair and the name of the log that it signs.
pub struct LogKey {
    public: NoteKey,
    pair: Arc<Ed25519KeyPair>,
}

impl LogKey {
    /// The key of the log with this name.
    pub fn new(name: &str, pair: Arc<Ed25519KeyPair>) -> Result<Self, NoteError> {
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?;
        Ok(Self { public: NoteKey::new(name, public)?, pair })
    }

    /// What verifies its signatures.
    pub fn public(&self) -> &NoteKey {
        &self.public
    }

    pub(super) fn name(&self) -> &str {
        self.public.name()
    }

    pub(super) fn pair(&self) -> &Ed25519KeyPair {
        &self.pair
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKey").field("public", &self.public).finish_non_exhaustive()
    }
}
