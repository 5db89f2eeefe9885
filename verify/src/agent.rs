//! What the MID Server's own verifier concludes: it demands more than `jarsigner` and gives a reason in its own words.
//!
//! The reasons are those of KB0962479. Where the article does not say which of several comes first, we take the order in
//! which a verifier meets them: its policy, its key store, the archive, then each entry and its signers.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::certificate::EKU_CODE_SIGNING;
use crate::chain::{ChainFailureKind, Purpose};
use crate::judge_chains::validation;
use crate::report::{ChainReport, EntryKind, EntryReport, Report, SignerReport, TrustStoreReport};
use crate::trust_store::{TrustStore, TrustStoreError};

/// What the verifier demands of signers.
#[derive(Debug, Clone)]
pub struct AgentRequirements {
    /// A value of organisation (O) in the signer's subject, compared whole and exactly. Empty: there is no policy, and
    /// nothing is accepted.
    pub organization: String,
    /// Object identifiers that the signer's extended key usage must name, all of them.
    pub key_purposes: Vec<String>,
    /// The authorities that the agent trusts.
    pub anchors: AgentAnchors,
}

/// The authorities that an agent trusts.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum AgentAnchors {
    /// Those of the report.
    #[default]
    OfReport,
    /// Those of its own key store, usually `jre/lib/security/cacerts`.
    Given(TrustStore),
    /// Its key store cannot be read.
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
}

/// What the MID Server's own verifier concludes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgentVerdict {
    accepted: bool,
    reason: Option<String>,
    entry: Option<String>,
    /// The authorities that decided; `None` if the key store cannot be read.
    anchors: Option<TrustStoreReport>,
    /// Why the key store cannot be read.
    anchors_error: Option<String>,
}

impl Default for AgentRequirements {
    fn default() -> Self {
        Self {
            organization: "ServiceNow Inc.".to_owned(),
            key_purposes: vec![EKU_CODE_SIGNING.to_owned()],
            anchors: AgentAnchors::OfReport,
        }
    }
}

impl AgentAnchors {
    /// Reads an agent's key store (JKS, PKCS12 or PEM). Failure is an answer too: the agent would have the same.
    pub fn read(name: &str, bytes: &[u8], password: Option<&str>) -> Self {
        match TrustStore::read(name, bytes, password) {
            Ok(store) => Self::Given(store),
            Err(TrustStoreError::Empty { .. }) => Self::Given(TrustStore::empty(name)),
            Err(error) => Self::Unreadable { reason: error.to_string() },
        }
    }
}

impl AgentVerdict {
    /// Draws the conclusion: every file must have a signer that meets all requirements.
    pub fn of(report: &Report, requirements: &AgentRequirements) -> Self {
        let (anchors, anchors_error) = match &requirements.anchors {
            AgentAnchors::OfReport => (Some(report.trust_store.clone()), None),
            AgentAnchors::Given(store) => (Some(TrustStoreReport::of(store)), None),
            AgentAnchors::Unreadable { reason } => (None, Some(reason.clone())),
        };
        let (reason, entry) = match conclude(report, requirements, anchors.as_ref()) {
            Ok(()) => (None, None),
            Err(Refusal { reason, entry }) => (Some(reason), entry),
        };
        Self { accepted: reason.is_none(), reason, entry, anchors, anchors_error }
    }

    /// Whether the verifier accepts the package.
    pub fn accepted(&self) -> bool {
        self.accepted
    }

    /// The reason for refusal in the vendor's words.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The first entry that is refused.
    pub fn entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }

    /// The authorities that decided; `None` if the agent's key store cannot be read.
    pub fn anchors(&self) -> Option<&TrustStoreReport> {
        self.anchors.as_ref()
    }

    /// Why the agent's key store cannot be read.
    pub fn anchors_error(&self) -> Option<&str> {
        self.anchors_error.as_deref()
    }
}

struct Refusal {
    reason: String,
    entry: Option<String>,
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), entry: None }
    }
}

