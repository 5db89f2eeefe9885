//! Extensions that mean nothing here, but that the JDK parses when it reads a certificate: one that is critical and that it
//! cannot parse spoils the certificate, and with it the block.
//!
//! Attack considered here: a critical extension with content that one reader understands and the other does not.

use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::asn1_time;
use crate::distinguished_name::DistinguishedName;

/// Whether the JDK can parse the value of an extension; of those that it does not know, or whose value it does not look at,
/// it always can.
pub(crate) fn check(oid: &str, value: &[u8]) -> Result<(), Asn1Error> {
    let mut reader = Reader::new(value);
    match oid {
        PRIVATE_KEY_USAGE => private_key_usage(&reader.next()?),
        ISSUER_ALTERNATIVE_NAME | CERTIFICATE_ISSUER => general_names(&reader.next()?),
        CRL_NUMBER | DELTA_CRL => reader.integer().map(drop),
        REASON => reader.expect(ENUMERATED).map(drop),
        ISSUING_POINT => issuing_point(&reader.expect(tag::SEQUENCE)?),
        CRL_POINTS | FRESHEST_CRL => {
            reader.expect(tag::SEQUENCE)?.inside().all()?.iter().try_for_each(distribution_point)
        }
        AUTHORITY_ACCESS | SUBJECT_ACCESS => {
            reader.expect(tag::SEQUENCE)?.inside().all()?.iter().try_for_each(|description| {
                let mut parts = description.inside();
                parts.next()?.oid()?;
                general_name(&parts.next()?)
            })
        }
        _ => Ok(()),
    }
}

/// Whether the JDK asks whether bytes follow the value of an extension it knows.
pub(crate) fn must_end(oid: &str) -> bool {
    ![PRIVATE_KEY_USAGE, NO_CHECK].contains(&oid)
}

/// GeneralNames (RFC 5280 section 4.2.1.6): at least one.
pub(crate) fn general_names(value: &Value<'_>) -> Result<(), Asn1Error> {
    if value.tag != tag::SEQUENCE {
        return Err(Asn1Error("names expected"));
    }
    inner_names(value)
}

/// GeneralNames under any tag.
fn inner_names(value: &Value<'_>) -> Result<(), Asn1Error> {
    let names = value.inside().all()?;
    if names.is_empty() {
        return Err(Asn1Error("there are no names"));
    }
    names.iter().try_for_each(general_name)
}

fn general_name(name: &Value<'_>) -> Result<(), Asn1Error> {
    let malformed = Err(Asn1Error("malformed name in an extension"));
    match name.tag {
        OTHER_NAME => {
            let mut parts = name.inside();
            parts.next()?.oid()?;
            parts.next().map(drop)
        }
        MAIL_ADDRESS => match name.content.splitn(2, |byte| *byte == b'@').last() {
            None | Some([] | [b'.']) => malformed,
            Some(_) => Ok(()),
        },
        HOST_NAME => Ok(()),
        DIRECTORY_NAME => DistinguishedName::parse(name.inside().expect(tag::SEQUENCE)?.raw).map(drop),
        PARTY_NAME => {
            let parts = name.inside().all()?;
            let is_whole = |part: &Value<'_>| matches!(part.tag, 0xa0 | 0xa1) && part.inside().next().is_ok();
            if matches!(parts.len(), 1 | 2) && parts.iter().all(is_whole) { Ok(()) } else { malformed }
        }
        ADDRESS_OF_RESOURCE if is_uri(name.content) => Ok(()),
        ADDRESS if matches!(name.content.len(), 4 | 8 | 16 | 32) => Ok(()),
        REGISTERED => Value { tag: tag::OID, ..*name }.oid().map(drop),
        _ => malformed,
    }
}

/// Whether Java takes bytes for an absolute URI; what is not ASCII it replaces.
fn is_uri(bytes: &[u8]) -> bool {
    let Some(colon) = bytes.iter().position(|byte| *byte == b':') else { return false };
    let (scheme, rest) = bytes.split_at(colon);
    let mut rest = rest.get(1..).unwrap_or_default();
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme || rest.is_empty() || rest.first() == Some(&b'#') {
        return false;
    }
    let mut fragments = 0;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'%' if behind.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => {}
            b'#' if fragments == 0 => fragments = 1,
            byte if byte.is_ascii_alphanumeric() || !byte.is_ascii() => {}
            byte if b"_-!.~'()*,;:$&+=?/@[]".contains(byte) => {}
            _ => return false,
        }
    }
    true
}

/// A period (RFC 3280 section 4.2.1.4).
fn private_key_usage(value: &Value<'_>) -> Result<(), Asn1Error> {
    if value.tag != tag::SEQUENCE {
        return Err(Asn1Error("a period of a private key is no sequence"));
    }
    let mut seen = Vec::new();
    for end in value.inside().all()? {
        if !matches!(end.tag, 0x80 | 0x81) || seen.contains(&end.tag) {
            return Err(Asn1Error("malformed period of a private key"));
        }
        asn1_time::parse(&Value { tag: tag::GENERALIZED_TIME, ..end })?;
        seen.push(end.tag);
    }
    Ok(())
}

/// A DistributionPoint (section 4.2.1.13).
fn distribution_point(value: &Value<'_>) -> Result<(), Asn1Error> {
    if value.tag != tag::SEQUENCE {
        return Err(Asn1Error("a distribution point is no sequence"));
    }
    let fields = value.inside().all()?;
    for field in &fields {
        match field.tag {
            tag::CONTEXT_0 => point_name(field)?,
            0x81 => {}
            0xa2 => inner_names(field)?,
            _ => return Err(Asn1Error("malformed distribution point")),
        }
    }
    let named = fields.iter().any(|field| field.tag != 0x81);
    if named { Ok(()) } else { Err(Asn1Error("a distribution point without a name")) }
}

