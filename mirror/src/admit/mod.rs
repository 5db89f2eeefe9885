//! Admission: verify quarantined bytes, apply this mirror's policy, and make the proof that both happened.
//!
//! Only this module makes a [`VerifiedPackage`].

use crate::fetch::QuarantinedPackage;

/// What the signed catalog says about how a package was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// The JAR signature was verified and the policy accepted it.
    Verified,
    /// The file cannot carry a JAR signature; only its digest was pinned by an operator.
    SignatureNotChecked,
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
    signed_at: Option<jiff::Timestamp>,
    evidence: Evidence,
}

impl VerifiedPackage {
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
    pub fn signed_at(&self) -> Option<jiff::Timestamp> {
        self.signed_at
    }

    /// The documents to store beside the package.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
