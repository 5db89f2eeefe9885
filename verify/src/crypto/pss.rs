//! Parameters of RSASSA-PSS, which the JDK parses wherever it meets them.

use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::crypto::ID_RSASSA_PSS;
use crate::digest_algorithm::DigestAlgorithm;

/// RSASSA-PSS parameters (RFC 4055 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PssParameters {
    pub(crate) digest: DigestAlgorithm,
    pub(crate) mask_digest: DigestAlgorithm,
    pub(crate) salt_length: u64,
}

impl PssParameters {
    /// Whether the JDK can parse parameters, whatever they are for: MGF1 with a digest it knows there, no negative salt,
    /// trailer field 1. The first digest may be one that nobody knows.
    pub(crate) fn check_form(parameters: &Value<'_>) -> Result<(), Asn1Error> {
        let malformed = Asn1Error("malformed RSASSA-PSS parameters");
        if parameters.tag != tag::SEQUENCE {
            return Err(malformed);
        }
        for field in parameters.inside().all()? {
            let inside = field.inside().next()?;
            match field.tag | CONSTRUCTED {
                tag::CONTEXT_0 => drop(algorithm(&inside)?),
                tag::CONTEXT_1 => {
                    let (mask, digest) = inside.algorithm_with_parameters()?;
                    let digest = digest.filter(|_| mask == ID_MGF1).ok_or(malformed)?;
                    if !MASK_DIGESTS.contains(&algorithm(&digest)?.as_str()) {
                        return Err(malformed);
                    }
                }
                0xa2 if small_number(&inside).is_some() => {}
                0xa3 if small_number(&inside) == Some(1) => {}
                _ => return Err(malformed),
            }
        }
        Ok(())
    }

    /// Parses the parameters; absent fields have the defaults of RFC 4055.
    pub(crate) fn parse(parts: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut parameters =
            Self { digest: DigestAlgorithm::Sha1, mask_digest: DigestAlgorithm::Sha1, salt_length: 20 };
        let unknown = Asn1Error("unknown digest in RSASSA-PSS parameters");
        for field in parts.expect(tag::SEQUENCE)?.inside().all()? {
            // The JDK takes both forms for one.
            match field.tag | CONSTRUCTED {
                tag::CONTEXT_0 => {
                    let oid = field.inside().expect(tag::SEQUENCE)?.inside().next()?.oid()?;
                    parameters.digest = DigestAlgorithm::from_oid(&oid).ok_or(unknown)?;
                }
                tag::CONTEXT_1 => {
                    let mut mask = field.inside().expect(tag::SEQUENCE)?.inside();
                    mask.next()?;
                    let oid = mask.expect(tag::SEQUENCE)?.inside().next()?.oid()?;
                    parameters.mask_digest = DigestAlgorithm::from_oid(&oid).ok_or(unknown)?;
                }
                0xa2 => {
                    let salt = small_number(&field.inside().next()?);
                    let salt = salt.ok_or(Asn1Error("malformed salt length in RSASSA-PSS parameters"))?;
                    parameters.salt_length = u64::from(salt);
                }
                _ => {}
            }
        }
        Ok(parameters)
    }
}

/// An algorithm inside the parameters. RSASSA-PSS with parameters of its own is none: they could be nested until the stack
/// is used up.
fn algorithm(value: &Value<'_>) -> Result<String, Asn1Error> {
    let (oid, _) = value.algorithm_with_parameters()?;
    if oid == ID_RSASSA_PSS { Err(Asn1Error("RSASSA-PSS inside RSASSA-PSS parameters")) } else { Ok(oid) }
}

/// An INTEGER that is not negative and fits into an `int` of Java.
fn small_number(value: &Value<'_>) -> Option<u32> {
    let (first, rest) =
        value.content.split_first().filter(|(first, _)| value.tag == tag::INTEGER && **first < 0x80)?;
    let number = rest.iter().try_fold(u64::from(*first), |number, byte| {
        number.checked_mul(256).map(|number| number | u64::from(*byte))
    })?;
    i32::try_from(number).ok().map(i32::unsigned_abs)
}

const ID_MGF1: &str = "1.2.840.113549.1.1.8";
/// Digests that the JDK knows inside MGF1: SHA-1, SHA-2 and SHA-3.
const MASK_DIGESTS: [&str; 11] = [
    "1.3.14.3.2.26",
    "2.16.840.1.101.3.4.2.1",
    "2.16.840.1.101.3.4.2.2",
    "2.16.840.1.101.3.4.2.3",
    "2.16.840.1.101.3.4.2.4",
    "2.16.840.1.101.3.4.2.5",
    "2.16.840.1.101.3.4.2.6",
    "2.16.840.1.101.3.4.2.7",
    "2.16.840.1.101.3.4.2.8",
    "2.16.840.1.101.3.4.2.9",
    "2.16.840.1.101.3.4.2.10",
];
const CONSTRUCTED: u8 = 0x20;
#[cfg(test)]
mod tests {
    use super::*;

    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn oid(last: &[u8]) -> Vec<u8> {
        value(tag::OID, last)
    }

    /// Whether parameters with these fields pass.
    fn pass(fields: &[Vec<u8>]) -> bool {
        let whole = value(tag::SEQUENCE, &fields.concat());
        PssParameters::check_form(&Reader::new(&whole).next().unwrap()).is_ok()
    }

    #[test]
    fn parameters_that_the_jdk_cannot_parse_are_malformed() {
        const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
        const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
        const MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5];
        let mask = |function: &[u8], digest: &[u8]| {
            let inner = value(tag::SEQUENCE, &oid(digest));
            value(0xa1, &value(tag::SEQUENCE, &[oid(function), inner].concat()))
        };
        let number = |tag, content: &[u8]| value(tag, &value(tag::INTEGER, content));
        let digest = |digest| value(0xa0, &value(tag::SEQUENCE, &oid(digest)));
        assert!(pass(&[]));
        assert!(pass(&[digest(SHA256), mask(MGF1, SHA256), number(0xa2, &[32]), number(0xa3, &[0, 1])]));
        assert!(pass(&[digest(&[0x2a, 3])]), "a digest that nobody knows");
        assert!(pass(&[number(0x82, &[0, 0, 0, 0, 32])]), "a primitive tag, needless zeros");
        assert!(!pass(&[mask(MGF1, MD5)]));
        assert!(!pass(&[mask(MD5, SHA256)]));
        assert!(!pass(&[number(0xa2, &[0xff])]), "a negative salt");
        assert!(!pass(&[number(0xa2, &[1, 0, 0, 0, 0])]), "a salt of four gigabytes");
        assert!(!pass(&[value(0xa2, &value(tag::OCTET_STRING, &[32]))]));
        assert!(!pass(&[number(0xa3, &[2])]), "another trailer");
        assert!(!pass(&[number(0xa4, &[1])]));
        assert!(PssParameters::check_form(&Reader::new(&value(tag::SET, &[])).next().unwrap()).is_err());
    }

    #[test]
    fn parameters_inside_parameters_are_not_followed() {
        const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
        let inner = value(tag::SEQUENCE, &[oid(PSS), value(tag::SEQUENCE, &[])].concat());
        assert!(!pass(&[value(0xa0, &inner)]));
        assert!(!pass(&[value(0xa1, &inner)]));
    }
}
