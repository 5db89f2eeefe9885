//! Admission: verify quarantined bytes, apply this mirror's policy, and make the proof that both happened.
//!
//! Only this module makes a [`VerifiedPackage`]. The steps:
//!
//! 1. `midmirror-verify` examines the private copy in quarantine and reports facts.
//! 2. Two verdicts are drawn from the facts: jarsigner's (strict) and that of the MID Server's own verifier.
//! 3. [`AdmissionPolicy`] judges facts and verdicts; each refusal names its rule.
//! 4. What is known from before ([`History`]) can speak for a package whose timestamp authority has expired, and tells
//!    when a signer certificate is a new one.
//!
//! Attacks considered here: a file replaced between check and use (the bytes in quarantine are the ones that are
//! hashed, verified and moved into the store); a ZIP without a signature, for which jarsigner ends 0; a package of
//! another publisher whose certificate is also trusted; a package under another package's name (the name is bound
//! by the vendor path, and the signed content by what it says of itself, see `identity`).

mod decision;
mod earlier;
mod history;
mod identity;
mod notices;
pub mod policy;
mod reexamine;
mod refusals;

use std::path::PathBuf;

use jiff::Timestamp;
use midmirror_verify::{AgentAnchors, AgentRequirements, TrustStore};
use thiserror::Error;

use crate::Sha256Digest;
use crate::fetch::QuarantinedPackage;
use crate::package::PackageName;

pub use decision::{Decision, Refusal, RefusalClass, judge_file, judge_file_with_history};
pub use earlier::{EarlierAdmission, ProofSource, RULE_EARLIER_ADMISSION};
pub use history::{History, Purpose};
pub use notices::{Notice, RULE_SIGNER_CHANGED, SignerCertificate};
pub use policy::{AdmissionPolicy, PinnedDigest, RelaxedRule};
pub(crate) use reexamine::digest_of;
pub use reexamine::{Examined, Judged};

/// What the signed catalog says about how a package was checked.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// The JAR signature was verified and the policy accepted it.
    Verified,
    /// The file cannot carry a JAR signature; only its digest was pinned by an operator.
    SignatureNotChecked,
}

impl Label {
    /// The words that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::SignatureNotChecked => "signature not checked",
        }
    }
}

/// Everything a decision depends on besides the bytes.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionInputs<'a> {
    /// Trust anchors for signers and timestamp authorities.
    pub trust: &'a TrustStore,
    /// Trust anchors for timestamp authorities, if they are not the same.
    pub timestamp_trust: Option<&'a TrustStore>,
    /// The authorities that the MID Server trusts, if they are not the same.
    pub agent_anchors: Option<&'a AgentAnchors>,
    /// What this mirror accepts.
    pub policy: &'a AdmissionPolicy,
    /// The moment at which certificates are judged.
    pub at: Timestamp,
}

impl<'a> AdmissionInputs<'a> {
    /// One set of anchors for everything.
    pub fn new(trust: &'a TrustStore, policy: &'a AdmissionPolicy, at: Timestamp) -> Self {
        Self { trust, timestamp_trust: None, agent_anchors: None, policy, at }
    }

    /// What the MID Server's own verifier demands.
    fn agent_requirements(&self) -> AgentRequirements {
        AgentRequirements {
            organization: self.policy.organization.clone(),
            anchors: self.agent_anchors.cloned().unwrap_or_default(),
            ..AgentRequirements::default()
        }
    }

    /// All anchors that had a say, as PEM.
    fn anchors_pem(&self) -> String {
        let mut pem = self.trust.to_pem();
        let agent = match self.agent_anchors {
            Some(AgentAnchors::Given(store)) => Some(store),
            _ => None,
        };
        for (whose, store) in [("timestamp authorities", self.timestamp_trust), ("the MID Server", agent)] {
            if let Some(store) = store {
                pem.push_str(&format!("# Anchors for {whose}:\n{}", store.to_pem()));
            }
        }
        pem
    }
}

/// The documents that are stored beside a package as proof of its admission.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The full report and both verdicts as JSON.
    pub report_json: Vec<u8>,
    /// What `jarsigner -verify -verbose -certs -strict` would have printed.
    pub jarsigner_text: String,
    /// The trust anchors that were used, as PEM.
    pub anchors_pem: Vec<u8>,
}

