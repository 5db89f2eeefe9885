//! Our own reading of a signature block as facts.

use super::facts::{BlockFacts, CertificateFacts, Name, SignerFacts};
use crate::certificate::Certificate;
use crate::distinguished_name::DistinguishedName;
use crate::signed_data::{SignedData, SignerInfo};

/// The facts of a block.
pub(super) fn facts(block: &SignedData) -> BlockFacts {
    let mut signers: Vec<SignerFacts> = block.signer_infos.iter().map(signer).collect();
    signers.sort();
    let mut certificates: Vec<CertificateFacts> =
        block.certificates.iter().map(|certificate| self::certificate(certificate)).collect();
    certificates.sort();
    BlockFacts {
        content_type: block.content_type.clone(),
        content: block.content.clone(),
        signers,
        certificates,
    }
}

fn signer(info: &SignerInfo) -> SignerFacts {
    SignerFacts {
        serial: info.serial.clone(),
        issuer: name(&info.issuer),
        signature: info.signature.clone(),
        digest_algorithm: info.digest_oid.clone(),
        signature_algorithm: info.signature_oid.clone(),
        has_signed_attributes: !info.is_direct(),
        message_digest: info.message_digest().map(<[u8]>::to_vec),
        has_timestamp: info.timestamp_token.is_some(),
    }
}

fn certificate(certificate: &Certificate) -> CertificateFacts {
    let key_usage =
        |bits: &Vec<bool>| bits.iter().enumerate().filter(|(_, set)| **set).map(|(at, _)| at).collect();
    CertificateFacts {
        serial: certificate.serial.clone(),
        issuer: name(&certificate.issuer),
        signature: certificate.signature.clone(),
        subject: name(&certificate.subject),
        key: certificate.key.spki.clone(),
        not_before: certificate.not_before.as_second(),
        not_after: certificate.not_after.as_second(),
        basic_constraints: certificate.basic_constraints,
        key_usage: certificate.key_usage.as_ref().map(key_usage),
        extended_key_usage: certificate.extended_key_usage.clone(),
        critical: certificate.critical.iter().cloned().collect(),
    }
}

fn name(name: &DistinguishedName) -> Name {
    name.encoded_attributes().map(|set| set.map(<[u8]>::to_vec).collect()).collect()
}
