//! Signatures of a proposal that were made on another machine.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tough::schema::Signature;

use super::error::KeyChangeError;
use super::proposal::{Proposal, read_limited};
use crate::Sha256Digest;
use crate::catalog::RoleKey;

/// What a holder of root keys sends back: no secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureFile {
    format: u64,
    kind: String,
    /// Digest of the proposal.
    proposal: Sha256Digest,
    /// By version, in order.
    signatures: Vec<Vec<Signature>>,
}

impl SignatureFile {
    /// Signs a proposal, once with each key.
    ///
    /// # Errors
    /// None of the keys is a root key, before or after.
    pub fn sign(proposal: &Proposal, keys: &[&RoleKey]) -> Result<Self, KeyChangeError> {
        let signatures = proposal.signatures_of(keys)?;
        for key in keys {
            if !signatures.iter().flatten().any(|signature| signature.keyid == *key.id()) {
                return Err(KeyChangeError::NoRootKey { id: key.public().id() });
            }
        }
        Ok(Self { format: FORMAT, kind: KIND.to_owned(), proposal: proposal.digest()?, signatures })
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, KeyChangeError> {
        Self::parse(&read_limited(path)?).map_err(KeyChangeError::in_file(path))
    }

    fn parse(bytes: &[u8]) -> Result<Self, KeyChangeError> {
        let malformed = |reason: String| KeyChangeError::Malformed { what: "signature file", reason };
        let file: Self = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if file.format != FORMAT || file.kind != KIND {
            return Err(malformed("it has another format".to_owned()));
        }
        if file.signatures.iter().all(Vec::is_empty) {
            return Err(malformed("it has no signatures".to_owned()));
        }
        Ok(file)
    }

    /// The text of the file.
    pub fn to_json(&self) -> Result<Vec<u8>, KeyChangeError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| KeyChangeError::Malformed {
            what: "signature file",
            reason: error.to_string(),
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Adds the signatures to the proposal that they are for. Returns the ids of the keys.
    ///
    /// # Errors
    /// They are for another proposal, of keys that are no root keys, or do not hold; the proposal stays as it was.
    pub fn add_to(self, proposal: &mut Proposal) -> Result<Vec<String>, KeyChangeError> {
        if self.proposal != proposal.digest()? {
            return Err(KeyChangeError::OtherProposal);
        }
        let mut with_them = proposal.clone();
        let mut signers = Vec::new();
        for (index, signatures) in self.signatures.into_iter().enumerate() {
            for signature in signatures {
                let id = hex::encode(&*signature.keyid);
                with_them.take(index, signature)?;
                if !signers.contains(&id) {
                    signers.push(id);
                }
            }
        }
        *proposal = with_them;
        Ok(signers)
    }
}

const FORMAT: u64 = 1;
const KIND: &str = "midmirror root signatures";
