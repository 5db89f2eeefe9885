//! CMS SignedData (RFC 5652) as it occurs in signature blocks and timestamp tokens.
//!
//! Attacks considered here: a signature not bound to its content (digest and content type attributes are compared),
//! signed attributes re-encoded by a library (the bytes as stored are hashed), a SignerInfo whose certificate is
//! found by name only (issuer and serial number must both match), many SignerInfos (bounded), an algorithm named
//! differently in two places (the digest field decides, CMSAlgorithmProtection must agree, RFC 6211).

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha512_224, Sha512_256};

use crate::asn1::{self, Asn1Error, Reader, Value, tag};
use crate::asn1_time;
use crate::bmp_string;
use crate::certificate::{Certificate, KU_DIGITAL_SIGNATURE, KU_NON_REPUDIATION, same_algorithm};
use crate::crypto::{self, Check, ID_RSASSA_PSS, PssParameters, SignatureScheme, scheme_of};
use crate::digest_algorithm::DigestAlgorithm;
use crate::distinguished_name::DistinguishedName;
use crate::limits::Limits;
use crate::signer_attributes::{
    Attributes, ID_ALGORITHM_PROTECTION, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNING_TIME,
    ID_TIMESTAMP_TOKEN,
};

/// A parsed SignedData.
#[derive(Debug)]
pub(crate) struct SignedData {
    /// The bytes as they were given, and whether they use indefinite lengths.
    pub(crate) raw: Vec<u8>,
    pub(crate) indefinite: bool,
    /// Indefinite lengths inside definite ones.
    pub(crate) mixes_lengths: bool,
    /// Characters that newer JDKs refuse in names.
    pub(crate) has_surrogates: bool,
    pub(crate) content_type: String,
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) certificates: Vec<Arc<Certificate>>,
    pub(crate) signer_infos: Vec<SignerInfo>,
}

/// A parsed SignerInfo.
#[derive(Debug)]
pub(crate) struct SignerInfo {
    pub(crate) issuer: DistinguishedName,
    pub(crate) serial: Vec<u8>,
    pub(crate) digest_oid: String,
    pub(crate) digest: Option<DigestAlgorithm>,
    pub(crate) signature_oid: String,
    signed_attributes: Option<SignedAttributes>,
    pub(crate) scheme: Result<SignatureScheme, String>,
    pub(crate) signature: Vec<u8>,
    /// The first value of the timestamp token attribute.
    pub(crate) timestamp_token: Option<Vec<u8>>,
}

#[derive(Debug)]
struct SignedAttributes {
    /// As stored, with the tag of a SET and, as the JDK does, the shortest form of its length: this is what is signed.
    signed_bytes: Vec<u8>,
    content_type: Option<String>,
    message_digest: Option<Vec<u8>>,
    signing_time: Option<Timestamp>,
}

