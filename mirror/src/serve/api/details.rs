//! What the API answers about one package.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::answers::{Accepted, Admission, LogPlace, Package};
use crate::Sha256Digest;
use crate::log::Checkpoint;
use crate::serve::evidence::{Agent, Change, Evidence, Head, Jarsigner, Signer};

/// The published packages with certain bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageDetails {
    /// Digest of the bytes.
    pub(crate) sha256: Sha256Digest,
    /// The packages: usually one, more if the same bytes are published under several paths.
    pub(crate) packages: Vec<PackageDetail>,
}

/// One package and what is known of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageDetail {
    /// What the catalog says.
    pub(crate) package: Package,
    /// Its admission; null if the evidence cannot be read.
    pub(crate) admission: Option<Admission>,
    /// Verdicts and signers; null if the report is not there, or not the one that the catalog names.
    pub(crate) report: Option<Report>,
}

/// The beginning of the stored report.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// When the package was examined.
    pub(crate) examined_at: Option<Timestamp>,
    /// What jarsigner concluded.
    pub(crate) jarsigner: Option<Jarsigner>,
    /// What the MID Server's own verifier concluded.
    pub(crate) agent: Option<Agent>,
    /// From when on jarsigner or the MID Server will refuse the package if nothing but time goes by.
    pub(crate) holds_until: Option<Timestamp>,
    /// The moments from which a verdict is another one.
    pub(crate) changes: Vec<Change>,
    /// Who signed it.
    pub(crate) signers: Vec<Signer>,
    /// How many entries the archive has.
    pub(crate) entries: Option<u64>,
    /// How many oddities of the archive were found.
    pub(crate) findings: usize,
}

impl Admission {
    pub(crate) fn of(evidence: &Evidence, told: Option<&(u64, Checkpoint)>) -> Self {
        Self {
            number: evidence.admission.number(),
            accepted: evidence.admission.accepted().map(|accepted| Accepted {
                at: accepted.at,
                reason: accepted.reason.clone(),
                admission: accepted.admission,
            }),
            origin: evidence.origin.clone(),
            documents: evidence.shown_documents(told.is_some()).cloned().collect(),
            log: told.map(|(index, checkpoint)| LogPlace {
                index: *index,
                size: checkpoint.size,
                root: checkpoint.root,
            }),
        }
    }
}

impl Report {
    pub(crate) fn of(head: &Head) -> Self {
        Self {
            examined_at: head.examined_at,
            jarsigner: head.compat.clone(),
            agent: head.agent.clone(),
            holds_until: head.end_of_verdict(),
            changes: head.changes.clone(),
            signers: head.signers.clone(),
            entries: head.entries,
            findings: head.findings,
        }
    }
}