/// A package whose bytes were verified and which the policy accepts.
#[derive(Debug)]
pub struct VerifiedPackage {
    quarantined: QuarantinedPackage,
    label: Label,
    signer: Option<String>,
    signed_at: Option<Timestamp>,
    signers: Vec<SignerCertificate>,
    earlier_admission: Option<EarlierAdmission>,
    notices: Vec<Notice>,
    evidence: Evidence,
}

impl VerifiedPackage {
    /// Claims a verification that did not happen, for tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_tests(quarantined: QuarantinedPackage, report_json: &[u8]) -> Self {
        Self {
            quarantined,
            label: Label::Verified,
            signer: Some("CN=Test, O=ServiceNow Inc.".to_owned()),
            signed_at: Some(Timestamp::UNIX_EPOCH),
            signers: Vec::new(),
            earlier_admission: None,
            notices: Vec::new(),
            evidence: Evidence {
                report_json: report_json.to_vec(),
                jarsigner_text: "jar verified.\n".to_owned(),
                anchors_pem: b"(none)\n".to_vec(),
            },
        }
    }

    /// The bytes in quarantine that were verified.
    pub fn quarantined(&self) -> &QuarantinedPackage {
        &self.quarantined
    }

    /// How the package was checked.
    pub fn label(&self) -> Label {
        self.label
    }

    /// The subject of the signer certificate.
    pub fn signer(&self) -> Option<&str> {
        self.signer.as_deref()
    }

    /// The time of the RFC 3161 timestamp.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }

    /// The certificates of its signers.
    pub fn signers(&self) -> &[SignerCertificate] {
        &self.signers
    }

    /// The proof by which it is admitted, if its timestamp authority has expired.
    pub fn earlier_admission(&self) -> Option<&EarlierAdmission> {
        self.earlier_admission.as_ref()
    }

    /// What an operator should see.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The documents to store beside the package.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

/// A package that was not admitted; it stays in quarantine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// The bytes could not be read to the end.
    #[error("failed to read {file}")]
    Read {
        /// The file in quarantine.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Verification or policy refuse the package.
    #[error("{name} is refused: {}", .decision.summary())]
    Refused {
        /// The package.
        name: Box<PackageName>,
        /// The facts, verdicts and refusals.
        decision: Box<Decision>,
    },
    /// The evidence could not be written down.
    #[error("failed to write down the report of {name}")]
    Evidence {
        /// The package.
        name: Box<PackageName>,
        /// What the serializer said.
        source: serde_json::Error,
    },
}

/// Judges a quarantined package. Consumes it: there is no way to a [`VerifiedPackage`] around this function.
pub fn admit(
    quarantined: QuarantinedPackage,
    inputs: &AdmissionInputs<'_>,
    history: &History,
) -> Result<VerifiedPackage, AdmitError> {
    let name = quarantined.path().name().clone();
    let decision = verify_file(quarantined.file(), &name, quarantined.sha256(), inputs, history)?;
    let report_json =
        decision.to_json().map_err(|source| AdmitError::Evidence { name: Box::new(name.clone()), source })?;
    let evidence = Evidence {
        report_json,
        jarsigner_text: decision.jarsigner_text(),
        anchors_pem: inputs.anchors_pem().into_bytes(),
    };
    Ok(VerifiedPackage {
        label: decision.label(),
        signer: decision.signer().map(str::to_owned),
        signed_at: decision.signed_at(),
        signers: decision.report().map(SignerCertificate::of_signers).unwrap_or_default(),
        earlier_admission: decision.earlier_admission().cloned(),
        notices: decision.notices().to_vec(),
        quarantined,
        evidence,
    })
}

/// Judges a file that is not (or no longer) in quarantine: by the importer, and by the audit of a store.
pub fn verify_file(
    file: &std::path::Path,
    name: &PackageName,
    sha256: Sha256Digest,
    inputs: &AdmissionInputs<'_>,
    history: &History,
) -> Result<Decision, AdmitError> {
    let decision = judge_file_with_history(file, Some(name), sha256, inputs, history)
        .map_err(|source| AdmitError::Read { file: file.to_owned(), source })?;
    if decision.is_admitted() {
        Ok(decision)
    } else {
        Err(AdmitError::Refused { name: Box::new(name.clone()), decision: Box::new(decision) })
    }
}