impl SignedData {
    /// Parses a ContentInfo with SignedData; bytes after it are ignored, as the JDK does.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Asn1Error> {
        let definite = asn1::to_definite(bytes)?;
        let mut info = Reader::new(&definite).expect(tag::SEQUENCE)?.inside();
        if info.next()?.oid()? != ID_SIGNED_DATA {
            return Err(Asn1Error("the content is not SignedData"));
        }
        // The JDK does not look at the tag around a content.
        let mut explicit = info.next()?.inside();
        let mut fields = explicit.expect(tag::SEQUENCE)?.inside();
        if !info.is_empty() || !explicit.is_empty() {
            return Err(Asn1Error("the content info has more than type and content"));
        }
        fields.integer()?;
        for digest in fields.expect(tag::SET)?.inside().all()? {
            digest.algorithm()?;
        }
        let (content_type, content) = parse_content(&fields.expect(tag::SEQUENCE)?)?;
        let mut certificates = Vec::new();
        if let Some(set) = fields.optional(tag::CONTEXT_0)? {
            // Other kinds of certificates are passed over.
            for value in set.inside().all()?.into_iter().filter(|value| value.tag == tag::SEQUENCE) {
                if certificates.len() >= limits.certificates {
                    return Err(Asn1Error("limit exceeded: too many certificates in a signature block"));
                }
                certificates.push(Certificate::parse(value.raw)?);
            }
        }
        if let Some(lists) = fields.optional(tag::CONTEXT_1)? {
            lists.inside().all()?.iter().try_for_each(check_revocation_list)?;
        }
        let mut signer_infos = Vec::new();
        for value in fields.expect(tag::SET)?.inside().all()? {
            if signer_infos.len() >= limits.signer_infos {
                return Err(Asn1Error("limit exceeded: too many SignerInfos in a signature block"));
            }
            signer_infos.push(SignerInfo::parse(&value, 0)?);
        }
        let indefinite = !bytes.starts_with(&definite);
        let mixes_lengths = asn1::mixes_lengths(bytes);
        Ok(Self {
            raw: bytes.to_vec(),
            indefinite,
            mixes_lengths,
            has_surrogates: bmp_string::has_surrogates(&definite),
            content_type,
            content,
            certificates,
            signer_infos,
        })
    }

    /// The certificate of a signer: issuer and serial number match.
    pub(crate) fn certificate_of(&self, signer: &SignerInfo) -> Option<&Arc<Certificate>> {
        self.certificates.iter().find(|certificate| {
            certificate.serial == signer.serial && certificate.issuer.matches(&signer.issuer)
        })
    }

    /// The chain offered for a signer: each next certificate is the first unused one whose subject is the issuer.
    pub(crate) fn chain_of(&self, signer: &SignerInfo) -> Vec<Arc<Certificate>> {
        let Some(leaf) = self.certificate_of(signer) else { return Vec::new() };
        let mut chain = vec![leaf.clone()];
        if leaf.is_self_issued() {
            return chain;
        }
        let mut pool: Vec<&Arc<Certificate>> = self.certificates.iter().collect();
        let mut start = 0;
        let mut issuer = &leaf.issuer;
        while let Some(at) = (start..pool.len())
            .find(|at| pool.get(*at).is_some_and(|certificate| certificate.subject.matches(issuer)))
        {
            let Some(next) = pool.get(at).copied() else { break };
            chain.push(next.clone());
            if next.is_self_issued() {
                break;
            }
            issuer = &next.issuer;
            pool.swap(start, at);
            start += 1;
        }
        chain
    }

    /// Whether the signed attributes of a SignerInfo are such that the content gets digested.
    pub(crate) fn asks_for_digest(&self, signer: &SignerInfo) -> bool {
        signer.digest.is_some()
            && signer.signed_attributes.as_ref().is_some_and(|attributes| {
                attributes.content_type.as_ref() == Some(&self.content_type)
                    && attributes.message_digest.is_some()
            })
    }

    /// Checks one SignerInfo over `content`, in the JDK's order.
    pub(crate) fn check(&self, signer: &SignerInfo, content: &[u8]) -> Check {
        let mut signed: &[u8] = content;
        // 1. Signed attributes bind content type and content (RFC 5652 section 5.3, 5.4).
        if let Some(attributes) = &signer.signed_attributes {
            let Some(content_type) = &attributes.content_type else {
                return Check::Unjudged("the contentType attribute is missing".to_owned());
            };
            if *content_type != self.content_type {
                return Check::Wrong;
            }
            let Some(message_digest) = &attributes.message_digest else {
                return Check::Unjudged("the messageDigest attribute is missing".to_owned());
            };
            // Digests of which only the JDK has signatures, too.
            let wrong = match signer.digest_oid.as_str() {
                "2.16.840.1.101.3.4.2.5" => Sha512_224::digest(content)[..] != message_digest[..],
                "2.16.840.1.101.3.4.2.6" => Sha512_256::digest(content)[..] != message_digest[..],
                _ => false,
            };
            if wrong {
                return Check::Wrong;
            }
            let Some(digest) = signer.digest else {
                return Check::Unjudged(format!("digest algorithm {} is not available", signer.digest_oid));
            };
            if !digest.matches(&[content], message_digest) {
                return Check::Wrong;
            }
            signed = &attributes.signed_bytes;
        }
        // 2. The algorithm, the certificate, and whether it may be used for signatures.
        if let (true, Err(reason)) = (signer.has_contradictory_parameters(), &signer.scheme) {
            return Check::Unjudged(reason.clone());
        }
        let Some(certificate) = self.certificate_of(signer) else { return Check::Wrong };
        if !certificate.unknown_critical.is_empty() {
            return Check::Unjudged("Certificate has unsupported critical extension(s)".to_owned());
        }
        if !certificate.may_use(&[KU_DIGITAL_SIGNATURE, KU_NON_REPUDIATION]) {
            return Check::Unjudged("Key usage restricted: cannot be used for digital signatures".to_owned());
        }
        // 3. The signature value (RFC 5652 section 5.6).
        match &signer.scheme {
            Ok(scheme) => certificate.key.check(scheme, signed, &signer.signature),
            Err(reason) => Check::Unjudged(reason.clone()),
        }
    }
}

