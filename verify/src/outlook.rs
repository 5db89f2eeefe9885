//! When the verdicts on an archive will change if nothing but time goes by, and why.
//!
//! Nothing is argued from rules here: at each moment that may matter the chains are judged again and both verdicts are
//! drawn anew; what differs is a change. Such moments are the begin and the end of every certificate in the chains of
//! signers and timestamp authorities, and the dates of the algorithm policy.
//!
//! What is true of trust anchors: a certificate that is itself an anchor is trusted whatever its dates say. Neither path
//! validation (RFC 5280 section 6.1.1 (d)) nor `jarsigner` looks at them, so the end of an anchor changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::agent::{AgentRequirements, AgentVerdict};
use crate::compat::{CompatOptions, CompatVerdict};
use crate::report::{CertificateReport, Report, SignerReport, TimestampReport};

/// The changes to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outlook {
    changes: Vec<Change>,
    /// The last moment that was looked at, if a hostile archive has more than are looked at.
    known_until: Option<Timestamp>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    at: Timestamp,
    jarsigner: Forecast,
    agent: AgentForecast,
    because: String,
}

/// What `jarsigner -verify -strict` will conclude.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Forecast {
    exit_code: u8,
    sentence: String,
}

/// What the MID Server's own verifier will conclude.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct AgentForecast {
    accepted: bool,
    reason: Option<String>,
}

impl Outlook {
    /// Looks ahead from [`Report::examined_at`].
    pub fn of(report: &Report, options: &CompatOptions, requirements: &AgentRequirements) -> Self {
        let mut moments = moments(report);
        let mut known_until = None;
        if let Some(first_left_out) = moments.iter().nth(MAX_MOMENTS).copied() {
            drop(moments.split_off(&first_left_out));
            known_until = moments.last().copied();
        }
        let mut changes = Vec::new();
        let mut now = forecasts(report, options, requirements);
        let mut stages = report.later.iter().map(AsRef::as_ref).peekable();
        let mut later: Option<Report> = None;
        for at in moments {
            let mut stage = None;
            while stages.peek().is_some_and(|stage| stage.examined_at() <= at) {
                stage = stages.next();
            }
            let mut report = stage.cloned().or_else(|| later.take()).unwrap_or_else(|| report.clone());
            report.judge_chains(at);
            let then = forecasts(&report, options, requirements);
            if then != now {
                let (jarsigner, agent) = then.clone();
                changes.push(Change { at, jarsigner, agent, because: causes(&report, at).join("; ") });
                now = then;
            }
            later = Some(report);
        }
        Self { changes, known_until }
    }

    /// The changes in order of time.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The moment after which nothing is said, because there is more to look at than the bound allows.
    pub fn known_until(&self) -> Option<Timestamp> {
        self.known_until
    }
}

impl Change {
    /// The first whole second at which the new verdicts hold.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What `jarsigner -verify -strict` concludes from then on.
    pub fn jarsigner(&self) -> &Forecast {
        &self.jarsigner
    }

    /// Whether the MID Server's own verifier accepts the archive from then on.
    pub fn agent_accepts(&self) -> bool {
        self.agent.accepted
    }

    /// Its reason for refusal from then on.
    pub fn agent_reason(&self) -> Option<&str> {
        self.agent.reason.as_deref()
    }

    /// What happens at that moment, in a sentence.
    pub fn because(&self) -> &str {
        &self.because
    }
}

impl Forecast {
    /// The exit code with `-strict`.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The sentence that is printed, for instance `jar verified.`
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}

fn forecasts(
    report: &Report,
    options: &CompatOptions,
    requirements: &AgentRequirements,
) -> (Forecast, AgentForecast) {
    let compat = CompatVerdict::of(report, options);
    let agent = AgentVerdict::of(report, requirements);
    (
        Forecast { exit_code: compat.exit_code(), sentence: compat.result_sentence().to_owned() },
        AgentForecast { accepted: agent.accepted(), reason: agent.reason().map(str::to_owned) },
    )
}

