//! Facts, verdicts and policy brought together for one file.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use midmirror_verify::{
    AgentVerdict, CompatOptions, CompatVerdict, Inputs, Jdk, Outlook, Report, Source, examine,
    is_hidden_character, jarsigner, jarsigner::TextOptions,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Sha256Digest;
use crate::package::PackageName;

use super::earlier::{AsOfThen, EarlierAdmission, reconsider};
use super::history::History;
use super::notices::{Notice, signer_changes};
use super::policy::{RULE_JARSIGNER, RULE_PIN, RULE_WITHDRAWN, is_relaxable};
use super::refusals::{and_more, refusals};
use super::{AdmissionInputs, AdmissionPolicy, Label, identity};

/// What was found, what follows from it, and what this mirror makes of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Decision {
    /// `midmirror-report-1`.
    #[schemars(extend("const" = "midmirror-report-1"))]
    schema: &'static str,
    name: Option<PackageName>,
    sha256: Sha256Digest,
    admitted: bool,
    label: Label,
    refusals: Vec<Refusal>,
    relaxed: Vec<Relaxation>,
    notices: Vec<Notice>,
    earlier_admission: Option<AsOfThen>,
    organization: String,
    compat: Option<CompatVerdict>,
    agent: Option<AgentVerdict>,
    /// When the two verdicts will change if nothing but time goes by.
    outlook: Option<Outlook>,
    report: Option<Report>,
    /// What [`Self::write_jarsigner_text`] writes.
    #[serde(skip)]
    text: TextOptions,
}

/// One reason against admission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Refusal {
    /// Name of the rule.
    pub rule: &'static str,
    /// Whether the signature or the policy is the reason.
    pub class: RefusalClass,
    /// What is wrong, with the entry.
    pub text: String,
}

/// Whose refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalClass {
    /// The signature does not hold: jarsigner or the MID Server would refuse the file too.
    Verification,
    /// The signature holds, but this mirror does not accept the package.
    Policy,
}

/// A refusal that the policy sets aside for this digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct Relaxation {
    rule: &'static str,
    text: String,
    reason: String,
}

/// Examines a file of which nothing is known from before. `name` is what the file claims to be, if it claims anything.
pub fn judge_file(
    file: &Path,
    name: Option<&PackageName>,
    sha256: Sha256Digest,
    inputs: &AdmissionInputs<'_>,
) -> io::Result<Decision> {
    judge_file_with_history(file, name, sha256, inputs, &History::default())
}

/// Examines a file and decides, with what is known of it and its signers from before.
pub fn judge_file_with_history(
    file: &Path,
    name: Option<&PackageName>,
    sha256: Sha256Digest,
    inputs: &AdmissionInputs<'_>,
    history: &History,
) -> io::Result<Decision> {
    let mut decision = Decision::empty(name, sha256, inputs.policy);
    if name.is_some_and(|name| !name.is_jar_signed()) {
        decision.judge_unsigned_kind(inputs);
        decision.refuse_withdrawn(inputs.policy);
        return Ok(decision);
    }
    let source = Source::open(file)?;
    let verify_inputs = Inputs {
        timestamp_trust: inputs.timestamp_trust,
        limits: inputs.policy.limits(),
        compare_contents: true,
        ..Inputs::new(inputs.trust, inputs.at)
    };
    let report = examine(&source, &verify_inputs)?;
    let options = CompatOptions::default();
    let requirements = inputs.agent_requirements();
    let compat = CompatVerdict::of(&report, &options);
    let agent = AgentVerdict::of(&report, &requirements);
    decision.outlook = Some(Outlook::of(&report, &options, &requirements));
    let mut found = refusals(&report, &agent, inputs);
    if jarsigner::breaks_off(&report, &TextOptions::full()) {
        found.push(Refusal {
            rule: RULE_JARSIGNER,
            class: RefusalClass::Verification,
            text: "jarsigner -verbose -certs breaks off at a per cent sign in a certificate".to_owned(),
        });
    }
    if let Some(name) = name {
        found.extend(identity::refusals(&source, &report, name)?);
    }
    let judge_at = |at| judge_file(file, name, sha256, &AdmissionInputs { at, ..*inputs });
    let reconsidered = reconsider(found, &report, sha256, history, judge_at)?;
    decision.settle(reconsidered.refusals, inputs);
    decision.refuse_withdrawn(inputs.policy);
    if decision.admitted {
        decision.earlier_admission = reconsidered.as_of_then;
        decision.notices = reconsidered.notices;
        decision.notices.extend(signer_changes(&report, &history.signers));
    }
    decision.compat = Some(compat);
    decision.agent = Some(agent);
    decision.report = Some(report);
    Ok(decision)
}