impl SignerInfo {
    /// Parses one; `depth` counts the signatures that it counter-signs.
    pub(crate) fn parse(value: &Value<'_>, depth: usize) -> Result<Self, Asn1Error> {
        // The JDK takes a set for a sequence here.
        if !matches!(value.tag, tag::SEQUENCE | tag::SET) {
            return Err(Asn1Error("SignerInfo expected"));
        }
        let mut fields = value.inside();
        fields.integer()?;
        let identifier = fields.expect(tag::SEQUENCE)?;
        let mut parts = identifier.inside();
        let issuer = DistinguishedName::parse(parts.expect(tag::SEQUENCE)?.raw)?;
        let serial = parts.serial_number()?.to_vec();
        if !parts.is_empty() {
            return Err(Asn1Error("a signer is named by more than issuer and serial number"));
        }
        let digest_algorithm = fields.expect(tag::SEQUENCE)?;
        let digest_oid = digest_algorithm.algorithm()?;
        let digest = DigestAlgorithm::from_oid(&digest_oid);
        let signed = fields.optional(tag::CONTEXT_0)?;
        let signed = signed.map(|raw| Ok((raw, Attributes::parse(&raw, depth)?))).transpose()?;
        let signature_algorithm = fields.expect(tag::SEQUENCE)?;
        let signature_oid = signature_algorithm.algorithm()?;
        let signature = asn1::octets(&fields.next()?)?;
        let unsigned = fields.optional(tag::CONTEXT_1)?;
        let unsigned = unsigned.map(|raw| Attributes::parse(&raw, depth)).transpose()?;
        if !fields.is_empty() {
            return Err(Asn1Error("a SignerInfo has more than its fields"));
        }
        let timestamp_token = unsigned.and_then(|attributes| attributes.value(ID_TIMESTAMP_TOKEN));
        let timestamp_token = timestamp_token.map(|token| token.raw.to_vec());
        let signed_attributes = signed
            .map(|(raw, attributes)| {
                SignedAttributes::new(&raw, &attributes, &digest_algorithm, &signature_algorithm)
            })
            .transpose()?;
        let is_direct = signed_attributes.is_none();
        let scheme = match is_for_edwards_curves(&digest_algorithm, &digest_oid, &signature_oid, is_direct) {
            Ok(true) => scheme(&signature_algorithm, &signature_oid, digest, &digest_oid),
            _ => Err("incompatible digest algorithm".to_owned()),
        };
        Ok(Self {
            issuer,
            serial,
            digest_oid,
            digest,
            signature_oid,
            signed_attributes,
            scheme,
            signature,
            timestamp_token,
        })
    }

    /// Whether the parameters of RSASSA-PSS are missing, or the digest field contradicts the signature algorithm.
    pub(crate) fn has_contradictory_parameters(&self) -> bool {
        self.scheme.is_err() && [ID_RSASSA_PSS, ID_ED25519, ID_ED448].contains(&self.signature_oid.as_str())
    }