/// Every moment after the examination at which something begins or ends.
fn moments(report: &Report) -> BTreeSet<Timestamp> {
    let stages = || std::iter::once(report).chain(report.later.iter().map(AsRef::as_ref));
    let dates = report.later.iter().map(|later| later.examined_at());
    let certificates = stages().flat_map(Report::signers).flat_map(certificates);
    let bounds = certificates.flat_map(|(_, certificate)| {
        // At the very moment of its end a certificate is still valid, but a signer that must outlive it is not.
        let end = whole_second(certificate.not_after());
        [Some(whole_second(certificate.not_before())), Some(end), after(end)]
    });
    dates.chain(bounds.flatten()).filter(|moment| *moment > report.examined_at()).collect()
}

/// What a certificate is to a signer.
#[derive(Clone, Copy)]
enum Role {
    Signer,
    SignerAuthority,
    TimestampAuthority,
    AboveTimestampAuthority,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Signer => "the signer's certificate",
            Self::SignerAuthority => "the certificate of an authority of the signer",
            Self::TimestampAuthority => "the certificate of the timestamp authority",
            Self::AboveTimestampAuthority => "the certificate of an authority above the timestamp authority",
        }
    }

    fn is_timestamp(self) -> bool {
        matches!(self, Self::TimestampAuthority | Self::AboveTimestampAuthority)
    }
}

/// The certificates of a signer and of its timestamp.
fn certificates(signer: &SignerReport) -> impl Iterator<Item = (Role, &CertificateReport)> {
    let roles = |leaf, above| std::iter::once(leaf).chain(std::iter::repeat(above));
    let timestamp = signer.timestamp().map(TimestampReport::chain).unwrap_or_default();
    roles(Role::Signer, Role::SignerAuthority)
        .zip(signer.chain())
        .chain(roles(Role::TimestampAuthority, Role::AboveTimestampAuthority).zip(timestamp))
}

/// What begins or ends at a moment, and what of the signer and of its timestamp had ended before without effect.
fn causes(report: &Report, at: Timestamp) -> Vec<String> {
    let (mut now, mut before) = (BTreeSet::new(), BTreeMap::new());
    for (role, certificate) in report.signers().iter().flat_map(certificates) {
        // An anchor counts whatever its dates are.
        if certificate.is_trusted() {
            continue;
        }
        let subject = certificate.subject();
        let (begin, end) = (certificate.not_before(), certificate.not_after());
        if whole_second(begin) == at {
            now.insert(format!("{} {subject:?} begins at {begin}", role.name()));
        } else if whole_second(end) == at || after(whole_second(end)) == Some(at) {
            now.insert(format!("{} {subject:?} ends at {end}", role.name()));
        } else if end < at {
            let text = format!("{} {subject:?} ended at {end}", role.name());
            let earliest = before.entry(role.is_timestamp()).or_insert((end, text.clone()));
            if end < earliest.0 {
                *earliest = (end, text);
            }
        }
    }
    for date in crate::algorithm_policy::dates().into_iter().filter(|date| *date == at) {
        now.insert(format!("the algorithm policy refuses more from {date} on"));
    }
    now.into_iter().chain(before.into_values().map(|(_, text)| text)).collect()
}

/// The first whole second that is not before a moment.
fn whole_second(moment: Timestamp) -> Timestamp {
    let floor = Timestamp::from_second(moment.as_second()).unwrap_or(moment);
    if floor < moment { after(floor).unwrap_or(moment) } else { floor }
}

/// One second later, if there is such a time.
fn after(moment: Timestamp) -> Option<Timestamp> {
    moment.checked_add(SignedDuration::from_secs(1)).ok()
}

/// Moments looked at. An ordinary archive has about twenty; each costs as much as validating all chains.
const MAX_MOMENTS: usize = 200;
