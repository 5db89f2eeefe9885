//! Characters beyond the basic multilingual plane in BMPStrings (ITU-T X.680), which newer JDKs refuse in names.

use crate::asn1::{Reader, tag};

/// Whether any BMPString inside a value has a pair of surrogates. What is in an OCTET STRING is not looked at.
///
/// JDK 17.0.21 and 25 cannot parse a name with such a string; 17.0.15 can.
pub(crate) fn has_surrogates(bytes: &[u8]) -> bool {
    let mut pending = vec![(bytes, 0)];
    while let Some((bytes, depth)) = pending.pop() {
        let mut reader = Reader::new(bytes);
        while let (false, Ok(value)) = (reader.is_empty(), reader.next()) {
            if value.tag == BMP_STRING && has_pair(value.content) {
                return true;
            }
            if value.tag & tag::CONSTRUCTED != 0 && depth < MAX_DEPTH {
                pending.push((value.content, depth + 1));
            }
        }
    }
    false
}

fn has_pair(content: &[u8]) -> bool {
    let units = content.chunks_exact(2).map(|unit| match unit {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    char::decode_utf16(units).any(|decoded| decoded.is_ok_and(|character| u32::from(character) > 0xffff))
}

const BMP_STRING: u8 = 0x1e;
/// Deeper values are refused elsewhere.
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_found_and_lone_surrogates_are_replaced_by_the_jdk() {
        assert!(has_surrogates(&[0x30, 6, 0x1e, 4, 0xd8, 0x3d, 0xde, 0x00]));
        assert!(has_surrogates(&[0x05, 0, 0x30, 8, 0x31, 6, 0x1e, 4, 0xd8, 0x3d, 0xde, 0x00]));
        for fine in [
            &[0x1e, 2, 0xd8, 0x3d][..],
            &[0x1e, 4, 0xde, 0x00, 0xd8, 0x3d],
            &[0x1e, 2, 0x00, 0x61],
            &[0x0c, 4, 0xd8, 0x3d, 0xde, 0x00],
            &[0x1e, 4, 0xd8],
            &[],
        ] {
            assert!(!has_surrogates(fine), "{fine:02x?}");
        }
    }
}
