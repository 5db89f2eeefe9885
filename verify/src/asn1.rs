//! A thin reader for BER and DER (ITU-T X.690) that keeps the original bytes of every value.
//!
//! Signatures are computed over slices of the input, never over a re-encoding: libraries re-sort sets and drop
//! non-canonical forms, which changes what was signed; and they are stricter or laxer than the JDK here and there,
//! which would change verdicts.
//!
//! Attacks considered here: lengths beyond the input, lengths of more than four bytes, deep nesting of indefinite lengths (bounded), millions of empty values (bounded), zero progress (every value consumes at least two bytes).

mod indefinite;

use thiserror::Error;

use crate::crypto::{ID_RSASSA_PSS, PssParameters};
use crate::limits;

pub(crate) use indefinite::{mixes_lengths, to_definite};

/// The bytes are not a well-formed BER value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed ASN.1: {0}")]
pub(crate) struct Asn1Error(pub(crate) &'static str);

/// One value: tag, content, and both together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Universal and context tags by their first byte.
pub(crate) mod tag {
    /// The bit of a value that has values inside.
    pub(crate) const CONSTRUCTED: u8 = 0x20;
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    pub(crate) const CONTEXT_1: u8 = 0xa1;
}

/// Reads values one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The first byte of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value.
    pub(crate) fn next(&mut self) -> Result<Value<'a>, Asn1Error> {
        let (tag, header, length) = read_header(self.rest)?;
        let length = length.ok_or(Asn1Error("indefinite length"))?;
        let end = header.checked_add(length).ok_or(Asn1Error("length overflow"))?;
        let raw = self.rest.get(..end).ok_or(Asn1Error("value ends after its container"))?;
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Value { tag, content: raw.get(header..).unwrap_or_default(), raw })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Value<'a>, Asn1Error> {
        let value = self.next()?;
        if value.tag == tag { Ok(value) } else { Err(Asn1Error("unexpected tag")) }
    }

    /// The content of the next value, an INTEGER as the JDK takes it: not empty.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], Asn1Error> {
        match self.expect(tag::INTEGER)?.content {
            [] => Err(Asn1Error("malformed INTEGER")),
            content => Ok(content),
        }
    }

    /// The content of the next value, a serial number: as the JDK takes it, needless leading zeros do not count.
    pub(crate) fn serial_number(&mut self) -> Result<&'a [u8], Asn1Error> {
        let mut content = self.expect(tag::INTEGER)?.content;
        while let [0, 0..=0x7f, ..] = content {
            content = content.get(1..).unwrap_or_default();
        }
        if content.is_empty() { Err(Asn1Error("malformed INTEGER")) } else { Ok(content) }
    }

    /// The next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Value<'a>>, Asn1Error> {
        if self.peek() == Some(tag) { self.next().map(Some) } else { Ok(None) }
    }

    /// All remaining values.
    pub(crate) fn all(mut self) -> Result<Vec<Value<'a>>, Asn1Error> {
        let mut values = Vec::new();
        while !self.is_empty() {
            if values.len() >= limits::ASN1_VALUES {
                return Err(Asn1Error(limits::TOO_MANY_VALUES));
            }
            values.push(self.next()?);
        }
        Ok(values)
    }
}

