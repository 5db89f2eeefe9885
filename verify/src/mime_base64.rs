//! Base64 as `java.util.Base64.getMimeDecoder()` reads it: foreign characters are skipped, a bad end is an exception.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Decodes text; the error is the message of the `IllegalArgumentException`.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    // What the standard allows means the same to both.
    if let Ok(output) = STANDARD.decode(text) {
        return Ok(output);
    }
    let mut output = Vec::with_capacity(text.len() / 4 * 3);
    let mut bytes = text.bytes().enumerate();
    let mut bits = 0u32;
    let mut count = 0;
    let mut end = text.len();
    while let Some((at, byte)) = bytes.next() {
        if let Some(value) = value_of(byte) {
            bits = bits << 6 | value;
            count += 1;
            if count == 4 {
                output.extend(bits.to_be_bytes().get(1..).unwrap_or_default());
                (bits, count) = (0, 0);
            }
        } else if byte == b'=' {
            // Two digits need a second padding character right behind the first, three need one; one digit fails below.
            let complete = match count {
                2 => bytes.next().is_some_and(|(_, byte)| byte == b'='),
                other => other > 0,
            };
            if !complete {
                return Err("Input byte array has wrong 4-byte ending unit".to_owned());
            }
            end = at + if count == 2 { 2 } else { 1 };
            break;
        }
    }
    match count {
        0 => {}
        1 => return Err("Last unit does not have enough valid bits".to_owned()),
        2 => output.extend((bits << 12).to_be_bytes().get(1..2).unwrap_or_default()),
        _ => output.extend((bits << 6).to_be_bytes().get(1..3).unwrap_or_default()),
    }
    // Behind the padding no digit may follow.
    for (at, byte) in text.bytes().enumerate().skip(end) {
        if value_of(byte).is_some() {
            return Err(format!("Input byte array has incorrect ending byte at {}", at + 1));
        }
    }
    Ok(output)
}

fn value_of(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn foreign_characters_are_skipped_and_bad_ends_are_errors() {
        assert_eq!(decode("q83v*\n Eg=="), Ok(vec![0xab, 0xcd, 0xef, 0x12]));
        assert_eq!(decode("q83vEjQ="), Ok(vec![0xab, 0xcd, 0xef, 0x12, 0x34]));
        assert_eq!(decode("q83vEg"), Ok(vec![0xab, 0xcd, 0xef, 0x12]));
        assert_eq!(decode("q83vEg==\n"), Ok(vec![0xab, 0xcd, 0xef, 0x12]));
        assert_eq!(decode(""), Ok(vec![]));
        assert!(decode("q83vE").is_err_and(|error| error.contains("enough valid bits")));
        assert!(decode("q83vE===").is_err_and(|error| error.contains("enough valid bits")));
        assert!(decode("A").is_err_and(|error| error.contains("enough valid bits")));
        assert!(decode("=").is_err_and(|error| error.contains("4-byte ending")));
        assert_eq!(decode("q83vEjQ=="), Ok(vec![0xab, 0xcd, 0xef, 0x12, 0x34]), "padding behind padding");
        assert!(decode("q83vEg=").is_err_and(|error| error.contains("4-byte ending")));
        assert!(decode("q83vEg==A").is_err_and(|error| error.contains("ending byte at 9")));
    }
}
