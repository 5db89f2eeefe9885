//! Statements about a package: in-toto Statement v1 in a DSSE v1 envelope.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::key::StoreKey;
use crate::Sha256Digest;

/// A signed statement: DSSE v1, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload_type: String,
    /// Base64 of the statement.
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// What is stated of which files: in-toto Statement v1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement<P> {
    #[serde(rename = "_type")]
    statement_type: String,
    /// The files.
    pub subject: Vec<Subject>,
    /// What kind of statement it is, as a URI.
    pub predicate_type: String,
    /// What is stated.
    pub predicate: P,
}

/// A file that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name; ours are vendor paths.
    pub name: String,
    /// Its digest.
    pub digest: SubjectDigest,
}

/// The digest of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectDigest {
    /// SHA-256.
    pub sha256: Sha256Digest,
}

/// An envelope cannot be made or is not trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The statement is no JSON.
    #[error("the statement cannot be read or written as JSON")]
    Json(#[from] serde_json::Error),
    /// It is not what we state.
    #[error("not a statement of this program: {0}")]
    Kind(&'static str),
    /// No signature holds.
    #[error("no signature of the statement is by the key {0}")]
    NotSigned(Sha256Digest),
}

impl<P> Statement<P> {
    /// A statement about one file.
    pub fn about(name: &str, sha256: Sha256Digest, predicate_type: &str, predicate: P) -> Self {
        Self {
            statement_type: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject { name: name.to_owned(), digest: SubjectDigest { sha256 } }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }
}

impl Envelope {
    /// Signs a statement.
    pub fn seal<P: Serialize>(statement: &Statement<P>, key: &StoreKey) -> Result<Self, EnvelopeError> {
        let payload = serde_json::to_vec(statement)?;
        let sig = BASE64.encode(key.sign(&signed_bytes(PAYLOAD_TYPE, &payload)));
        Ok(Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: BASE64.encode(payload),
            signatures: vec![Signature { keyid: key.id().to_hex(), sig }],
        })
    }

    /// Verifies the signature of this key, and reads the statement.
    pub fn open<P: for<'a> Deserialize<'a>>(&self, public: &[u8; 32]) -> Result<Statement<P>, EnvelopeError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::Kind("another payload type"));
        }
        let payload =
            BASE64.decode(&self.payload).map_err(|_| EnvelopeError::Kind("the payload is not base64"))?;
        let message = signed_bytes(&self.payload_type, &payload);
        let verifier = UnparsedPublicKey::new(&ED25519, public);
        // The key id is a hint only (DSSE): every signature is tried, as far as a limit.
        let holds = |signature: &Signature| {
            BASE64.decode(&signature.sig).is_ok_and(|signature| verifier.verify(&message, &signature).is_ok())
        };
        if !self.signatures.iter().take(MAXIMUM_SIGNATURES).any(holds) {
            return Err(EnvelopeError::NotSigned(Sha256Digest::of(public)));
        }
        let statement: Statement<P> = serde_json::from_slice(&payload)?;
        if statement.statement_type != STATEMENT_TYPE {
            return Err(EnvelopeError::Kind("another type of statement"));
        }
        Ok(statement)
    }
}

/// The pre-authentication encoding of DSSE v1.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const MAXIMUM_SIGNATURES: usize = 16;

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::Ed25519KeyPair;

    use super::*;

    fn key(seed: u8) -> StoreKey {
        StoreKey::new(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn sealed() -> Envelope {
        let digest = Sha256Digest::of(b"package");
        let statement = Statement::about("a/b.zip", digest, "https://example/v1", "admitted".to_owned());
        Envelope::seal(&statement, &key(1)).unwrap()
    }

    #[test]
    fn encoding_is_that_of_the_specification() {
        // The example of the DSSE protocol.
        let encoded = signed_bytes("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn sealed_statement_opens_with_its_key_only() {
        let json = serde_json::to_string(&sealed()).unwrap();
        assert!(json.starts_with(r#"{"payloadType":"application/vnd.in-toto+json","payload":""#), "{json}");
        let read: Envelope = serde_json::from_str(&json).unwrap();
        let statement: Statement<String> = read.open(key(1).public()).unwrap();
        assert_eq!(
            (statement.predicate.as_str(), statement.subject[0].name.as_str()),
            ("admitted", "a/b.zip")
        );
        let refused = read.open::<String>(key(2).public());
        assert!(matches!(refused, Err(EnvelopeError::NotSigned(_))), "{refused:?}");
    }

    #[test]
    fn changed_statement_is_refused() {
        let mut changed = sealed();
        let payload = BASE64.decode(&changed.payload).unwrap();
        let text = String::from_utf8(payload).unwrap().replace("admitted", "rejected");
        changed.payload = BASE64.encode(text);
        assert!(matches!(changed.open::<String>(key(1).public()), Err(EnvelopeError::NotSigned(_))));
        let mut other_type = sealed();
        other_type.payload_type = "text/plain".to_owned();
        assert!(matches!(other_type.open::<String>(key(1).public()), Err(EnvelopeError::Kind(_))));
        let mut unsigned = sealed();
        unsigned.signatures.clear();
        assert!(matches!(unsigned.open::<String>(key(1).public()), Err(EnvelopeError::NotSigned(_))));
    }
}
