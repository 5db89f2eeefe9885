//! The packages: every admission, and what it is to its name.

use std::collections::{BTreeMap, HashMap};

use super::finding::{Class, PackageAudit, Removal, State};
use super::package::Package;
use super::record::BlobRecord;
use super::report::{NotChecked, ReadCounts};
use super::{AuditInputs, AuditProgress};
use crate::Sha256Digest;
use crate::catalog::{LogEntry, TrustedCatalog};
use crate::prune::{Pruned, prunings};
use crate::store::{Admission, Evidence, Store, StoreError};
use crate::withdraw::withdrawn;

/// What became of all packages.
#[derive(Debug, Default)]
pub(super) struct Packages {
    pub(super) audits: Vec<PackageAudit>,
    pub(super) blobs: BTreeMap<Sha256Digest, BlobRecord>,
    pub(super) reading: ReadCounts,
}

impl Packages {
    /// What a report says counts only if it is the one that was recorded; here are the digests that were found.
    pub(super) fn compare_reports(&mut self, evidence: &Evidence) {
        for audit in self.audits.iter_mut().filter(|audit| audit.then.is_some()) {
            let found = evidence.digests.get(&audit.number).and_then(|found| found.as_ref().ok());
            if found.is_some_and(|found| found.get("report.json") == audit.report.as_ref()) {
                continue;
            }
            audit.class = Class::Bad;
            audit.relaxed = Vec::new();
            audit.reasons = vec![
                "what was recorded of it is lost: its report.json is not the one that was recorded"
                    .to_owned(),
            ];
            self.blobs.remove(&audit.sha256);
        }
    }

    /// What could not be checked, in a line for each reason.
    pub(super) fn not_checked(&self) -> Vec<NotChecked> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for audit in self.audits.iter().filter(|audit| audit.class == Class::NotChecked) {
            *counts.entry(audit.reasons.first().map_or("", String::as_str)).or_default() += 1;
        }
        let line = |(reason, count): (&str, usize)| NotChecked {
            what: format!("the signatures of {count} of {} admissions", self.audits.len()),
            reason: reason.to_owned(),
        };
        counts.into_iter().map(line).collect()
    }
}

/// Audits every admission whose record can be read; the others are among the faults already.
///
/// `events` are the entries of the log; none if it is not what was signed.
pub(super) fn audit_packages(
    inputs: &AuditInputs<'_>,
    catalog: Option<&TrustedCatalog>,
    events: Option<&[LogEntry]>,
    progress: &mut dyn FnMut(AuditProgress),
) -> Result<Packages, StoreError> {
    let admissions = inputs.store.readable_admissions()?;
    let removals = removals(inputs.store, &admissions, catalog, events);
    let mut states = states(&admissions, catalog);
    let mut blobs: BTreeMap<Sha256Digest, Vec<&Admission>> = BTreeMap::new();
    for admission in &admissions {
        let sha256 = admission.entry().sha256;
        if let Some((state, _)) = removals.get(&sha256) {
            states.insert(admission.number(), *state);
        }
        blobs.entry(sha256).or_default().push(admission);
    }
    let length = |admissions: &[&Admission]| admissions.first().map_or(0, |first| first.entry().length);
    let total = blobs.values().map(|admissions| length(admissions)).fold(0, u64::saturating_add);
    let (mut done, mut packages) = (0_u64, Packages::default());
    for (sha256, admissions) in &blobs {
        let removed = removals.get(sha256).map(|(_, removal)| removal);
        let package = Package { inputs, sha256: *sha256, admissions, states: &states, removed };
        let found = package.audit(&mut packages.reading);
        if let Some(record) = found.record {
            packages.blobs.insert(*sha256, record);
        }
        packages.audits.extend(found.audits);
        done = done.saturating_add(length(admissions));
        progress(AuditProgress { done, total });
    }
    packages.audits.sort_by(|a, b| (a.path.as_str(), a.number).cmp(&(b.path.as_str(), b.number)));
    Ok(packages)
}

/// What was withdrawn or pruned. That records cannot be read is among the faults.
fn removals(
    store: &Store,
    admissions: &[Admission],
    catalog: Option<&TrustedCatalog>,
    events: Option<&[LogEntry]>,
) -> BTreeMap<Sha256Digest, (State, Removal)> {
    let mut removals = BTreeMap::new();
    for (sha256, record) in withdrawn(store).unwrap_or_default() {
        let removal = Removal { at: record.at, by: record.by, reason: record.reason };
        removals.insert(sha256, (State::Withdrawn, removal));
    }
    // Bytes that nobody vouches for that they were pruned are missing; so are those that are published.
    let logged = match events {
        Some(events) => Pruned::logged(store, events),
        None => Pruned::of(store),
    };
    let mut pruned = logged.unwrap_or_default().among(admissions);
    let published = catalog.map(TrustedCatalog::digests).unwrap_or_default();
    pruned.retain(|sha256| !published.contains(sha256));
    for record in prunings(store).unwrap_or_default() {
        for package in record.packages.into_iter().filter(|package| pruned.contains(&package.sha256)) {
            let removal = Removal { at: record.at, by: record.by.clone(), reason: package.reason };
            removals.insert(package.sha256, (State::Pruned, removal));
        }
    }
    removals
}

/// What each admission is to its name.
fn states(admissions: &[Admission], catalog: Option<&TrustedCatalog>) -> HashMap<u64, State> {
    let mut newest: HashMap<&str, &Admission> = HashMap::new();
    let mut last: HashMap<&str, &Admission> = HashMap::new();
    for admission in admissions {
        let path = admission.entry().path.as_str();
        last.insert(path, admission);
        if !admission.is_held() {
            newest.insert(path, admission);
        }
    }
    let state = |admission: &Admission| {
        let entry = admission.entry();
        let path = entry.path.as_str();
        let published = catalog.and_then(|catalog| catalog.find(&entry.path)).map(|entry| entry.sha256);
        let newest = newest.get(path);
        let published = published.or_else(|| newest.map(|newest| newest.entry().sha256));
        let is_newest = newest.is_some_and(|newest| newest.number() == admission.number());
        match () {
            () if published == Some(entry.sha256) && is_newest => State::Published,
            () if published == Some(entry.sha256) => State::Repeated,
            () if last
                .get(path)
                .is_some_and(|last| last.is_held() && last.entry().sha256 == entry.sha256) =>
            {
                State::Held
            }
            () => State::Superseded,
        }
    };
    admissions.iter().map(|admission| (admission.number(), state(admission))).collect()
}
