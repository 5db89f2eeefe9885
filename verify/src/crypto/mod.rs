//! Public keys and signature checks: the one place with cryptography, by `aws-lc-rs` where it
//! offers the algorithm, over plain integers for the rare rest.
//!
//! A check has three outcomes, because the JDK treats them differently: a signature that is right, one that is
//! wrong, and one that cannot be judged (malformed, or an algorithm that is not available). The last two are never
//! taken for right.

mod ecdsa;
mod ed25519;
mod ed448;
mod integers;
pub(crate) mod password;
mod pss;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

pub(crate) use self::pss::PssParameters;
use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::certificate::bit_string;
use crate::digest_algorithm::DigestAlgorithm;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    Right,
    Wrong,
    Unjudged(String),
}

/// A public key with what reports say of it.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    pub(crate) kind: KeyKind,
    /// The encoded `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
    /// The key bits alone.
    bits: Vec<u8>,
}

/// The kind and size of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa { bits: usize },
    RsaPss { bits: usize },
    Dsa { bits: usize },
    Ec { curve: String, bits: usize },
    Ed25519,
    Ed448,
    Other { oid: String },
}

impl KeyKind {
    /// The JDK's name of the key algorithm.
    pub(crate) fn algorithm(&self) -> &str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::RsaPss { .. } => "RSASSA-PSS",
            Self::Dsa { .. } => "DSA",
            Self::Ec { .. } => "EC",
            Self::Ed25519 | Self::Ed448 => "EdDSA",
            Self::Other { oid } => oid,
        }
    }

    /// The size in bits as the JDK counts it.
    pub(crate) fn bits(&self) -> Option<usize> {
        match self {
            Self::Rsa { bits } | Self::RsaPss { bits } | Self::Dsa { bits } | Self::Ec { bits, .. } => {
                Some(*bits)
            }
            Self::Ed25519 => Some(255),
            Self::Ed448 => Some(448),
            Self::Other { .. } => None,
        }
    }
}

impl PublicKey {
    /// Parses an encoded `SubjectPublicKeyInfo`.
    pub(crate) fn parse(spki: &[u8]) -> Result<Self, Asn1Error> {
        let mut fields = Reader::new(spki).expect(tag::SEQUENCE)?.inside();
        let algorithm = fields.expect(tag::SEQUENCE)?;
        let bits = bit_string(fields.expect(tag::BIT_STRING)?.content)?;
        if !fields.is_empty() {
            return Err(Asn1Error("bytes after the public key"));
        }
        let oid = algorithm.algorithm()?;
        let mut parts = algorithm.inside();
        parts.next()?;
        let kind = match oid.as_str() {
            "1.2.840.113549.1.1.1" => KeyKind::Rsa { bits: rsa_bits(&bits)? },
            ID_RSASSA_PSS => KeyKind::RsaPss { bits: rsa_bits(&bits)? },
            "1.2.840.10040.4.1" => {
                let prime = parts.expect(tag::SEQUENCE)?.inside().expect(tag::INTEGER)?;
                KeyKind::Dsa { bits: integer_bits(prime.content) }
            }
            "1.2.840.10045.2.1" => {
                let curve = parts.expect(tag::OID)?.oid()?;
                let (_, name, size) = CURVES
                    .iter()
                    .find(|(oid, ..)| *oid == curve)
                    .ok_or(Asn1Error("unknown elliptic curve"))?;
                if bits.first() != Some(&4) || bits.len() != 1 + 2 * size.div_ceil(8) {
                    return Err(Asn1Error("malformed point of an elliptic curve"));
                }
                KeyKind::Ec { curve: (*name).to_owned(), bits: *size }
            }
            "1.3.101.112" if bits.len() == 32 => KeyKind::Ed25519,
            "1.3.101.113" if bits.len() == 57 => KeyKind::Ed448,
            "1.3.101.112" | "1.3.101.113" => return Err(Asn1Error("an EdDSA key of another length")),
            _ => KeyKind::Other { oid },
        };
        Ok(Self { kind, spki: spki.to_vec(), bits })
    }

