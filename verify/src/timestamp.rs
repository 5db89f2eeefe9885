//! Time-stamp tokens (RFC 3161) in the unsigned attributes of a SignerInfo.

use std::sync::Arc;

use jiff::Timestamp;

use crate::asn1::{Asn1Error, Reader, tag};
use crate::asn1_time;
use crate::certificate::Certificate;
use crate::crypto::{Check, KeyKind, SignatureScheme};
use crate::digest_algorithm::DigestAlgorithm;
use crate::limits::{Limits, TOKEN_SIGNER_INFOS};
use crate::signed_data::{READABLE_CONTENT, SignedData, SignerInfo};
use crate::signer_attributes::NO_VALUE;

/// A token whose signature and message imprint are right.
#[derive(Debug, Clone)]
pub(crate) struct TimestampToken {
    pub(crate) gen_time: Timestamp,
    pub(crate) imprint: DigestAlgorithm,
    /// Digest and signature algorithm of the authority's SignerInfo.
    pub(crate) digest: Option<DigestAlgorithm>,
    pub(crate) scheme: SignatureScheme,
    pub(crate) chain: Vec<Arc<Certificate>>,
    /// Whether the content type is id-ct-TSTInfo, which newer JDKs insist on.
    pub(crate) is_tst_info: bool,
    /// Whether the authority signed the content itself, not attributes, as RFC 3161 section 2.4.2 demands.
    pub(crate) is_direct: bool,
}

/// What a token says, before anything is verified; for listings.
#[derive(Debug, Clone)]
pub(crate) struct TokenDescription {
    pub(crate) gen_time: Timestamp,
    pub(crate) imprint_name: String,
    pub(crate) subject: String,
    pub(crate) scheme: Option<SignatureScheme>,
    /// What to call the signature algorithm if it is not known.
    pub(crate) signature_name: String,
    pub(crate) key: KeyKind,
}

/// Why a token does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFailure {
    /// The block is then ignored.
    Ignored(String),
    /// An attribute without a value, at which jarsigner breaks off.
    NoValue,
    /// No content to be digested, at which jarsigner breaks off.
    NoContent,
}

impl From<String> for TokenFailure {
    fn from(reason: String) -> Self {
        Self::Ignored(reason)
    }
}

/// Verifies a token against the signature it was issued for.
pub(crate) fn verify(
    token: &[u8],
    signature: &[u8],
    limits: &Limits,
) -> Result<TimestampToken, TokenFailure> {
    let malformed = |error: Asn1Error| match error {
        NO_VALUE => TokenFailure::NoValue,
        error => format!("the timestamp token cannot be parsed: {error}").into(),
    };
    let limits = Limits { signer_infos: limits.signer_infos.min(TOKEN_SIGNER_INFOS), ..limits.clone() };
    let signed = SignedData::parse(token, &limits).map_err(malformed)?;
    let Some(content) = signed.content.as_deref() else {
        // The JDK digests what is not there, if it comes that far.
        return Err(match signed.signer_infos.first() {
            Some(signer) if signed.asks_for_digest(signer) => TokenFailure::NoContent,
            _ => "the timestamp token has no content".to_owned().into(),
        });
    };
    let signer = verified_signer(&signed, content)?;
    if !READABLE_CONTENT.contains(&signed.content_type.as_str()) {
        return Err(format!("content type is not DATA: {}", signed.content_type).into());
    }
    let info = TstInfo::parse(content).map_err(malformed)?;
    let imprint = DigestAlgorithm::from_oid(&info.imprint_oid)
        .ok_or_else(|| format!("message imprint algorithm {} is not available", info.imprint_oid))?;
    if !imprint.matches(&[signature], &info.imprint) {
        return Err("the message imprint is not that of the signature".to_owned().into());
    }
    let chain = signed.chain_of(signer);
    if chain.is_empty() {
        return Err("the timestamp authority's certificate is missing".to_owned().into());
    }
    Ok(TimestampToken {
        gen_time: info.gen_time,
        imprint,
        digest: signer.digest,
        scheme: signer.scheme.clone()?,
        is_tst_info: signed.content_type == ID_TST_INFO,
        is_direct: signer.is_direct(),
        chain,
    })
}

