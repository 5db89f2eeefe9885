//! Facts, verdicts and policy brought together for one file.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use midmirror_verify::{
    AgentRequirements, AgentVerdict, BlockOutcome, CompatOptions, CompatVerdict, EntryKind, Inputs, Outcome,
    Report, Source, examine, jarsigner, jarsigner::TextOptions,
};
use serde::Serialize;

use crate::Sha256Digest;
use crate::package::PackageName;

use super::policy::{
    RULE_AGENT, RULE_JARSIGNER, RULE_ORGANIZATION, RULE_PIN, RULE_REMOVED_ENTRIES, RULE_SIGNED,
    RULE_SIGNER_KEY, RULE_STRAY_SIGNATURE_FILE, RULE_TIMESTAMP_IN_FUTURE, RULE_UNSIGNED_ENTRIES,
    is_relaxable,
};
use super::{AdmissionInputs, Label, identity};

/// What was found, what follows from it, and what this mirror makes of it.
#[derive(Debug, Serialize)]
pub struct Decision {
    schema: &'static str,
    name: Option<PackageName>,
    sha256: Sha256Digest,
    admitted: bool,
    label: Label,
    refusals: Vec<Refusal>,
    relaxed: Vec<Relaxation>,
    organization: String,
    compat: Option<CompatVerdict>,
    agent: Option<AgentVerdict>,
    report: Option<Report>,
    #[serde(skip)]
    jarsigner_text: String,
}

/// One reason against admission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Name of the rule.
    pub rule: &'static str,
    /// Whether the signature or the policy is the reason.
    pub class: RefusalClass,
    /// What is wrong, with the entry.
    pub text: String,
}

/// Whose refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalClass {
    /// The signature does not hold: jarsigner or the MID Server would refuse the file too.
    Verification,
    /// The signature holds, but this mirror does not accept the package.
    Policy,
}

/// A refusal that the policy sets aside for this digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Relaxation {
    rule: &'static str,
    text: String,
    reason: String,
}

/// Examines a file and decides. `name` is what the file claims to be, if it claims anything.
pub fn judge_file(
    file: &Path,
    name: Option<&PackageName>,
    sha256: Sha256Digest,
    inputs: &AdmissionInputs<'_>,
) -> std::io::Result<Decision> {
    let organization = inputs.policy.organization.clone();
    let mut decision = Decision {
        schema: "midmirror-report-1",
        name: name.cloned(),
        sha256,
        admitted: false,
        label: Label::Verified,
        refusals: Vec::new(),
        relaxed: Vec::new(),
        organization: organization.clone(),
        compat: None,
        agent: None,
        report: None,
        jarsigner_text: String::new(),
    };
    if name.is_some_and(|name| !name.is_jar_signed()) {
        decision.judge_unsigned_kind(inputs);
        return Ok(decision);
    }
    let source = Source::open(file)?;
    let verify_inputs =
        Inputs { trust: inputs.trust, at: inputs.at, limits: inputs.policy.limits(), threads: 0 };
    let report = examine(&source, &verify_inputs)?;
    let compat = CompatVerdict::of(&report, &CompatOptions::default());
    let agent = AgentVerdict::of(&report, &AgentRequirements { organization });
    decision.jarsigner_text = jarsigner::text(&report, &TextOptions::full());
    let mut found = refusals(&report, &compat, &agent, inputs);
    if decision.jarsigner_text.contains('%') && jarsigner::breaks_off(&report, &TextOptions::full()) {
        found.push(Refusal {
            rule: RULE_JARSIGNER,
            class: RefusalClass::Verification,
            text: "jarsigner -verbose -certs breaks off at a per cent sign in a certificate".to_owned(),
        });
    }
    if let Some(name) = name {
        found.extend(identity::refusals(&source, &report, name)?);
    }
    decision.settle(found, inputs);
    decision.compat = Some(compat);
    decision.agent = Some(agent);
    decision.report = Some(report);
    Ok(decision)
}

impl Decision {
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

    /// What `jarsigner -verify -verbose -certs -strict` would print.
    pub fn jarsigner_text(&self) -> &str {
        &self.jarsigner_text
    }

