//! RSA and DSA over plain integers, for what `aws-lc-rs` does not offer and the JDK still accepts: RSA with SHA-224 or
//! odd key sizes, RSASSA-PSS with any salt, DSA.
//!
//! Everything here is public: signatures, keys, messages. So nothing needs constant time.
//!
//! Attacks considered here: lax padding (the expected encoding is built and compared whole), trailing bytes in the
//! padding (same), zero or oversized DSA values (CVE-2022-21449), huge numbers (bounded).

use num_bigint::BigUint;

use super::{Check, PssParameters};
use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::digest_algorithm::DigestAlgorithm;
use crate::limits;

/// An RSA public key (RFC 8017 appendix A.1.1).
struct RsaKey {
    modulus: BigUint,
    exponent: BigUint,
}

impl RsaKey {
    fn parse(key: &[u8]) -> Result<Self, Asn1Error> {
        let mut parts = Reader::new(key).expect(tag::SEQUENCE)?.inside();
        // Like the JDK, a modulus whose first bit is set counts as positive.
        let (modulus, exponent) = (parts.expect(tag::INTEGER)?.content, parts.expect(tag::INTEGER)?.content);
        let parsed =
            Self { modulus: BigUint::from_bytes_be(modulus), exponent: BigUint::from_bytes_be(exponent) };
        if parsed.modulus.bits() > MAX_MODULUS
            || parsed.exponent.bits() > MAX_EXPONENT
            || parsed.exponent.bits() < 2
        {
            return Err(Asn1Error("RSA key out of range"));
        }
        Ok(parsed)
    }

    /// The encoded message of a signature as long as the modulus (RFC 8017 section 5.2.2).
    fn open(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let signature = BigUint::from_bytes_be(signature);
        if signature >= self.modulus {
            return None;
        }
        let length = usize::try_from(self.modulus.bits().div_ceil(8)).ok()?;
        let opened = signature.modpow(&self.exponent, &self.modulus).to_bytes_be();
        let mut encoded = vec![0; length.checked_sub(opened.len())?];
        encoded.extend(opened);
        Some(encoded)
    }
}

/// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2); the signature is as long as the modulus.
pub(super) fn check_pkcs1(key: &[u8], digest: DigestAlgorithm, message: &[u8], signature: &[u8]) -> Check {
    let key = match RsaKey::parse(key) {
        Ok(key) => key,
        Err(error) => return Check::Unjudged(error.to_string()),
    };
    let (Some(prefix), Some(hash)) = (digest_info_prefix(digest), digest.digest(&[message])) else {
        return Check::Unjudged(format!("{} is not available, not verified", digest.jca_name()));
    };
    let fixed = 3 + prefix.len() + hash.len();
    let Some(padding) = signature.len().checked_sub(fixed).filter(|padding| *padding >= 8) else {
        return Check::Unjudged("Key is too short for this signature algorithm".to_owned());
    };
    let mut expected = vec![0, 1];
    expected.resize(2 + padding, 0xff);
    expected.push(0);
    expected.extend_from_slice(prefix);
    expected.extend(hash);
    if key.open(signature) == Some(expected) { Check::Right } else { Check::Wrong }
}

/// RSASSA-PSS (RFC 8017 section 8.1.2); the signature is as long as the modulus.
pub(super) fn check_pss(key: &[u8], parameters: &PssParameters, message: &[u8], signature: &[u8]) -> Check {
    let key = match RsaKey::parse(key) {
        Ok(key) => key,
        Err(error) => return Check::Unjudged(error.to_string()),
    };
    match key
        .open(signature)
        .and_then(|encoded| pss_matches(&encoded, key.modulus.bits(), parameters, message))
    {
        Some(true) => Check::Right,
        Some(false) | None => Check::Wrong,
    }
}