impl Decision {
    /// Has the `jarsigner` of another JDK conclude. What is admitted does not depend on it: that takes all of them.
    pub fn show_jdk(&mut self, jdk: Jdk) {
        let Some(report) = &self.report else { return };
        self.text.compat.jdk = jdk;
        self.compat = Some(CompatVerdict::of(report, &self.text.compat));
    }

    /// Whether the package may enter a store or an agent.
    pub fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// How the package was checked.
    pub fn label(&self) -> Label {
        self.label
    }

    /// The reasons against admission.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The class of the gravest refusal.
    pub fn class(&self) -> Option<RefusalClass> {
        let verification = self.refusals.iter().any(|refusal| refusal.class == RefusalClass::Verification);
        if verification {
            return Some(RefusalClass::Verification);
        }
        self.refusals.first().map(|refusal| refusal.class)
    }

    /// The facts; `None` for a file that carries no JAR signature by its kind.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// jarsigner's verdict.
    pub fn compat(&self) -> Option<&CompatVerdict> {
        self.compat.as_ref()
    }

    /// The verdict of the MID Server's own verifier.
    pub fn agent(&self) -> Option<&AgentVerdict> {
        self.agent.as_ref()
    }

    /// When the two verdicts will change if nothing but time goes by.
    pub fn outlook(&self) -> Option<&Outlook> {
        self.outlook.as_ref()
    }

    /// The digest of the file.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The subject of the signer certificate.
    pub fn signer(&self) -> Option<&str> {
        self.report.as_ref()?.signer_subject()
    }

