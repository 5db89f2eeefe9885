//! What an audit has found, as data.

use std::collections::BTreeSet;

use jiff::Timestamp;
use midmirror_verify::TrustStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Class, EndKind, PackageAudit};
use super::record::AuditRecord;
use crate::Sha256Digest;

/// The whole report. Fields may be added within a version of its schema, never renamed or removed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditReport {
    /// `midmirror-audit-1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// The version of midmirror that audited.
    pub midmirror: String,
    /// Id of the store.
    pub store: String,
    /// Where it was.
    pub place: String,
    /// The moment that counted as now.
    pub audited_at: Timestamp,
    /// The other moment as of which everything was judged.
    pub at: Option<Timestamp>,
    /// All in one word.
    pub verdict: Verdict,
    /// How many packages of which class, and how much was read.
    pub counts: Counts,
    /// The organisation that signers have to be of.
    pub organization: String,
    /// Trust anchors of today.
    pub anchors: AnchorSet,
    /// Those for timestamp authorities, if they are not the same.
    pub timestamp_anchors: Option<AnchorSet>,
    /// The signed catalog.
    pub catalog: Catalog,
    /// The log.
    pub log: Log,
    /// What is wrong besides packages, catalog and log, or only unfinished.
    pub faults: Vec<Fault>,
    /// One item for each admission, in the order of the paths.
    pub packages: Vec<PackageAudit>,
    /// Since when changes are told; none: from the beginning.
    pub since: Option<Timestamp>,
    /// What the log tells since then.
    pub changes: Vec<Change>,
    /// What runs out within 180 days.
    pub warnings: Vec<Warning>,
    /// What was not checked, and why.
    pub not_checked: Vec<NotChecked>,
    /// The audit before this one.
    pub previous: Option<PreviousAudit>,
}

/// All in one word; the worst that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything is as it was recorded. Signatures may have expired since.
    Good,
    /// Bytes or the log could not be read, so nothing can be said of them.
    Incomplete,
    /// Bytes are as they were admitted, and would not be admitted today: anchors or policy are others.
    RefusedToday,
    /// The catalog has expired.
    CatalogExpired,
    /// The catalog is not signed by who is trusted, or damaged.
    CatalogNotTrusted,
    /// Something was changed or lost.
    Damaged,
}

impl Verdict {
    /// A sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Good => "everything is as it was recorded",
            Self::Incomplete => "some bytes could not be read",
            Self::RefusedToday => "some packages would not be admitted today",
            Self::CatalogExpired => "the catalog has expired",
            Self::CatalogNotTrusted => "the catalog is not trusted",
            Self::Damaged => "something was changed or lost",
        }
    }
}

/// How many packages of which class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Admissions.
    pub admissions: u64,
    /// Different bytes.
    pub blobs: u64,
    /// [`Class::Good`].
    pub good: u64,
    /// [`Class::ValidWhenAdmittedExpiredSince`].
    pub expired_since: u64,
    /// [`Class::RefusedToday`].
    pub refused_today: u64,
    /// [`Class::Bad`].
    pub bad: u64,
    /// [`Class::Missing`].
    pub missing: u64,
    /// [`Class::NotChecked`].
    pub not_checked: u64,
    /// Of them, those that could not be read.
    pub unreadable: u64,
    /// Blobs that were read to the end.
    pub read: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// Blobs whose last reading still counts.
    pub not_read_again: u64,
}

/// A set of trust anchors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AnchorSet {
    /// Its name.
    pub name: String,
    /// Digest over its anchors.
    pub sha256: String,
    /// How many.
    pub anchors: u64,
}

impl AnchorSet {
    pub(super) fn of(trust: &TrustStore) -> Self {
        Self { name: trust.name().to_owned(), sha256: trust.digest(), anchors: count(trust.len()) }
    }
}

/// The signed catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Catalog {
    /// Whether every file is signed as the trusted root demands.
    pub trusted: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Digest of the root metadata that was trusted from the beginning.
    pub trusted_root: Sha256Digest,
    /// Whether that was the store's own.
    pub root_is_own: bool,
    /// Digest of the newest root metadata.
    pub newest_root: Option<Sha256Digest>,
    /// Packages in it.
    pub packages: u64,
    /// Its roles.
    pub roles: Vec<CatalogRole>,
}

impl Catalog {
    /// Of which nothing has been verified yet.
    pub(super) fn not_trusted(root: &[u8], root_is_own: bool) -> Self {
        Self {
            trusted: false,
            reason: None,
            trusted_root: Sha256Digest::of(root),
            root_is_own,
            newest_root: None,
            packages: 0,
            roles: Vec::new(),
        }
    }
}