/// EMSA-PSS-VERIFY (RFC 8017 section 9.1.2); `None` and `Some(false)` both mean "inconsistent".
fn pss_matches(
    encoded: &[u8],
    modulus_bits: u64,
    parameters: &PssParameters,
    message: &[u8],
) -> Option<bool> {
    let bits = modulus_bits.checked_sub(1)?;
    let length = usize::try_from(bits.div_ceil(8)).ok()?;
    // With a modulus of 8n+1 bits the encoded message is one byte shorter than the modulus.
    let (lead, encoded) = encoded.split_at_checked(encoded.len().checked_sub(length)?)?;
    let hash = parameters.digest.digest(&[message])?;
    let salt_length = usize::try_from(parameters.salt_length).ok()?;
    let (encoded, trailer) = encoded.split_at_checked(length.checked_sub(1)?)?;
    let (masked, seed) = encoded.split_at_checked(encoded.len().checked_sub(hash.len())?)?;
    let padding = masked.len().checked_sub(salt_length.checked_add(1)?)?;
    let mask = generate_mask(parameters.mask_digest, seed, masked.len())?;
    let mut block: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let unused = u32::try_from(u64::try_from(length).ok()? * 8 - bits).ok()?;
    let keep = 0xff_u8.checked_shr(unused)?;
    let clean = masked.first()? & !keep == 0;
    if let Some(first) = block.first_mut() {
        *first &= keep;
    }
    let (zeros, rest) = block.split_at_checked(padding)?;
    let (one, salt) = rest.split_first()?;
    let expected = parameters.digest.digest(&[&[0; 8], &hash, salt])?;
    Some(
        clean
            && lead.iter().all(|byte| *byte == 0)
            && trailer == [0xbc]
            && zeros.iter().all(|byte| *byte == 0)
            && *one == 1
            && expected == seed,
    )
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn generate_mask(digest: DigestAlgorithm, seed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut mask = Vec::with_capacity(length);
    let mut counter = 0u32;
    while mask.len() < length {
        mask.extend(digest.digest(&[seed, &counter.to_be_bytes()])?);
        counter += 1;
    }
    mask.truncate(length);
    Some(mask)
}

/// The DER of `DigestInfo` up to the digest (RFC 8017 section 9.2, note 1).
fn digest_info_prefix(digest: DigestAlgorithm) -> Option<&'static [u8]> {
    Some(match digest {
        DigestAlgorithm::Md5 => b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
        DigestAlgorithm::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        DigestAlgorithm::Sha224 => {
            b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c"
        }
        DigestAlgorithm::Sha256 => {
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
        }
        DigestAlgorithm::Sha384 => {
            b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"
        }
        DigestAlgorithm::Sha512 => {
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
        }
        DigestAlgorithm::Sha3_224 => {
            b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x07\x05\x00\x04\x1c"
        }
        DigestAlgorithm::Sha3_256 => {
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x08\x05\x00\x04\x20"
        }
        DigestAlgorithm::Sha3_384 => {
            b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x09\x05\x00\x04\x30"
        }
        DigestAlgorithm::Sha3_512 => {
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x0a\x05\x00\x04\x40"
        }
        DigestAlgorithm::Md2 | DigestAlgorithm::Shake256 => return None,
    })
}

