//! What a report says of an accepted signer, of its chain and of its timestamp.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::CertificateReport;
use crate::certificate::Certificate;
use crate::chain::ChainFailure;

/// A signer whose signature over a signature file is right, and whose signature file fits the manifest.
///
/// Whether anybody should trust it is another question: see [`SignerReport::chain_failure`].
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SignerReport {
    pub(crate) block: String,
    pub(crate) digest_algorithm: String,
    pub(crate) signature_algorithm: String,
    pub(crate) signed_attributes: bool,
    pub(crate) chain: Vec<CertificateReport>,
    pub(crate) validation: ChainReport,
    pub(crate) timestamp: Option<TimestampReport>,
    /// How many entries the signer signs, the manifest not counted.
    pub(crate) entries: usize,
    /// The chain itself, to judge it again.
    #[serde(skip)]
    pub(crate) certificates: Vec<Arc<Certificate>>,
}

/// The outcome of validating a chain.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChainReport {
    pub(crate) at: Timestamp,
    pub(crate) failure: Option<ChainFailure>,
    pub(crate) anchor: Option<AnchorReport>,
}

/// The trust anchor that a chain ends in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnchorReport {
    pub(crate) subject: String,
    pub(crate) sha256: String,
}

/// A timestamp (RFC 3161) whose signature and message imprint are right.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TimestampReport {
    pub(crate) gen_time: Timestamp,
    pub(crate) imprint_algorithm: String,
    pub(crate) signature_algorithm: String,
    pub(crate) is_tst_info: bool,
    pub(crate) chain: Vec<CertificateReport>,
    pub(crate) validation: ChainReport,
    pub(crate) earliest_end: Option<Timestamp>,
    /// The chain itself, to judge it again.
    #[serde(skip)]
    pub(crate) certificates: Vec<Arc<Certificate>>,
}

impl SignerReport {
    /// The signer's subject as Java prints it.
    pub fn subject(&self) -> &str {
        self.leaf().map_or("", CertificateReport::subject)
    }

    /// All values of organisation (O) in the signer's subject.
    pub fn organizations(&self) -> &[String] {
        self.leaf().map_or(&[], CertificateReport::organizations)
    }

    /// Whether the signer's extended key usage names code signing.
    pub fn code_signing(&self) -> bool {
        self.leaf().is_some_and(CertificateReport::code_signing)
    }

    /// SHA-256 of the signer's public key (`SubjectPublicKeyInfo`), in hexadecimal.
    pub fn spki_sha256(&self) -> &str {
        self.leaf().map_or("", CertificateReport::spki_sha256)
    }

    /// SHA-256 of the signer's certificate, in hexadecimal.
    pub fn certificate_sha256(&self) -> &str {
        self.leaf().map_or("", CertificateReport::sha256)
    }

    /// Start of the validity of the signer's certificate.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.leaf().map(CertificateReport::not_before)
    }

    /// End of the validity of the signer's certificate.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.leaf().map(CertificateReport::not_after)
    }

    /// The signer's certificate.
    pub fn leaf(&self) -> Option<&CertificateReport> {
        self.chain.first()
    }

    /// The chain as offered by the signature block, signer first.
    pub fn chain(&self) -> &[CertificateReport] {
        &self.chain
    }

    /// The subjects of the chain, signer first.
    pub fn chain_subjects(&self) -> impl Iterator<Item = &str> {
        self.chain.iter().map(CertificateReport::subject)
    }

    /// Whether the chain leads to a trust anchor and was valid at the time of signing (without a timestamp: at the
    /// time of examination).
    pub fn chain_valid(&self) -> bool {
        self.validation.failure.is_none()
    }

    /// Why the chain is not valid.
    pub fn chain_failure(&self) -> Option<&ChainFailure> {
        self.validation.failure.as_ref()
    }

    /// The outcome of validating the chain.
    pub fn validation(&self) -> &ChainReport {
        &self.validation
    }

    /// The subject of the trust anchor.
    pub fn anchor_subject(&self) -> Option<&str> {
        self.validation.anchor.as_ref().map(|anchor| anchor.subject.as_str())
    }

    /// The timestamp.
    pub fn timestamp(&self) -> Option<&TimestampReport> {
        self.timestamp.as_ref()
    }

    /// The name of the signature block.
    pub fn block(&self) -> &str {
        &self.block
    }

    /// The digest algorithm of the signature, by the JDK's name.
    pub fn digest_algorithm(&self) -> &str {
        &self.digest_algorithm
    }

    /// The signature algorithm, by the JDK's name.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Whether the signature is over signed attributes; without, it is over the signature file itself.
    pub fn has_signed_attributes(&self) -> bool {
        self.signed_attributes
    }

    /// The size of the signer's key.
    pub fn key_bits(&self) -> Option<usize> {
        self.leaf().and_then(|leaf| leaf.key().bits())
    }

    /// How many entries the signer signs, the manifest not counted.
    pub fn entries(&self) -> usize {
        self.entries
    }
}

impl ChainReport {
    /// The moment that validity was judged at.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Why the chain is not valid.
    pub fn failure(&self) -> Option<&ChainFailure> {
        self.failure.as_ref()
    }

    /// The trust anchor, if the chain is valid.
    pub fn anchor(&self) -> Option<&AnchorReport> {
        self.anchor.as_ref()
    }
}

impl ChainReport {
    pub(super) fn fail_revocation(&mut self) {
        if self.failure.is_none() {
            self.failure = Some(ChainFailure::no_revocation_source());
            self.anchor = None;
        }
    }
}

impl AnchorReport {
    /// The subject as Java prints it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// SHA-256 of the certificate, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl TimestampReport {
    /// The time that the authority states.
    pub fn gen_time(&self) -> Timestamp {
        self.gen_time
    }

    /// The subject of the authority's certificate.
    pub fn authority_subject(&self) -> &str {
        self.chain.first().map_or("", CertificateReport::subject)
    }

    /// Whether the authority's chain is valid at the time of examination.
    pub fn chain_valid(&self) -> bool {
        self.validation.failure.is_none()
    }

    /// Why the authority's chain is not valid.
    pub fn chain_failure(&self) -> Option<&ChainFailure> {
        self.validation.failure.as_ref()
    }

    /// The outcome of validating the authority's chain.
    pub fn validation(&self) -> &ChainReport {
        &self.validation
    }

    /// The chain as offered by the token, authority first.
    pub fn chain(&self) -> &[CertificateReport] {
        &self.chain
    }

    /// The earliest end among the certificates of the chain that are not trust anchors themselves: from then on
    /// the timestamp counts as expired.
    pub fn earliest_end(&self) -> Option<Timestamp> {
        self.earliest_end
    }

    /// The digest algorithm of the message imprint.
    pub fn imprint_algorithm(&self) -> &str {
        &self.imprint_algorithm
    }

    /// The algorithm of the authority's signature.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Whether the content type of the token is `id-ct-TSTInfo`, as RFC 3161 demands.
    pub fn is_tst_info(&self) -> bool {
        self.is_tst_info
    }
}