    /// The time of the timestamp.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.report.as_ref()?.signed_at()
    }

    /// What `jarsigner -verify -verbose -certs -strict` would print: with many entries a hundred megabytes.
    pub fn jarsigner_text(&self) -> String {
        let text = |report| jarsigner::text(report, &self.text);
        self.report.as_ref().map(text).unwrap_or_default()
    }

    /// Writes [`Self::jarsigner_text`] part by part.
    ///
    /// # Errors
    ///
    /// Only if `output` fails.
    pub fn write_jarsigner_text(&self, output: &mut dyn Write) -> io::Result<()> {
        match &self.report {
            Some(report) => jarsigner::write_text(report, &self.text, output),
            None => Ok(()),
        }
    }

    /// Rules that were set aside for this digest, with the operator's reason.
    pub fn relaxations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.relaxed.iter().map(|relaxed| (relaxed.rule, relaxed.reason.as_str()))
    }

    /// What an operator should see of an admitted package.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The proof by which a package is admitted whose timestamp authority has expired.
    pub fn earlier_admission(&self) -> Option<&EarlierAdmission> {
        self.earlier_admission.as_ref().map(AsOfThen::proof)
    }

    pub(super) fn into_verdicts(self) -> (Option<CompatVerdict>, Option<AgentVerdict>) {
        (self.compat, self.agent)
    }

    /// The whole decision as JSON, the form that is stored as evidence.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Writes [`Self::to_json`] part by part.
    ///
    /// # Errors
    ///
    /// Only if `output` fails.
    pub fn write_json(&self, output: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *output, self)?;
        output.write_all(b"\n")?;
        output.flush()
    }

    /// The first refusal, and how many more there are.
    pub fn summary(&self) -> String {
        match self.refusals.split_first() {
            None => "admitted".to_owned(),
            Some((first, [])) => format!("{} [{}]", first.text, first.rule),
            Some((first, more)) => format!("{} [{}] (and {} more)", first.text, first.rule, more.len()),
        }
    }

    /// The decision about withdrawn bytes that need not be looked at.
    pub(crate) fn of_withdrawn(
        name: &PackageName,
        sha256: Sha256Digest,
        policy: &AdmissionPolicy,
    ) -> Option<Self> {
        policy.withdrawal(sha256)?;
        let mut decision = Self::empty(Some(name), sha256, policy);
        decision.refuse_withdrawn(policy);
        Some(decision)
    }

    fn empty(name: Option<&PackageName>, sha256: Sha256Digest, policy: &AdmissionPolicy) -> Self {
        Self {
            schema: "midmirror-report-1",
            name: name.cloned(),
            sha256,
            admitted: false,
            label: Label::Verified,
            refusals: Vec::new(),
            relaxed: Vec::new(),
            notices: Vec::new(),
            earlier_admission: None,
            organization: policy.organization.clone(),
            compat: None,
            agent: None,
            outlook: None,
            report: None,
            text: TextOptions::full(),
        }
    }

    /// A withdrawal counts whatever else is known of the bytes.
    fn refuse_withdrawn(&mut self, policy: &AdmissionPolicy) {
        let Some(withdrawn) = policy.withdrawal(self.sha256) else { return };
        let text = format!("these bytes were withdrawn on {}: {}", withdrawn.at, withdrawn.reason);
        let refusal = Refusal { rule: RULE_WITHDRAWN, class: RefusalClass::Policy, text: one_line(&text) };
        self.refusals.insert(0, refusal);
        self.admitted = false;
    }

    fn judge_unsigned_kind(&mut self, inputs: &AdmissionInputs<'_>) {
        self.label = Label::SignatureNotChecked;
        match inputs.policy.pin(self.sha256) {
            Some(pin) => {
                self.admitted = true;
                self.relaxed.push(Relaxation {
                    rule: RULE_PIN,
                    text: "accepted by its digest, the signature was not checked".to_owned(),
                    reason: pin.reason.clone(),
                });
            }
            None => self.refusals.push(Refusal {
                rule: RULE_PIN,
                class: RefusalClass::Policy,
                text: format!(
                    "files of this kind carry no JAR signature; only a pinned digest admits them (sha256 {})",
                    self.sha256
                ),
            }),
        }
    }

    /// Sets aside what the policy relaxes for this digest; the rest stands.
    fn settle(&mut self, found: Vec<Refusal>, inputs: &AdmissionInputs<'_>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for mut refusal in found {
            let rule = refusal.rule;
            let count = counts.entry(rule).or_default();
            *count += 1;
            if *count > MAX_REFUSALS_PER_RULE {
                continue;
            }
            refusal.text = one_line(&refusal.text);
            match inputs.policy.relaxation(rule, self.sha256) {
                Some(relaxed) if is_relaxable(rule) => {
                    self.relaxed.push(Relaxation { rule, text: refusal.text, reason: relaxed.reason.clone() })
                }
                _ => self.refusals.push(refusal),
            }
        }
        for (rule, count) in counts {
            let more = count.saturating_sub(MAX_REFUSALS_PER_RULE);
            let last = self.refusals.iter_mut().rfind(|refusal| refusal.rule == rule);
            if let (Some(last), 1..) = (last, more) {
                last.text.push_str(&and_more(more + 1));
            }
        }
        self.admitted = self.refusals.is_empty();
    }
}

/// Text that stays in its line, shows what it holds (CVE-2018-12020) and ends: it may quote names from the package.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(MAX_TEXT) {
        if is_hidden_character(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    if text.chars().nth(MAX_TEXT).is_some() {
        line.push_str(&format!("… ({} bytes)", text.len()));
    }
    line
}

/// Names in a package may have 64 KB, and there may be many: what is printed has an end. The report holds all of it.
const MAX_TEXT: usize = 1000;
const MAX_REFUSALS_PER_RULE: usize = 10;
