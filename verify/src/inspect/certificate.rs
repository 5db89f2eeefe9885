//! A certificate as it describes itself (RFC 5280).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::certificate::{Certificate, EKU_ANY, EKU_CODE_SIGNING, EKU_TIME_STAMPING};
use crate::crypto::KeyKind;

/// A certificate as it describes itself. Nobody has checked who issued it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct CertificateContent {
    /// The subject as Java prints it.
    pub subject: String,
    /// The issuer as Java prints it.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The version: 1, 2 or 3.
    pub version: u8,
    /// SHA-256 of the certificate, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of the `SubjectPublicKeyInfo`, in hexadecimal.
    pub spki_sha256: String,
    /// Start of the validity.
    pub not_before: Timestamp,
    /// End of the validity.
    pub not_after: Timestamp,
    /// The algorithm of the issuer's signature, by the JDK's name.
    pub signature_algorithm: String,
    /// The algorithm of the public key, by the JDK's name.
    pub key_algorithm: String,
    /// The size of the public key in bits as the JDK counts it.
    pub key_bits: Option<usize>,
    /// The curve of an elliptic curve key.
    pub key_curve: Option<String>,
    /// Whether issuer and subject are the same name.
    pub self_issued: bool,
    /// What the key may be used for (RFC 5280 section 4.2.1.3); absent: not restricted.
    pub key_usage: Option<Vec<&'static str>>,
    /// Purposes (RFC 5280 section 4.2.1.12), the known ones by name; absent: not restricted.
    pub extended_key_usage: Option<Vec<String>>,
    /// Whether it is the certificate of an authority (basic constraints); absent: not stated.
    pub authority: Option<bool>,
    /// How many authorities may follow below it; absent: no limit stated.
    pub path_length: Option<u8>,
    /// Key identifier of the subject, in hexadecimal.
    pub subject_key_id: Option<String>,
    /// Key identifier of the issuer, in hexadecimal.
    pub authority_key_id: Option<String>,
    /// Critical extensions that this program does not process, as object identifiers.
    pub unknown_critical_extensions: Vec<String>,
}

impl CertificateContent {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let key = &certificate.key.kind;
        let usage = |bits: &Vec<bool>| {
            KEY_USAGES.iter().zip(bits).filter(|(_, bit)| **bit).map(|(name, _)| *name).collect()
        };
        let purposes = |oids: &Vec<String>| oids.iter().map(|oid| purpose(oid).to_owned()).collect();
        Self {
            subject: certificate.subject.to_java_string(),
            issuer: certificate.issuer.to_java_string(),
            serial: hex::encode(&certificate.serial),
            version: certificate.version,
            sha256: certificate.sha256(),
            spki_sha256: certificate.key.sha256(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            signature_algorithm: certificate.signature_scheme.name(),
            key_algorithm: key.algorithm().to_owned(),
            key_bits: key.bits(),
            key_curve: match key {
                KeyKind::Ec { curve, .. } => Some(curve.clone()),
                _ => None,
            },
            self_issued: certificate.is_self_issued(),
            key_usage: certificate.key_usage.as_ref().map(usage),
            extended_key_usage: certificate.extended_key_usage.as_ref().map(purposes),
            authority: certificate.basic_constraints.map(|(authority, _)| authority),
            path_length: certificate.basic_constraints.and_then(|(_, length)| length),
            subject_key_id: certificate.subject_key_id.as_ref().map(hex::encode),
            authority_key_id: certificate.authority_key_id.as_ref().map(hex::encode),
            unknown_critical_extensions: certificate.unknown_critical.clone(),
        }
    }
}

/// The name of a purpose, or its object identifier.
fn purpose(oid: &str) -> &str {
    match oid {
        EKU_CODE_SIGNING => "codeSigning",
        EKU_TIME_STAMPING => "timeStamping",
        EKU_ANY => "anyExtendedKeyUsage",
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        "1.3.6.1.5.5.7.3.9" => "OCSPSigning",
        oid => oid,
    }
}

/// The bits in the order of RFC 5280 section 4.2.1.3.
const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];
