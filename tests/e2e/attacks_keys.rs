//! Keys and certificates of the tests' own, weak and false ones among them.
//!
//! Without a JDK and without OpenSSL, so that the cases made of them run everywhere. Keys on the curve P-256 are new in
//! each run; the weak RSA keys stand below, because no library makes such keys any more.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use md5::Md5;
use num_bigint::BigUint;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, SigningKey, date_time_ymd,
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A hash function and its names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    /// SHA-1 under the name that the JDK's policy does not know.
    Sha,
    Sha256,
}

impl Hash {
    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(bytes).to_vec(),
            Self::Sha1 | Self::Sha => Sha1::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    /// As in the headers of a manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha => "SHA",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The AlgorithmIdentifier.
    pub(crate) fn algorithm(self) -> Vec<u8> {
        let oid: &[u8] = match self {
            Self::Md5 => &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5],
            Self::Sha1 | Self::Sha => &[0x2b, 0x0e, 3, 2, 0x1a],
            Self::Sha256 => &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1],
        };
        der(0x30, &[&der(6, &[oid]), &der(5, &[])])
    }
}

/// A key pair.
pub(crate) enum Key {
    Curve(KeyPair),
    Rsa { modulus: BigUint, private: BigUint, public_der: Vec<u8> },
}

impl Key {
    pub(crate) fn curve() -> Self {
        Self::Curve(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    /// 512 or 1024 bits.
    pub(crate) fn rsa(bits: u64) -> Self {
        let primes = if bits == 512 { RSA_512 } else { RSA_1024 };
        let [p, q] = primes.map(|prime| BigUint::parse_bytes(prime.as_bytes(), 16).unwrap());
        let one = BigUint::from(1_u8);
        let private = BigUint::from(65_537_u32).modinv(&((&p - &one) * (&q - &one))).unwrap();
        let modulus = p * q;
        assert_eq!(modulus.bits(), bits);
        let number = der(2, &[&[0], &modulus.to_bytes_be()]);
        let public_der = der(0x30, &[&number, &der(2, &[&[1, 0, 1]])]);
        Self::Rsa { modulus, private, public_der }
    }

    pub(crate) fn sign_with(&self, hash: Hash, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Curve(pair) => pair.sign(message).unwrap(),
            Self::Rsa { modulus, private, .. } => {
                // RFC 8017, section 9.2.
                let info = der(0x30, &[&hash.algorithm(), &der(4, &[&hash.of(message)])]);
                let length = usize::try_from(modulus.bits() / 8).unwrap();
                let padding = vec![0xFF; length - info.len() - 3];
                let encoded = [&[0, 1][..], &padding, &[0], &info].concat();
                let signature = BigUint::from_bytes_be(&encoded).modpow(private, modulus).to_bytes_be();
                [vec![0; length - signature.len()], signature].concat()
            }
        }
    }

    /// The algorithm field of a SignerInfo.
    pub(crate) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            // ecdsa-with-SHA256, rsaEncryption.
            Self::Curve(_) => der(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]),
            Self::Rsa { .. } => {
                der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], &der(5, &[])])
            }
        }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        match self {
            Self::Curve(pair) => pair.der_bytes(),
            Self::Rsa { public_der, .. } => public_der,
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            Self::Curve(pair) => pair.algorithm(),
            Self::Rsa { .. } => &PKCS_RSA_SHA256,
        }
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.sign_with(Hash::Sha256, message))
    }
}

/// What a certificate says.
pub(crate) struct Shape {
    pub(crate) organization: &'static str,
    pub(crate) common_name: String,
    pub(crate) purpose: Purpose,
    pub(crate) years: RangeInclusive<i32>,
    pub(crate) key: Key,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Authority,
    CodeSigning,
    TimeStamping,
    Nothing,
}

