//! What a report says of one entry.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::archive::{EntryHeader, Modified};
use crate::signature_names::is_signature_related;

/// One entry of the archive, as the central directory lists it.
#[derive(Debug, Clone, Serialize)]
pub struct EntryReport {
    name: String,
    size: u64,
    compressed_size: u64,
    modified: Modified,
    mode: Option<u32>,
    kind: EntryKind,
    in_manifest: bool,
    /// Indices of the signers, in the report's list of signers. Entries of equal signers share one list.
    #[serde(serialize_with = "indices")]
    signers: Arc<[usize]>,
}

/// What an entry is to a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder: its name ends in a slash.
    Directory,
    /// The manifest, a signature file or a signature block, directly in `META-INF/`.
    SignatureRelated,
}

impl EntryReport {
    pub(crate) fn new(header: EntryHeader, in_manifest: bool, signers: Arc<[usize]>) -> Self {
        let kind = if header.is_directory() {
            EntryKind::Directory
        } else if is_signature_related(&header.name) {
            EntryKind::SignatureRelated
        } else {
            EntryKind::File
        };
        Self {
            mode: header.unix_mode(),
            name: header.name,
            size: header.size,
            compressed_size: header.compressed_size,
            modified: header.modified,
            kind,
            in_manifest,
            signers,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length of the content, as the central directory declares it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Length of the stored data.
    pub fn compressed_size(&self) -> u64 {
        self.compressed_size
    }

    /// Time of last modification.
    pub fn modified(&self) -> Modified {
        self.modified
    }

    /// The Unix mode, if the entry was made on Unix.
    pub fn mode(&self) -> Option<u32> {
        self.mode
    }

    /// What the entry is.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Whether the manifest has a section for it.
    pub fn in_manifest(&self) -> bool {
        self.in_manifest
    }

    /// Indices of its signers in [`crate::Report::signers`].
    pub fn signers(&self) -> &[usize] {
        &self.signers
    }

    /// Whether its content is covered by an accepted signature.
    pub fn is_signed(&self) -> bool {
        !self.signers.is_empty()
    }

    /// Whether it ought to be signed and is not. A folder with content counts.
    pub fn is_unsigned(&self) -> bool {
        !self.is_signed()
            && match self.kind {
                EntryKind::File => true,
                EntryKind::Directory => self.size > 0,
                EntryKind::SignatureRelated => false,
            }
    }
}

fn indices<S: Serializer>(indices: &Arc<[usize]>, serializer: S) -> Result<S::Ok, S::Error> {
    indices.serialize(serializer)
}
