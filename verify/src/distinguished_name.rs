//! Distinguished names: compared and printed as the JDK's `X500Principal` does.

use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::limits;

/// A distinguished name (X.501): its encoding, its parts, and a form for comparison.
#[derive(Debug, Clone)]
pub(crate) struct DistinguishedName {
    raw: Vec<u8>,
    /// Relative names in encoded order, each a set of attributes.
    relative: Vec<Vec<Attribute>>,
    canonical: String,
}

#[derive(Debug, Clone)]
struct Attribute {
    raw: Vec<u8>,
    oid: String,
    /// The text, or the raw value of types that are no text.
    value: Result<String, Vec<u8>>,
}

impl DistinguishedName {
    /// Parses an encoded `Name`.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, Asn1Error> {
        if raw.len() > limits::NAME {
            return Err(Asn1Error(limits::NAME_TOO_LONG));
        }
        let mut relative = Vec::new();
        for set in Reader::new(raw).expect(tag::SEQUENCE)?.inside().all()? {
            if set.tag != tag::SET {
                return Err(Asn1Error("relative distinguished name expected"));
            }
            let mut attributes = Vec::new();
            for pair in set.inside().all()? {
                if pair.tag != tag::SEQUENCE {
                    return Err(Asn1Error("attribute type and value expected"));
                }
                let mut inside = pair.inside();
                let oid = inside.expect(tag::OID)?.oid()?;
                let value = text_of(&inside.next()?);
                if !inside.is_empty() {
                    return Err(Asn1Error("an attribute of a name has more than type and value"));
                }
                attributes.push(Attribute { raw: pair.raw.to_vec(), oid, value });
            }
            relative.push(attributes);
        }
        let canonical = canonical(&relative);
        Ok(Self { raw: raw.to_vec(), relative, canonical })
    }

    /// Whether two names are equal: case and runs of blanks do not count (RFC 5280 section 7.1).
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.raw == other.raw || self.canonical == other.canonical
    }

    /// The form that is equal for names that match.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The values of all attributes of a type, for instance `2.5.4.10` for organisation.
    pub(crate) fn values<'a>(&'a self, oid: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.relative
            .iter()
            .flatten()
            .filter(move |attribute| attribute.oid == oid)
            .filter_map(|attribute| attribute.value.as_deref().ok())
    }

    /// The encoded attributes of each relative name.
    pub(crate) fn encoded_attributes(&self) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
        self.relative.iter().map(|set| set.iter().map(|attribute| attribute.raw.as_slice()))
    }

    /// The name as `X500Principal.toString()` prints it: the last part first.
    pub(crate) fn to_java_string(&self) -> String {
        let parts: Vec<String> = self
            .relative
            .iter()
            .rev()
            .map(|set| set.iter().map(Attribute::to_java_string).collect::<Vec<_>>().join(" + "))
            .collect();
        parts.join(", ")
    }
}

impl Attribute {
    fn to_java_string(&self) -> String {
        let keyword = KEYWORDS
            .iter()
            .find(|(oid, _)| *oid == self.oid)
            .map_or_else(|| format!("OID.{}", self.oid), |(_, keyword)| (*keyword).to_owned());
        match &self.value {
            Ok(text) => format!("{keyword}={}", quote(text)),
            Err(raw) => format!("{keyword}=#{}", hex::encode(raw)),
        }
    }
}

/// Quotes a value that holds separators, or blanks at its ends or in a row.
fn quote(text: &str) -> String {
    let already = text.chars().count() > 1 && text.starts_with('"') && text.ends_with('"');
    if already {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut needed = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
    let mut previous_blank = false;
    for character in text.chars() {
        if ",+=\n<>#;\\\"".contains(character) {
            needed = true;
        }
        let blank = matches!(character, ' ' | '\n');
        needed |= blank && previous_blank;
        previous_blank = blank;
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    if needed { format!("\"{quoted}\"") } else { quoted }
}

/// Decodes the string types of X.520.
fn text_of(value: &Value<'_>) -> Result<String, Vec<u8>> {
    let raw = || value.raw.to_vec();
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    match value.tag {
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a | 0x1b => Ok(String::from_utf8_lossy(value.content).into_owned()),
        0x14 => Ok(latin(value.content)),
        0x1e => {
            let units: Vec<u16> = value
                .content
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
                .collect();
            Ok(String::from_utf16_lossy(&units))
        }
        0x1c => value
            .content
            .chunks(4)
            .map(|four| char::from_u32(four.iter().fold(0, |unit, byte| unit << 8 | u32::from(*byte))))
            .collect::<Option<String>>()
            .ok_or_else(raw),
        _ => Err(raw()),
    }
}

fn canonical(relative: &[Vec<Attribute>]) -> String {
    let mut parts = Vec::with_capacity(relative.len());
    for set in relative {
        let mut attributes: Vec<String> = set
            .iter()
            .map(|attribute| match &attribute.value {
                Ok(text) => {
                    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
                    format!("{}={}", attribute.oid, words.join(" ").to_lowercase())
                }
                Err(raw) => format!("{}=#{}", attribute.oid, hex::encode(raw)),
            })
            .collect();
        attributes.sort();
        parts.push(attributes.join("+"));
    }
    parts.join("\u{1}")
}

/// Keywords that the JDK prints.
const KEYWORDS: [(&str, &str); 18] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "T"),
    ("1.3.6.1.4.1.42.2.11.2.1", "IP"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("2.5.4.46", "DNQ"),
    ("2.5.4.4", "SURNAME"),
    ("2.5.4.42", "GIVENNAME"),
    ("2.5.4.43", "INITIALS"),
    ("2.5.4.44", "GENERATION"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "SERIALNUMBER"),
];

/// Object identifier of organisationName.
pub(crate) const ORGANIZATION: &str = "2.5.4.10";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_hundred_thousand_attributes_is_refused() {
        let attribute = [0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x0c, 0];
        let name = |count: usize| {
            let length = u32::try_from(count * attribute.len()).unwrap().to_be_bytes();
            [&[0x30, 0x84], length.as_slice(), &attribute.repeat(count)].concat()
        };
        assert_eq!(DistinguishedName::parse(&name(500)).unwrap().relative.len(), 500);
        let error = DistinguishedName::parse(&name(100_000)).unwrap_err();
        assert!(limits::is_exceeded(&error.to_string()));
    }

    #[test]
    fn an_attribute_has_nothing_after_its_value() {
        let name = [0x30, 13, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 3, 0x0c, 0, 5, 0];
        assert!(DistinguishedName::parse(&name).is_err());
        let name = [0x30, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x0c, 0];
        assert!(DistinguishedName::parse(&name).is_ok());
    }

    #[test]
    fn values_with_separators_are_quoted() {
        assert_eq!(quote("ServiceNow Inc."), "ServiceNow Inc.");
        assert_eq!(quote("Acme, Inc."), "\"Acme, Inc.\"");
        assert_eq!(quote("a \"b\""), "\"a \\\"b\\\"\"");
        assert_eq!(quote(" a"), "\" a\"");
        assert_eq!(quote("a  b"), "\"a  b\"");
        assert_eq!(quote("\"a\""), "\"a\"");
    }
}