impl Shape {
    pub(crate) fn new(common_name: &str, purpose: Purpose) -> Self {
        let organization = if purpose == Purpose::CodeSigning { "ServiceNow Inc." } else { "midmirror test" };
        let (common_name, key) = (common_name.to_owned(), Key::curve());
        Self { organization, common_name, purpose, years: 2015..=2045, key }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, self.organization);
        params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        params.not_before = date_time_ymd(*self.years.start(), 1, 1);
        params.not_after = date_time_ymd(*self.years.end(), 1, 1);
        match self.purpose {
            Purpose::Authority => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            }
            Purpose::CodeSigning | Purpose::TimeStamping | Purpose::Nothing => {
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            }
        }
        match self.purpose {
            Purpose::CodeSigning => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning],
            Purpose::TimeStamping => {
                // RFC 3161 section 2.3: critical, and nothing else.
                let purpose = der(0x30, &[&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8]]);
                let mut usage = CustomExtension::from_oid_content(&[2, 5, 29, 37], purpose);
                usage.set_criticality(true);
                params.custom_extensions.push(usage);
            }
            Purpose::Authority | Purpose::Nothing => {}
        }
        params
    }
}

/// A certificate with its key.
pub(crate) struct Party {
    params: CertificateParams,
    pub(crate) key: Key,
    pub(crate) der: Vec<u8>,
}

impl Party {
    pub(crate) fn root(common_name: &str) -> Self {
        let shape = Shape::new(common_name, Purpose::Authority);
        let params = shape.params();
        let der = params.self_signed(&shape.key).unwrap().der().to_vec();
        Self { params, key: shape.key, der }
    }

    pub(crate) fn issue(&self, shape: Shape) -> Self {
        self.issue_with(&self.key, shape)
    }

    /// In this party's name, signed with any key.
    pub(crate) fn issue_with(&self, key: &Key, shape: Shape) -> Self {
        let params = shape.params();
        let der =
            params.signed_by(&shape.key, &Issuer::from_params(&self.params, key)).unwrap().der().to_vec();
        Self { params, key: shape.key, der }
    }

    pub(crate) fn pem(&self) -> String {
        let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in base64(&self.der).as_bytes().chunks(64) {
            writeln!(text, "{}", String::from_utf8_lossy(line)).unwrap();
        }
        text + "-----END CERTIFICATE-----\n"
    }

    /// IssuerAndSerialNumber (RFC 5652, section 10.2.4).
    pub(crate) fn issuer_and_serial(&self) -> Vec<u8> {
        let fields = children(children(&self.der)[0]);
        der(0x30, &[fields[3], fields[1]])
    }
}

/// A value in DER: tag, length, parts.
pub(crate) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let digits = &digits[digits.iter().position(|digit| *digit != 0).unwrap()..];
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap());
            bytes.extend(digits);
        }
    }
    parts.iter().for_each(|part| bytes.extend(*part));
    bytes
}

/// The values in a constructed value, whole.
pub(crate) fn children(bytes: &[u8]) -> Vec<&[u8]> {
    let split = |bytes: &[u8]| {
        let many = usize::from(bytes[1].saturating_sub(0x80));
        let long = bytes[2..2 + many].iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        (2 + many, if many == 0 { usize::from(bytes[1]) } else { long })
    };
    let (start, length) = split(bytes);
    let (mut rest, mut found) = (&bytes[start..start + length], Vec::new());
    while !rest.is_empty() {
        let (start, length) = split(rest);
        let (one, after) = rest.split_at(start + length);
        found.push(one);
        rest = after;
    }
    found
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = char::from(DIGITS[number >> (18 - 6 * at) & 63]);
            text.push(if at > group.len() { '=' } else { digit });
        }
    }
    text
}

/// Primes of the weak keys. Everybody has them: nothing is to trust such a key.
const RSA_512: [&str; 2] = [
    "fd94b8fef51d6e7d3bbf585e034e6fa83ca451e3672817b11684f1a50a18bfe3",
    "f8235c8f51e7b7b7a201ab666ad79c454ad2ac452010bb2fce9cd915c077a20b",
];
const RSA_1024: [&str; 2] = [
    "f43972af86d617d88d3220b63f3f309a20bcbe665b968b9855937c1c976e4f137bdb83716ac2fffb9257d6db7ccecd87280aa9cb5fce3a11b7c53eea495f25c3",
    "f2e26acb5457e6a860c49b5987b12e493f7a13d527741b88b0aca4c3d271bbbeaaaa0dd9682b13c19cd52d88b3da78700fb90d8fa2ffabbab8e3bcbe97c4e801",
];
