//! What a report says of one certificate.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::algorithm_policy::{Strength, path_key, path_scheme};
use crate::certificate::{
    Certificate, EKU_CODE_SIGNING, EKU_TIME_STAMPING, KU_DIGITAL_SIGNATURE, KU_NON_REPUDIATION,
};
use crate::crypto::KeyKind;
use crate::distinguished_name::ORGANIZATION;
use crate::trust_store::TrustStore;

/// One certificate of a chain.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CertificateReport {
    subject: String,
    issuer: String,
    organizations: Vec<String>,
    serial: String,
    sha256: String,
    spki_sha256: String,
    not_before: Timestamp,
    not_after: Timestamp,
    signature_algorithm: String,
    signature_strength: Strength,
    key: KeyReport,
    /// Whether the very certificate is a trust anchor.
    trusted: bool,
    self_signed: bool,
    code_signing: bool,
    time_stamping: bool,
    usage: UsageReport,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyReport {
    algorithm: String,
    bits: Option<usize>,
    curve: Option<String>,
    strength: Strength,
}

/// Which usage extensions of a certificate allow signing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct UsageReport {
    pub(crate) key_usage: bool,
    pub(crate) extended_key_usage: bool,
    pub(crate) netscape_type: bool,
}

impl CertificateReport {
    /// Describes a certificate; `algorithms_at` is the moment for algorithms with an end date.
    pub(crate) fn of(certificate: &Certificate, trust: &TrustStore, algorithms_at: Timestamp) -> Self {
        let scheme = &certificate.signature_scheme;
        let states = |purpose: &str| {
            certificate
                .extended_key_usage
                .as_ref()
                .is_some_and(|usages| usages.iter().any(|usage| usage == purpose))
        };
        Self {
            subject: certificate.subject.to_java_string(),
            issuer: certificate.issuer.to_java_string(),
            organizations: certificate.subject.values(ORGANIZATION).map(str::to_owned).collect(),
            serial: hex::encode(&certificate.serial),
            sha256: certificate.sha256(),
            spki_sha256: certificate.key.sha256(),
            not_before: certificate.not_before,
            not_after: certificate.not_after,
            signature_algorithm: scheme.name(),
            signature_strength: path_scheme(scheme, algorithms_at),
            key: KeyReport::of(&certificate.key.kind, path_key(&certificate.key.kind)),
            trusted: trust.contains(certificate),
            self_signed: certificate.is_self_signed(),
            code_signing: states(EKU_CODE_SIGNING),
            time_stamping: states(EKU_TIME_STAMPING),
            usage: UsageReport {
                key_usage: certificate.may_use(&[KU_DIGITAL_SIGNATURE, KU_NON_REPUDIATION]),
                extended_key_usage: certificate.may_serve(EKU_CODE_SIGNING),
                netscape_type: certificate.netscape_allows_object_signing(),
            },
        }
    }

    /// The subject as Java prints it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer as Java prints it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// All values of organisation (O) in the subject.
    pub fn organizations(&self) -> &[String] {
        &self.organizations
    }

    /// The serial number in hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// SHA-256 of the certificate, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`, in hexadecimal.
    pub fn spki_sha256(&self) -> &str {
        &self.spki_sha256
    }

    /// Start of the validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// End of the validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The algorithm of the issuer's signature, by the JDK's name.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// What the certificate path policy says of that algorithm.
    pub fn signature_strength(&self) -> Strength {
        self.signature_strength
    }

    /// The public key.
    pub fn key(&self) -> &KeyReport {
        &self.key
    }

    /// Whether the very certificate is a trust anchor.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Whether the certificate is signed with its own key.
    pub fn is_self_signed(&self) -> bool {
        self.self_signed
    }

    /// Whether the extended key usage names code signing.
    pub fn code_signing(&self) -> bool {
        self.code_signing
    }

    /// Whether the extended key usage names time stamping.
    pub fn time_stamping(&self) -> bool {
        self.time_stamping
    }

    pub(crate) fn usage(&self) -> UsageReport {
        self.usage
    }
}

impl KeyReport {
    pub(crate) fn of(kind: &KeyKind, strength: Strength) -> Self {
        let curve = match kind {
            KeyKind::Ec { curve, .. } => Some(curve.clone()),
            _ => None,
        };
        Self { algorithm: kind.algorithm().to_owned(), bits: kind.bits(), curve, strength }
    }

    /// The algorithm by the JDK's name.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The size in bits as the JDK counts it.
    pub fn bits(&self) -> Option<usize> {
        self.bits
    }

    /// The curve of an elliptic curve key.
    pub fn curve(&self) -> Option<&str> {
        self.curve.as_deref()
    }

    /// Size, algorithm and curve as newer JDKs name a key, for instance `256-bit EC (secp256r1)`.
    pub(crate) fn full_name(&self) -> String {
        let Self { algorithm, bits, curve, .. } = self;
        match (bits, curve) {
            (Some(255), _) if algorithm == "EdDSA" => "Ed25519".to_owned(),
            (_, _) if algorithm == "EdDSA" => "Ed448".to_owned(),
            (Some(bits), Some(curve)) => format!("{bits}-bit {algorithm} ({curve})"),
            (Some(bits), None) => format!("{bits}-bit {algorithm}"),
            (None, _) => algorithm.clone(),
        }
    }

    /// What the policy in force where the key is used says of it.
    pub fn strength(&self) -> Strength {
        self.strength
    }
}
