//! Packages whose timestamp authority has expired: admitted with proof that they were admitted before, and not otherwise.
//!
//! A timestamp says when something was signed only as long as its authority's certificates are valid: afterwards a
//! stolen key could sign any date. A mirror that admitted the same bytes while they were valid has seen that the
//! signature existed then, and that does not expire. So, with such a proof, everything else is judged as of that moment.
//!
//! | forgery | defence |
//! | --- | --- |
//! | proof for other bytes | it is bound to the digest |
//! | a proof written by hand | only an intact evidence folder of the own store and a trusted catalog make one |
//! | a moment at which the authority had expired already, or the signature was not made yet | everything must hold at that moment; it lies between timestamp and now |
//!
//! Who can write to the evidence of a store can date an admission back; a signature that holds he still needs.
//!
//! The MID Server's own verifier knows no such proof: it refuses the file once the path to its anchor has expired. A store keeps it, for archive and audit;
//! a host does not install it unless its own policy sets [`RULE_AGENT_REFUSES_NOW`] aside for the digest.

use std::io;

use jiff::Timestamp;
use midmirror_verify::{AgentVerdict, ChainFailureKind, CompatVerdict, Report, TimestampReport};
use serde::Serialize;

use super::decision::{Decision, Refusal, RefusalClass};
use super::history::{History, Purpose};
use super::notices::Notice;
use super::policy::{RULE_AGENT, RULE_AGENT_REFUSES_NOW, RULE_AUTHORITY_EXPIRED, RULE_JARSIGNER};
use crate::Sha256Digest;
use crate::catalog::TrustedCatalog;
use crate::store::{Store, StoreError};

/// Proof that a mirror admitted exactly these bytes at an earlier moment.
///
/// There are two ways to one: the evidence of a store, and a trusted catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EarlierAdmission {
    sha256: Sha256Digest,
    admitted_at: Timestamp,
    #[serde(flatten)]
    source: ProofSource,
}

/// Where a proof comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "source")]
#[non_exhaustive]
pub enum ProofSource {
    /// The evidence of a store.
    Store {
        /// Id of the store.
        store: String,
        /// Number of the admission.
        number: u64,
    },
    /// A signed catalog.
    Catalog {
        /// Version of its targets metadata.
        version: u64,
        /// Digest of its newest root metadata.
        root_sha256: Sha256Digest,
    },
}

impl EarlierAdmission {
    /// Looks for proof in the evidence of a store: the earliest admission of these bytes whose folder is intact.
    ///
    /// # Errors
    /// The folder of the evidence cannot be read.
    pub fn in_store(store: &Store, sha256: Sha256Digest) -> Result<Option<Self>, StoreError> {
        let proven = store.proven_admissions(&sha256)?;
        let earliest = proven.into_iter().min_by_key(|proven| proven.judged_at());
        Ok(earliest.map(|proven| Self {
            sha256,
            admitted_at: proven.judged_at(),
            source: ProofSource::Store { store: store.id().to_owned(), number: proven.number() },
        }))
    }

    /// Looks for proof in a catalog: the moment at which its mirror first admitted these bytes.
    pub fn in_catalog(catalog: &TrustedCatalog, sha256: Sha256Digest) -> Option<Self> {
        let same = catalog.entries().iter().filter(|entry| entry.sha256 == sha256);
        let admitted_at = same.filter_map(crate::catalog::CatalogEntry::first_verified_at).min()?;
        let root_sha256 = Sha256Digest::of(catalog.root_bytes());
        let source = ProofSource::Catalog { version: catalog.versions().targets, root_sha256 };
        Some(Self { sha256, admitted_at, source })
    }

    /// The digest of the bytes.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The moment at which they were judged and admitted.
    pub fn admitted_at(&self) -> Timestamp {
        self.admitted_at
    }

    /// Where the proof comes from.
    pub fn source(&self) -> &ProofSource {
        &self.source
    }

    fn describe(&self) -> String {
        match &self.source {
            ProofSource::Store { store, number } => format!("evidence {number} of store {store}"),
            ProofSource::Catalog { version, root_sha256 } => {
                format!("catalog version {version} under the root {root_sha256}")
            }
        }
    }
}

/// What counted instead of the verdicts of today.
#[derive(Debug, Serialize)]
pub(super) struct AsOfThen {
    proof: EarlierAdmission,
    compat: Option<CompatVerdict>,
    agent: Option<AgentVerdict>,
}

impl AsOfThen {
    pub(super) fn proof(&self) -> &EarlierAdmission {
        &self.proof
    }
}

