//! Bytes as text the way Java decodes them: what is no text becomes replacement characters, and Java has its own idea of how
//! many.

const REPLACEMENT: char = '\u{fffd}';

/// UTF-8. A surrogate encoded in three bytes is one mistake.
pub(crate) fn utf8(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while let Err(error) = std::str::from_utf8(bytes) {
        let (right, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
        text.push_str(std::str::from_utf8(right).unwrap_or_default());
        text.push(REPLACEMENT);
        let is_continuation = |at: usize| rest.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let wrong = match rest {
            [0xed, 0xa0..=0xbf, ..] => 2 + usize::from(is_continuation(2)),
            _ => error.error_len().unwrap_or(rest.len()),
        };
        bytes = rest.get(wrong..).unwrap_or_default();
    }
    text.push_str(std::str::from_utf8(bytes).unwrap_or_default());
    text
}

/// ASCII.
pub(crate) fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { REPLACEMENT }).collect()
}

/// UTF-16, the higher byte first. A high surrogate takes what follows with it.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut pairs = bytes.chunks(2);
    while let Some(pair) = pairs.next() {
        let &[high, low] = pair else {
            text.push(REPLACEMENT);
            break;
        };
        let unit = u16::from_be_bytes([high, low]);
        text.push(match unit {
            0xd800..=0xdbff => {
                let next = pairs.next().and_then(|pair| <[u8; 2]>::try_from(pair).ok());
                let units = [Some(unit), next.map(u16::from_be_bytes)];
                let mut decoded = char::decode_utf16(units.into_iter().flatten());
                decoded.next().and_then(Result::ok).unwrap_or(REPLACEMENT)
            }
            _ => char::from_u32(unit.into()).unwrap_or(REPLACEMENT),
        });
    }
    text
}

/// UTF-32, the highest byte first. Surrogates pass the decoder and become question marks where they are printed.
pub(crate) fn utf32(bytes: &[u8]) -> String {
    let decode = |four: &[u8]| {
        let Ok(four) = <[u8; 4]>::try_from(four) else { return REPLACEMENT };
        match u32::from_be_bytes(four) {
            0xd800..=0xdfff => '?',
            code => char::from_u32(code).unwrap_or(REPLACEMENT),
        }
    };
    bytes.chunks(4).map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_as_many_as_in_java() {
        for (bytes, text) in [
            (&b"A\xe9B"[..], "A?B"),
            (b"\xed\xa0\x80", "?"),
            (b"\xed\xa0", "?"),
            (b"\xed\xa0A", "?A"),
            (b"\xe0\x80A", "??A"),
            (b"\xf0\x90\x80A", "?A"),
            (b"\xf4\x90\x80\x80", "????"),
            (b"\xc1\xbfA", "??A"),
            (b"\xf0\x9f\x98", "?"),
            (b"\xc3\xa9", "\u{e9}"),
        ] {
            assert_eq!(utf8(bytes).replace(REPLACEMENT, "?"), text, "{bytes:?}");
        }
        for (bytes, text) in [
            (&b"\0A\0B"[..], "AB"),
            (b"\0A\0", "A?"),
            (b"\xd8\0\0A", "?"),
            (b"\xd8\0", "?"),
            (b"\xdc\0\0A", "?A"),
            (b"\xd8\x3d\xde\0", "\u{1f600}"),
        ] {
            assert_eq!(utf16(bytes).replace(REPLACEMENT, "?"), text, "{bytes:?}");
        }
        for (bytes, text) in [(&b"\0\0\0A\0\x11\0\0"[..], "A?"), (b"\0\0\xd8\0", "?"), (b"AB", "?")] {
            assert_eq!(utf32(bytes).replace(REPLACEMENT, "?"), text, "{bytes:?}");
        }
        assert_eq!(ascii(b"\xc3\xa9A"), "\u{fffd}\u{fffd}A");
    }
}
