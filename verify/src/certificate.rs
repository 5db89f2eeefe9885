//! X.509 certificates (RFC 5280): typed fields by the `x509-cert` crate, signed bytes as they stand in the input.

use std::sync::Arc;

use der::Decode as _;
use jiff::Timestamp;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

use crate::asn1::{Asn1Error, Reader, tag};
use crate::crypto::{PublicKey, SignatureScheme};
use crate::distinguished_name::DistinguishedName;

/// A parsed certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// The signed part, byte for byte.
    pub(crate) tbs: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: DistinguishedName,
    pub(crate) subject: DistinguishedName,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) version: u8,
    pub(crate) key: PublicKey,
    pub(crate) signature_scheme: SignatureScheme,
    pub(crate) signature: Vec<u8>,
    pub(crate) basic_constraints: Option<(bool, Option<u8>)>,
    /// Bits in the order of RFC 5280 section 4.2.1.3, digitalSignature first.
    pub(crate) key_usage: Option<Vec<bool>>,
    pub(crate) extended_key_usage: Option<Vec<String>>,
    /// First byte of the Netscape certificate type extension.
    pub(crate) netscape_type: Option<u8>,
    /// Critical extensions that this program does not process.
    pub(crate) unknown_critical: Vec<String>,
    /// Whether a name constraints extension is present.
    pub(crate) has_name_constraints: bool,
}

impl Certificate {
    /// Parses one certificate; bytes after it are an error.
    pub(crate) fn parse(der: &[u8]) -> Result<Arc<Self>, Asn1Error> {
        let mut outer = Reader::new(der);
        let whole = outer.expect(tag::SEQUENCE)?;
        if !outer.is_empty() {
            return Err(Asn1Error("bytes after the certificate"));
        }
        let mut parts = whole.inside();
        let tbs = parts.expect(tag::SEQUENCE)?;
        let outer_algorithm = parts.expect(tag::SEQUENCE)?;
        let signature = parts.expect(tag::BIT_STRING)?;

        let mut fields = tbs.inside();
        fields.optional(tag::CONTEXT_0)?;
        let serial = fields.expect(tag::INTEGER)?;
        let inner_algorithm = fields.expect(tag::SEQUENCE)?;
        if inner_algorithm.raw != outer_algorithm.raw {
            return Err(Asn1Error("the two signature algorithms of the certificate differ"));
        }
        let issuer = fields.expect(tag::SEQUENCE)?;
        let _validity = fields.expect(tag::SEQUENCE)?;
        let subject = fields.expect(tag::SEQUENCE)?;
        let key = fields.expect(tag::SEQUENCE)?;

        let typed = CertificateInner::<Raw>::from_der(der)
            .map_err(|_| Asn1Error("not an X.509 certificate (RFC 5280)"))?;
        let typed_tbs = typed.tbs_certificate();
        let validity = typed_tbs.validity();
        let mut certificate = Self {
            der: der.to_vec(),
            tbs: tbs.raw.to_vec(),
            serial: serial.content.to_vec(),
            issuer: DistinguishedName::parse(issuer.raw)?,
            subject: DistinguishedName::parse(subject.raw)?,
            not_before: timestamp(&validity.not_before)?,
            not_after: timestamp(&validity.not_after)?,
            version: match typed_tbs.version() {
                x509_cert::Version::V1 => 1,
                x509_cert::Version::V2 => 2,
                x509_cert::Version::V3 => 3,
            },
            key: PublicKey::parse(key.raw)?,
            signature_scheme: SignatureScheme::of_certificate(&outer_algorithm)?,
            signature: bit_string(signature.content)?,
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            netscape_type: None,
            unknown_critical: Vec::new(),
            has_name_constraints: false,
        };
        for extension in typed_tbs.extensions().into_iter().flatten() {
            let oid = extension.extn_id.to_string();
            certificate.take_extension(&oid, extension.critical, extension.extn_value.as_bytes())?;
        }
        Ok(Arc::new(certificate))
    }