    /// Whether two keys are equal to the JDK, which writes them again: NULL and no parameters are the same, as are longer
    /// forms of lengths.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let parameters = |key: &Self| -> Result<Vec<u8>, Asn1Error> {
            let mut algorithm =
                Reader::new(&key.spki).expect(tag::SEQUENCE)?.inside().expect(tag::SEQUENCE)?.inside();
            algorithm.next()?;
            let value = if algorithm.is_empty() { None } else { Some(algorithm.next()?) };
            Ok(value
                .filter(|value| value.tag != tag::NULL)
                .map(|value| value.raw.to_vec())
                .unwrap_or_default())
        };
        self.kind == other.kind && self.bits == other.bits && parameters(self) == parameters(other)
    }

    /// SHA-256 of the encoded `SubjectPublicKeyInfo`, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(&self.spki))
    }

    /// Checks a signature over `message`.
    pub(crate) fn check(&self, scheme: &SignatureScheme, message: &[u8], signature: &[u8]) -> Check {
        match (&self.kind, scheme) {
            (KeyKind::Rsa { bits }, SignatureScheme::Rsa(digest)) => {
                if signature.len() != bits.div_ceil(8) {
                    return Check::Unjudged(format!(
                        "Bad signature length: got {} but was expecting {}",
                        signature.len(),
                        bits.div_ceil(8)
                    ));
                }
                let algorithm: &'static dyn VerificationAlgorithm = match (digest, *bits) {
                    _ if !self.has_canonical_integers() => {
                        return integers::check_pkcs1(&self.bits, *digest, message, signature);
                    }
                    (DigestAlgorithm::Sha1, 1024..=8192) => {
                        &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY
                    }
                    (DigestAlgorithm::Sha256, 1024..=8192) => {
                        &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
                    }
                    (DigestAlgorithm::Sha384, 2048..=8192) => &signature::RSA_PKCS1_2048_8192_SHA384,
                    (DigestAlgorithm::Sha512, 1024..=8192) => {
                        &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
                    }
                    _ => return integers::check_pkcs1(&self.bits, *digest, message, signature),
                };
                self.run(algorithm, message, signature)
            }
            (KeyKind::Rsa { bits } | KeyKind::RsaPss { bits }, SignatureScheme::RsaPss(parameters)) => {
                if signature.len() != bits.div_ceil(8) {
                    return Check::Unjudged("Bad signature length".to_owned());
                }
                let same_digest = parameters.digest == parameters.mask_digest;
                let algorithm: &'static dyn VerificationAlgorithm =
                    match (parameters.digest, parameters.salt_length, *bits) {
                        (DigestAlgorithm::Sha256, 32, 2048..=8192) if same_digest => {
                            &signature::RSA_PSS_2048_8192_SHA256
                        }
                        (DigestAlgorithm::Sha384, 48, 2048..=8192) if same_digest => {
                            &signature::RSA_PSS_2048_8192_SHA384
                        }
                        (DigestAlgorithm::Sha512, 64, 2048..=8192) if same_digest => {
                            &signature::RSA_PSS_2048_8192_SHA512
                        }
                        _ => return integers::check_pss(&self.bits, parameters, message, signature),
                    };
                self.run(algorithm, message, signature)
            }
            (KeyKind::Ec { curve, .. }, SignatureScheme::Ecdsa(digest)) => {
                if !is_ecdsa_signature(signature) {
                    return Check::Unjudged("Invalid encoding for signature".to_owned());
                }
                match aws_ecdsa(curve, *digest) {
                    Some(algorithm) => self.run(algorithm, message, signature),
                    None => ecdsa::check(curve, &self.bits, *digest, message, signature),
                }
            }
            (KeyKind::Ed25519, SignatureScheme::Ed25519) => {
                if signature.len() != 64 {
                    return Check::Unjudged("signature length invalid".to_owned());
                }
                match self.run(&signature::ED25519, message, signature) {
                    Check::Wrong if !ed25519::is_well_formed(&self.bits, signature) => {
                        Check::Unjudged("malformed Ed25519 signature".to_owned())
                    }
                    check => check,
                }
            }
            (KeyKind::Ed448, SignatureScheme::Ed448) => match ed448::check(&self.bits, message, signature) {
                Some(true) => Check::Right,
                Some(false) => Check::Wrong,
                None => Check::Unjudged("malformed Ed448 signature".to_owned()),
            },
            (KeyKind::Dsa { .. }, SignatureScheme::Dsa(digest)) => {
                integers::check_dsa(&self.spki, &self.bits, *digest, message, signature)
            }
            (kind, scheme) => {
                Check::Unjudged(format!("a {} key cannot check {}", kind.algorithm(), scheme.name()))
            }
        }
    }

    /// Whether the integers of an RSA key are positive and minimal; the JDK takes others, too.
    fn has_canonical_integers(&self) -> bool {
        let canonical = || -> Result<bool, Asn1Error> {
            let mut parts = Reader::new(&self.bits).expect(tag::SEQUENCE)?.inside();
            let (modulus, exponent) = (parts.next()?.content, parts.next()?.content);
            Ok([modulus, exponent].iter().all(|content| match content {
                [0, next, ..] => next & 0x80 != 0,
                [first, ..] => first & 0x80 == 0,
                [] => false,
            }))
        };
        canonical().unwrap_or(false)
    }

    fn run(&self, algorithm: &'static dyn VerificationAlgorithm, message: &[u8], signature: &[u8]) -> Check {
        match UnparsedPublicKey::new(algorithm, &self.bits).verify(message, signature) {
            Ok(()) => Check::Right,
            Err(_) => Check::Wrong,
        }
    }
}

