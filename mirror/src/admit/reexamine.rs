//! A package read once and judged several times: as of several moments, under several sets of anchors and policies.
//!
//! What is in an archive does not depend on the moment or on the anchors; only its chains do. So an audit reads the bytes once,
//! hashes them while they are examined, and asks as often as it likes.

use std::collections::HashMap;
use std::io;

use jiff::Timestamp;
use midmirror_verify::{
    AgentVerdict, CompatOptions, CompatVerdict, Inputs, Outcome, Outlook, Report, Source, TrustStore,
    examine, jarsigner, jarsigner::TextOptions,
};

use super::decision::{Refusal, RefusalClass, one_line};
use super::policy::{RULE_JARSIGNER, is_relaxable};
use super::refusals::refusals;
use super::{AdmissionInputs, identity};
use crate::Sha256Digest;
use crate::package::PackageName;

/// Bytes that were read and examined.
#[derive(Debug)]
pub struct Examined {
    sha256: Sha256Digest,
    source: Source,
    report: Report,
    /// What contradicts a name, which no moment changes.
    identities: HashMap<PackageName, Vec<Refusal>>,
}

/// What is to be said of them as of a moment.
#[derive(Debug)]
pub struct Judged {
    /// The moment.
    pub at: Timestamp,
    /// What speaks against the package; at most ten.
    pub refusals: Vec<Refusal>,
    /// What `jarsigner` concludes: exit code with `-strict`.
    pub exit_code: u8,
    /// And in a word.
    pub outcome: Outcome,
    /// Its sentence.
    pub sentence: String,
    /// Whether the MID Server's own verifier accepts it.
    pub agent_accepts: bool,
    /// Why not.
    pub agent_reason: Option<String>,
    /// When both will say something else.
    report: Report,
}

impl Judged {
    /// Whether nothing speaks against it.
    pub fn is_accepted(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Whether the signature holds, whatever the policy says.
    pub fn is_verified(&self) -> bool {
        !self.refusals.iter().any(|refusal| refusal.class == RefusalClass::Verification)
    }

    /// The facts as of that moment.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// When the verdicts will change from here on.
    pub fn outlook(&self, inputs: &AdmissionInputs<'_>) -> Outlook {
        Outlook::of(&self.report, &CompatOptions::default(), &inputs.agent_requirements())
    }
}

impl Examined {
    /// Reads bytes to the end: hashed and examined side by side. They can be judged from the moment of `inputs` on.
    ///
    /// # Errors
    /// The bytes cannot be read.
    pub fn read(source: Source, inputs: &AdmissionInputs<'_>) -> io::Result<Self> {
        let verify_inputs = Inputs {
            timestamp_trust: inputs.timestamp_trust,
            limits: inputs.policy.limits(),
            compare_contents: true,
            ..Inputs::new(inputs.trust, inputs.at)
        };
        let (sha256, report) = std::thread::scope(|scope| {
            let hash = scope.spawn(|| digest_of(&source));
            let report = examine(&source, &verify_inputs);
            let sha256 = hash.join().unwrap_or_else(|_| Err(io::Error::other("hashing was broken off")));
            (sha256, report)
        });
        Ok(Self { sha256: sha256?, report: report?, source, identities: HashMap::new() })
    }

    /// The digest of the bytes.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// Judges the package under a name. `inputs.at` is not before the moment of the examination.
    ///
    /// # Errors
    /// The parts that tell which package it is cannot be read.
    pub fn judge(&mut self, name: &PackageName, inputs: &AdmissionInputs<'_>) -> io::Result<Judged> {
        let at = inputs.at.max(self.report.examined_at());
        let mut report = self.report.at(at).unwrap_or_else(|| self.report.clone());
        if !has_anchors(&report, inputs.trust, inputs.timestamp_trust) {
            report = report.under(inputs.trust, inputs.timestamp_trust);
        }
        let compat = CompatVerdict::of(&report, &CompatOptions::default());
        let agent = AgentVerdict::of(&report, &inputs.agent_requirements());
        let mut found = refusals(&report, &agent, inputs);
        if jarsigner::breaks_off(&report, &TextOptions::full()) {
            found.push(Refusal {
                rule: RULE_JARSIGNER,
                class: RefusalClass::Verification,
                text: "jarsigner -verbose -certs breaks off at a per cent sign in a certificate".to_owned(),
            });
        }
        if !self.identities.contains_key(name) {
            let refusals = identity::refusals(&self.source, &report, name)?;
            self.identities.insert(name.clone(), refusals);
        }
        found.extend(self.identities.get(name).into_iter().flatten().cloned());
        let stands = |refusal: &Refusal| {
            let relaxed = inputs.policy.relaxation(refusal.rule, self.sha256).is_some();
            !(relaxed && is_relaxable(refusal.rule))
        };
        let refusals = found.into_iter().filter(stands).take(MOST_REFUSALS);
        Ok(Judged {
            at,
            refusals: refusals.map(|refusal| Refusal { text: one_line(&refusal.text), ..refusal }).collect(),
            exit_code: compat.exit_code(),
            outcome: compat.outcome(),
            sentence: one_line(compat.result_sentence().trim()),
            agent_accepts: agent.accepted(),
            agent_reason: agent.reason().map(str::to_owned),
            report,
        })
    }
}

fn has_anchors(report: &Report, trust: &TrustStore, timestamp_trust: Option<&TrustStore>) -> bool {
    let timestamps = report.timestamp_trust_store();
    report.trust_store_digest() == trust.digest()
        && timestamps.map(|set| set.sha256().to_owned()) == timestamp_trust.map(TrustStore::digest)
}

/// Hashes a source from its begin to its end.
pub(crate) fn digest_of(source: &Source) -> io::Result<Sha256Digest> {
    Sha256Digest::of_reader(FromBegin { source, offset: 0 })
}

/// Reads a source from its begin to its end.
struct FromBegin<'a> {
    source: &'a Source,
    offset: u64,
}

impl io::Read for FromBegin<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length().saturating_sub(self.offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(piece) = buffer.get_mut(..length) else { return Ok(0) };
        self.source.read_exact_at(piece, self.offset)?;
        self.offset = self.offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(length)
    }
}

const MOST_REFUSALS: usize = 10;