/// Reads what a token says without verifying it.
pub(crate) fn describe(token: &[u8], limits: &Limits) -> Option<TokenDescription> {
    let signed = SignedData::parse(token, limits).ok()?;
    if !READABLE_CONTENT.contains(&signed.content_type.as_str()) {
        return None;
    }
    let info = TstInfo::parse(signed.content.as_deref()?).ok()?;
    let signer = signed.signer_infos.first().filter(|signer| !signer.has_contradictory_parameters())?;
    let certificate = signed.certificate_of(signer)?;
    Some(TokenDescription {
        gen_time: info.gen_time,
        imprint_name: DigestAlgorithm::from_oid(&info.imprint_oid)
            .map_or_else(|| info.imprint_oid.clone(), |digest| digest.jca_name().to_owned()),
        subject: certificate.subject.to_java_string(),
        scheme: signer.scheme.clone().ok(),
        signature_name: signer.signature_name(),
        key: certificate.key.kind.clone(),
    })
}

/// The first SignerInfo that verifies; one that cannot be judged fails the token.
fn verified_signer<'a>(signed: &'a SignedData, content: &[u8]) -> Result<&'a SignerInfo, String> {
    let mut verified = None;
    for signer in &signed.signer_infos {
        match signed.check(signer, content) {
            Check::Right => verified = verified.or(Some(signer)),
            Check::Wrong => {}
            Check::Unjudged(reason) => {
                return Err(format!("the timestamp token cannot be verified: {reason}"));
            }
        }
    }
    verified.ok_or_else(|| "the signature of the timestamp token is wrong".to_owned())
}

/// TSTInfo (RFC 3161 section 2.4.2), as far as it matters here.
pub(crate) struct TstInfo {
    pub(crate) policy: Option<String>,
    pub(crate) imprint_oid: String,
    pub(crate) imprint: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) gen_time: Timestamp,
}

impl TstInfo {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Asn1Error> {
        let mut fields = Reader::new(bytes).expect(tag::SEQUENCE)?.inside();
        fields.integer()?;
        let policy = fields.expect(tag::OID)?.oid().ok();
        let mut imprint = fields.expect(tag::SEQUENCE)?.inside();
        let imprint_oid = imprint.expect(tag::SEQUENCE)?.algorithm()?;
        let hashed = imprint.expect(tag::OCTET_STRING)?.content.to_vec();
        let serial = fields.integer()?.to_vec();
        let gen_time = asn1_time::parse(&fields.expect(tag::GENERALIZED_TIME)?)?;
        // Of what may follow the JDK reads up to the nonce.
        while fields.peek().is_some_and(|found| found != tag::INTEGER) {
            fields.next()?;
        }
        if !fields.is_empty() {
            fields.integer()?;
        }
        Ok(Self { policy, imprint_oid, imprint: hashed, serial, gen_time })
    }
}

const ID_TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::archive::Archive;
    use crate::limits::is_exceeded;
    use crate::source::Source;

    #[test]
    fn a_token_beyond_a_limit_says_so() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vendor-shape/case.jar");
        let (source, limits) = (Source::open(&case).unwrap(), Limits::default());
        let archive = Archive::open(&source, &limits).unwrap().unwrap();
        let block = archive.read_small(&source, 2, &limits).unwrap().unwrap();
        let block = SignedData::parse(&block, &limits).unwrap();
        let signer = &block.signer_infos[0];
        let verified =
            |limits: &Limits| verify(signer.timestamp_token.as_deref().unwrap(), &signer.signature, limits);
        assert!(verified(&limits).is_ok());
        for limits in
            [Limits { certificates: 0, ..Limits::default() }, Limits { signer_infos: 0, ..Limits::default() }]
        {
            let failure = verified(&limits).unwrap_err();
            assert!(matches!(failure, TokenFailure::Ignored(reason) if is_exceeded(&reason)));
        }
    }
}