    /// A name for the signature algorithm, whether it can be judged or not.
    pub(crate) fn signature_name(&self) -> String {
        match &self.scheme {
            Ok(scheme) => scheme.name(),
            // The JDK puts together what it is given.
            Err(_) => {
                let digest = crypto::algorithm_name(&self.digest_oid).replace('-', "");
                let signature = crypto::algorithm_name(&self.signature_oid);
                let key = signature.split_once("with").map_or(signature.as_str(), |(_, key)| key);
                let key = if key.starts_with("EC") { "ECDSA" } else { key };
                format!("{digest}with{key}")
            }
        }
    }

    /// The digest that the signed attributes state.
    pub(crate) fn message_digest(&self) -> Option<&[u8]> {
        self.signed_attributes.as_ref()?.message_digest.as_deref()
    }

    /// When the signer says to have signed; for listings only.
    pub(crate) fn signing_time(&self) -> Option<Timestamp> {
        self.signed_attributes.as_ref()?.signing_time
    }

    /// Whether the signature is directly over the content.
    pub(crate) fn is_direct(&self) -> bool {
        self.signed_attributes.is_none()
    }
}

impl SignedAttributes {
    fn new(
        raw: &Value<'_>,
        attributes: &Attributes<'_>,
        digest_algorithm: &Value<'_>,
        signature_algorithm: &Value<'_>,
    ) -> Result<Self, Asn1Error> {
        let signed_bytes = Value { tag: tag::SET, ..*raw }.in_shortest_form();
        if let Some(protection) = attributes.value(ID_ALGORITHM_PROTECTION) {
            let mut parts = protection.inside();
            let digest = parts.expect(tag::SEQUENCE)?;
            let signature = parts.optional(tag::CONTEXT_1)?;
            let signature = signature.map(|value| Value { tag: tag::SEQUENCE, ..value });
            digest.algorithm()?;
            let mut agrees = same_algorithm(&digest, digest_algorithm)?;
            if let Some(signature) = signature
                && signature.algorithm()? == ID_RSASSA_PSS
            {
                let mut parts = signature.inside();
                parts.next().and_then(|_| PssParameters::parse(&mut parts))?;
            }
            agrees &= signature.is_some_and(|value| same_algorithm(&value, signature_algorithm) == Ok(true));
            if !agrees {
                return Err(Asn1Error("CMSAlgorithmProtection contradicts the SignerInfo"));
            }
        }
        let value = |oid| attributes.value(oid);
        Ok(Self {
            signed_bytes,
            content_type: value(ID_CONTENT_TYPE).map(|value| value.oid()).transpose()?,
            message_digest: value(ID_MESSAGE_DIGEST).map(|value| value.content.to_vec()),
            signing_time: value(ID_SIGNING_TIME).map(|value| asn1_time::parse(&value)).transpose()?,
        })
    }
}

/// Whether a value has the outer form of a revocation list (RFC 5280 section 5.1). Nobody uses it, but the JDK reads it.
fn check_revocation_list(list: &Value<'_>) -> Result<(), Asn1Error> {
    let parts = list.inside().all()?;
    let [to_be_signed, algorithm, signature] = &parts[..] else {
        return Err(Asn1Error("a revocation list has three parts"));
    };
    algorithm.algorithm()?;
    let mut fields = to_be_signed.inside();
    fields.optional(tag::INTEGER)?;
    fields.next()?.algorithm()?;
    DistinguishedName::parse(fields.expect(tag::SEQUENCE)?.raw)?;
    asn1_time::parse(&fields.next()?)?;
    let tags = [list.tag, to_be_signed.tag, signature.tag];
    let is_whole = tags == [tag::SEQUENCE, tag::SEQUENCE, tag::BIT_STRING];
    if is_whole { Ok(()) } else { Err(Asn1Error("malformed revocation list")) }
}

