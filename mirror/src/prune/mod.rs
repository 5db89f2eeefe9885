//! Pruning: old packages make room, in two steps. A plan is made by policy, a person reads it, then it is carried out.
//!
//! ```text
//! STORE/prunings/NUMBER.json     what was pruned, one record for each time, beginning with 00000001; never changed, never removed
//! ```
//!
//! Carrying out: the record, then a catalog that no longer lists the packages, then their bytes are removed. Nothing that the
//! current catalog names is ever removed, and whoever is interrupted leaves bytes that `store gc` removes. Evidence and log
//! stay: what was mirrored can be proved when it is gone. A pruned package that is fetched again is admitted anew, under a new
//! number, and is published as any other.

mod file;
mod policy;
mod record;

pub use file::{PlanFile, PlanFileError};
pub use policy::{Kept, PruneCandidate, PrunePlan, Reason, Retention, plan};
pub use record::{PruneError, PrunedPackage, Pruning, prunings, record};

use std::collections::{BTreeMap, BTreeSet};

use crate::Sha256Digest;
use crate::catalog::{Event, LogEntry};
use crate::store::{Admission, Store, records};

/// What is pruned: digests, and the last admission that each pruning was about. Later ones bring the package back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pruned(BTreeMap<Sha256Digest, u64>);

impl Pruned {
    /// Reads the records of a store.
    pub(crate) fn of(store: &Store) -> Result<Self, PruneError> {
        let records = prunings(store)?;
        let packages = records.iter().flat_map(|record| &record.packages);
        Ok(Self(packages.map(|package| (package.sha256, package.admission)).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the records of a store that its log tells of. Nothing vouches for others, and nobody removes bytes before the log tells
    /// of it.
    pub(crate) fn logged(store: &Store, events: &[LogEntry]) -> Result<Self, PruneError> {
        let is_logged = |number: u64| {
            let digest = records::digest::<Pruning>(store, number);
            events.iter().any(|(_, event)| match event {
                Ok(Event::Pruned { pruning, record, .. }) => *pruning == number && Some(*record) == digest,
                _ => false,
            })
        };
        let records = prunings(store)?;
        let packages =
            records.iter().filter(|record| is_logged(record.number)).flat_map(|record| &record.packages);
        Ok(Self(packages.map(|package| (package.sha256, package.admission)).collect()))
    }

    /// Whether an admission, the newest of its digest, was followed by a pruning.
    pub(crate) fn covers(&self, sha256: &Sha256Digest, newest_admission: u64) -> bool {
        self.0.get(sha256).is_some_and(|last| newest_admission <= *last)
    }

    /// The digests of these admissions, which are all of a store, that are pruned.
    pub(crate) fn among(&self, admissions: &[Admission]) -> BTreeSet<Sha256Digest> {
        let newest = newest_numbers(admissions);
        newest
            .into_iter()
            .filter(|(sha256, number)| self.covers(sha256, *number))
            .map(|(sha256, _)| sha256)
            .collect()
    }
}

/// The digests of these admissions, which are all of a store, whose bytes made room and have not come back.
///
/// # Errors
/// The records cannot be read.
pub fn pruned_digests(store: &Store, admissions: &[Admission]) -> Result<BTreeSet<Sha256Digest>, PruneError> {
    Ok(Pruned::of(store)?.among(admissions))
}

/// The newest admission of each digest.
pub(crate) fn newest_numbers(admissions: &[Admission]) -> BTreeMap<Sha256Digest, u64> {
    // In the order of their numbers.
    admissions.iter().map(|admission| (admission.entry().sha256, admission.number())).collect()
}

#[cfg(test)]
mod tests;
