//! An accepted signature block, and the timestamp tokens inside, as `cms` and `x509-cert` read them.
//!
//! Attacks considered here: encodings that one reader takes for another value or passes over: an attribute or
//! extension twice, a CA flag or key usage in a malformed value, a serial number or name encoded differently, several
//! certificates for one signer, bytes after the block. Work is bounded by the limits on our own reading, which comes
//! first, and by the depth that `der` allows.

use cms::der::EncodingRules;

use super::ours;
use super::theirs::{self, Refusal, SecondReading};
use crate::asn1;
use crate::finding::Finding;
use crate::limits::{Limits, SORTED_SET, exceeded};
use crate::signed_data::SignedData;

/// Compares our reading of a block with the second one.
pub(super) fn compare(name: &str, block: &SignedData, limits: &Limits) -> Option<Finding> {
    disagreement(block, limits)
        .map(|what| Finding::ReadersDisagree { what: format!("block {name:?}: {what}") })
}

fn disagreement(block: &SignedData, limits: &Limits) -> Option<String> {
    if asn1::largest_set(&block.raw) > SORTED_SET {
        return Some(exceeded(format_args!(
            "a set of more than {SORTED_SET} values, not read a second time"
        )));
    }
    // The laxer rules only where they are needed.
    let rules = if block.indefinite { EncodingRules::Ber } else { EncodingRules::Der };
    let second = match theirs::read(&block.raw, rules) {
        Ok(second) => second,
        Err(refusal) => return Some(refused(&refusal)),
    };
    if let Some(what) = ours::facts(block).difference(&second.facts) {
        return Some(what);
    }
    block.signer_infos.iter().find_map(|signer| {
        // A token that our own reader cannot parse belongs to a signer that does not count.
        let own = SignedData::parse(signer.timestamp_token.as_deref()?, limits).ok()?;
        token(&own, &signer.signature, &second, rules).map(|what| format!("timestamp token: {what}"))
    })
}

fn token(own: &SignedData, signature: &[u8], second: &SecondReading, rules: EncodingRules) -> Option<String> {
    let Some((_, token)) = second.tokens.iter().find(|(of, _)| of == signature) else {
        return Some("only the first reader has it".to_owned());
    };
    match theirs::read_token(token, rules) {
        Ok(token) => ours::facts(own).difference(&token.facts),
        Err(refusal) => Some(refused(&refusal)),
    }
}

