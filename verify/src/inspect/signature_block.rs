//! Signature blocks (CMS SignedData, RFC 5652) with all their signers, and timestamp tokens (RFC 3161).

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::CertificateContent;
use crate::certificate::Certificate;
use crate::digest_algorithm::DigestAlgorithm;
use crate::limits::Limits;
use crate::signed_data::{SignedData, SignerInfo};
use crate::timestamp::TstInfo;

/// A signature block.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct BlockContent {
    /// The name of the entry.
    pub name: String,
    /// Length in bytes, unpacked; 0 if it cannot be read.
    pub length: u64,
    /// Why it cannot be read.
    pub unreadable: Option<String>,
    /// Whether it carries its own signature file instead of being detached from it.
    pub has_content: bool,
    /// Whether it uses indefinite lengths (BER, not DER).
    pub indefinite_length: bool,
    /// All certificates in the block, in its order.
    pub certificates: Vec<CertificateContent>,
    /// All signers in the block, in its order.
    pub signers: Vec<SignerContent>,
}

/// A SignerInfo.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct SignerContent {
    /// Issuer of the signer's certificate, as Java prints it.
    pub issuer: String,
    /// Serial number of the signer's certificate, in hexadecimal.
    pub serial: String,
    /// The digest algorithm by the JDK's name, or its object identifier.
    pub digest_algorithm: String,
    /// The signature algorithm by the JDK's name, or its object identifier.
    pub signature_algorithm: String,
    /// Whether the signature is over signed attributes; without, it is over the signature file itself.
    pub signed_attributes: bool,
    /// The digest of the content that the signed attributes state, in hexadecimal.
    pub message_digest: Option<String>,
    /// When the signer says to have signed. Nobody vouches for it, and it has no say.
    pub signing_time: Option<Timestamp>,
    /// The chain as offered, signer first: positions in the list of certificates. Empty: the signer's certificate is missing.
    pub chain: Vec<usize>,
    /// The timestamp.
    pub timestamp: Option<TimestampContent>,
}

/// A timestamp token.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct TimestampContent {
    /// Why it cannot be read.
    pub unreadable: Option<String>,
    /// The content type, an object identifier; 1.2.840.113549.1.9.16.1.4 is that of RFC 3161.
    pub content_type: Option<String>,
    /// The time that the authority states.
    pub gen_time: Option<Timestamp>,
    /// The policy under which it was issued, an object identifier.
    pub policy: Option<String>,
    /// The serial number of the token, in hexadecimal.
    pub serial: Option<String>,
    /// The digest algorithm of the message imprint, by the JDK's name or its object identifier.
    pub imprint_algorithm: Option<String>,
    /// The message imprint in hexadecimal.
    pub imprint: Option<String>,
    /// Whether the imprint is the digest of this very signature; absent: the algorithm is not known. Says nothing of the
    /// authority's own signature.
    pub imprint_fits: Option<bool>,
    /// The digest algorithm of the authority's signature.
    pub digest_algorithm: Option<String>,
    /// The algorithm of the authority's signature.
    pub signature_algorithm: Option<String>,
    /// All certificates in the token, in its order.
    pub certificates: Vec<CertificateContent>,
    /// The authority's chain as offered, authority first: positions in the list of certificates.
    pub chain: Vec<usize>,
}

impl BlockContent {
    pub(super) fn read(name: &str, bytes: Result<Vec<u8>, String>, limits: &Limits) -> Self {
        let mut block = Self { name: name.to_owned(), ..Self::default() };
        let parsed = bytes.and_then(|bytes| {
            block.length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            SignedData::parse(&bytes, limits).map_err(|error| error.to_string())
        });
        match parsed {
            Err(reason) => block.unreadable = Some(reason),
            Ok(parsed) => {
                block.has_content = parsed.content.is_some();
                block.indefinite_length = parsed.indefinite;
                block.certificates = certificates(&parsed);
                block.signers =
                    parsed.signer_infos.iter().map(|info| SignerContent::of(&parsed, info, limits)).collect();
            }
        }
        block
    }
}

impl SignerContent {
    fn of(block: &SignedData, info: &SignerInfo, limits: &Limits) -> Self {
        let token = |token: &Vec<u8>| TimestampContent::read(token, &info.signature, limits);
        Self {
            issuer: info.issuer.to_java_string(),
            serial: hex::encode(&info.serial),
            digest_algorithm: digest_name(&info.digest_oid),
            signature_algorithm: info.signature_name(),
            signed_attributes: !info.is_direct(),
            message_digest: info.message_digest().map(hex::encode),
            signing_time: info.signing_time(),
            chain: positions(block, &block.chain_of(info)),
            timestamp: info.timestamp_token.as_ref().map(token),
        }
    }
}

impl TimestampContent {
    fn read(token: &[u8], signature: &[u8], limits: &Limits) -> Self {
        let signed = match SignedData::parse(token, limits) {
            Ok(signed) => signed,
            Err(error) => return Self { unreadable: Some(error.to_string()), ..Self::default() },
        };
        let mut content = Self {
            content_type: Some(signed.content_type.clone()),
            certificates: certificates(&signed),
            ..Self::default()
        };
        if let Some(signer) = signed.signer_infos.first() {
            content.digest_algorithm = Some(digest_name(&signer.digest_oid));
            content.signature_algorithm = Some(signer.signature_name());
            content.chain = positions(&signed, &signed.chain_of(signer));
        }
        match signed.content.as_deref().map(TstInfo::parse) {
            None => content.unreadable = Some("the token has no content".to_owned()),
            Some(Err(error)) => content.unreadable = Some(error.to_string()),
            Some(Ok(info)) => {
                content.gen_time = Some(info.gen_time);
                content.policy = info.policy;
                content.serial = Some(hex::encode(info.serial));
                content.imprint_fits = DigestAlgorithm::from_oid(&info.imprint_oid)
                    .map(|digest| digest.matches(&[signature], &info.imprint));
                content.imprint_algorithm = Some(digest_name(&info.imprint_oid));
                content.imprint = Some(hex::encode(info.imprint));
            }
        }
        content
    }
}

fn certificates(signed: &SignedData) -> Vec<CertificateContent> {
    signed.certificates.iter().map(|certificate| CertificateContent::of(certificate)).collect()
}

fn positions(signed: &SignedData, chain: &[Arc<Certificate>]) -> Vec<usize> {
    let position = |wanted: &Arc<Certificate>| {
        signed.certificates.iter().position(|certificate| Arc::ptr_eq(certificate, wanted))
    };
    chain.iter().filter_map(position).collect()
}

fn digest_name(oid: &str) -> String {
    DigestAlgorithm::from_oid(oid).map_or_else(|| oid.to_owned(), |digest| digest.jca_name().to_owned())
}