/// What comes of refusals once the history of the bytes is looked at.
#[derive(Debug, Default)]
pub(super) struct Reconsidered {
    pub(super) refusals: Vec<Refusal>,
    pub(super) as_of_then: Option<AsOfThen>,
    pub(super) notices: Vec<Notice>,
}

/// Takes back what only the passage of time speaks for, if there is proof; otherwise says that time is the reason.
///
/// `judge_at` judges the same bytes as of another moment, without history.
pub(super) fn reconsider(
    found: Vec<Refusal>,
    report: &Report,
    sha256: Sha256Digest,
    history: &History,
    judge_at: impl FnOnce(Timestamp) -> io::Result<Decision>,
) -> io::Result<Reconsidered> {
    let is_of_time = |refusal: &Refusal| matches!(refusal.rule, RULE_JARSIGNER | RULE_AGENT);
    let Some(ended_at) = authority_end(report).filter(|_| found.iter().any(is_of_time)) else {
        return Ok(Reconsidered { refusals: found, ..Reconsidered::default() });
    };
    let refuse = |found: Vec<Refusal>, more: &str| {
        let text = format!(
            "the first certificate of the timestamp authority ended on {ended_at}, and {more}; bring back the store that admitted \
             these bytes before that day, or give its catalog (import-file --proof); if it is not that late yet, set \
             the clock right"
        );
        let mut refusals =
            vec![Refusal { rule: RULE_AUTHORITY_EXPIRED, class: RefusalClass::Verification, text }];
        refusals.extend(found);
        Ok(Reconsidered { refusals, ..Reconsidered::default() })
    };
    let Some(proof) = history.earlier.as_ref().filter(|proof| proof.sha256 == sha256) else {
        return refuse(found, "there is no proof that the package was admitted before");
    };
    let then = proof.admitted_at;
    let signed_at = timestamps(report).map(TimestampReport::gen_time).max();
    if then >= report.examined_at() || signed_at.is_some_and(|signed_at| then < signed_at) {
        return refuse(
            found,
            &format!("an admission at {then} proves nothing: it does not lie between timestamp and now"),
        );
    }
    let decision = judge_at(then)?;
    if !decision.is_admitted() {
        let reason = decision.refusals().iter().find(|refusal| refusal.rule != RULE_AUTHORITY_EXPIRED);
        let reason = reason.map_or_else(|| decision.summary(), |refusal| refusal.text.clone());
        return refuse(found, &format!("as of its earlier admission at {then} it is refused too: {reason}"));
    }
    let reason = found.iter().find(|refusal| refusal.rule == RULE_AGENT).map(|refusal| refusal.text.clone());
    let mut refusals: Vec<Refusal> = found.into_iter().filter(|refusal| !is_of_time(refusal)).collect();
    let mut notices = vec![Notice {
        rule: RULE_EARLIER_ADMISSION,
        text: format!(
            "admitted as of {then}, by {}: the first certificate of the timestamp authority ended on {ended_at}",
            proof.describe()
        ),
    }];
    if let Some(reason) = reason {
        let text = format!("{reason}; from now on no MID Server installs this file");
        match history.purpose {
            Purpose::Keep => notices.push(Notice { rule: RULE_AGENT_REFUSES_NOW, text }),
            Purpose::Install => refusals
                .insert(0, Refusal { rule: RULE_AGENT_REFUSES_NOW, class: RefusalClass::Verification, text }),
        }
    }
    let (compat, agent) = decision.into_verdicts();
    let as_of_then = Some(AsOfThen { proof: proof.clone(), compat, agent });
    Ok(Reconsidered { refusals, as_of_then, notices })
}

/// When the first certificate of a timestamp's chain ended, if that was before the examination. jarsigner counts every
/// certificate that the token offers, the MID Server only those of the path it finds.
fn authority_end(report: &Report) -> Option<Timestamp> {
    if report.abort().is_some() {
        return None;
    }
    let now = report.examined_at();
    let ended = timestamps(report).filter(|timestamp| {
        matches!(timestamp.chain_failure().map(|failure| failure.kind()), Some(ChainFailureKind::Expired))
            || timestamp.earliest_end().is_some_and(|end| end < now)
    });
    ended.filter_map(TimestampReport::earliest_end).min()
}

fn timestamps(report: &Report) -> impl Iterator<Item = &TimestampReport> {
    report.signers().iter().filter_map(|signer| signer.timestamp())
}

/// A package was admitted as of an earlier moment.
pub const RULE_EARLIER_ADMISSION: &str = "earlier-admission";