/// A signature algorithm with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignatureScheme {
    Rsa(DigestAlgorithm),
    RsaPss(PssParameters),
    Ecdsa(DigestAlgorithm),
    Dsa(DigestAlgorithm),
    Ed25519,
    Ed448,
    Other(String),
}

impl SignatureScheme {
    /// The algorithm of a certificate's signature.
    pub(crate) fn of_certificate(algorithm: &Value<'_>) -> Result<Self, Asn1Error> {
        let oid = algorithm.algorithm()?;
        let mut parts = algorithm.inside();
        parts.next()?;
        if let Some((_, scheme)) = scheme_of(&oid) {
            return Ok(scheme);
        }
        Ok(match oid.as_str() {
            ID_RSASSA_PSS => match PssParameters::parse(&mut parts) {
                Ok(parameters) => Self::RsaPss(parameters),
                Err(_) => Self::Other("RSASSA-PSS".to_owned()),
            },
            _ => Self::Other(oid),
        })
    }

    /// The JDK's name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Rsa(digest) => format!("{}withRSA", digest.signature_prefix()),
            Self::Ecdsa(digest) => format!("{}withECDSA", digest.signature_prefix()),
            Self::Dsa(digest) => format!("{}withDSA", digest.signature_prefix()),
            Self::RsaPss(_) => "RSASSA-PSS".to_owned(),
            Self::Ed25519 => "Ed25519".to_owned(),
            Self::Ed448 => "Ed448".to_owned(),
            Self::Other(oid) => oid.clone(),
        }
    }

    /// The digest inside, if the algorithm names one.
    pub(crate) fn digest(&self) -> Option<DigestAlgorithm> {
        match self {
            Self::Rsa(digest) | Self::Ecdsa(digest) | Self::Dsa(digest) => Some(*digest),
            Self::RsaPss(parameters) => Some(parameters.digest),
            Self::Ed25519 | Self::Ed448 | Self::Other(_) => None,
        }
    }
}

/// What the JDK calls an algorithm, or what else stands in its place.
pub(crate) fn algorithm_name(oid: &str) -> String {
    let other = |oid: &str| match oid {
        "1.2.840.113549.1.1.1" => Some("RSA"),
        ID_RSASSA_PSS => Some("RSASSA-PSS"),
        "1.2.840.10045.2.1" => Some("EC"),
        "1.2.840.10040.4.1" => Some("DSA"),
        "1.2.840.113549.1.7.1" => Some("Data"),
        "1.2.840.113549.1.7.2" => Some("SignedData"),
        "1.2.840.113549.1.9.4" => Some("MessageDigest"),
        "1.2.840.113549.1.9.16.1.4" => Some("TimeStampTokenInfo"),
        "2.16.840.1.101.3.4.2.5" => Some("SHA-512/224"),
        "2.16.840.1.101.3.4.2.6" => Some("SHA-512/256"),
        "2.16.840.1.101.3.4.2.12" => Some("SHAKE256"),
        _ => None,
    };
    if let Some((_, scheme)) = scheme_of(oid) {
        return scheme.name();
    }
    let digest = || DigestAlgorithm::from_oid(oid).map(DigestAlgorithm::jca_name);
    other(oid).or_else(digest).unwrap_or(oid).to_owned()
}