/// Whether the digest field is what EdDSA asks for, parameters included (RFC 8419 section 3.1); of other signature
/// algorithms always.
fn is_for_edwards_curves(
    digest: &Value<'_>,
    digest_oid: &str,
    signature_oid: &str,
    is_direct: bool,
) -> Result<bool, Asn1Error> {
    const LENGTH_512: &[u8] = &[tag::INTEGER, 2, 2, 0];
    let mut parts = digest.inside();
    parts.next()?;
    let parameters = if parts.is_empty() { None } else { Some(parts.next()?) };
    let parameters = parameters.filter(|value| value.tag != tag::NULL).map(|value| value.raw);
    Ok(match (signature_oid, is_direct) {
        (ID_ED25519, _) => parameters.is_none(),
        (ID_ED448, true) => digest_oid == ID_SHAKE256 && parameters.is_none(),
        (ID_ED448, false) => digest_oid == ID_SHAKE256_LEN && parameters == Some(LENGTH_512),
        _ => true,
    })
}

/// The signature algorithm: the digest field decides the digest, the signature field the kind of key.
fn scheme(
    algorithm: &Value<'_>,
    oid: &str,
    digest: Option<DigestAlgorithm>,
    digest_oid: &str,
) -> Result<SignatureScheme, String> {
    let digest = digest.ok_or_else(|| format!("digest algorithm {digest_oid} is not available"));
    match oid {
        "1.2.840.113549.1.1.1" => return Ok(SignatureScheme::Rsa(digest?)),
        "1.2.840.10045.2.1" => return Ok(SignatureScheme::Ecdsa(digest?)),
        "1.2.840.10040.4.1" => return Ok(SignatureScheme::Dsa(digest?)),
        ID_RSASSA_PSS => {
            let mut parts = algorithm.inside();
            let parameters = parts.next().and_then(|_| PssParameters::parse(&mut parts));
            let parameters = parameters.map_err(|error| error.to_string())?;
            if parameters.digest != digest? {
                return Err("RSASSA-PSS parameters contradict the digest algorithm".to_owned());
            }
            return Ok(SignatureScheme::RsaPss(parameters));
        }
        _ => {}
    }
    match scheme_of(oid) {
        Some(("RSA", _)) => Ok(SignatureScheme::Rsa(digest?)),
        Some(("EC", _)) => Ok(SignatureScheme::Ecdsa(digest?)),
        Some(("DSA", _)) => Ok(SignatureScheme::Dsa(digest?)),
        Some((_, SignatureScheme::Ed25519)) if digest == Ok(DigestAlgorithm::Sha512) => {
            Ok(SignatureScheme::Ed25519)
        }
        Some((_, SignatureScheme::Ed448)) => Ok(SignatureScheme::Ed448),
        _ => Err(format!("signature algorithm {oid} is not available")),
    }
}

fn parse_content(value: &Value<'_>) -> Result<(String, Option<Vec<u8>>), Asn1Error> {
    let mut fields = value.inside();
    let content_type = fields.next()?.oid()?;
    let content = match fields.is_empty() {
        false => {
            let mut inside = fields.next()?.inside();
            let octets = asn1::octets(&inside.next()?)?;
            if !inside.is_empty() {
                return Err(Asn1Error("several contents"));
            }
            Some(octets)
        }
        true => None,
    };
    if !fields.is_empty() {
        return Err(Asn1Error("the content info has more than type and content"));
    }
    Ok((content_type, content))
}

/// Content types whose octets the JDK hands out; a block of another type it does not read.
pub(crate) const READABLE_CONTENT: [&str; 3] =
    ["1.2.840.113549.1.7.1", "1.2.840.1113549.1.7.1", "1.2.840.113549.1.9.16.1.4"];

const ID_SHAKE256: &str = "2.16.840.1.101.3.4.2.12";
const ID_SHAKE256_LEN: &str = "2.16.840.1.101.3.4.2.18";
const ID_ED25519: &str = "1.3.101.112";
const ID_ED448: &str = "1.3.101.113";
const ID_SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
