//! Signed notes (C2SP signed-note): a text, an empty line, and signatures, one a line.
//!
//! ```text
//! <text>
//!
//! — <key name> <base64 of a key id of 4 bytes and an Ed25519 signature of the text>
//! ```
//!
//! Signatures of unknown keys are passed over, one that a known key did not make refuses the note.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::Digest as _;
use thiserror::Error;

/// The public key of who signs notes, with the name it signs under.
///
/// Its text form, which Go's `note` package calls a verifier key, is `NAME+KEYID+BASE64`, where KEYID are 8 hexadecimal
/// digits and BASE64 encodes the byte 1 and the 32 bytes of an Ed25519 key (RFC 8032).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    public: [u8; 32],
}

/// A note is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is not a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature is by the key that is trusted.
    #[error("no signature by {0}")]
    NotSigned(String),
    /// A signature claims to be by the trusted key and is not.
    #[error("the signature that is said to be by {0} does not hold")]
    BadSignature(String),
    /// The text is not that of a key.
    #[error("not the key of a signed note (NAME+KEYID+BASE64): {0}")]
    Key(&'static str),
}

impl NoteKey {
    /// The public half of a key pair, under a name without spaces and plus signs.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::Key("the name is empty, or has spaces or a plus sign"));
        }
        Ok(Self { name: name.to_owned(), public })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Checks a note and returns its text.
    pub fn open<'a>(&self, note: &'a [u8]) -> Result<&'a str, NoteError> {
        let (text, signatures) = split(note)?;
        let mut is_signed = false;
        for line in signatures.lines() {
            let line = line
                .strip_prefix("\u{2014} ")
                .ok_or(NoteError::Malformed("a signature line without dash"))?;
            let (name, signature) =
                line.split_once(' ').ok_or(NoteError::Malformed("a signature line without signature"))?;
            let signature =
                BASE64.decode(signature).map_err(|_| NoteError::Malformed("a signature is not base64"))?;
            let (id, signature) =
                signature.split_at_checked(4).ok_or(NoteError::Malformed("a signature is too short"))?;
            if name != self.name || id != self.id() {
                continue;
            }
            UnparsedPublicKey::new(&ED25519, &self.public)
                .verify(text.as_bytes(), signature)
                .map_err(|_| NoteError::BadSignature(self.name.clone()))?;
            is_signed = true;
        }
        if is_signed { Ok(text) } else { Err(NoteError::NotSigned(self.name.clone())) }
    }

    fn id(&self) -> [u8; 4] {
        let mut hasher = sha2::Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519_TYPE]);
        hasher.update(self.public);
        let digest: [u8; 32] = hasher.finalize().into();
        let [one, two, three, four, ..] = digest;
        [one, two, three, four]
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode([&[ED25519_TYPE], self.public.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl FromStr for NoteKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has not three parts"));
        };
        let key = BASE64.decode(key).map_err(|_| NoteError::Key("the key is not base64"))?;
        let public = match key.split_first() {
            Some((&ED25519_TYPE, public)) => {
                public.try_into().map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?
            }
            _ => return Err(NoteError::Key("only Ed25519 keys are known")),
        };
        let key = Self::new(name, public)?;
        if hex::encode(key.id()) != id {
            return Err(NoteError::Key("the key id is that of another key or name"));
        }
        Ok(key)
    }
}

/// Signs a text that ends with a line end.
pub(super) fn sign(text: &str, name: &str, pair: &Ed25519KeyPair) -> Result<String, NoteError> {
    if !text.ends_with('\n') || text.contains(|c: char| c.is_ascii_control() && c != '\n') {
        return Err(NoteError::Malformed("the text does not end with a line end, or has control characters"));
    }
    let public = pair.public_key().as_ref().try_into();
    let key = NoteKey::new(name, public.map_err(|_| NoteError::Key("an Ed25519 key has 32 bytes"))?)?;
    let signature = BASE64.encode([&key.id(), pair.sign(text.as_bytes()).as_ref()].concat());
    Ok(format!("{text}\n\u{2014} {name} {signature}\n"))
}

