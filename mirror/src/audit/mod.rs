//! Auditing a store: everything that it says is verified again, and compared with what was recorded.
//!
//! 1. The catalog: from a root that is trusted from the beginning through all four roles.
//! 2. Evidence, statements, log and `SHA256SUMS`: what `store::check` and `catalog::check_log` say, and whether the log has grown
//!    from the checkpoint of the last audit.
//! 3. Every package that was ever admitted, also what is held or superseded: its bytes are read once, hashed and examined side by
//!    side, and judged as of today, as of its admission with the anchors of its admission, and as of any moment that is asked for.
//! 4. What changed since the last audit and who approved it, from the log.
//! 5. What runs out.
//!
//! Nothing is written. What an audit leaves for the next one is an [`AuditRecord`], which the caller keeps: it is only as
//! trustworthy as the place where it is kept. Who can change it can have damaged bytes passed over until they are read again, and no
//! longer: with [`Reread::Always`] nothing is taken from it but the earlier checkpoint.

mod catalog;
mod changes;
mod csv;
mod finding;
mod html;
mod package;
mod packages;
mod record;
mod recorded;
mod remote;
mod report;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use midmirror_verify::{AgentAnchors, TrustStore};
use thiserror::Error;

use crate::Sha256Digest;
use crate::admit::{AdmissionInputs, AdmissionPolicy};
use crate::catalog::{LogEntry, TrustError};
use crate::store::{CheckDepth, CheckOptions, Problem, Store, StoreError, check_with_evidence};

pub use csv::csv;
pub use finding::{Class, End, EndKind, Judgement, PackageAudit, Reading, Relaxed, Removal, State, Until};
pub use html::html;
pub use record::{AuditRecord, BlobRecord, RecordError};
pub use remote::{RemoteInputs, audit_mirror};
use report::ReadCounts;
pub use report::{
    AnchorSet, AuditReport, Catalog, CatalogRole, Change, Counts, Fault, Log, NotChecked, PreviousAudit,
    Verdict, Warning,
};

/// What an audit of a store depends on.
#[derive(Debug, Clone, Copy)]
pub struct AuditInputs<'a> {
    /// The store.
    pub store: &'a Store,
    /// Root metadata that is trusted from the beginning: the content of a trust file that was kept elsewhere. None: the first one
    /// of the store itself; then the catalog vouches for itself, and the report says so.
    pub root: Option<&'a [u8]>,
    /// What it is judged by.
    pub basis: Basis<'a>,
    /// Which bytes are read although the last audit has read them.
    pub reread: Reread,
}

/// What an audit judges by, wherever the packages are.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// Trust anchors of today.
    pub trust: &'a TrustStore,
    /// Trust anchors for timestamp authorities, if they are not the same.
    pub timestamp_trust: Option<&'a TrustStore>,
    /// The authorities that MID Servers trust, if they are not the same.
    pub agent_anchors: Option<&'a AgentAnchors>,
    /// What is accepted today.
    pub policy: &'a AdmissionPolicy,
    /// The current time.
    pub now: Timestamp,
    /// Another moment as of which everything is judged as well.
    pub at: Option<Timestamp>,
    /// Tell what changed since this moment, instead of since the last audit.
    pub since: Option<Timestamp>,
    /// What the last audit left. Of an audit from afar only its checkpoint counts: what a mirror serves is fetched as a whole.
    pub previous: Option<&'a AuditRecord>,
}

/// Which bytes are read again that did not change since they were last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reread {
    /// All of them.
    Always,
    /// Those that were last read so long ago.
    After(SignedDuration),
}

/// Bytes read, of all that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditProgress {
    /// Bytes of packages that are done.
    pub done: u64,
    /// Bytes of all packages.
    pub total: u64,
}

/// What an audit gives.
#[derive(Debug)]
pub struct Audit {
    /// What was found.
    pub report: AuditReport,
    /// For the next audit.
    pub record: AuditRecord,
}

/// No report could be made at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The folders of the store cannot be read.
    #[error("failed to read the store")]
    Store {
        /// Why.
        #[from]
        source: StoreError,
    },
    /// A mirror cannot be reached, or its catalog is not trusted: there is nothing to begin with.
    #[error("failed to read the catalog of the mirror")]
    Mirror {
        /// Why.
        #[from]
        source: TrustError,
    },
    /// The address of a mirror cannot be used.
    #[error("{url} is no address of a mirror")]
    Address {
        /// The address.
        url: String,
    },
    /// The report cannot be written as JSON.
    #[error("failed to write the report as JSON")]
    Encode {
        /// Why.
        source: serde_json::Error,
    },
}

impl<'a> Basis<'a> {
    /// With one set of anchors, without an earlier audit.
    pub fn new(trust: &'a TrustStore, policy: &'a AdmissionPolicy, now: Timestamp) -> Self {
        Self {
            trust,
            timestamp_trust: None,
            agent_anchors: None,
            policy,
            now,
            at: None,
            since: None,
            previous: None,
        }
    }

