//! The moments that certificates and signatures name, in one list.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::CertificateContent;
use super::signature_block::BlockContent;

/// A moment that the archive names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What happens then.
    pub event: MomentEvent,
    /// Whose: the subject of the certificate, or of the signer's or authority's certificate.
    pub subject: String,
}

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MomentEvent {
    /// A certificate becomes valid.
    ValidFrom,
    /// A signer says to have signed.
    SigningTime,
    /// A timestamp authority says to have seen the signature.
    Timestamp,
    /// A certificate is valid no more.
    ValidUntil,
}

/// Collects the moments of all chains, each once, earliest first. Certificates that belong to no chain are left out.
pub(super) fn of(blocks: &[BlockContent]) -> Vec<Moment> {
    let mut moments = Vec::new();
    for block in blocks {
        for signer in &block.signers {
            note_chain(&block.certificates, &signer.chain, &mut moments);
            if let Some(at) = signer.signing_time {
                let subject = subject(&block.certificates, &signer.chain);
                moments.push(Moment { at, event: MomentEvent::SigningTime, subject });
            }
            let Some(token) = &signer.timestamp else { continue };
            note_chain(&token.certificates, &token.chain, &mut moments);
            if let Some(at) = token.gen_time {
                let subject = subject(&token.certificates, &token.chain);
                moments.push(Moment { at, event: MomentEvent::Timestamp, subject });
            }
        }
    }
    moments.sort();
    moments.dedup();
    moments
}

fn note_chain(certificates: &[CertificateContent], chain: &[usize], moments: &mut Vec<Moment>) {
    for certificate in chain.iter().filter_map(|position| certificates.get(*position)) {
        let subject = &certificate.subject;
        let mut note = |at, event| moments.push(Moment { at, event, subject: subject.clone() });
        note(certificate.not_before, MomentEvent::ValidFrom);
        note(certificate.not_after, MomentEvent::ValidUntil);
    }
}

fn subject(certificates: &[CertificateContent], chain: &[usize]) -> String {
    let leaf = chain.first().and_then(|position| certificates.get(*position));
    leaf.map_or_else(String::new, |leaf| leaf.subject.clone())
}