/// Key part and scheme of an object identifier that names both.
pub(crate) fn scheme_of(oid: &str) -> Option<(&'static str, SignatureScheme)> {
    use DigestAlgorithm::{Md2, Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
    let (key, scheme) = match oid {
        "1.2.840.113549.1.1.2" => ("RSA", SignatureScheme::Rsa(Md2)),
        "1.2.840.113549.1.1.4" => ("RSA", SignatureScheme::Rsa(Md5)),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => ("RSA", SignatureScheme::Rsa(Sha1)),
        "1.2.840.113549.1.1.14" => ("RSA", SignatureScheme::Rsa(Sha224)),
        "1.2.840.113549.1.1.11" => ("RSA", SignatureScheme::Rsa(Sha256)),
        "1.2.840.113549.1.1.12" => ("RSA", SignatureScheme::Rsa(Sha384)),
        "1.2.840.113549.1.1.13" => ("RSA", SignatureScheme::Rsa(Sha512)),
        "1.2.840.10040.4.3" => ("DSA", SignatureScheme::Dsa(Sha1)),
        "2.16.840.1.101.3.4.3.1" => ("DSA", SignatureScheme::Dsa(Sha224)),
        "2.16.840.1.101.3.4.3.2" => ("DSA", SignatureScheme::Dsa(Sha256)),
        "2.16.840.1.101.3.4.3.3" => ("DSA", SignatureScheme::Dsa(Sha384)),
        "2.16.840.1.101.3.4.3.4" => ("DSA", SignatureScheme::Dsa(Sha512)),
        "1.2.840.10045.4.1" => ("EC", SignatureScheme::Ecdsa(Sha1)),
        "1.2.840.10045.4.3.1" => ("EC", SignatureScheme::Ecdsa(Sha224)),
        "1.2.840.10045.4.3.2" => ("EC", SignatureScheme::Ecdsa(Sha256)),
        "1.2.840.10045.4.3.3" => ("EC", SignatureScheme::Ecdsa(Sha384)),
        "1.2.840.10045.4.3.4" => ("EC", SignatureScheme::Ecdsa(Sha512)),
        "1.3.101.112" => ("EdDSA", SignatureScheme::Ed25519),
        "1.3.101.113" => ("EdDSA", SignatureScheme::Ed448),
        _ => return None,
    };
    Some((key, scheme))
}

fn aws_ecdsa(curve: &str, digest: DigestAlgorithm) -> Option<&'static dyn VerificationAlgorithm> {
    use DigestAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
    Some(match (curve, digest) {
        ("secp256r1", Sha1) => &signature::ECDSA_P256_SHA1_ASN1,
        ("secp256r1", Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        ("secp256r1", Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        ("secp256r1", Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        ("secp384r1", Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        ("secp384r1", Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        ("secp384r1", Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        ("secp521r1", Sha1) => &signature::ECDSA_P521_SHA1_ASN1,
        ("secp521r1", Sha224) => &signature::ECDSA_P521_SHA224_ASN1,
        ("secp521r1", Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        ("secp521r1", Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        ("secp521r1", Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// Whether the bytes are a sequence of two integers.
fn is_ecdsa_signature(signature: &[u8]) -> bool {
    let parse = || -> Result<bool, Asn1Error> {
        let mut outer = Reader::new(signature);
        let mut parts = outer.expect(tag::SEQUENCE)?.inside();
        parts.expect(tag::INTEGER)?;
        parts.expect(tag::INTEGER)?;
        Ok(parts.is_empty() && outer.is_empty())
    };
    parse().unwrap_or(false)
}

/// The size of an RSA key, within the JDK's bounds.
fn rsa_bits(key: &[u8]) -> Result<usize, Asn1Error> {
    let mut parts = Reader::new(key).expect(tag::SEQUENCE)?.inside();
    let (modulus, exponent) = (parts.expect(tag::INTEGER)?.content, parts.expect(tag::INTEGER)?.content);
    let bits = integer_bits(modulus);
    if exponent.is_empty() || !(512..=16_384).contains(&bits.next_multiple_of(8)) {
        return Err(Asn1Error("RSA key out of range"));
    }
    if bits > 3072 && integer_bits(exponent) > 64 {
        return Err(Asn1Error("RSA exponent out of range"));
    }
    Ok(bits)
}

fn integer_bits(content: &[u8]) -> usize {
    let mut bytes = content.iter().skip_while(|byte| **byte == 0);
    let Some(first) = bytes.next() else { return 0 };
    let high = usize::try_from(8 - first.leading_zeros()).unwrap_or(8);
    high + 8 * bytes.count()
}

pub(crate) const ID_RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

/// Curves by object identifier, with the JDK's name and size.
const CURVES: [(&str, &str, usize); 14] = [
    ("1.2.840.10045.3.1.1", "secp192r1", 192),
    ("1.2.840.10045.3.1.7", "secp256r1", 256),
    ("1.3.132.0.8", "secp160r1", 160),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.3.132.0.31", "secp192k1", 192),
    ("1.3.132.0.32", "secp224k1", 224),
    ("1.3.132.0.33", "secp224r1", 224),
    ("1.3.132.0.34", "secp384r1", 384),
    ("1.3.132.0.35", "secp521r1", 521),
    ("1.3.36.3.3.2.8.1.1.3", "brainpoolP192r1", 192),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.9", "brainpoolP320r1", 320),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
];