    fn judging(&self, at: Timestamp) -> AdmissionInputs<'a> {
        AdmissionInputs {
            timestamp_trust: self.timestamp_trust,
            agent_anchors: self.agent_anchors,
            ..AdmissionInputs::new(self.trust, self.policy, at)
        }
    }

    /// Everything besides the bytes that a verdict of today depends on, in one digest.
    fn judged_by(&self) -> Sha256Digest {
        let agent = match self.agent_anchors {
            Some(AgentAnchors::Given(store)) => store.digest(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        };
        let timestamps = self.timestamp_trust.map(TrustStore::digest).unwrap_or_default();
        let parts = [
            env!("CARGO_PKG_VERSION"),
            &self.trust.digest(),
            &timestamps,
            &agent,
            &format!("{:?}", self.policy),
        ];
        Sha256Digest::of(parts.join("\n").as_bytes())
    }
}

/// Audits a store. Only reads.
///
/// # Errors
/// Only if no report can be made at all; damage is what the report is for.
pub fn audit(inputs: &AuditInputs<'_>, progress: &mut dyn FnMut(AuditProgress)) -> Result<Audit, AuditError> {
    let store = inputs.store;
    // 1. The catalog, and what the log tells.
    let (catalog, trusted) = catalog::audit_catalog(inputs);
    let mut not_checked = Vec::new();
    let (log, events) = catalog::audit_log(inputs, trusted.as_ref(), &mut not_checked);
    // 2. Evidence, statements, log, list; meanwhile 3. the packages: what is hashed of the one fills the gaps of the other.
    let (checked, packages) = std::thread::scope(|scope| {
        let checking = scope.spawn(|| {
            let mut options = CheckOptions::new(CheckDepth::Fast);
            check_with_evidence(store, trusted.as_ref(), &mut options, &mut |_| {})
        });
        let packages = packages::audit_packages(inputs, trusted.as_ref(), events.as_deref(), progress);
        let checked = checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (checked, packages)
    });
    let ((checked, evidence), mut packages) = (checked?, packages?);
    packages.compare_reports(&evidence);
    let mut faults: Vec<Fault> =
        checked.problems.iter().filter(|problem| !is_told(problem)).map(fault).collect();
    catalog::audit_sums(inputs, trusted.as_ref(), &mut faults);
    not_checked.extend(packages.not_checked());
    not_checked.push(report::no_revocation());
    if inputs.root.is_none() {
        not_checked.push(NotChecked {
            what: "whether the catalog is that of the mirror that hosts were enrolled with".to_owned(),
            reason: "it was verified with the first root metadata of the store itself; --trust FILE takes that of a trust \
                     file which was kept elsewhere"
                .to_owned(),
        });
    }
    let found = Found {
        store: store.id().to_owned(),
        place: store.root_dir().display().to_string(),
        catalog,
        log,
        events,
        faults,
        packages: packages.audits,
        reading: packages.reading,
        not_checked,
        checkpoint: store.log().signed_checkpoint().ok().flatten(),
        blobs: packages.blobs,
    };
    found.conclude(&inputs.basis)
}

/// What was found, before 4. what changed and 5. what runs out are added.
struct Found {
    store: String,
    place: String,
    catalog: Catalog,
    log: Log,
    /// None if the log is not what was signed.
    events: Option<Vec<LogEntry>>,
    faults: Vec<Fault>,
    packages: Vec<PackageAudit>,
    reading: ReadCounts,
    not_checked: Vec<NotChecked>,
    /// Of the log, as it stands there.
    checkpoint: Option<Vec<u8>>,
    blobs: BTreeMap<Sha256Digest, BlobRecord>,
}

impl Found {
    fn conclude(self, basis: &Basis<'_>) -> Result<Audit, AuditError> {
        let counts = Counts::of(&self.packages, &self.reading);
        let events = self.events.as_deref().unwrap_or_default();
        let (since, changes) = changes::since(basis.since, basis.previous, events);
        let report = AuditReport {
            schema: report::SCHEMA,
            midmirror: env!("CARGO_PKG_VERSION").to_owned(),
            audited_at: basis.now,
            at: basis.at,
            verdict: report::verdict(basis.now, &self.catalog, &self.log, &self.faults, &counts),
            counts,
            organization: basis.policy.organization.clone(),
            anchors: AnchorSet::of(basis.trust),
            timestamp_anchors: basis.timestamp_trust.map(AnchorSet::of),
            since,
            changes,
            warnings: warnings::ahead(basis.now, &self.catalog, &self.packages, basis.trust),
            previous: basis.previous.map(PreviousAudit::of),
            store: self.store,
            place: self.place,
            catalog: self.catalog,
            log: self.log,
            faults: self.faults,
            packages: self.packages,
            not_checked: self.not_checked,
        };
        let json = serde_json::to_vec(&report).map_err(|source| AuditError::Encode { source })?;
        let record = AuditRecord::new(basis, &report, Sha256Digest::of(&json), self.checkpoint, self.blobs);
        Ok(Audit { report, record })
    }
}

/// Whether a problem is told with its package, or with the catalog.
fn is_told(problem: &Problem) -> bool {
    matches!(problem, Problem::MissingBlob { .. } | Problem::WrongLength { .. })
}

fn fault(problem: &Problem) -> Fault {
    Fault { text: problem.to_string(), damage: problem.is_damage() }
}