    /// Rules that were set aside for this digest, with the operator's reason.
    pub fn relaxations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.relaxed.iter().map(|relaxed| (relaxed.rule, relaxed.reason.as_str()))
    }

    /// The whole decision as JSON, the form that is stored as evidence.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The first refusal, and how many more there are.
    pub fn summary(&self) -> String {
        match self.refusals.split_first() {
            None => "admitted".to_owned(),
            Some((first, [])) => format!("{} [{}]", first.text, first.rule),
            Some((first, more)) => format!("{} [{}] (and {} more)", first.text, first.rule, more.len()),
        }
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

/// All reasons against a package, gravest first.
fn refusals(
    report: &Report,
    compat: &CompatVerdict,
    agent: &AgentVerdict,
    inputs: &AdmissionInputs<'_>,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |rule, class, text: String| refusals.push(Refusal { rule, class, text });
    use RefusalClass::{Policy, Verification};

    // 1. Whatever jarsigner rejects is rejected.
    if compat.outcome() != Outcome::Verified || compat.exit_code() != 0 {
        let mut text = match report.abort() {
            Some(error) => format!("jarsigner: {error}"),
            None => format!("jarsigner: {}", compat.result_sentence().trim()),
        };
        for error in compat.errors() {
            text.push(' ');
            text.push_str(error.trim());
        }
        refuse(RULE_JARSIGNER, Verification, text);
    }
    // 2. jarsigner ends 0 for an archive that nobody signed; this mirror does not.
    if report.abort().is_none() && (!report.has_manifest() || report.signers().is_empty()) {
        refuse(RULE_SIGNED, Verification, "the archive carries no signature that holds".to_owned());
    }
    if let Some(first) = report.unsigned_entries().next() {
        refuse(
            RULE_UNSIGNED_ENTRIES,
            Verification,
            format!("entry {:?} is not signed{}", first.name(), and_more(report.unsigned_entries().count())),
        );
    }
    // 3. The organisation of every signer, compared exactly.
    let organization = inputs.policy.organization.as_str();
    for signer in report.signers() {
        // Two organisations in one name would leave it to the reader which of them counts.
        if !matches!(signer.organizations(), [only] if only == organization) {
            refuse(
                RULE_ORGANIZATION,
                Policy,
                format!("the signer {:?} is not of the organization O={organization}", signer.subject()),
            );
        }
        let keys = &inputs.policy.signer_keys;
        if !keys.is_empty() && !keys.iter().any(|key| key.to_hex() == signer.spki_sha256()) {
            refuse(
                RULE_SIGNER_KEY,
                Policy,
                format!("the signer's key {} is not one of the pinned keys", signer.spki_sha256()),
            );
        }
    }
    // 4. The MID Server would refuse it on the host. A foreign organisation has been named already.
    let named = refusals_name(&refusals, RULE_ORGANIZATION);
    if !agent.accepted() && report.abort().is_none() {
        let reason = agent.reason().unwrap_or("refused");
        if !(named && reason.starts_with("Signer organization")) {
            let entry = agent.entry().map(|entry| format!(" (entry {entry:?})")).unwrap_or_default();
            refusals.push(Refusal {
                rule: RULE_AGENT,
                class: Verification,
                text: format!("the MID Server's verifier would say: {reason}{entry}"),
            });
        }
    }
    // 5. What signatures do not protect against.
    let removed = report.removed_entries();
    if let Some(first) = removed.first() {
        refusals.push(Refusal {
            rule: RULE_REMOVED_ENTRIES,
            class: Policy,
            text: format!("the signed entry {first:?} is missing{}", and_more(removed.len())),
        });
    }
    refusals.extend(timestamp_in_future(report, inputs.at));
    let stray = stray_signature_files(report);
    if let Some(first) = stray.first()
        && !report.signers().is_empty()
    {
        refusals.push(Refusal {
            rule: RULE_STRAY_SIGNATURE_FILE,
            class: Policy,
            text: format!("{first:?} belongs to no signature that holds{}", and_more(stray.len())),
        });
    }
    for finding in report.findings().iter().filter(|finding| finding.is_hazard()) {
        refusals.push(Refusal { rule: finding.rule(), class: Policy, text: finding.to_string() });
    }
    refusals.sort_by_key(|refusal| refusal.class == Policy);
    refusals
}

/// jarsigner accepts a timestamp of tomorrow. One of the two clocks is wrong: the authority's, or that of this machine.
fn timestamp_in_future(report: &Report, at: Timestamp) -> Option<Refusal> {
    let latest = report.signers().iter().filter_map(|signer| Some(signer.timestamp()?.gen_time())).max()?;
    let tolerated = at.checked_add(SignedDuration::from_hours(1)).ok()?;
    (latest > tolerated).then(|| Refusal {
        rule: RULE_TIMESTAMP_IN_FUTURE,
        class: RefusalClass::Policy,
        text: format!("the timestamp {latest} lies after {at}; is this machine's clock right, or --at"),
    })
}

/// Files that need no signature by their name, but are no part of one: anybody can add them.
fn stray_signature_files(report: &Report) -> Vec<&str> {
    let base = |name: &str| name.rsplit_once('.').map_or(name, |(base, _)| base).to_ascii_uppercase();
    let accepted: Vec<String> = report
        .blocks()
        .iter()
        .filter(|block| *block.outcome() == BlockOutcome::Accepted)
        .flat_map(|block| [block.name().to_ascii_uppercase(), format!("{}.SF", base(block.name()))])
        .collect();
    let related = report.entries().iter().filter(|entry| entry.kind() == EntryKind::SignatureRelated);
    related
        .filter(|entry| !entry.is_signed() && !accepted.contains(&entry.name().to_ascii_uppercase()))
        .map(midmirror_verify::EntryReport::name)
        .collect()
}

/// Text that stays in its line, shows what it holds (CVE-2018-12020) and ends: it may quote names from the package.
fn one_line(text: &str) -> String {
    let hides = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut line = String::new();
    for character in text.chars().take(MAX_TEXT) {
        if hides(character) {
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

fn refusals_name(refusals: &[Refusal], rule: &str) -> bool {
    refusals.iter().any(|refusal| refusal.rule == rule)
}

fn and_more(count: usize) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

/// Names in a package may have 64 KB, and there may be many: what is printed has an end. The report holds all of it.
const MAX_TEXT: usize = 1000;
const MAX_REFUSALS_PER_RULE: usize = 10;
