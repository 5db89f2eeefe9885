//! What an audit has found, as data.

use std::collections::BTreeSet;

use jiff::Timestamp;
use midmirror_verify::TrustStore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::AuditRecord;
use crate::Sha256Digest;
use crate::admit::{Judged, Label};
use crate::package::PackagePath;
use crate::store::Acceptance;

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
    /// Bytes could not be read, so nothing can be said of them.
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

/// What an admission is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The bytes are those that were admitted, and they verify as of today and as of then.
    Good,
    /// The same, but as of today something has expired; nothing else speaks against it.
    ValidWhenAdmittedExpiredSince,
    /// The bytes verify as of then with the anchors of then; anchors or policy of today refuse them.
    RefusedToday,
    /// The bytes are others, do not verify as of then, or not as recorded.
    Bad,
    /// The bytes are not there.
    Missing,
    /// There is nothing that could be verified, or it cannot be read.
    NotChecked,
}

impl Class {
    /// The words that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::ValidWhenAdmittedExpiredSince => "valid when admitted, expired since",
            Self::RefusedToday => "refused today",
            Self::Bad => "BAD",
            Self::Missing => "MISSING",
            Self::NotChecked => "not checked",
        }
    }

    /// Whether something is lost or changed.
    pub fn is_damage(self) -> bool {
        matches!(self, Self::Bad | Self::Missing)
    }
}

/// What an admission is to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The catalog names it.
    Published,
    /// These bytes are in the catalog; a later admission of them counts.
    Repeated,
    /// Verified, and waits for a decision.
    Held,
    /// Other bytes took its place.
    Superseded,
}

impl State {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Repeated => "repeated",
            Self::Held => "held",
            Self::Superseded => "superseded",
        }
    }
}

/// One admission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageAudit {
    /// The vendor path.
    pub path: PackagePath,
    /// Which admission of the store.
    pub number: u64,
    /// The digest that was admitted.
    pub sha256: Sha256Digest,
    /// The length that was admitted.
    pub length: u64,
    /// What it is to its name.
    pub state: State,
    /// How it was checked.
    pub label: Label,
    /// What it is found to be.
    pub class: Class,
    /// Why, if it is not good; the gravest first.
    pub reasons: Vec<String>,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// The decision that published it, if it took one.
    pub accepted: Option<Acceptance>,
    /// Subject of the signer certificate.
    pub signer: Option<String>,
    /// Time of the timestamp.
    pub signed_at: Option<Timestamp>,
    /// How its bytes were read.
    pub reading: Reading,
    /// As of the moment of its admission, with the anchors of then.
    pub then: Option<Judgement>,
    /// As of now, with the anchors of today.
    pub now: Option<Judgement>,
    /// As of the moment that was asked for, with the anchors of today.
    pub at: Option<Judgement>,
    /// Whether the anchors of then are those of today.
    pub same_anchors: Option<bool>,
    /// When the verdicts of today change, if nothing but time goes by.
    pub until: Option<Until>,
    /// Ends of certificates.
    pub ends: Vec<End>,
    /// Digest of its report.
    pub report: Option<Sha256Digest>,
}

/// How bytes were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reading {
    /// From begin to end, in this audit.
    Full,
    /// Not in this audit: nothing has changed since an earlier one read them from begin to end.
    Earlier {
        /// When that was.
        read_at: Timestamp,
    },
    /// Not at all: missing, of another length, or not readable.
    None,
}

/// A verdict as of a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The moment.
    pub at: Timestamp,
    /// Whether this mirror would admit it.
    pub accepted: bool,
    /// What `jarsigner` prints.
    pub jarsigner: String,
    /// Its exit code with `-strict`.
    pub exit_code: u8,
    /// Whether the MID Server's own verifier accepts it.
    pub agent_accepts: bool,
    /// Why not.
    pub agent_reason: Option<String>,
    /// What speaks against it, with the rule.
    pub refusals: Vec<String>,
}

impl Judgement {
    pub(super) fn of(judged: &Judged) -> Self {
        Self {
            at: judged.at,
            accepted: judged.is_accepted(),
            jarsigner: judged.sentence.clone(),
            exit_code: judged.exit_code,
            agent_accepts: judged.agent_accepts,
            agent_reason: judged.agent_reason.clone(),
            refusals: judged
                .refusals
                .iter()
                .map(|refusal| format!("{} [{}]", refusal.text, refusal.rule))
                .collect(),
        }
    }
}

/// When a verdict changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Until {
    /// The first moment of the new verdict.
    pub at: Timestamp,
    /// What `jarsigner -strict` ends with from then on.
    pub exit_code: u8,
    /// Whether the MID Server accepts it from then on.
    pub agent_accepts: bool,
    /// Why.
    pub because: String,
}

/// The end of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// What the certificate is for.
    pub kind: EndKind,
    /// Its subject.
    pub subject: String,
    /// SHA-256 of the certificate.
    pub sha256: String,
    /// Its end.
    pub at: Timestamp,
}

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndKind {
    /// A role of the catalog.
    CatalogRole,
    /// What jarsigner or MID Servers say of packages.
    Verdict,
    /// The certificate of a signer.
    SignerCertificate,
    /// The certificate of a timestamp authority.
    TimestampAuthority,
    /// A trust anchor that packages depend on.
    Anchor,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Log {
    /// Its name, if the catalog names one.
    pub origin: Option<String>,
    /// Entries.
    pub entries: u64,
    /// Root hash of its tree.
    pub root: Option<Sha256Digest>,
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
        let unreadable =
            |audit: &&PackageAudit| audit.class == Class::NotChecked && audit.reading == Reading::None;
        Self {
            admissions: count(audits.len()),
            blobs: count(blobs.len()),
            good: of(Class::Good),
            expired_since: of(Class::ValidWhenAdmittedExpiredSince),
            refused_today: of(Class::RefusedToday),
            bad: of(Class::Bad),
            missing: of(Class::Missing),
            not_checked: of(Class::NotChecked),
            unreadable: count(audits.iter().filter(unreadable).count()),
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
        () if counts.unreadable > 0 => Verdict::Incomplete,
        () => Verdict::Good,
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Name and version of the report's form.
pub(super) const SCHEMA: &str = "midmirror-audit-1";
