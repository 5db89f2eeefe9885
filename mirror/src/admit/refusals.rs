//! The reasons against a package: facts and verdicts, judged by the policy.

use jiff::{SignedDuration, Timestamp};
use midmirror_verify::{AgentVerdict, BlockOutcome, CompatVerdict, EntryKind, Outcome, Report};

use super::AdmissionInputs;
use super::decision::{Refusal, RefusalClass};
use super::policy::{
    RULE_AGENT, RULE_ANCHOR, RULE_CODE_SIGNING, RULE_JARSIGNER, RULE_ORGANIZATION, RULE_REMOVED_ENTRIES,
    RULE_SIGNED, RULE_SIGNER_KEY, RULE_STRAY_SIGNATURE_FILE, RULE_TIMESTAMP_IN_FUTURE, RULE_UNSIGNED_ENTRIES,
};

/// All reasons against a package, gravest first.
pub(super) fn refusals(
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
    // 3. Who signed: organisation compared exactly, code signing, anchor, key.
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
        if inputs.policy.code_signing && !signer.code_signing() {
            refuse(
                RULE_CODE_SIGNING,
                Policy,
                format!("the certificate of the signer {:?} does not name code signing", signer.subject()),
            );
        }
        let anchors = &inputs.policy.anchors;
        let anchor = signer.validation().anchor();
        if !anchors.is_empty()
            && !anchor.is_some_and(|anchor| anchors.iter().any(|allowed| allowed.to_hex() == anchor.sha256()))
        {
            let found = anchor.map_or_else(
                || "no anchor".to_owned(),
                |anchor| format!("{:?}, sha256 {}", anchor.subject(), anchor.sha256()),
            );
            refuse(
                RULE_ANCHOR,
                Policy,
                format!("the chain of the signer ends in {found}, not in one of the allowed anchors"),
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

fn refusals_name(refusals: &[Refusal], rule: &str) -> bool {
    refusals.iter().any(|refusal| refusal.rule == rule)
}

pub(super) fn and_more(count: usize) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}
