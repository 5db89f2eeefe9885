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
mod packages;
mod record;
mod recorded;
mod remote;
mod report;
#[cfg(test)]
mod tests;
mod warnings;

use jiff::{SignedDuration, Timestamp};
use midmirror_verify::{AgentAnchors, TrustStore};
use thiserror::Error;

use crate::Sha256Digest;
use crate::admit::{AdmissionInputs, AdmissionPolicy};
use crate::catalog::TrustError;
use crate::store::{CheckDepth, CheckOptions, Problem, Store, StoreError, check};

pub use csv::csv;
pub use finding::{Class, End, EndKind, Judgement, PackageAudit, Reading, State, Until};
pub use html::html;
use record::RecordBasis;
pub use record::{AuditRecord, BlobRecord, RecordError};
pub use remote::{RemoteInputs, audit_mirror};
pub use report::{
    AnchorSet, AuditReport, Catalog, CatalogRole, Change, Counts, Fault, Log, NotChecked, PreviousAudit,
    Verdict, Warning,
};

/// What an audit depends on.
#[derive(Debug, Clone, Copy)]
pub struct AuditInputs<'a> {
    /// The store.
    pub store: &'a Store,
    /// Root metadata that is trusted from the beginning: the content of a trust file that was kept elsewhere, or the first
    /// one of the store itself.
    pub root: &'a [u8],
    /// Whether the root is the store's own: then the catalog vouches for itself, and the report says so.
    pub root_is_own: bool,
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
    /// What the last audit left.
    pub previous: Option<&'a AuditRecord>,
    /// Which bytes are read although the last audit has read them.
    pub reread: Reread,
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

impl<'a> AuditInputs<'a> {
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
    let mut not_checked = Vec::new();
    // 1. The catalog.
    let (catalog, trusted) = catalog::audit_catalog(inputs);
    // 2. Evidence, statements, log, list; meanwhile 3. the packages: what is hashed of the one fills the gaps of the other.
    let (checked, packages) = std::thread::scope(|scope| {
        let checking = scope
            .spawn(|| check(store, trusted.as_ref(), &mut CheckOptions::new(CheckDepth::Fast), &mut |_| {}));
        let packages = packages::audit_packages(inputs, trusted.as_ref(), progress);
        let checked = checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (checked, packages)
    });
    let (checked, packages) = (checked?, packages?);
    let mut faults: Vec<Fault> =
        checked.problems.iter().filter(|problem| !is_told(problem)).map(fault).collect();
    let (log, events) = catalog::audit_log(inputs, trusted.as_ref(), &mut faults, &mut not_checked);
    catalog::audit_sums(inputs, trusted.as_ref(), &mut faults);
    // 4. What changed.
    let (since, changes) = changes::since(inputs.since, inputs.previous, &events);
    // 5. What runs out.
    let warnings = warnings::ahead(inputs.now, &catalog, &packages.audits, inputs.trust);
    not_checked.extend(packages.not_checked());
    not_checked.push(report::no_revocation());
    if inputs.root_is_own {
        not_checked.push(NotChecked {
            what: "whether the catalog is that of the mirror that hosts were enrolled with".to_owned(),
            reason: "it was verified with the first root metadata of the store itself; --trust FILE takes that of a trust \
                     file which was kept elsewhere"
                .to_owned(),
        });
    }
    let counts = Counts::of(&packages.audits, &packages.reading);
    let verdict = report::verdict(inputs.now, &catalog, &log, &faults, &counts);
    let report = AuditReport {
        schema: report::SCHEMA,
        midmirror: env!("CARGO_PKG_VERSION").to_owned(),
        store: store.id().to_owned(),
        place: store.root_dir().display().to_string(),
        audited_at: inputs.now,
        at: inputs.at,
        verdict,
        counts,
        organization: inputs.policy.organization.clone(),
        anchors: AnchorSet::of(inputs.trust),
        timestamp_anchors: inputs.timestamp_trust.map(AnchorSet::of),
        catalog,
        log,
        faults,
        packages: packages.audits,
        since,
        changes,
        warnings,
        not_checked,
        previous: inputs.previous.map(PreviousAudit::of),
    };
    let json = serde_json::to_vec(&report).map_err(|source| AuditError::Encode { source })?;
    let basis = RecordBasis {
        store: store.id(),
        now: inputs.now,
        judged_by: inputs.judged_by(),
        checkpoint: store.log().signed_checkpoint().ok().flatten(),
        previous: inputs.previous,
    };
    let record = AuditRecord::new(basis, &report, Sha256Digest::of(&json), packages.blobs);
    Ok(Audit { report, record })
}

/// Whether a problem is told with its package, or with the catalog.
fn is_told(problem: &Problem) -> bool {
    matches!(problem, Problem::MissingBlob { .. } | Problem::WrongLength { .. })
}

fn fault(problem: &Problem) -> Fault {
    Fault { text: problem.to_string(), damage: problem.is_damage() }
}
