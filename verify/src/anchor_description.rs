//! What a trust anchor is, for people: its certificate, and for bundled ones where it was taken from and what for.

use jiff::Timestamp;
use serde::Serialize;

use crate::certificate::Certificate;
use crate::trust_store::BUNDLED_PEM;

/// A trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnchorDescription {
    /// The subject as Java prints it.
    pub subject: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub sha256: String,
    /// Start of the validity. Neither date of an anchor has any effect: see [`crate::Outlook`].
    pub not_before: Timestamp,
    /// End of the validity.
    pub not_after: Timestamp,
    /// Where the bundled set has the certificate from.
    pub origin: Option<String>,
    /// What the bundled set has the certificate for.
    pub purpose: Option<String>,
}

impl AnchorDescription {
    pub(crate) fn of(certificate: &Certificate) -> Self {
        let sha256 = certificate.sha256();
        let note = |key: &str| note(&sha256, key).map(str::to_owned);
        Self {
            subject: certificate.subject.to_java_string(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            origin: note("# Origin: "),
            purpose: note("# Purpose: "),
            sha256,
        }
    }
}

/// What the comments of the bundled file say of a certificate.
fn note(sha256: &str, key: &str) -> Option<&'static str> {
    let text = std::str::from_utf8(BUNDLED_PEM).ok()?;
    let (_, after) = text.split_once(&format!("# SHA-256: {sha256}\n"))?;
    after.lines().take_while(|line| line.starts_with('#')).find_map(|line| line.strip_prefix(key))
}

#[cfg(test)]
mod tests {
    use crate::TrustStore;

    #[test]
    fn every_bundled_anchor_has_an_origin_and_a_purpose() {
        for anchor in TrustStore::bundled().anchors() {
            let says = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > 20);
            assert!(says(&anchor.origin) && says(&anchor.purpose), "{anchor:?}");
        }
    }

    #[test]
    fn other_anchors_have_neither() {
        let pem = include_bytes!("../tests/data/anchors.pem");
        let store = TrustStore::read("other", pem, None).unwrap();
        assert!(store.anchors().all(|anchor| anchor.origin.is_none() && anchor.purpose.is_none()));
        assert_eq!(store.anchors().count(), 2);
    }
}
