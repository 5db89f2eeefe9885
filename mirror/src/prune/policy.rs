//! Which packages can go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::newest_numbers;
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::hosts::{HostPackage, RecordKind};
use crate::package::PackagePath;
use crate::store::Admission;

/// What stays whatever happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// So many builds of each release family, the newest ones.
    pub builds_per_family: u32,
    /// For so many days bytes that are published no more: superseded, held, withdrawn.
    pub unpublished_days: u32,
    /// Build stamps, package names, vendor paths and digests that stay.
    pub pinned: Vec<String>,
}

/// What can go, and what stays only for a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// In the order of families, builds and paths.
    pub candidates: Vec<PruneCandidate>,
    /// Builds that are older than the newest ones of their family and stay, with the reason.
    pub kept: Vec<Kept>,
}

/// A package that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneCandidate {
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Their length.
    pub length: u64,
    /// The newest admission of these bytes.
    pub admission: u64,
    /// The vendor path under which they were admitted last.
    pub path: PackagePath,
    /// Why it can go.
    pub reason: Reason,
}

/// Why a package can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its build is not among the newest ones of its family.
    OldBuild {
        /// The family.
        family: String,
        /// How many newer builds of it there are.
        newer: usize,
    },
    /// The catalog has not named these bytes for long.
    Unpublished {
        /// When they were admitted last.
        since: Timestamp,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OldBuild { family, newer: 0 } => write!(f, "the NEWEST build of {family}"),
            Self::OldBuild { family, newer: 1 } => write!(f, "there is 1 newer build of {family}"),
            Self::OldBuild { family, newer } => write!(f, "there are {newer} newer builds of {family}"),
            Self::Unpublished { since } => {
                write!(f, "the catalog does not name it; admitted last at {since}")
            }
        }
    }
}

/// A build that stays although it is old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its stamp.
    pub stamp: String,
    /// Why it stays.
    pub why: String,
}

/// Plans by policy. `entries` are those of the current catalog, `admissions` all of the store, `pruned` what is gone already,
/// `hosts` what is known of hosts: the newest build that a host has, the one before it, and the one before it in its family
/// stay.
pub fn plan(
    retention: &Retention,
    admissions: &[Admission],
    entries: &[CatalogEntry],
    pruned: &BTreeSet<Sha256Digest>,
    hosts: &[HostPackage],
    now: Timestamp,
) -> PrunePlan {
    let newest = newest_numbers(admissions);
    let mut plan = PrunePlan::default();
    let builds = Builds::of(entries);
    let reported = builds.reported(hosts);
    for (family, stamps) in &builds.families {
        let newer_than_all = usize::try_from(retention.builds_per_family).unwrap_or(usize::MAX);
        for (newer, stamp) in stamps.iter().enumerate().skip(newer_than_all) {
            let of_build =
                || entries.iter().filter(|entry| entry.path.name().stamp().as_str() == stamp.as_str());
            if let Some(host) = reported.get(stamp.as_str()) {
                plan.kept.push(Kept { stamp: stamp.clone(), why: host.clone() });
                continue;
            }
            if let Some(pin) = of_build().find_map(|entry| retention.pin_of(&entry.path, &entry.sha256)) {
                plan.kept.push(Kept { stamp: stamp.clone(), why: format!("pinned: {pin}") });
                continue;
            }
            plan.candidates.extend(of_build().filter_map(|entry| {
                Some(PruneCandidate {
                    sha256: entry.sha256,
                    length: entry.length,
                    admission: *newest.get(&entry.sha256)?,
                    path: entry.path.clone(),
                    reason: Reason::OldBuild { family: family.clone(), newer },
                })
            }));
        }
    }
    // Bytes that a build that stays has as well stay, whatever other name they have.
    let leaving: BTreeSet<String> =
        plan.candidates.iter().map(|candidate| candidate.path.as_str().to_owned()).collect();
    let staying: BTreeSet<Sha256Digest> = entries
        .iter()
        .filter(|entry| !leaving.contains(entry.path.as_str()))
        .map(|entry| entry.sha256)
        .collect();
    plan.candidates.retain(|candidate| !staying.contains(&candidate.sha256));
    plan.candidates.extend(unpublished(retention, admissions, entries, pruned, now));
    plan
}