/// Text and signature lines.
fn split(note: &[u8]) -> Result<(&str, &str), NoteError> {
    if note.len() > MAXIMUM_LENGTH {
        return Err(NoteError::Malformed("it is longer than 64 KiB"));
    }
    let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
    if note.contains(|c: char| c.is_ascii_control() && c != '\n') {
        return Err(NoteError::Malformed("it has control characters"));
    }
    let end = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no signatures"))?;
    let (text, signatures) = note.split_at(end + 1);
    let signatures = signatures.strip_prefix('\n').unwrap_or_default();
    if signatures.is_empty() || !signatures.ends_with('\n') {
        return Err(NoteError::Malformed("it does not end with signatures"));
    }
    if signatures.lines().count() > MAXIMUM_SIGNATURES {
        return Err(NoteError::Malformed("it has more than 64 signatures"));
    }
    Ok((text, signatures))
}

/// The byte that stands for Ed25519.
const ED25519_TYPE: u8 = 1;
/// The specification asks for 16 signatures at least.
const MAXIMUM_SIGNATURES: usize = 64;
const MAXIMUM_LENGTH: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn key(name: &str, seed: u8) -> NoteKey {
        NoteKey::new(name, pair(seed).public_key().as_ref().try_into().unwrap()).unwrap()
    }

    #[test]
    fn example_of_the_specification_is_understood() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \u{e8} subito sera.\n\n\
                    \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let (text, signatures) = split(note.as_bytes()).unwrap();
        assert!(text.ends_with("subito sera.\n") && signatures.starts_with('\u{2014}'));
        let unknown = key("quasimodo.example/salvatore", 1);
        assert_eq!(unknown.open(note.as_bytes()), Err(NoteError::NotSigned(unknown.name.clone())));
    }

    #[test]
    fn key_of_the_go_package_is_read_and_its_note_verifies() {
        // The example of Go's golang.org/x/mod/sumdb/note.
        let key: NoteKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert!(key.open(note.as_bytes()).unwrap().ends_with("problem is.\n"));
        let changed = note.replace("answer", "Answer");
        assert_eq!(key.open(changed.as_bytes()), Err(NoteError::BadSignature("PeterNeumann".to_owned())));
    }

    #[test]
    fn own_notes_verify_and_changed_ones_do_not() {
        let note = sign("one\n\ntwo\n", "example/log", &pair(1)).unwrap();
        assert_eq!(key("example/log", 1).open(note.as_bytes()), Ok("one\n\ntwo\n"));
        let not_signed = Err(NoteError::NotSigned("example/log".to_owned()));
        assert_eq!(key("example/log", 2).open(note.as_bytes()), not_signed);
        assert!(key("example/other", 1).open(note.as_bytes()).is_err());
        for index in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[index] ^= 1;
            let opened = key("example/log", 1).open(&changed).map(str::to_owned);
            assert!(opened.is_err(), "byte {index}: {opened:?}");
        }
        let foreign = sign("one\n\ntwo\n", "example/other", &pair(2)).unwrap();
        let second = foreign.rsplit_once("\n\n").unwrap().1;
        let both = format!("{note}{second}");
        assert_eq!(key("example/log", 1).open(both.as_bytes()), Ok("one\n\ntwo\n"));
        let many = format!("{note}{}", second.repeat(MAXIMUM_SIGNATURES));
        assert!(matches!(key("example/log", 1).open(many.as_bytes()), Err(NoteError::Malformed(_))));
    }

    #[test]
    fn sixteen_signature_lines_are_read_and_ten_thousand_refused() {
        let note = sign("one\n", "example/log", &pair(1)).unwrap();
        let foreign = sign("one\n", "example/other", &pair(2)).unwrap();
        let line = foreign.rsplit_once("\n\n").unwrap().1;
        let with = |count: usize| format!("{note}{}", line.repeat(count));
        assert_eq!(key("example/log", 1).open(with(15).as_bytes()), Ok("one\n"));
        let refused = key("example/log", 1).open(with(10_000).as_bytes()).map(str::to_owned);
        assert!(matches!(refused, Err(NoteError::Malformed(_))), "{refused:?}");
    }

    #[test]
    fn keys_are_written_and_read() {
        let made = key("example/log", 3);
        assert_eq!(made.to_string().parse(), Ok(made.clone()));
        for bad in
            ["", "a", "a+b", "a+00000000+AQ==", "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
        {
            assert!(bad.parse::<NoteKey>().is_err(), "{bad}");
        }
        let other_name = made.to_string().replace("example/log", "example/other");
        assert!(other_name.parse::<NoteKey>().is_err());
        assert!(NoteKey::new("with space", [0; 32]).is_err());
    }
}
