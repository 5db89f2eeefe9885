//! What the MID Server's own verifier concludes: it demands more than `jarsigner` and gives a reason in its own words.

use schemars::JsonSchema;
use serde::Serialize;

use crate::chain::ChainFailureKind;
use crate::report::{EntryKind, EntryReport, Report, SignerReport};

/// What the verifier demands of signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRequirements {
    /// A value of organisation (O) in the signer's subject, compared whole and exactly.
    pub organization: String,
}

impl Default for AgentRequirements {
    fn default() -> Self {
        Self { organization: "ServiceNow Inc.".to_owned() }
    }
}

/// What the MID Server's own verifier concludes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgentVerdict {
    accepted: bool,
    reason: Option<String>,
    entry: Option<String>,
}

impl AgentVerdict {
    /// Draws the conclusion: every file must have a signer that meets all requirements.
    pub fn of(report: &Report, requirements: &AgentRequirements) -> Self {
        if let Some(error) = report.abort() {
            let forged = error.class == "java.lang.SecurityException";
            return Self::refused(
                if forged { "File has been tampered" } else { "Error while reading data" },
                None,
            );
        }
        let objections: Vec<Option<String>> =
            report.signers().iter().map(|signer| objection(signer, requirements)).collect();
        let mut files = 0;
        for entry in
            report.entries().iter().filter(|entry| entry.kind() == EntryKind::File || entry.is_unsigned())
        {
            files += 1;
            if let Some(reason) = entry_objection(entry, &objections) {
                return Self::refused(&reason, Some(entry.name()));
            }
        }
        if files == 0 {
            return Self::refused("Entry is not signed", None);
        }
        Self { accepted: true, reason: None, entry: None }
    }

    fn refused(reason: &str, entry: Option<&str>) -> Self {
        Self { accepted: false, reason: Some(reason.to_owned()), entry: entry.map(str::to_owned) }
    }

    /// Whether the verifier accepts the package.
    pub fn accepted(&self) -> bool {
        self.accepted
    }

    /// The reason for refusal in the vendor's words.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The first entry that is refused.
    pub fn entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }
}

/// Why an entry is refused: the objection to its last signer, if there is one to each.
fn entry_objection(entry: &EntryReport, objections: &[Option<String>]) -> Option<String> {
    if !entry.in_manifest() {
        return Some("Entry is not in manifest".to_owned());
    }
    if !entry.is_signed() {
        return Some("Entry is not signed".to_owned());
    }
    let mut last = Some("Entry doesn't have valid signer".to_owned());
    for signer in entry.signers() {
        match objections.get(*signer) {
            Some(None) => return None,
            Some(Some(objection)) => last = Some(objection.clone()),
            None => {}
        }
    }
    last
}

/// Why a signer is not good enough.
fn objection(signer: &SignerReport, requirements: &AgentRequirements) -> Option<String> {
    let reason = |text: &str| Some(text.to_owned());
    if !signer.code_signing() {
        return reason("Signer is not entitled for code signing");
    }
    let outside_validity = matches!(
        signer.chain_failure().map(|failure| failure.kind()),
        Some(ChainFailureKind::Expired | ChainFailureKind::NotYetValid)
    );
    if !signer.chain_valid() && !outside_validity {
        return reason("Signer is not trusted by CA");
    }
    let Some(timestamp) = signer.timestamp() else {
        return reason("Signer doesn't have timestamp");
    };
    match timestamp.chain_failure().map(|failure| failure.kind()) {
        None => {}
        Some(ChainFailureKind::Expired) => return reason("Timestamp certificate is expired"),
        Some(_) => return reason("Timestamp certificate is not trusted by CA"),
    }
    if outside_validity {
        return reason("Signer certificate is not valid at the time of signing");
    }
    if !signer.organizations().contains(&requirements.organization) {
        return Some(format!("Signer organization is not O={}", requirements.organization));
    }
    None
}