impl<'a> Value<'a> {
    /// A reader for the values inside.
    pub(crate) fn inside(&self) -> Reader<'a> {
        Reader::new(self.content)
    }

    /// The value with its own length, not those inside, in the shortest form.
    pub(crate) fn in_shortest_form(&self) -> Vec<u8> {
        let length = u32::try_from(self.content.len()).unwrap_or(u32::MAX).to_be_bytes();
        let zeros = length.iter().take_while(|byte| **byte == 0).count();
        let digits = length.get(zeros..).unwrap_or_default();
        let header = match digits {
            [] => vec![self.tag, 0],
            [short @ ..=0x7f] => vec![self.tag, *short],
            _ => [&[self.tag, 0x80 | u8::try_from(digits.len()).unwrap_or(4)], digits].concat(),
        };
        [&header, self.content].concat()
    }

    /// The object identifier of an AlgorithmIdentifier (RFC 5280 section 4.1.1.2), which has one parameter at most; those
    /// of RSASSA-PSS the JDK parses at once.
    pub(crate) fn algorithm(&self) -> Result<String, Asn1Error> {
        let (oid, parameters) = self.algorithm_with_parameters()?;
        if let Some(parameters) = parameters.filter(|value| oid == ID_RSASSA_PSS && value.tag != tag::NULL) {
            PssParameters::check_form(&parameters)?;
        }
        Ok(oid)
    }

    /// The object identifier of an AlgorithmIdentifier and its parameters, whatever these are.
    pub(crate) fn algorithm_with_parameters(&self) -> Result<(String, Option<Self>), Asn1Error> {
        if self.tag != tag::SEQUENCE {
            return Err(Asn1Error("algorithm identifier expected"));
        }
        let mut parts = self.inside();
        let oid = parts.next()?.oid()?;
        let parameters = if parts.is_empty() { None } else { Some(parts.next()?) };
        let full_null = parameters.is_some_and(|value| value.tag == tag::NULL && !value.content.is_empty());
        if full_null || !parts.is_empty() {
            return Err(Asn1Error("an algorithm identifier has more than algorithm and parameters"));
        }
        Ok((oid, parameters))
    }

    /// The dotted form of an object identifier.
    pub(crate) fn oid(&self) -> Result<String, Asn1Error> {
        if self.tag != tag::OID {
            return Err(Asn1Error("object identifier expected"));
        }
        dotted(self.content).ok_or(Asn1Error("malformed object identifier"))
    }
}

