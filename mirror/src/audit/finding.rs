//! What an audit has found of one admission, as data.

use std::io;

use jiff::Timestamp;
use midmirror_verify::{Report, TimestampReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Basis;
use crate::Sha256Digest;
use crate::admit::{AdmissionInputs, Examined, Judged, Label, Refusal};
use crate::catalog::CatalogEntry;
use crate::package::PackagePath;
use crate::store::Acceptance;

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
    /// Nobody is to get these bytes any more.
    Withdrawn,
    /// The retention policy has removed the bytes; the evidence is kept.
    Pruned,
}

impl State {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Repeated => "repeated",
            Self::Held => "held",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
            Self::Pruned => "pruned",
        }
    }
}

/// The decision that withdrew bytes, or let them make room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removal {
    /// When.
    pub at: Timestamp,
    /// Who, as far as the program was told.
    pub by: Option<String>,
    /// Why.
    pub reason: String,
}

/// A rule of the policy that was set aside for these bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Relaxed {
    /// Its name.
    pub rule: String,
    /// Why, in the words of the operator.
    pub reason: String,
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
    /// The decision that withdrew or pruned it.
    #[serde(default)]
    pub removed: Option<Removal>,
    /// The rules that were set aside for it when it was admitted.
    #[serde(default)]
    pub relaxed: Vec<Relaxed>,
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

impl PackageAudit {
    /// Of which nothing is known yet but what was recorded.
    pub(super) fn begin(entry: &CatalogEntry, number: u64, state: State) -> Self {
        Self {
            path: entry.path.clone(),
            number,
            sha256: entry.sha256,
            length: entry.length,
            state,
            label: entry.label,
            class: Class::Bad,
            reasons: Vec::new(),
            admitted_at: entry.admitted_at,
            accepted: None,
            removed: None,
            relaxed: Vec::new(),
            signer: entry.signer.clone(),
            signed_at: entry.signed_at,
            reading: Reading::None,
            then: None,
            now: None,
            at: None,
            same_anchors: None,
            until: None,
            ends: Vec::new(),
            report: entry.report,
        }
    }

    /// Whether there may be bytes, and they could not be read or fetched.
    pub fn is_unreadable(&self) -> bool {
        self.class == Class::NotChecked && self.reading == Reading::None && self.state != State::Pruned
    }

    /// Bytes with the right digest and no signature in them.
    pub(super) fn is_pinned(&mut self) {
        self.class = Class::NotChecked;
        self.reasons.push(
            "files of this kind carry no JAR signature: the digest is the one that was admitted, who made the bytes was not \
             checked"
                .to_owned(),
        );
    }

    /// Judges it as of today, and as of the moment that was asked for.
    ///
    /// # Errors
    /// The parts that tell which package it is cannot be read.
    pub(super) fn judge_today(&mut self, examined: &mut Examined, basis: &Basis<'_>) -> io::Result<Judged> {
        let name = self.path.name();
        let today = basis.judging(basis.now);
        let now = examined.judge(name, &today)?;
        self.now = Some(Judgement::of(&now));
        self.until = Until::of(&now, &today);
        self.ends = End::of(now.report(), &today);
        if let Some(at) = basis.at {
            self.at = Some(Judgement::of(&examined.judge(name, &basis.judging(at))?));
        }
        Ok(now)
    }
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
            refusals: judged.refusals.iter().map(told).collect(),
        }
    }
}

/// What speaks against a package first.
pub(super) fn first(judged: &Judged) -> String {
    judged.refusals.first().map(told).unwrap_or_default()
}

fn told(refusal: &Refusal) -> String {
    format!("{} [{}]", refusal.text, refusal.rule)
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

impl Until {
    /// The next change of what is said today.
    fn of(now: &Judged, inputs: &AdmissionInputs<'_>) -> Option<Self> {
        let outlook = now.outlook(inputs);
        let change = outlook.changes().first()?;
        Some(Self {
            at: change.at(),
            exit_code: change.jarsigner().exit_code(),
            agent_accepts: change.agent_accepts(),
            because: change.because().to_owned(),
        })
    }
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

impl End {
    /// When the certificates end that stand for the package.
    fn of(report: &Report, inputs: &AdmissionInputs<'_>) -> Vec<Self> {
        let mut ends = Vec::new();
        let mut anchors = Vec::new();
        for signer in report.signers() {
            let timestamp = signer.timestamp();
            let leaf = signer.leaf().map(|leaf| (EndKind::SignerCertificate, leaf));
            let authority = timestamp.and_then(|timestamp| timestamp.chain().first());
            for (kind, certificate) in
                leaf.into_iter().chain(authority.map(|leaf| (EndKind::TimestampAuthority, leaf)))
            {
                ends.push(Self {
                    kind,
                    subject: certificate.subject().to_owned(),
                    sha256: certificate.sha256().to_owned(),
                    at: certificate.not_after(),
                });
            }
            anchors.extend(signer.validation().anchor());
            anchors.extend(timestamp.map(TimestampReport::validation).and_then(|found| found.anchor()));
        }
        let sets = [Some(inputs.trust), inputs.timestamp_trust];
        for anchor in sets.into_iter().flatten().flat_map(|set| set.anchors()) {
            if anchors.iter().any(|used| used.sha256() == anchor.sha256) {
                ends.push(Self {
                    kind: EndKind::Anchor,
                    subject: anchor.subject,
                    sha256: anchor.sha256,
                    at: anchor.not_after,
                });
            }
        }
        ends.sort();
        ends.dedup();
        ends
    }
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