/// DSA (FIPS 186-4 section 4.7). `spki` is the encoded `SubjectPublicKeyInfo`, `key` its key bits.
pub(super) fn check_dsa(
    spki: &[u8],
    key: &[u8],
    digest: DigestAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Check {
    match try_dsa(spki, key, digest, message, signature) {
        Ok(true) => Check::Right,
        Ok(false) => Check::Wrong,
        Err(error) => Check::Unjudged(error.to_string()),
    }
}

fn try_dsa(
    spki: &[u8],
    key: &[u8],
    digest: DigestAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, Asn1Error> {
    let mut algorithm = Reader::new(spki).expect(tag::SEQUENCE)?.inside().expect(tag::SEQUENCE)?.inside();
    algorithm.expect(tag::OID)?;
    let mut domain = algorithm.expect(tag::SEQUENCE)?.inside();
    let (p, q, g) = (integer(&domain.next()?)?, integer(&domain.next()?)?, integer(&domain.next()?)?);
    let y = integer(&Reader::new(key).next()?)?;
    let mut outer = Reader::new(signature);
    let mut values = outer.expect(tag::SEQUENCE)?.inside();
    let (r, s) = (integer(&values.next()?)?, integer(&values.next()?)?);
    if !values.is_empty() || !outer.is_empty() {
        return Err(Asn1Error("bytes after the DSA signature"));
    }
    let hash = digest.digest(&[message]).ok_or(Asn1Error("the digest is not available"))?;
    let (zero, one, two) = (BigUint::ZERO, BigUint::from(1u8), BigUint::from(2u8));
    if p.bits() > limits::DSA_PRIME {
        return Err(Asn1Error("limit exceeded: a DSA key of more than 4096 bits"));
    }
    if q.bits() > 512 || q <= two || p <= q || g <= one || y <= one {
        return Err(Asn1Error("DSA key out of range"));
    }
    if r == zero || s == zero || r >= q || s >= q {
        return Err(Asn1Error("DSA signature out of range"));
    }
    let used = hash.get(..usize::try_from(q.bits().div_ceil(8)).unwrap_or(0)).unwrap_or(&hash);
    let z = BigUint::from_bytes_be(used);
    // q is prime, so this power is the inverse.
    let w = s.modpow(&(&q - &two), &q);
    let u1 = z * &w % &q;
    let u2 = &r * w % &q;
    let v = g.modpow(&u1, &p) * y.modpow(&u2, &p) % &p % &q;
    Ok(v == r)
}

/// A positive INTEGER.
fn integer(value: &Value<'_>) -> Result<BigUint, Asn1Error> {
    if value.tag != tag::INTEGER || value.content.first().is_none_or(|first| first & 0x80 != 0) {
        return Err(Asn1Error("positive integer expected"));
    }
    Ok(BigUint::from_bytes_be(value.content))
}

/// The largest modulus the JDK takes, in bits.
const MAX_MODULUS: u64 = 16_384;
/// The largest public exponent the JDK takes for large moduli, in bits.
const MAX_EXPONENT: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A value with a length of four bytes.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], length.as_slice(), content].concat()
    }

    fn number(bytes: usize) -> Vec<u8> {
        der(tag::INTEGER, &[&[0], [0x81].repeat(bytes).as_slice()].concat())
    }

    #[test]
    fn keys_of_a_million_bits_are_refused() {
        let digest = DigestAlgorithm::Sha256;
        let rsa = der(tag::SEQUENCE, &[number(125_000), vec![2, 1, 3]].concat());
        let refused = check_pkcs1(&rsa, digest, b"", &[1; 125_000]);
        assert_eq!(refused, Check::Unjudged("malformed ASN.1: RSA key out of range".to_owned()));
        let exponent = der(tag::SEQUENCE, &[number(256), number(125_000)].concat());
        let refused = check_pkcs1(&exponent, digest, b"", &[1; 256]);
        assert_eq!(refused, Check::Unjudged("malformed ASN.1: RSA key out of range".to_owned()));
        let parameters = PssParameters { digest, mask_digest: digest, salt_length: u64::MAX };
        assert_ne!(check_pss(&rsa, &parameters, b"", &[1; 125_000]), Check::Right);
        let oid = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
        let signature = der(tag::SEQUENCE, &[2, 1, 1, 2, 1, 1]);
        for prime in [513, 125_000] {
            let domain = der(tag::SEQUENCE, &[number(prime), number(32), number(64)].concat());
            let spki = der(tag::SEQUENCE, &der(tag::SEQUENCE, &[&oid, domain.as_slice()].concat()));
            let Check::Unjudged(reason) = check_dsa(&spki, &number(64), digest, b"", &signature) else {
                panic!("judged")
            };
            assert!(limits::is_exceeded(&reason), "{reason}");
        }
    }

    #[test]
    fn a_salt_longer_than_the_key_is_wrong() {
        let key = der(tag::SEQUENCE, &[number(256), vec![2, 3, 1, 0, 1]].concat());
        for salt_length in [1_000, u64::MAX] {
            let digest = DigestAlgorithm::Sha256;
            let parameters = PssParameters { digest, mask_digest: digest, salt_length };
            assert_eq!(check_pss(&key, &parameters, b"", &[1; 256]), Check::Wrong);
        }
    }
}