/// The dotted form of an encoded object identifier (X.690 8.19).
fn dotted(content: &[u8]) -> Option<String> {
    let mut arcs: Vec<u128> = Vec::new();
    let mut arc: u128 = 0;
    let mut fresh = true;
    for byte in content {
        if fresh && *byte == 0x80 {
            return None;
        }
        arc = arc.checked_mul(128)?.checked_add(u128::from(byte & 0x7f))?;
        fresh = byte & 0x80 == 0;
        if fresh {
            arcs.push(arc);
            arc = 0;
        }
    }
    let (first, rest) = arcs.split_first().filter(|_| fresh)?;
    let root = (first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    for arc in rest {
        text.push('.');
        text.push_str(&arc.to_string());
    }
    Some(text)
}

/// Tag, header length and content length (`None` for the indefinite form).
fn read_header(bytes: &[u8]) -> Result<(u8, usize, Option<usize>), Asn1Error> {
    let tag = *bytes.first().ok_or(Asn1Error("value expected"))?;
    if tag & 0x1f == 0x1f {
        return Err(Asn1Error("multi-byte tag"));
    }
    let first = *bytes.get(1).ok_or(Asn1Error("length expected"))?;
    match first {
        0..=0x7f => Ok((tag, 2, Some(usize::from(first)))),
        0x80 => Ok((tag, 2, None)),
        _ => {
            let count = usize::from(first & 0x7f);
            if count > 4 {
                return Err(Asn1Error("length too large"));
            }
            let octets = bytes.get(2..2 + count).ok_or(Asn1Error("length expected"))?;
            let length = octets.iter().fold(0u64, |length, octet| length << 8 | u64::from(*octet));
            // The JDK does not insist on the shortest form.
            let length = i32::try_from(length).map_err(|_| Asn1Error("length too large"))?;
            let length = usize::try_from(length).map_err(|_| Asn1Error("length too large"))?;
            Ok((tag, 2 + count, Some(length)))
        }
    }
}

/// The number of values in the largest SET, or in what may be one under a context tag, at any depth.
pub(crate) fn largest_set(bytes: &[u8]) -> usize {
    fn walk(bytes: &[u8], depth: usize, largest: &mut usize) {
        let mut reader = Reader::new(bytes);
        while let Ok(value) = reader.next() {
            if value.tag & 0x20 == 0 || depth > MAX_DEPTH {
                continue;
            }
            if value.tag != tag::SEQUENCE {
                let (mut inside, mut count) = (value.inside(), 0);
                while inside.next().is_ok() {
                    count += 1;
                }
                *largest = count.max(*largest);
            }
            walk(value.content, depth + 1, largest);
        }
    }
    let mut largest = 0;
    if let Ok(definite) = to_definite(bytes) {
        walk(&definite, 0, &mut largest);
    }
    largest
}

/// The content of an OCTET STRING; the constructed form is joined (X.690 8.7.3).
pub(crate) fn octets(value: &Value<'_>) -> Result<Vec<u8>, Asn1Error> {
    match value.tag {
        tag::OCTET_STRING => Ok(value.content.to_vec()),
        0x24 => {
            let mut joined = Vec::new();
            for part in value.inside().all()? {
                if part.tag != tag::OCTET_STRING {
                    return Err(Asn1Error("octet string expected"));
                }
                joined.extend_from_slice(part.content);
            }
            Ok(joined)
        }
        _ => Err(Asn1Error("octet string expected")),
    }
}

const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_dotted() {
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]).as_deref(),
            Some("1.2.840.113549.1.1.1")
        );
        assert_eq!(dotted(&[0x55, 0x1d, 0x25, 0]).as_deref(), Some("2.5.29.37.0"));
        assert_eq!(dotted(&[0x88, 0x37]).as_deref(), Some("2.999"));
        for bad in [&[][..], &[0x2a, 0x80, 1], &[0x2a, 0x86]] {
            assert_eq!(dotted(bad), None);
        }
    }

    #[test]
    fn the_largest_set_is_found_at_any_depth() {
        let set = [&[0x31, 6], [5, 0].repeat(3).as_slice()].concat();
        let deep = [&[0x30, 0x80, 0x30, 10, 0xa1, 8], set.as_slice(), &[0, 0]].concat();
        assert_eq!(largest_set(&deep), 3);
        assert_eq!(largest_set(&[0x30, 4, 5, 0, 5, 0]), 0);
    }

    #[test]
    fn millions_of_empty_values_are_refused() {
        let values = [5, 0].repeat(limits::ASN1_VALUES);
        assert_eq!(Reader::new(&values).all().unwrap().len(), limits::ASN1_VALUES);
        let error = Reader::new(&[values.as_slice(), &[5, 0]].concat()).all().unwrap_err();
        assert!(limits::is_exceeded(&error.to_string()));
    }

    #[test]
    fn integers_have_content() {
        let integer = |bytes: &'static [u8]| Reader::new(bytes).integer().ok();
        assert_eq!(integer(&[2, 1, 0]), Some(&[0][..]));
        assert_eq!(integer(&[2, 2, 0xff, 0xff]), Some(&[0xff, 0xff][..]));
        assert_eq!(integer(&[2, 0]), None);
        // A version with needless zeros is one to the JDK.
        assert_eq!(integer(&[2, 2, 0, 1]), Some(&[0, 1][..]));
    }

    #[test]
    fn an_algorithm_has_one_parameter_at_most() {
        let oid = |bytes: &'static [u8]| Reader::new(bytes).next().unwrap().algorithm().ok();
        assert_eq!(oid(&[0x30, 4, 6, 2, 42, 3]).as_deref(), Some("1.2.3"));
        assert_eq!(oid(&[0x30, 6, 6, 2, 42, 3, 5, 0]).as_deref(), Some("1.2.3"));
        for wrong in [
            &[0x30, 8, 6, 2, 42, 3, 5, 0, 5, 0][..],
            &[0x30, 7, 6, 2, 42, 3, 5, 1, 0],
            &[0x31, 4, 6, 2, 42, 3],
        ] {
            assert_eq!(oid(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn serial_numbers_may_have_needless_zeros() {
        for (bytes, number) in [
            (&[2, 2, 0, 1][..], Some(&[1][..])),
            (&[2, 1, 0], Some(&[0])),
            (&[2, 2, 0, 0x80], Some(&[0, 0x80])),
            (&[2, 0], None),
        ] {
            assert_eq!(Reader::new(bytes).serial_number().ok(), number, "{bytes:?}");
        }
    }

    #[test]
    fn malformed_lengths_are_refused() {
        for bad in
            [&[0x30][..], &[0x30, 0x05, 0x00], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0x84, 0xff, 0, 0, 0]]
        {
            assert!(Reader::new(bad).next().is_err(), "{bad:?}");
        }
        assert!(to_definite(&[0x30, 0x80].repeat(100)).is_err());
    }
}
