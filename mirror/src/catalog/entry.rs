//! One package in the catalog.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lifetimes::Profile;
use crate::Sha256Digest;
use crate::admit::Label;
use crate::package::PackagePath;

/// What the catalog says of one package. Length and digest are the TUF target's own; the rest is its `custom` field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct CatalogEntry {
    /// The vendor path; the TUF target name.
    pub path: PackagePath,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// Length in bytes.
    pub length: u64,
    /// How the package was checked.
    pub label: Label,
    /// Subject of the signer certificate.
    pub signer: Option<String>,
    /// Time of the RFC 3161 timestamp.
    pub signed_at: Option<jiff::Timestamp>,
    /// When this mirror admitted the package.
    pub admitted_at: jiff::Timestamp,
    /// When this mirror first admitted these bytes, if that was earlier than `admitted_at`. Catalogs of early versions do
    /// not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_admitted_at: Option<jiff::Timestamp>,
    /// Whether the package was admitted only because it had been admitted before: its timestamp authority has expired.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_earlier_admission: bool,
    /// Digest of the stored report.
    pub report: Option<Sha256Digest>,
}

impl CatalogEntry {
    /// The moment as of which the signature of these bytes was first found good; `None` if it was never checked.
    pub fn first_verified_at(&self) -> Option<jiff::Timestamp> {
        (self.label == Label::Verified).then(|| self.first_admitted_at.unwrap_or(self.admitted_at))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// Which store a catalog is of, and the key that signs for it. In the signed catalog: a field `midmirror` of
/// `targets.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreIdentity {
    /// Id of the store, 32 hexadecimal digits.
    pub id: String,
    /// Its Ed25519 public key (RFC 8032).
    #[serde(with = "hex::serde")]
    pub key: [u8; 32],
    /// How its catalog is renewed.
    #[serde(default, skip_serializing_if = "Profile::is_connected")]
    pub profile: Profile,
}

impl StoreIdentity {
    /// The name of the log, the origin of its checkpoints.
    pub fn log_name(&self) -> String {
        format!("midmirror/{}", self.id)
    }
}

/// The version of each of the four metadata files of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CatalogVersions {
    /// Version of the newest root metadata.
    pub root: u64,
    /// Version of the timestamp metadata; grows with every publication.
    pub timestamp: u64,
    /// Version of the snapshot metadata.
    pub snapshot: u64,
    /// Version of the targets metadata; grows when packages are added or moved.
    pub targets: u64,
}