    fn take_extension(&mut self, oid: &str, critical: bool, value: &[u8]) -> Result<(), Asn1Error> {
        let malformed = |_| Asn1Error("malformed certificate extension");
        match oid {
            "2.5.29.19" => {
                let constraints = BasicConstraints::from_der(value).map_err(malformed)?;
                self.basic_constraints = Some((constraints.ca, constraints.path_len_constraint));
            }
            "2.5.29.15" => {
                let usage = KeyUsage::from_der(value).map_err(malformed)?;
                let bits = usage.0.bits();
                self.key_usage = Some((0..9).map(|bit| bits & (1 << bit) != 0).collect());
            }
            "2.5.29.37" => {
                let usage = ExtendedKeyUsage::from_der(value).map_err(malformed)?;
                self.extended_key_usage = Some(usage.0.iter().map(ToString::to_string).collect());
            }
            "2.16.840.1.113730.1.1" => {
                let bits = Reader::new(value).expect(tag::BIT_STRING)?;
                self.netscape_type = Some(bits.content.get(1).copied().unwrap_or(0));
            }
            "2.5.29.30" => self.has_name_constraints = true,
            _ if critical && !PROCESSED_EXTENSIONS.contains(&oid) => {
                self.unknown_critical.push(oid.to_owned())
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether issuer and subject are the same name.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject.matches(&self.issuer)
    }

    /// Whether `at` lies in the validity, ends included.
    pub(crate) fn validity_at(&self, at: Timestamp) -> Validity {
        if at < self.not_before {
            Validity::NotYet
        } else if at > self.not_after {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    /// Whether the key usage, if stated, has one of the bits.
    pub(crate) fn may_use(&self, bits: &[usize]) -> bool {
        self.key_usage
            .as_ref()
            .is_none_or(|usage| bits.iter().any(|bit| usage.get(*bit).copied().unwrap_or(false)))
    }

    /// Whether the extended key usage, if stated, has the purpose or "any".
    pub(crate) fn may_serve(&self, purpose: &str) -> bool {
        self.extended_key_usage
            .as_ref()
            .is_none_or(|usages| usages.iter().any(|usage| usage == purpose || usage == EKU_ANY))
    }

    /// Whether the Netscape certificate type, if stated, allows object signing.
    pub(crate) fn netscape_allows_object_signing(&self) -> bool {
        self.netscape_type.is_none_or(|bits| bits & 0x10 != 0)
    }

    /// SHA-256 of the certificate.
    pub(crate) fn sha256(&self) -> String {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(&self.der))
    }
}

/// Where a moment lies relative to a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    NotYet,
    Valid,
    Expired,
}

fn timestamp(time: &x509_cert::time::Time) -> Result<Timestamp, Asn1Error> {
    let seconds =
        i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| Asn1Error("time out of range"))?;
    Timestamp::from_second(seconds).map_err(|_| Asn1Error("time out of range"))
}

/// The bytes of a BIT STRING without unused bits.
pub(crate) fn bit_string(content: &[u8]) -> Result<Vec<u8>, Asn1Error> {
    match content.split_first() {
        Some((0, bytes)) => Ok(bytes.to_vec()),
        _ => Err(Asn1Error("bit string with unused bits")),
    }
}

/// Purpose codeSigning.
pub(crate) const EKU_CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
/// Purpose timeStamping.
pub(crate) const EKU_TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
/// Any purpose.
pub(crate) const EKU_ANY: &str = "2.5.29.37.0";
/// Position of digitalSignature.
pub(crate) const KU_DIGITAL_SIGNATURE: usize = 0;
/// Position of nonRepudiation.
pub(crate) const KU_NON_REPUDIATION: usize = 1;
/// Position of keyCertSign.
pub(crate) const KU_KEY_CERT_SIGN: usize = 5;

/// Extensions that may be critical: the JDK knows them.
const PROCESSED_EXTENSIONS: [&str; 17] = [
    "2.5.29.9",
    "2.5.29.14",
    "2.5.29.16",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.20",
    "2.5.29.21",
    "2.5.29.27",
    "2.5.29.28",
    "2.5.29.29",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.35",
    "2.5.29.36",
    "2.5.29.46",
    "2.5.29.54",
];