fn refused(refusal: &Refusal) -> String {
    format!("the second reader refuses it: {refusal}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use jiff::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::archive::Archive;
    use crate::certificate::Certificate;
    use crate::signature_names::is_block;
    use crate::source::Source;

    fn data() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
    }

    /// The signature block of a recorded case.
    fn block(case: &str) -> Option<Vec<u8>> {
        let source = Source::open(&data().join(case).join("case.jar")).unwrap();
        let archive = Archive::open(&source, &Limits::default()).unwrap().unwrap();
        let at = archive.entries.iter().position(|entry| is_block(&entry.name.to_uppercase()))?;
        Some(archive.read_small(&source, at, &Limits::default()).unwrap().unwrap())
    }

    fn parsed(bytes: &[u8]) -> SignedData {
        SignedData::parse(bytes, &Limits::default()).unwrap()
    }

    fn vendor() -> SignedData {
        parsed(&block("vendor-shape").unwrap())
    }

    /// The same value with indefinite lengths throughout, the content of a token in two segments.
    fn to_indefinite(bytes: &[u8]) -> Vec<u8> {
        let mut reader = asn1::Reader::new(bytes);
        let mut output = Vec::new();
        while !reader.is_empty() {
            let value = reader.next().unwrap();
            // A TSTInfo is the only OCTET STRING here that starts with a sequence holding version and policy.
            let is_content = value.tag == 4 && value.content.len() > 80 && value.content[0] == 0x30;
            if value.tag & 0x20 != 0 {
                output.extend([value.tag, 0x80]);
                output.extend(to_indefinite(value.content));
                output.extend([0, 0]);
            } else if is_content && value.content[2..].starts_with(&[2, 1, 1, 6]) {
                let (one, other) = value.content.split_at(70);
                output.extend([0x24, 0x80, 4, 70]);
                output.extend(one);
                output.extend([4, u8::try_from(other.len()).unwrap()]);
                output.extend(other);
                output.extend([0, 0]);
            } else {
                output.extend(value.raw);
            }
        }
        output
    }

    #[test]
    fn both_readers_agree_on_all_recorded_blocks() {
        let (mut blocks, mut tokens) = (0, 0);
        for entry in fs::read_dir(data()).unwrap().map(|entry| entry.unwrap()) {
            if !entry.path().is_dir() {
                continue;
            }
            let name = entry.file_name().into_string().unwrap();
            let Some(bytes) = block(&name) else { continue };
            // The second reader is asked about blocks that the first one reads.
            let Ok(own) = SignedData::parse(&bytes, &Limits::default()) else {
                assert_eq!(name, "empty-subject");
                continue;
            };
            assert_eq!(disagreement(&own, &Limits::default()), None, "{name}");
            blocks += 1;
            tokens += own.signer_infos.iter().filter(|signer| signer.timestamp_token.is_some()).count();
        }
        assert!(blocks >= 18 && tokens >= 14, "{blocks} blocks with {tokens} tokens");
    }

    #[test]
    fn both_readers_agree_on_indefinite_lengths() {
        let bytes = to_indefinite(&block("vendor-shape").unwrap());
        let own = parsed(&bytes);
        assert!(own.indefinite && bytes.windows(4).any(|window| window == [0x24, 0x80, 4, 70]));
        assert_eq!(disagreement(&own, &Limits::default()), None);
    }

    #[test]
    fn a_block_with_a_huge_set_is_not_shown_to_the_second_reader() {
        // Sorting a set takes the second reader time with the square of its size.
        let own =
            SignedData { raw: [&[0x31, 0x82, 4, 2], [5, 0].repeat(513).as_slice()].concat(), ..vendor() };
        let what = disagreement(&own, &Limits::default()).unwrap();
        assert_eq!(what, "limit exceeded: a set of more than 512 values, not read a second time");
    }

    #[test]
    fn a_reading_of_another_block_disagrees() {
        let own = SignedData { raw: block("no-code-signing").unwrap(), ..vendor() };
        let finding = compare("META-INF/A.RSA", &own, &Limits::default()).unwrap();
        assert_eq!(finding.rule(), "readers-disagree");
        assert!(finding.is_hazard());
        assert!(finding.to_string().contains("block \"META-INF/A.RSA\": "), "{finding}");
    }

    #[test]
    fn bytes_after_a_block_are_refused_by_the_second_reader() {
        let mut bytes = block("vendor-shape").unwrap();
        bytes.extend(b"hidden");
        let what = disagreement(&parsed(&bytes), &Limits::default()).unwrap();
        assert!(what.starts_with("the second reader refuses it: trailing data"), "{what}");
    }

    #[test]
    fn every_field_of_a_block_is_compared() {
        type Doctor = fn(&mut SignedData);
        let fields: [(&str, Doctor); 10] = [
            ("the content type", |own| own.content_type.push('1')),
            ("the content", |own| own.content = Some(Vec::new())),
            ("the number of signers", |own| own.signer_infos.clear()),
            ("the number of certificates", |own| drop(own.certificates.pop())),
            ("the serial number of signer", |own| own.signer_infos[0].serial.push(0)),
            ("the signature value of signer", |own| own.signer_infos[0].signature[0] ^= 1),
            ("the digest algorithm of signer", |own| own.signer_infos[0].digest_oid.push('0')),
            ("the signature algorithm of signer", |own| own.signer_infos[0].signature_oid.push('0')),
            ("the presence of a timestamp of signer", |own| own.signer_infos[0].timestamp_token = None),
            ("the issuer of signer", |own| {
                own.signer_infos[0].issuer = own.certificates[0].subject.clone();
            }),
        ];
        for (field, doctor) in fields {
            let mut own = vendor();
            doctor(&mut own);
            let what = disagreement(&own, &Limits::default()).unwrap_or_default();
            assert!(what.starts_with(field), "{field}: {what:?}");
        }
    }

    #[test]
    fn every_field_of_a_certificate_is_compared() {
        type Doctor = fn(&mut Certificate);
        let fields: [(&str, Doctor); 11] = [
            ("the serial number", |own| own.serial[0] ^= 1),
            ("the issuer", |own| own.issuer = own.subject.clone()),
            ("the signature value", |own| own.signature[0] ^= 1),
            ("the subject", |own| own.subject = own.issuer.clone()),
            ("the public key", |own| own.key.spki.push(0)),
            ("the beginning of validity", |own| own.not_before = Timestamp::UNIX_EPOCH),
            ("the end of validity", |own| own.not_after = Timestamp::UNIX_EPOCH),
            ("the basic constraints", |own| own.basic_constraints = Some((true, None))),
            ("the key usage", |own| own.key_usage = Some(vec![true; 9])),
            ("the extended key usage", |own| own.extended_key_usage = Some(Vec::new())),
            ("the critical extensions", |own| own.critical.push("2.5.29.30".to_owned())),
        ];
        for (field, doctor) in fields {
            let mut own = vendor();
            let signer = own.certificate_of(&own.signer_infos[0]).unwrap().serial.clone();
            let leaf = own.certificates.iter_mut().find(|certificate| certificate.serial == signer).unwrap();
            doctor(Arc::get_mut(leaf).unwrap());
            let what = disagreement(&own, &Limits::default()).unwrap_or_default();
            assert!(what.starts_with(&format!("{field} of certificate ")), "{field}: {what:?}");
        }
    }

    #[test]
    fn timestamp_tokens_are_compared() {
        let time = b"20170601";
        let mut own = vendor();
        let token = own.signer_infos[0].timestamp_token.as_mut().unwrap();
        let at = token.windows(8).position(|window| window == time).unwrap();
        token[at + 7] = b'2';
        let what = disagreement(&own, &Limits::default());
        assert_eq!(what.as_deref(), Some("timestamp token: the content"));
        let other = parsed(&block("authority-expired").unwrap());
        own.signer_infos[0].timestamp_token.clone_from(&other.signer_infos[0].timestamp_token);
        let what = disagreement(&own, &Limits::default()).unwrap();
        assert!(what.starts_with("timestamp token: the serial number of signer "), "{what}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_second_reader_panic(
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            indefinite in any::<bool>(),
        ) {
            let mut bytes = block("vendor-shape").unwrap();
            if indefinite {
                bytes = to_indefinite(&bytes);
            }
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for rules in [EncodingRules::Ber, EncodingRules::Der] {
                if let Ok(reading) = theirs::read(&bytes, rules) {
                    for (_, token) in &reading.tokens {
                        let _ = theirs::read_token(token, rules);
                    }
                }
            }
            if let Ok(own) = SignedData::parse(&bytes, &Limits::default()) {
                disagreement(&own, &Limits::default());
            }
        }
    }
}
