//! What a check can find.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::Sha256Digest;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "problem")]
#[non_exhaustive]
pub enum Problem {
    /// Bytes that were admitted are not there.
    MissingBlob {
        /// Their digest.
        sha256: Sha256Digest,
    },
    /// A blob has another length than was admitted.
    WrongLength {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// The length that was admitted.
        expected: u64,
        /// Its length.
        found: u64,
    },
    /// A blob does not have the digest in its name.
    WrongDigest {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// The digest of its bytes.
        found: Sha256Digest,
    },
    /// A file of the evidence is missing.
    MissingEvidence {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
    /// A file of the evidence is garbled or is not the one that was admitted.
    WrongEvidence {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file or folder could not be read.
    Unreadable {
        /// The file or folder.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The catalog names a package that was not admitted as it says.
    NotAdmitted {
        /// Its vendor path.
        package: String,
        /// Its digest.
        sha256: Sha256Digest,
    },
    /// A package was admitted and is not, or not in its newest form, in the catalog: publish to finish.
    NotPublished {
        /// Its vendor path.
        package: String,
        /// Its digest.
        sha256: Sha256Digest,
    },
    /// Bytes without evidence: stored and never admitted. The next commit of the same package finishes them.
    Unadmitted {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
    /// A temporary file of an interrupted write; the next writer removes it.
    Leftover {
        /// The file.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
    /// The log is not what was signed, or does not tell what the evidence says.
    Log {
        /// What is wrong.
        reason: String,
        /// Whether something was lost or changed; otherwise it waits for the next publication.
        damage: bool,
    },
    /// The records of withdrawals or prunings cannot be read: nobody knows what is withdrawn or pruned.
    Records {
        /// Which, and why.
        reason: String,
    },
    /// A file that does not belong there.
    Unknown {
        /// The file or folder.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
}

impl Problem {
    /// Whether something is lost or was changed; the others are only unfinished or superfluous.
    pub fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::NotPublished { .. }
                | Self::Unadmitted { .. }
                | Self::Leftover { .. }
                | Self::Log { damage: false, .. }
                | Self::Unknown { .. }
        )
    }
}

/// Paths need not be UTF-8, JSON must be.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
