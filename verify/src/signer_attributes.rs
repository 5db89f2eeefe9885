//! Attributes of a SignerInfo (RFC 5652 section 5.3, RFC 2985), as strict as the JDK is with them.
//!
//! One attribute that the JDK cannot parse spoils the whole block, whether anybody asks for the attribute or not.
//! Attacks considered here: an attribute twice or with two values (refused), counter-signatures within
//! counter-signatures (bounded).

use std::collections::BTreeSet;

use crate::asn1::{Asn1Error, Value, tag};
use crate::asn1_time;
use crate::limits;
use crate::signed_data::SignerInfo;

/// Attributes, all of them well-formed.
#[derive(Debug)]
pub(crate) struct Attributes<'a>(Vec<(String, Vec<Value<'a>>)>);

impl<'a> Attributes<'a> {
    /// Parses the attributes in the SET `attributes`; `depth` counts counter-signatures around them.
    pub(crate) fn parse(attributes: &Value<'a>, depth: usize) -> Result<Self, Asn1Error> {
        if depth > limits::COUNTER_SIGNATURES {
            return Err(Asn1Error(limits::TOO_MANY_COUNTER_SIGNATURES));
        }
        let mut found = Vec::new();
        let mut types = BTreeSet::new();
        for attribute in attributes.inside().all()? {
            if attribute.tag != tag::SEQUENCE {
                return Err(Asn1Error("an attribute is no sequence"));
            }
            let mut parts = attribute.inside();
            let kind = parts.expect(tag::OID)?;
            let values = parts.expect(tag::SET)?.inside().all()?;
            if !parts.is_empty() {
                return Err(Asn1Error("an attribute has more than type and values"));
            }
            let oid = kind.oid()?;
            check(&oid, &values, depth)?;
            if !types.insert(kind.content) {
                return Err(Asn1Error("several attributes of one type"));
            }
            found.push((oid, values));
        }
        Ok(Self(found))
    }

    /// The first value of an attribute.
    pub(crate) fn value(&self, oid: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(kind, _)| kind == oid)?.1.first().copied()
    }
}

/// Whether the JDK can read the values of an attribute of this type; of types it does not know it can.
fn check(oid: &str, values: &[Value<'_>], depth: usize) -> Result<(), Asn1Error> {
    if UNREADABLE.contains(&oid) {
        return Err(Asn1Error("an attribute that the JDK does not support"));
    }
    let Some((_, single, tags)) = KNOWN.iter().find(|(known, ..)| *known == oid) else { return Ok(()) };
    if *single && values.len() > 1 {
        return Err(Asn1Error("several values of a single-valued attribute"));
    }
    if values.iter().any(|value| !tags.contains(&value.tag)) {
        return Err(Asn1Error("an attribute has a value of another type"));
    }
    let Some(first) = values.first() else { return if *single { Err(NO_VALUE) } else { Ok(()) } };
    match oid {
        ID_CONTENT_TYPE => first.oid().map(drop),
        ID_SIGNING_TIME => asn1_time::parse(first).map(drop),
        ID_COUNTER_SIGNATURE => {
            values.iter().try_for_each(|value| SignerInfo::parse(value, depth + 1).map(drop))
        }
        _ => Ok(()),
    }
}

/// An attribute without a value: the JDK asks for the first one all the same, and jarsigner breaks off.
pub(crate) const NO_VALUE: Asn1Error = Asn1Error("an attribute has no value");

pub(crate) const ID_CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub(crate) const ID_MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub(crate) const ID_SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub(crate) const ID_COUNTER_SIGNATURE: &str = "1.2.840.113549.1.9.6";
pub(crate) const ID_ALGORITHM_PROTECTION: &str = "1.2.840.113549.1.9.52";
pub(crate) const ID_TIMESTAMP_TOKEN: &str = "1.2.840.113549.1.9.16.2.14";

/// Printable, T61, BMP, universal and UTF-8 strings.
const STRINGS: &[u8] = &[0x13, 0x14, 0x1e, 0x1c, 0x0c];

/// Types of which the JDK knows the form: whether there is one value at most, and the tags of values.
const KNOWN: &[(&str, bool, &[u8])] = &[
    ("1.2.840.113549.1.9.1", false, &[0x16]),
    ("1.2.840.113549.1.9.2", false, &[0x16, 0x13, 0x14, 0x1e, 0x1c, 0x0c]),
    (ID_CONTENT_TYPE, true, &[tag::OID]),
    (ID_MESSAGE_DIGEST, true, &[tag::OCTET_STRING]),
    (ID_SIGNING_TIME, true, &[tag::UTC_TIME, tag::GENERALIZED_TIME]),
    (ID_COUNTER_SIGNATURE, false, &[tag::SEQUENCE]),
    ("1.2.840.113549.1.9.7", true, STRINGS),
    ("1.2.840.113549.1.9.8", false, STRINGS),
    ("1.2.840.113549.1.9.14", true, &[tag::SEQUENCE]),
    ("1.2.840.113549.1.9.16.2.12", true, &[tag::SEQUENCE]),
    (ID_TIMESTAMP_TOKEN, true, &[tag::SEQUENCE]),
    (ID_ALGORITHM_PROTECTION, true, &[tag::SEQUENCE]),
];

/// Extended certificates, issuer and serial number, S/MIME capabilities: JDK 17 knows their names and nothing more, and
/// refuses them. Newer JDKs pass over them; to refuse is the safe side.
const UNREADABLE: &[&str] = &["1.2.840.113549.1.9.9", "1.2.840.113549.1.9.10", "1.2.840.113549.1.9.15"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::Reader;

    /// A value with a short length.
    fn value(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn parsed(kind: &[u8], values: &[u8]) -> Result<(), Asn1Error> {
        let attribute = value(tag::SEQUENCE, &[value(tag::OID, kind), values.to_vec()].concat());
        let set = value(tag::SET, &attribute);
        Attributes::parse(&Reader::new(&set).next().unwrap(), 0).map(drop)
    }

    const PKCS9: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9];

    fn of_type(number: u8) -> Vec<u8> {
        [&PKCS9[..], &[number]].concat()
    }

    #[test]
    fn a_malformed_attribute_nobody_asks_for_is_an_error() {
        let octets = value(tag::OCTET_STRING, b"octets");
        assert_eq!(parsed(&of_type(4), &value(tag::SET, &octets)), Ok(()));
        // No set, no sequence, two values of which one is allowed, none.
        assert!(parsed(&of_type(4), &octets).is_err());
        assert!(parsed(&of_type(6), &value(tag::SET, &octets)).is_err());
        assert!(parsed(&of_type(4), &value(tag::SET, &[octets.clone(), octets.clone()].concat())).is_err());
        assert_eq!(parsed(&of_type(4), &value(tag::SET, &[])), Err(NO_VALUE));
        assert!(parsed(&of_type(15), &value(tag::SET, &value(tag::SEQUENCE, &[]))).is_err());
        // Nobody knows the type.
        assert_eq!(parsed(&[0x2a, 3], &value(tag::SET, &[octets.clone(), octets.clone()].concat())), Ok(()));
        assert!(parsed(&[0x2a, 3], &octets).is_err());
    }
}
