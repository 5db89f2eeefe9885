//! An accepted signature block, and the timestamp tokens inside, as `cms` and `x509-cert` read them.
//!
//! Attacks considered here: encodings that one reader takes for another value or passes over (CVE-2024-27281 is not
//! the last of its kind): an attribute or extension twice, a CA flag or key usage hidden in a malformed value,
//! a serial number or name encoded differently, several certificates for one name, bytes after the block.

use cms::der::EncodingRules;

use super::ours;
use super::theirs::{self, Refusal, SecondReading};
use crate::finding::Finding;
use crate::limits::Limits;
use crate::signed_data::SignedData;

/// Compares our reading of a block with the second one.
pub(super) fn compare(name: &str, block: &SignedData, limits: &Limits) -> Option<Finding> {
    disagreement(block, limits)
        .map(|what| Finding::ReadersDisagree { what: format!("block {name:?}: {what}") })
}

fn disagreement(block: &SignedData, limits: &Limits) -> Option<String> {
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
