//! Distinguished names: compared and printed as the JDK's `X500Principal` does.

use crate::asn1::{Asn1Error, Reader, Value, tag};
use crate::java_text;
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
    /// The value as the JDK writes it again.
    encoded: Vec<u8>,
    /// Whether the value is of a type that the JDK compares as text.
    compared_as_text: bool,
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
                let value = inside.next()?;
                let compared_as_text = matches!(value.tag, UTF8_STRING | PRINTABLE_STRING);
                let encoded = value.in_shortest_form();
                let value = text_of(&value);
                if !inside.is_empty() {
                    return Err(Asn1Error("an attribute of a name has more than type and value"));
                }
                attributes.push(Attribute { raw: pair.raw.to_vec(), oid, value, encoded, compared_as_text });
            }
            relative.push(attributes);
        }
        let canonical = canonical(&relative);
        Ok(Self { raw: raw.to_vec(), relative, canonical })
    }

    /// Whether two names are equal: case and runs of blanks do not count in the most common attributes (RFC 5280 section
    /// 7.1); in others every byte does.
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
    /// Type and value in a form that is equal for equal attributes.
    fn canonical(&self) -> String {
        let text = self.value.as_ref().ok();
        let text = text.filter(|_| self.compared_as_text && COMPARED_AS_TEXT.contains(&self.oid.as_str()));
        let Some(text) = text else { return format!("{}=#{}", self.oid, hex::encode(&self.encoded)) };
        let mut canonical = format!("{}=", self.oid);
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        for character in words.join(" ").trim_matches(|character| character <= ' ').chars() {
            if matches!(character, ',' | '+' | '#' | '\\') {
                canonical.push('\\');
            }
            canonical.extend(character.to_uppercase().flat_map(char::to_lowercase));
        }
        canonical
    }

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

/// Decodes the string types of X.520 that the JDK takes for text, with its replacements for what is none.
fn text_of(value: &Value<'_>) -> Result<String, Vec<u8>> {
    let bytes = value.content;
    match value.tag {
        UTF8_STRING => Ok(java_text::utf8(bytes)),
        // These are read as ASCII.
        PRINTABLE_STRING | 0x16 | 0x1b => Ok(java_text::ascii(bytes)),
        0x14 => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        0x1e => Ok(java_text::utf16(bytes)),
        0x1c => Ok(java_text::utf32(bytes)),
        _ => Err(value.raw.to_vec()),
    }
}

/// Names are equal for the JDK if these forms are. Only some types of attributes and of strings are compared as text.
fn canonical(relative: &[Vec<Attribute>]) -> String {
    let mut parts = Vec::with_capacity(relative.len());
    for set in relative {
        let mut attributes: Vec<String> = set.iter().map(Attribute::canonical).collect();
        attributes.sort();
        parts.push(attributes.join("+"));
    }
    parts.join(",")
}

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;

/// The attribute types of RFC 2253 section 2.3: CN, C, L, ST, O, OU, STREET, DC, UID.
const COMPARED_AS_TEXT: [&str; 9] = [
    "2.5.4.3",
    "2.5.4.6",
    "2.5.4.7",
    "2.5.4.8",
    "2.5.4.10",
    "2.5.4.11",
    "2.5.4.9",
    "0.9.2342.19200300.100.1.25",
    "0.9.2342.19200300.100.1.1",
];

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

    fn name(kind: &[u8], tag: u8, text: &[u8]) -> DistinguishedName {
        let node = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let pair = [node(6, kind), node(tag, text)].concat();
        DistinguishedName::parse(&node(0x30, &node(0x31, &node(0x30, &pair)))).unwrap()
    }

    #[test]
    fn names_are_equal_if_they_are_to_the_jdk() {
        const COMMON_NAME: &[u8] = &[0x55, 4, 3];
        const SERIAL_NUMBER: &[u8] = &[0x55, 4, 5];
        let known = name(COMMON_NAME, 0x0c, b"A b");
        assert!(known.matches(&name(COMMON_NAME, 0x13, b" a  B ")));
        // IA5String, T61String, another type, something that looks like two attributes.
        for (tag, text) in [(0x16, b"A b"), (0x14, b"A b"), (0x0c, b"A,b"), (0x0c, b"A\0b")] {
            assert!(!known.matches(&name(COMMON_NAME, tag, text)), "{tag} {text:?}");
        }
        let known = name(SERIAL_NUMBER, 0x13, b"AB");
        assert!(known.matches(&name(SERIAL_NUMBER, 0x13, b"AB")));
        assert!(!known.matches(&name(SERIAL_NUMBER, 0x13, b"ab")));
        assert!(!known.matches(&name(SERIAL_NUMBER, 0x0c, b"AB")));
    }

    #[test]
    fn values_that_are_no_text_are_shown_as_bytes() {
        const COUNTRY: &[u8] = &[0x55, 4, 6];
        assert_eq!(name(COUNTRY, 0x12, b"12").to_java_string(), "C=#12023132");
        assert_eq!(name(COUNTRY, 0x1a, b"AB").to_java_string(), "C=#1a024142");
        // Printable strings are ASCII, byte by byte.
        assert_eq!(name(COUNTRY, 0x13, b"\xc3\xa9").to_java_string(), "C=\u{fffd}\u{fffd}");
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
