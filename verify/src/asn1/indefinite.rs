//! Indefinite lengths (X.690 section 8.1.3.6), which become definite ones before anything is parsed.

use super::{Asn1Error, MAX_DEPTH, read_header};

/// Rewrites values of indefinite length into definite length; everything else stays as it is.
///
/// The JDK does the same before it parses a block, so what is signed inside is the rewritten form. Bytes after the
/// first value are dropped.
pub(crate) fn to_definite(bytes: &[u8]) -> Result<Vec<u8>, Asn1Error> {
    let mut output = Vec::with_capacity(bytes.len());
    let mut conversion = Conversion { looks_inside: true, ..Conversion::default() };
    if conversion.convert(bytes, &mut output, 0).is_ok() && conversion.mixed {
        return Ok(output);
    }
    // Not a byte inside a definite length changes, although lengths there may not be the shortest; and what is malformed
    // there may be in a place that nobody looks at.
    output.clear();
    Conversion::default().convert(bytes, &mut output, 0)?;
    Ok(output)
}

/// Whether a value of indefinite length stands inside one of definite length.
///
/// The JDK converts such values one by one and trips over some of them, so what it reads cannot be foreseen.
pub(crate) fn mixes_lengths(bytes: &[u8]) -> bool {
    let mut conversion = Conversion { looks_inside: true, ..Conversion::default() };
    let converted = conversion.convert(bytes, &mut Vec::new(), 0);
    converted.is_ok() && conversion.mixed && bytes.get(1) != Some(&0x80)
}

/// How indefinite lengths are rewritten, and what was met.
#[derive(Debug, Default)]
struct Conversion {
    /// Whether values of definite length are looked into, and get the shortest form.
    looks_inside: bool,
    /// Whether one of indefinite length was met inside one of definite length.
    mixed: bool,
}

impl Conversion {
    /// Converts the values in one of definite length.
    fn convert_all(&mut self, inner: &[u8], output: &mut Vec<u8>, depth: usize) -> Result<(), Asn1Error> {
        let mut at = 0;
        while let Some(rest) = inner.get(at..).filter(|rest| !rest.is_empty()) {
            at += self.convert(rest, output, depth)?;
            self.mixed |= rest.get(1) == Some(&0x80);
        }
        Ok(())
    }

    /// Converts one value and returns how many bytes of the input it took.
    fn convert(&mut self, bytes: &[u8], output: &mut Vec<u8>, depth: usize) -> Result<usize, Asn1Error> {
        if depth > MAX_DEPTH {
            return Err(Asn1Error("nested too deeply"));
        }
        let (tag, header, length) = read_header(bytes)?;
        let constructed = tag & 0x20 != 0;
        let mut content = Vec::new();
        let consumed = match length {
            Some(length) => {
                let end = header.checked_add(length).ok_or(Asn1Error("length overflow"))?;
                let whole = bytes.get(..end).ok_or(Asn1Error("value ends after its container"))?;
                if !self.looks_inside {
                    output.extend_from_slice(whole);
                    return Ok(end);
                }
                let inner = whole.get(header..).unwrap_or_default();
                let mixed = self.mixed;
                if !constructed || self.convert_all(inner, &mut content, depth + 1).is_err() {
                    // Nobody may ever look at what is malformed.
                    self.mixed = mixed;
                    content = inner.to_vec();
                }
                end
            }
            None if !constructed => return Err(Asn1Error("indefinite length of a primitive value")),
            None => {
                let mut at = header;
                loop {
                    let rest = bytes.get(at..).ok_or(Asn1Error("end-of-contents missing"))?;
                    if rest.starts_with(&[0, 0]) {
                        break at + 2;
                    }
                    if rest.is_empty() {
                        return Err(Asn1Error("end-of-contents missing"));
                    }
                    at += self.convert(rest, &mut content, depth + 1)?;
                }
            }
        };
        output.push(tag);
        write_length(output, content.len())?;
        output.append(&mut content);
        Ok(consumed)
    }
}

fn write_length(output: &mut Vec<u8>, length: usize) -> Result<(), Asn1Error> {
    let length = u32::try_from(length).map_err(|_| Asn1Error("length too large"))?;
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => output.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            output.push(0x80 | u8::try_from(significant.len()).unwrap_or(4));
            output.extend(significant);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Reader, octets};
    use super::*;

    #[test]
    fn indefinite_lengths_become_definite() {
        let ber =
            [0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0xaa, 0x04, 0x01, 0xbb, 0, 0, 0x02, 0x01, 0x05, 0, 0, 0xff];
        let der = to_definite(&ber).unwrap();
        assert_eq!(der, [0x30, 0x0b, 0x24, 0x06, 0x04, 0x01, 0xaa, 0x04, 0x01, 0xbb, 0x02, 0x01, 0x05]);
        let value = Reader::new(&der).next().unwrap();
        let first = value.inside().next().unwrap();
        assert_eq!(octets(&first).unwrap(), [0xaa, 0xbb]);
    }

    #[test]
    fn lengths_need_not_be_the_shortest_and_stay_as_they_are() {
        let long = [0x30, 0x82, 0x00, 0x05, 0x04, 0x81, 0x02, 1, 2];
        assert_eq!(to_definite(&long).unwrap(), long);
        let value = Reader::new(&long).next().unwrap();
        assert_eq!(value.inside().next().unwrap().content, [1, 2]);
    }

    #[test]
    fn indefinite_lengths_inside_definite_ones_are_noticed() {
        assert!(mixes_lengths(&[0x30, 0x04, 0x30, 0x80, 0, 0]));
        assert!(!mixes_lengths(&[0x30, 0x80, 0x30, 0x80, 0, 0, 0, 0]));
        assert!(!mixes_lengths(&[0x30, 0x02, 0x30, 0x00]));
    }
}
