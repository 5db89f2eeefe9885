//! What a report says of signature files and blocks as they lie in the archive, accepted or not.
//!
//! This is description, never evidence: `jarsigner` prints the same of signatures that it ignores.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::KeyReport;
use crate::algorithm_policy::Strength;
use crate::java_error::JavaError;
use crate::jdk::Jdk;

/// Files in `META-INF/` of one base name: a signature file, a signature block, or both.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SignatureFileReport {
    pub(crate) base: String,
    /// The digest algorithm named in the main section of the signature file.
    pub(crate) digest: Option<AlgorithmReport>,
    /// Name of the block, if there is one.
    pub(crate) block: Option<String>,
    /// Description of the first SignerInfo.
    pub(crate) description: Option<BlockDescription>,
    /// The file that cannot be parsed.
    pub(crate) unparsable: Option<String>,
    pub(crate) block_parses: bool,
    /// Whether the first SignerInfo has a timestamp token that can be read, whatever is in it.
    pub(crate) has_token: bool,
    /// What makes jarsigner break off while it describes the block: an attribute without a value, or the announced size.
    #[serde(skip)]
    pub(crate) breaks_off: Option<JavaError>,
    /// Names in the signature file without a signed entry.
    pub(crate) nonexistent: Vec<String>,
}

/// What became of a signature block.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BlockReport {
    pub(crate) name: String,
    pub(crate) outcome: BlockOutcome,
}

/// The outcome for a signature block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BlockOutcome {
    /// Its signers count.
    Accepted,
    /// It is passed over, as if it were not there.
    Ignored {
        /// Why.
        reason: String,
    },
    /// It is wrong, and with it the whole archive.
    Refused {
        /// Why.
        reason: String,
    },
    /// There is no signature file for it.
    WithoutSignatureFile,
}

/// An algorithm and what the policy says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AlgorithmReport {
    /// An RSASSA-PSS signature with its parameters, where these are not fine; only some JDKs look at them.
    #[serde(skip)]
    pub(crate) parameters: Option<Box<AlgorithmReport>>,
    pub(crate) name: String,
    pub(crate) strength: Strength,
}

/// What the first SignerInfo of a block says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BlockDescription {
    pub(crate) subject: String,
    pub(crate) signature: AlgorithmReport,
    pub(crate) key: KeyReport,
    pub(crate) timestamp: Option<TokenReport>,
}

/// What the token of the first SignerInfo says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TokenReport {
    pub(crate) subject: String,
    pub(crate) gen_time: Timestamp,
    pub(crate) digest: AlgorithmReport,
    pub(crate) signature: AlgorithmReport,
    pub(crate) key: KeyReport,
}

impl SignatureFileReport {
    /// The file name without extension.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Names in the signature file without a signed entry, in the order of the file.
    pub fn nonexistent(&self) -> &[String] {
        &self.nonexistent
    }
}

impl BlockReport {
    /// The name of the block.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of it.
    pub fn outcome(&self) -> &BlockOutcome {
        &self.outcome
    }
}

impl AlgorithmReport {
    /// The algorithm as a JDK describes it.
    pub(crate) fn as_described_by(&self, jdk: Jdk) -> &Self {
        self.parameters.as_deref().filter(|_| jdk.rules().judges_pss_parameters).unwrap_or(self)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the policy says of it.
    pub fn strength(&self) -> Strength {
        self.strength
    }
}