fn unpublished(
    retention: &Retention,
    admissions: &[Admission],
    entries: &[CatalogEntry],
    pruned: &BTreeSet<Sha256Digest>,
    now: Timestamp,
) -> Vec<PruneCandidate> {
    let listed: BTreeSet<_> = entries.iter().map(|entry| entry.sha256).collect();
    let age = SignedDuration::from_hours(24 * i64::from(retention.unpublished_days));
    // The last admission of each digest comes last.
    let last: BTreeMap<_, _> =
        admissions.iter().map(|admission| (admission.entry().sha256, admission)).collect();
    // What waits for a decision is not old, however long it waits.
    let of_path: BTreeMap<_, _> = admissions.iter().map(|a| (a.entry().path.as_str(), a.number())).collect();
    let waits = |a: &Admission| a.is_held() && of_path.get(a.entry().path.as_str()) == Some(&a.number());
    let mut candidates: Vec<_> = last
        .into_iter()
        .filter(|(sha256, admission)| {
            let entry = admission.entry();
            !listed.contains(sha256)
                && !pruned.contains(sha256)
                && !waits(admission)
                && now.duration_since(entry.admitted_at) > age
                && retention.pin_of(&entry.path, sha256).is_none()
        })
        .map(|(sha256, admission)| PruneCandidate {
            sha256,
            length: admission.entry().length,
            admission: admission.number(),
            path: admission.entry().path.clone(),
            reason: Reason::Unpublished { since: admission.entry().admitted_at },
        })
        .collect();
    candidates.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    candidates
}

impl Retention {
    /// The pin that a package falls under.
    fn pin_of(&self, path: &PackagePath, sha256: &Sha256Digest) -> Option<&str> {
        let digest = sha256.to_hex();
        let name = path.name();
        let fits = |pin: &&String| {
            let pin = pin.as_str();
            pin == name.stamp().as_str() || pin == name.as_str() || pin == path.as_str() || pin == digest
        };
        self.pinned.iter().find(fits).map(String::as_str)
    }
}

/// The builds that a catalog has packages of. Those with irregular stamps are left out: nobody knows their age.
struct Builds {
    /// The stamps of each family, the newest first.
    families: BTreeMap<String, Vec<String>>,
    /// All stamps, the oldest first.
    all: Vec<String>,
}

impl Builds {
    fn of(entries: &[CatalogEntry]) -> Self {
        let mut builds: BTreeSet<(DateTime, String, String)> = BTreeSet::new();
        for entry in entries {
            let stamp = entry.path.name().stamp();
            if let Some(fields) = stamp.fields() {
                builds.insert((fields.built, stamp.as_str().to_owned(), fields.family.clone()));
            }
        }
        let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, stamp, family) in builds.iter().rev() {
            families.entry(family.clone()).or_default().push(stamp.clone());
        }
        Self { families, all: builds.into_iter().map(|(_, stamp, _)| stamp).collect() }
    }

    fn before_in_family(&self, stamp: &str) -> Option<&String> {
        self.families.values().find_map(|stamps| {
            let place = stamps.iter().position(|known| known == stamp)?;
            stamps.get(place.saturating_add(1))
        })
    }

    /// Builds that a host has, newest of that host, and those before them; with the reason.
    fn reported(&self, hosts: &[HostPackage]) -> BTreeMap<&str, String> {
        let place = |package: &HostPackage| {
            let stamp = package.path.as_ref()?.name().stamp();
            self.all.iter().position(|known| known == stamp.as_str())
        };
        let mut newest: BTreeMap<(&str, bool), usize> = BTreeMap::new();
        for package in hosts {
            if let Some(place) = place(package) {
                let installed = package.kind == RecordKind::Installed;
                let known = newest.entry((package.host.as_str(), installed)).or_insert(place);
                *known = place.max(*known);
            }
        }
        let mut kept = BTreeMap::new();
        for ((host, installed), place) in newest {
            let (has, before) = match installed {
                true => (format!("host {host} runs it"), format!("host {host} runs the build after it")),
                false => {
                    (format!("host {host} got it last"), format!("host {host} got the build after it last"))
                }
            };
            if let Some(stamp) = self.all.get(place) {
                kept.entry(stamp.as_str()).or_insert(has);
            }
            // Whichever of the two the host may go back to.
            let older = place.checked_sub(1).and_then(|place| self.all.get(place));
            let of_family = self.all.get(place).and_then(|stamp| self.before_in_family(stamp));
            for stamp in older.into_iter().chain(of_family) {
                kept.entry(stamp.as_str()).or_insert_with(|| before.clone());
            }
        }
        kept
    }
}
