//! What an operator should see of a package that is admitted.

use jiff::Timestamp;
use midmirror_verify::{CertificateReport, Report};
use serde::{Deserialize, Serialize};

/// Something worth knowing that does not stand against a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Name of the rule.
    pub rule: &'static str,
    /// What was seen.
    pub text: String,
}

/// The certificate of a signer as a store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerCertificate {
    subject: String,
    issuer: String,
    organizations: Vec<String>,
    serial: String,
    sha256: String,
    spki_sha256: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl SignerCertificate {
    fn of(certificate: &CertificateReport) -> Self {
        Self {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            organizations: certificate.organizations().to_vec(),
            serial: certificate.serial().to_owned(),
            sha256: certificate.sha256().to_owned(),
            spki_sha256: certificate.spki_sha256().to_owned(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        }
    }

    /// The certificates of all signers of a package.
    pub fn of_signers(report: &Report) -> Vec<Self> {
        report.signers().iter().filter_map(|signer| signer.leaf()).map(Self::of).collect()
    }

    /// SHA-256 of the certificate, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn describe(&self) -> String {
        let Self { serial, sha256, not_before, not_after, .. } = self;
        format!("serial {serial}, sha256 {sha256}, valid {not_before} to {not_after}")
    }
}

/// Says that a package is signed with a certificate that none before it had. An ordinary renewal, and yet the moment to
/// ask whether the vendor knows of it.
pub(super) fn signer_changes(report: &Report, known: &[SignerCertificate]) -> Vec<Notice> {
    let Some(last) = known.last() else { return Vec::new() };
    let new = SignerCertificate::of_signers(report);
    let new = new.into_iter().filter(|new| !known.iter().any(|known| known.sha256 == new.sha256));
    let same = |same: bool| if same { "same" } else { "other" };
    new.map(|new| Notice {
        rule: RULE_SIGNER_CHANGED,
        text: format!(
            "signer certificate changed: {} → {}; {} organization, {} issuer, {} key",
            last.describe(),
            new.describe(),
            same(last.organizations == new.organizations),
            same(last.issuer == new.issuer),
            same(last.spki_sha256 == new.spki_sha256),
        ),
    })
    .collect()
}

/// The first package with another signer certificate than those before it.
pub const RULE_SIGNER_CHANGED: &str = "signer-changed";
