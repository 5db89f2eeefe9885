//! The reading of a signature block by `cms` and `x509-cert` as facts.
//!
//! Nothing that is signed is encoded anew to be hashed: these crates sort sets as they decode them.

use std::collections::BTreeSet;

use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::der::asn1::{Any, ContextSpecific, ObjectIdentifier, OctetString};
use cms::der::{Decode, Encode, EncodingRules, Reader, SliceReader, Tag, TagNumber};
use cms::signed_data::{DigestAlgorithmIdentifiers, SignedData, SignerIdentifier, SignerInfo};
use x509_cert::Certificate;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::serial_number::SerialNumber;

use super::facts::{BlockFacts, CertificateFacts, Name, SignerFacts};

/// A block as the second reader decodes it.
pub(super) struct SecondReading {
    pub(super) facts: BlockFacts,
    /// The timestamp tokens of the signers, by signature value.
    pub(super) tokens: Vec<(Vec<u8>, Any)>,
}

/// Why the second reader refuses the block.
pub(super) type Refusal = cms::der::Error;

/// Decodes a block; bytes after it are refused.
pub(super) fn read(bytes: &[u8], rules: EncodingRules) -> Result<SecondReading, Refusal> {
    let info = match rules {
        EncodingRules::Ber => ContentInfo::from_ber(bytes)?,
        EncodingRules::Der => ContentInfo::from_der(bytes)?,
    };
    read_content(&info, rules)
}

/// Decodes a timestamp token, itself a block, out of an attribute.
pub(super) fn read_token(token: &Any, rules: EncodingRules) -> Result<SecondReading, Refusal> {
    read_content(&token.decode_as_encoding::<ContentInfo>(rules)?, rules)
}

fn read_content(info: &ContentInfo, rules: EncodingRules) -> Result<SecondReading, Refusal> {
    let block: SignedData = info.content.decode_as_encoding(rules)?;
    let mut signers = Vec::new();
    let mut tokens = Vec::new();
    for info in block.signer_infos.0.iter() {
        let token = info.unsigned_attrs.as_ref().map(|attributes| single(attributes, ID_TIMESTAMP_TOKEN));
        let token = token.transpose()?.flatten();
        signers.push(signer(info, token.is_some())?);
        tokens.extend(token.map(|token| (info.signature.as_bytes().to_vec(), token.clone())));
    }
    signers.sort();
    let mut certificates = Vec::new();
    for choice in block.certificates.iter().flat_map(|set| set.0.iter()) {
        match choice {
            CertificateChoices::Certificate(certificate) => {
                certificates.push(self::certificate(certificate)?)
            }
            CertificateChoices::Other(_) => return Err(Tag::Sequence.value_error().into()),
        }
    }
    certificates.sort();
    let facts = BlockFacts {
        content_type: block.encap_content_info.econtent_type.to_string(),
        content: content(&info.content, rules)?,
        signers,
        certificates,
    };
    Ok(SecondReading { facts, tokens })
}

/// The content; `cms` does not say whether the segments of a constructed string are to be joined, but the type knows.
fn content(block: &Any, rules: EncodingRules) -> Result<Option<Vec<u8>>, Refusal> {
    let mut fields = SliceReader::new_with_encoding_rules(block.value(), rules)?;
    CmsVersion::decode(&mut fields)?;
    DigestAlgorithmIdentifiers::decode(&mut fields)?;
    fields.sequence(|fields| {
        fields.decode::<ObjectIdentifier>()?;
        let content = ContextSpecific::<OctetString>::decode_explicit(fields, TagNumber(0))?;
        Ok(content.map(|content| content.value.into_bytes().into()))
    })
}

fn signer(info: &SignerInfo, has_timestamp: bool) -> Result<SignerFacts, Refusal> {
    let SignerIdentifier::IssuerAndSerialNumber(identifier) = &info.sid else {
        return Err(Tag::Sequence.value_error().into());
    };
    let message_digest = match &info.signed_attrs {
        Some(attributes) => single(attributes, ID_MESSAGE_DIGEST)?.map(octets).transpose()?,
        None => None,
    };
    Ok(SignerFacts {
        serial: serial(&identifier.serial_number),
        issuer: name(&identifier.issuer)?,
        signature: info.signature.as_bytes().to_vec(),
        digest_algorithm: info.digest_alg.oid.to_string(),
        signature_algorithm: info.signature_algorithm.oid.to_string(),
        has_signed_attributes: info.signed_attrs.is_some(),
        message_digest,
        has_timestamp,
    })
}

fn certificate(certificate: &Certificate) -> Result<CertificateFacts, Refusal> {
    let tbs = certificate.tbs_certificate();
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| Tag::GeneralizedTime.value_error())
    };
    let length =
        |constraints: &BasicConstraints| constraints.path_len_constraint.filter(|length| *length < 0x80);
    let basic_constraints = tbs
        .get_extension::<BasicConstraints>()?
        .map(|(_, constraints)| (constraints.ca, length(&constraints).filter(|_| constraints.ca)));
    let key_usage = tbs.get_extension::<KeyUsage>()?.map(|(_, usage)| bits(usage));
    let purposes = tbs.get_extension::<ExtendedKeyUsage>()?;
    let extensions = tbs.extensions().map(Vec::as_slice).unwrap_or_default();
    Ok(CertificateFacts {
        serial: serial(tbs.serial_number()),
        issuer: name(tbs.issuer())?,
        signature: certificate.signature().raw_bytes().to_vec(),
        subject: name(tbs.subject())?,
        key: tbs.subject_public_key_info().to_der()?,
        not_before: seconds(tbs.validity().not_before)?,
        not_after: seconds(tbs.validity().not_after)?,
        basic_constraints,
        key_usage,
        extended_key_usage: purposes
            .map(|(_, purposes)| purposes.0.iter().map(ToString::to_string).collect()),
        critical: extensions
            .iter()
            .filter(|extension| extension.critical)
            .map(|extension| extension.extn_id.to_string())
            .collect(),
    })
}

fn serial(serial: &SerialNumber) -> Vec<u8> {
    serial.as_bytes().to_vec()
}

fn name(name: &x509_cert::name::Name) -> Result<Name, Refusal> {
    name.iter_rdn().map(|set| set.iter().map(Encode::to_der).collect()).collect()
}

/// The positions of the bits that are set, digitalSignature first.
fn bits(usage: KeyUsage) -> BTreeSet<usize> {
    let bits = usage.0.bits();
    (0..16).filter(|position| bits >> position & 1 == 1).collect()
}

/// The only value of the only attribute of a type.
fn single<'a>(attributes: &'a Attributes, oid: &str) -> Result<Option<&'a Any>, Refusal> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid.to_string() == oid);
    let Some(Attribute { values, .. }) = found.next() else { return Ok(None) };
    match (values.get(0), values.get(1), found.next()) {
        (Some(value), None, None) => Ok(Some(value)),
        _ => Err(Tag::Set.value_error().into()),
    }
}

fn octets(value: &Any) -> Result<Vec<u8>, Refusal> {
    Ok(value.decode_as::<OctetString>()?.into_bytes().into())
}

const ID_MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const ID_TIMESTAMP_TOKEN: &str = "1.2.840.113549.1.9.16.2.14";
