//! The chains of signers and timestamp authorities judged at a moment: when an archive is examined, and again for
//! moments to come.

use std::sync::Arc;

use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::chain::{self, Purpose};
use crate::report::{
    AnchorReport, CertificateReport, ChainReport, Report, SignerReport, TimestampReport, TrustStoreReport,
};
use crate::signatures::Signer;
use crate::timestamp::TimestampToken;
use crate::trust_store::TrustStore;

/// The trust anchors of an examination.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnchorSets {
    pub(crate) signers: TrustStore,
    /// For timestamp authorities, if they are not the same.
    pub(crate) timestamps: Option<TrustStore>,
}

impl AnchorSets {
    fn timestamps(&self) -> &TrustStore {
        self.timestamps.as_ref().unwrap_or(&self.signers)
    }
}

/// Reports a signer as of `now`.
pub(crate) fn signer_report(signer: &Signer, anchors: &AnchorSets, now: Timestamp) -> SignerReport {
    let at = signer.timestamp.as_ref().map_or(now, |token| token.gen_time);
    SignerReport {
        block: signer.block.clone(),
        digest_algorithm: signer.digest.clone(),
        signature_algorithm: signer.scheme.name(),
        signed_attributes: signer.signed_attributes,
        chain: chain_certificates(&signer.chain, &anchors.signers, at),
        validation: validation(&signer.chain, &anchors.signers, Purpose::CodeSigning, at),
        timestamp: signer.timestamp.as_ref().map(|token| timestamp_report(token, anchors.timestamps(), now)),
        entries: 0,
        certificates: signer.chain.clone(),
    }
}

fn timestamp_report(token: &TimestampToken, trust: &TrustStore, now: Timestamp) -> TimestampReport {
    // The authority's algorithms are shown as judged at the time it states, although its chain is validated now.
    let chain = chain_certificates(&token.chain, trust, token.gen_time);
    TimestampReport {
        gen_time: token.gen_time,
        imprint_algorithm: token.imprint.jca_name().to_owned(),
        signature_algorithm: token.scheme.name(),
        is_tst_info: token.is_tst_info,
        validation: validation(&token.chain, trust, Purpose::TimeStamping, now),
        earliest_end: earliest_end(&chain),
        chain,
        certificates: token.chain.clone(),
    }
}

impl TimestampReport {
    fn judge_under(&mut self, trust: &TrustStore, now: Timestamp) {
        self.chain = chain_certificates(&self.certificates, trust, self.gen_time);
        self.validation = validation(&self.certificates, trust, Purpose::TimeStamping, now);
        self.earliest_end = earliest_end(&self.chain);
    }
}

fn earliest_end(chain: &[CertificateReport]) -> Option<Timestamp> {
    chain.iter().filter(|certificate| !certificate.is_trusted()).map(CertificateReport::not_after).min()
}

fn chain_certificates(
    chain: &[Arc<Certificate>],
    trust: &TrustStore,
    at: Timestamp,
) -> Vec<CertificateReport> {
    chain.iter().map(|certificate| CertificateReport::of(certificate, trust, at)).collect()
}

/// Validates a chain; the same moment counts for its certificates and its algorithms.
pub(crate) fn validation(
    chain: &[Arc<Certificate>],
    trust: &TrustStore,
    purpose: Purpose,
    at: Timestamp,
) -> ChainReport {
    match chain::validate(chain, trust, purpose, at, at) {
        Ok(path) => ChainReport {
            at,
            failure: None,
            anchor: path.last().map(|anchor| AnchorReport {
                subject: anchor.subject.to_java_string(),
                sha256: anchor.sha256(),
            }),
        },
        Err(failure) => ChainReport { at, failure: Some(failure), anchor: None },
    }
}

impl Report {
    /// What this report will be at a later moment, if nothing but time goes by; `None` for a moment before
    /// [`Report::examined_at`]. The archive is not read again.
    pub fn at(&self, moment: Timestamp) -> Option<Self> {
        let mut examined = std::iter::once(self).chain(self.later.iter().map(AsRef::as_ref));
        let mut report = examined.rfind(|report| report.examined_at <= moment)?.clone();
        report.judge_chains(moment);
        Some(report)
    }

    /// What this report would be with other trust anchors. The archive is not read again: anchors decide about chains, and
    /// about nothing that is in it.
    #[must_use]
    pub fn under(&self, trust: &TrustStore, timestamp_trust: Option<&TrustStore>) -> Self {
        let mut report = self.clone();
        report.change_anchors(trust, timestamp_trust);
        report
    }

    fn change_anchors(&mut self, trust: &TrustStore, timestamp_trust: Option<&TrustStore>) {
        self.others.iter_mut().for_each(|(_, report)| report.change_anchors(trust, timestamp_trust));
        for later in &mut self.later {
            *later = Arc::new(later.under(trust, timestamp_trust));
        }
        self.trust_store = TrustStoreReport::of(trust);
        self.timestamp_trust_store = timestamp_trust.map(TrustStoreReport::of);
        self.anchor_sets = AnchorSets { signers: trust.clone(), timestamps: timestamp_trust.cloned() };
        let Self { signers, anchor_sets, examined_at, .. } = self;
        for signer in signers {
            let at = signer.timestamp.as_ref().map_or(*examined_at, |timestamp| timestamp.gen_time);
            signer.chain = chain_certificates(&signer.certificates, &anchor_sets.signers, at);
            signer.validation =
                validation(&signer.certificates, &anchor_sets.signers, Purpose::CodeSigning, at);
            if let Some(timestamp) = &mut signer.timestamp {
                timestamp.judge_under(anchor_sets.timestamps(), *examined_at);
            }
        }
    }

    /// Judges again what depends on the moment: chains without timestamp, and those of timestamp authorities.
    pub(crate) fn judge_chains(&mut self, now: Timestamp) {
        self.others.iter_mut().for_each(|(_, report)| report.judge_chains(now));
        let Self { signers, anchor_sets, .. } = self;
        for signer in signers {
            match &mut signer.timestamp {
                None => {
                    signer.validation =
                        validation(&signer.certificates, &anchor_sets.signers, Purpose::CodeSigning, now);
                }
                Some(timestamp) => {
                    let trust = anchor_sets.timestamps();
                    timestamp.validation =
                        validation(&timestamp.certificates, trust, Purpose::TimeStamping, now);
                }
            }
        }
        self.examined_at = now;
    }
}
