//! One package in the catalog.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Digest of the stored report.
    pub report: Option<Sha256Digest>,
}

/// The version of each of the four metadata files of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
