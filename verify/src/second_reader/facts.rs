//! What both readers say of a signature block, in one form, and the first thing in which they differ.

use std::collections::BTreeSet;

/// A SignedData (RFC 5652 section 5.1); signers and certificates are sorted, because a SET has no order.
#[derive(Debug)]
pub(super) struct BlockFacts {
    pub(super) content_type: String,
    pub(super) content: Option<Vec<u8>>,
    pub(super) signers: Vec<SignerFacts>,
    pub(super) certificates: Vec<CertificateFacts>,
}

/// A SignerInfo (RFC 5652 section 5.3).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SignerFacts {
    pub(super) serial: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) signature: Vec<u8>,
    pub(super) digest_algorithm: String,
    pub(super) signature_algorithm: String,
    pub(super) has_signed_attributes: bool,
    pub(super) message_digest: Option<Vec<u8>>,
    pub(super) has_timestamp: bool,
}

/// A certificate (RFC 5280 section 4.1).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CertificateFacts {
    pub(super) serial: Vec<u8>,
    pub(super) issuer: Name,
    pub(super) signature: Vec<u8>,
    pub(super) subject: Name,
    /// The encoded SubjectPublicKeyInfo.
    pub(super) key: Vec<u8>,
    /// Seconds since 1970.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    /// CA flag and path length; lengths of 128 and more count as none, as to the JDK.
    pub(super) basic_constraints: Option<(bool, Option<u8>)>,
    /// Positions of the bits that are set.
    pub(super) key_usage: Option<BTreeSet<usize>>,
    pub(super) extended_key_usage: Option<Vec<String>>,
    pub(super) critical: BTreeSet<String>,
}

/// A distinguished name: the encoded attributes of each relative name, sorted, because each is a SET.
pub(super) type Name = Vec<BTreeSet<Vec<u8>>>;

impl BlockFacts {
    /// The first difference between two readings of one block.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let fields = [
            ("the content type", self.content_type == other.content_type),
            ("the content", self.content == other.content),
            ("the number of signers", self.signers.len() == other.signers.len()),
            ("the number of certificates", self.certificates.len() == other.certificates.len()),
        ];
        if let Some(field) = first_unequal(fields) {
            return Some(field.to_owned());
        }
        let signer = self.signers.iter().zip(&other.signers).find_map(|(one, other)| {
            one.difference(other).map(|field| format!("{field} of signer {}", hex::encode(&one.serial)))
        });
        signer.or_else(|| {
            self.certificates.iter().zip(&other.certificates).find_map(|(one, other)| {
                one.difference(other)
                    .map(|field| format!("{field} of certificate {}", hex::encode(&one.serial)))
            })
        })
    }
}

impl SignerFacts {
    fn difference(&self, other: &Self) -> Option<&'static str> {
        first_unequal([
            ("the serial number", self.serial == other.serial),
            ("the issuer", self.issuer == other.issuer),
            ("the signature value", self.signature == other.signature),
            ("the digest algorithm", self.digest_algorithm == other.digest_algorithm),
            ("the signature algorithm", self.signature_algorithm == other.signature_algorithm),
            ("the presence of signed attributes", self.has_signed_attributes == other.has_signed_attributes),
            ("the message digest", self.message_digest == other.message_digest),
            ("the presence of a timestamp", self.has_timestamp == other.has_timestamp),
        ])
    }
}

impl CertificateFacts {
    fn difference(&self, other: &Self) -> Option<&'static str> {
        first_unequal([
            ("the serial number", self.serial == other.serial),
            ("the issuer", self.issuer == other.issuer),
            ("the signature value", self.signature == other.signature),
            ("the subject", self.subject == other.subject),
            ("the public key", self.key == other.key),
            ("the beginning of validity", self.not_before == other.not_before),
            ("the end of validity", self.not_after == other.not_after),
            ("the basic constraints", self.basic_constraints == other.basic_constraints),
            ("the key usage", self.key_usage == other.key_usage),
            ("the extended key usage", self.extended_key_usage == other.extended_key_usage),
            ("the critical extensions", self.critical == other.critical),
        ])
    }
}

fn first_unequal<const N: usize>(fields: [(&'static str, bool); N]) -> Option<&'static str> {
    fields.into_iter().find(|(_, equal)| !equal).map(|(field, _)| field)
}
