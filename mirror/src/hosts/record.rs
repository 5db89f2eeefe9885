//! What is recorded.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Sha256Digest;
use crate::package::PackagePath;

/// A host has a package. Fields that are added later are passed over by this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// How far it has come with it.
    pub kind: RecordKind,
    /// When.
    pub at: Timestamp,
    /// The host: the address that its connection came from, or the name it reports.
    pub host: String,
    /// Subject of the client certificate that it showed, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// The vendor path under which it got them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PackagePath>,
}

/// How far a host has come with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// The server has sent it to its end.
    Downloaded,
    /// It waits in the agent's incoming folder, as the importer of the host reports.
    Staged,
    /// The agent has installed it, as the importer of the host reports.
    Installed,
}

impl RecordKind {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downloaded => "downloaded",
            Self::Staged => "staged",
            Self::Installed => "installed",
        }
    }
}