/// A DistributionPointName in its tag.
fn point_name(field: &Value<'_>) -> Result<(), Asn1Error> {
    let name = field.inside().next()?;
    match name.tag {
        tag::CONTEXT_0 => inner_names(&name),
        tag::CONTEXT_1 => Ok(()),
        _ => Err(Asn1Error("malformed name of a distribution point")),
    }
}

/// The fields of an AuthorityKeyIdentifier (section 4.2.1.1), each at most once.
pub(crate) fn authority_key_id(fields: &[Value<'_>]) -> Result<(), Asn1Error> {
    for (position, field) in fields.iter().enumerate() {
        let is_repeated = fields.iter().take(position).any(|other| other.tag == field.tag);
        match field.tag {
            0x80 | 0x82 if !is_repeated => {}
            0xa1 if !is_repeated => inner_names(field)?,
            _ => return Err(Asn1Error("malformed identifier of an authority's key")),
        }
    }
    Ok(())
}

/// An IssuingDistributionPoint (section 5.2.5).
fn issuing_point(value: &Value<'_>) -> Result<(), Asn1Error> {
    value.inside().all()?.iter().try_for_each(|field| match field.tag {
        tag::CONTEXT_0 => point_name(field),
        0x81..=0x85 => Ok(()),
        _ => Err(Asn1Error("malformed issuing distribution point")),
    })
}

const ENUMERATED: u8 = 0x0a;

const PRIVATE_KEY_USAGE: &str = "2.5.29.16";
const ISSUER_ALTERNATIVE_NAME: &str = "2.5.29.18";
const CRL_NUMBER: &str = "2.5.29.20";
const REASON: &str = "2.5.29.21";
const DELTA_CRL: &str = "2.5.29.27";
const ISSUING_POINT: &str = "2.5.29.28";
const CERTIFICATE_ISSUER: &str = "2.5.29.29";
const CRL_POINTS: &str = "2.5.29.31";
const FRESHEST_CRL: &str = "2.5.29.46";
const AUTHORITY_ACCESS: &str = "1.3.6.1.5.5.7.1.1";
const SUBJECT_ACCESS: &str = "1.3.6.1.5.5.7.1.11";
const NO_CHECK: &str = "1.3.6.1.5.5.7.48.1.5";

// Tags of names.
const OTHER_NAME: u8 = 0xa0;
const MAIL_ADDRESS: u8 = 0x81;
const HOST_NAME: u8 = 0x82;
const DIRECTORY_NAME: u8 = 0xa4;
const PARTY_NAME: u8 = 0xa5;
const ADDRESS_OF_RESOURCE: u8 = 0x86;
const ADDRESS: u8 = 0x87;
const REGISTERED: u8 = 0x88;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_jdk_cannot_parse_is_an_error() {
        let url = [&[0x30, 21, 0x86, 19][..], b"http://example.org/"].concat();
        let points = [&[0x30, 11, 0x30, 9, 0xa0, 7, 0xa0, 5, 0x86, 3][..], b"a:b"].concat();
        let access = [&[0x30, 9, 0x30, 7, 6, 1, 0x2a, 0x82, 2][..], b"ab"].concat();
        let sound: [(&str, &[u8]); 10] = [
            (PRIVATE_KEY_USAGE, &[0x30, 0, 5, 0]),
            (ISSUER_ALTERNATIVE_NAME, &url),
            (CERTIFICATE_ISSUER, &[0x30, 6, 0x87, 4, 1, 2, 3, 4]),
            (CRL_NUMBER, &[2, 1, 1]),
            (REASON, &[0x0a, 1, 1]),
            (ISSUING_POINT, &[0x30, 0]),
            (CRL_POINTS, &points),
            (FRESHEST_CRL, &[0x30, 0]),
            (AUTHORITY_ACCESS, &access),
            (NO_CHECK, &[]),
        ];
        for (oid, value) in sound {
            assert_eq!(check(oid, value), Ok(()), "{oid}");
        }
        // A set, or under another class of tags.
        for (oid, value) in
            [(ISSUER_ALTERNATIVE_NAME, &url), (CRL_POINTS, &points), (SUBJECT_ACCESS, &access)]
        {
            for tag in [0x31, 0xb0] {
                assert!(check(oid, &[&[tag], &value[1..]].concat()).is_err(), "{oid}");
            }
        }
        let damaged: [(&str, &[u8]); 9] = [
            (PRIVATE_KEY_USAGE, &[0x30, 2, 5, 0]),
            (ISSUER_ALTERNATIVE_NAME, &[0x30, 0]),
            (ISSUER_ALTERNATIVE_NAME, &[0x30, 4, 0x86, 2, b'h', b't']),
            (CERTIFICATE_ISSUER, &[0x30, 3, 0x81, 1, b'@']),
            (CRL_NUMBER, &[5, 0]),
            (REASON, &[2, 1, 1]),
            (ISSUING_POINT, &[0x30, 2, 5, 0]),
            (CRL_POINTS, &[0x30, 2, 0x30, 0]),
            (AUTHORITY_ACCESS, &[0x30, 2, 0x30, 0]),
        ];
        for (oid, value) in damaged {
            assert!(check(oid, value).is_err(), "{oid}");
        }
    }
}