/// A role of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CatalogRole {
    /// Its name.
    pub role: String,
    /// Version of its metadata.
    pub version: u64,
    /// When it expires.
    pub expires: Timestamp,
    /// Whether it has.
    pub expired: bool,
}

/// The log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Log {
    /// Its name, if the catalog names one.
    pub origin: Option<String>,
    /// Entries.
    pub entries: u64,
    /// Root hash of its tree.
    pub root: Option<Sha256Digest>,
    /// Whether every entry and hash is what the checkpoint signs. Only then are changes told.
    pub sound: bool,
    /// Entries that the last audit had seen and that this one compared it with.
    pub grown_from: Option<u64>,
    /// What is wrong with its growth.
    pub problems: Vec<String>,
}

/// Something that is wrong, or unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// What.
    pub text: String,
    /// Whether something is lost or changed.
    pub damage: bool,
}

/// An entry of the log, as far as an auditor asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Place in the log.
    pub index: u64,
    /// When.
    pub at: Option<Timestamp>,
    /// What was done: `admitted`, `held`, `accepted`, `refused`, `published`, or what later versions do.
    pub what: String,
    /// The vendor path that it is about.
    pub package: Option<String>,
    /// The digest that it is about.
    pub sha256: Option<String>,
    /// The digest whose place was taken.
    pub supersedes: Option<String>,
    /// Who approved it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Something that runs out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// What kind of thing.
    pub kind: EndKind,
    /// Which.
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// 14, 60 or 180: it is at most so many days away; 0: it has happened.
    pub within_days: u32,
    /// How many admissions depend on it.
    pub packages: u64,
}

/// What was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotChecked {
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// The audit before this one, as its record tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PreviousAudit {
    /// When it was.
    pub audited_at: Timestamp,
    /// Digest of its report: the compact JSON.
    pub report_sha256: Sha256Digest,
    /// Entries that the log had.
    pub log_entries: Option<u64>,
}

impl PreviousAudit {
    pub(super) fn of(record: &AuditRecord) -> Self {
        Self {
            audited_at: record.audited_at,
            report_sha256: record.report_sha256,
            log_entries: record.log_entries,
        }
    }
}

/// What no audit can check.
pub(super) fn no_revocation() -> NotChecked {
    NotChecked {
        what: "revocation of certificates".to_owned(),
        reason: "nothing is asked over the network, and packages carry no revocation information".to_owned(),
    }
}

/// Bytes read and not read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReadCounts {
    pub(super) read: u64,
    pub(super) bytes_read: u64,
    pub(super) not_read_again: u64,
}

impl Counts {
    pub(super) fn of(audits: &[PackageAudit], reading: &ReadCounts) -> Self {
        let of = |class| count(audits.iter().filter(|audit| audit.class == class).count());
        let blobs: BTreeSet<Sha256Digest> = audits.iter().map(|audit| audit.sha256).collect();
        Self {
            admissions: count(audits.len()),
            blobs: count(blobs.len()),
            good: of(Class::Good),
            expired_since: of(Class::ValidWhenAdmittedExpiredSince),
            refused_today: of(Class::RefusedToday),
            bad: of(Class::Bad),
            missing: of(Class::Missing),
            not_checked: of(Class::NotChecked),
            unreadable: count(audits.iter().filter(|audit| audit.is_unreadable()).count()),
            read: reading.read,
            bytes_read: reading.bytes_read,
            not_read_again: reading.not_read_again,
        }
    }
}

/// The worst that was found.
pub(super) fn verdict(
    now: Timestamp,
    catalog: &Catalog,
    log: &Log,
    faults: &[Fault],
    counts: &Counts,
) -> Verdict {
    let damaged = counts.bad + counts.missing > 0
        || !log.problems.is_empty()
        || faults.iter().any(|fault| fault.damage);
    match () {
        () if damaged => Verdict::Damaged,
        () if !catalog.trusted => Verdict::CatalogNotTrusted,
        () if catalog.roles.iter().any(|role| role.expires <= now) => Verdict::CatalogExpired,
        () if counts.refused_today > 0 => Verdict::RefusedToday,
        () if counts.unreadable > 0 || (log.origin.is_some() && !log.sound) => Verdict::Incomplete,
        () => Verdict::Good,
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Name and version of the report's form.
pub(super) const SCHEMA: &str = "midmirror-audit-1";
