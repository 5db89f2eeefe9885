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
    /// Claims a verification that did not happen, for tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn for_tests(quarantined: QuarantinedPackage, report_json: &[u8]) -> Self {
        Self {
            quarantined,
            label: Label::Verified,
            signer: Some("CN=Test, O=ServiceNow Inc.".to_owned()),
            signed_at: Some(jiff::Timestamp::UNIX_EPOCH),
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
    pub fn signed_at(&self) -> Option<jiff::Timestamp> {
        self.signed_at
    }

    /// The documents to store beside the package.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}