fn conclude(
    report: &Report,
    requirements: &AgentRequirements,
    anchors: Option<&TrustStoreReport>,
) -> Result<(), Refusal> {
    if requirements.organization.is_empty() {
        return Err("Verification policy is missing".into());
    }
    match anchors {
        None => return Err("Failed to load cacerts key store".into()),
        Some(anchors) if anchors.anchors() == 0 => {
            return Err("Failed to find trust anchors from key store".into());
        }
        Some(_) => {}
    }
    if let Some(error) = report.abort() {
        let forged = error.class == "java.lang.SecurityException";
        return Err(if forged { "File has been tampered" } else { "Error while reading data" }.into());
    }
    let now = report.examined_at();
    let objections: Vec<Option<String>> =
        report.signers().iter().map(|signer| objection(signer, requirements, now)).collect();
    let mut files = 0;
    for entry in
        report.entries().iter().filter(|entry| entry.kind() == EntryKind::File || entry.is_unsigned())
    {
        files += 1;
        if let Some(reason) = entry_objection(entry, &objections) {
            return Err(Refusal { reason, entry: Some(entry.name().to_owned()) });
        }
    }
    if files == 0 { Err("Entry is not signed".into()) } else { Ok(()) }
}

/// Why an entry is refused: the objection that all its signers meet; signers with different ones are merely not valid.
fn entry_objection(entry: &EntryReport, objections: &[Option<String>]) -> Option<String> {
    if !entry.in_manifest() {
        return Some("Entry is not in manifest".to_owned());
    }
    if !entry.is_signed() {
        return Some("Entry is not signed".to_owned());
    }
    let mut found: Vec<&str> = Vec::new();
    for signer in entry.signers() {
        match objections.get(*signer) {
            Some(None) => return None,
            Some(Some(objection)) => found.push(objection),
            None => {}
        }
    }
    found.dedup();
    match found[..] {
        [only] => Some(only.to_owned()),
        _ => Some("Entry doesn't have valid signer".to_owned()),
    }
}

/// Why a signer is not good enough.
fn objection(signer: &SignerReport, requirements: &AgentRequirements, now: Timestamp) -> Option<String> {
    let reason = |text: &str| Some(text.to_owned());
    if !requirements.key_purposes.iter().all(|purpose| names_purpose(signer, purpose)) {
        return reason("Signer is not entitled for code signing");
    }
    let (chain, timestamp_chain) = chains(signer, &requirements.anchors, now);
    let outside_validity = matches!(
        chain.failure().map(|failure| failure.kind()),
        Some(ChainFailureKind::Expired | ChainFailureKind::NotYetValid)
    );
    if chain.failure().is_some() && !outside_validity {
        return reason("Signer is not trusted by CA");
    }
    let Some(timestamp_chain) = timestamp_chain else {
        return reason("Signer doesn't have timestamp");
    };
    match timestamp_chain.failure().map(|failure| failure.kind()) {
        None => {}
        Some(ChainFailureKind::Expired) => return reason("Timestamp certificate is expired"),
        Some(_) => return reason("Timestamp certificate is not trusted by CA"),
    }
    if outside_validity {
        return reason("Signer certificate is not valid at the time of signing");
    }
    if !signer.organizations().contains(&requirements.organization) {
        return Some(format!("Signer organization is not O={}", requirements.organization));
    }
    None
}

/// The chains of a signer and of its timestamp as the agent judges them.
fn chains(
    signer: &SignerReport,
    anchors: &AgentAnchors,
    now: Timestamp,
) -> (ChainReport, Option<ChainReport>) {
    let timestamp = signer.timestamp();
    let AgentAnchors::Given(store) = anchors else {
        return (signer.validation().clone(), timestamp.map(|timestamp| timestamp.validation().clone()));
    };
    let at = timestamp.map_or(now, |timestamp| timestamp.gen_time());
    let chain = validation(&signer.certificates, store, Purpose::CodeSigning, at);
    let authority =
        timestamp.map(|timestamp| validation(&timestamp.certificates, store, Purpose::TimeStamping, now));
    (chain, authority)
}

fn names_purpose(signer: &SignerReport, purpose: &str) -> bool {
    let usages = signer.certificates.first().and_then(|leaf| leaf.extended_key_usage.as_ref());
    usages.is_some_and(|usages| usages.iter().any(|usage| usage == purpose))
}
