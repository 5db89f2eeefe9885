//! What the evidence says of an admission: the verdicts of then, and the anchors of then.

use std::io::Read;

use jiff::Timestamp;
use midmirror_verify::{AgentAnchors, Outcome, TrustStore};
use serde::Deserialize;

use super::Basis;
use super::finding::Relaxed;
use crate::admit::{AdmissionPolicy, Judged, Label, RelaxedRule};
use crate::store::{Admission, Store};
use crate::{Sha256Digest, error_text};

/// The verdicts of then, as far as they were written down; early versions wrote less.
#[derive(Debug)]
pub(super) struct Recorded {
    said: Said,
    /// The moment that counted: that of the proof, for an admission by proof.
    pub(super) judged_at: Option<Timestamp>,
    /// The anchors of then.
    pub(super) anchors: AnchorsThen,
}

/// The anchors of then.
#[derive(Debug, Clone)]
pub(super) struct AnchorsThen {
    pub(super) signers: TrustStore,
    pub(super) timestamps: Option<TrustStore>,
    pub(super) agent: Option<AgentAnchors>,
}

impl Recorded {
    /// Reads the evidence of an admission; the reason if that is not possible. That its `report.json` is the one that was recorded
    /// is told by the check of the store, which hashes it.
    pub(super) fn read(store: &Store, admission: &Admission) -> Result<Self, String> {
        let opened = store.open_document(admission, "report.json").map_err(|error| error.to_string());
        let said = opened
            .and_then(Said::read)
            .map_err(|error| format!("its report.json cannot be read: {error}"))?;
        let judged_at = match &said.earlier_admission {
            Some(then) => Some(then.proof.admitted_at),
            None => said.report.as_ref().map(|report| report.examined_at),
        };
        let pem = store
            .document(admission, "anchors.pem")
            .map_err(|error| format!("its anchors.pem cannot be read: {}", error_text(&error)))?;
        let pem = String::from_utf8(pem).map_err(|_| "its anchors.pem is no text".to_owned())?;
        let anchors = AnchorsThen::parse(&pem)?;
        if let Some(set) = said.report.as_ref().and_then(|report| report.trust_store.as_ref())
            && set.sha256 != anchors.signers.digest()
        {
            return Err("its anchors.pem is not the set that its report names".to_owned());
        }
        Ok(Self { said, judged_at, anchors })
    }

    /// The policy of then, as far as it was written down.
    pub(super) fn policy(&self, today: &AdmissionPolicy, sha256: Sha256Digest) -> AdmissionPolicy {
        let organization = self.said.organization.clone().unwrap_or_else(|| today.organization.clone());
        let relaxed = self.said.relaxed.iter();
        AdmissionPolicy {
            organization,
            relaxed: relaxed
                .map(|relaxed| RelaxedRule {
                    rule: relaxed.rule.clone(),
                    sha256,
                    reason: relaxed.reason.clone(),
                })
                .collect(),
            ..AdmissionPolicy::default()
        }
    }

    /// The rules that were set aside.
    pub(super) fn relaxed(&self) -> &[Relaxed] {
        &self.said.relaxed
    }

    /// What it says that is not found again.
    pub(super) fn contradictions(&self, admission: &Admission, judged: &Judged) -> Vec<String> {
        let entry = admission.entry();
        let said = &self.said;
        let (compat, agent) = match &said.earlier_admission {
            Some(then) => (&then.compat, &then.agent),
            None => (&said.compat, &said.agent),
        };
        let mut texts = Vec::new();
        let mut differs = |what: &str, recorded: &str, found: &str| {
            if recorded != found {
                texts.push(format!("{what} was recorded as {recorded:?} and is found to be {found:?}"));
            }
        };
        differs("the digest", &said.sha256.to_hex(), &entry.sha256.to_hex());
        differs("admission", if said.admitted { "admitted" } else { "refused" }, "admitted");
        if let Some(label) = said.label {
            differs("the label", label.as_str(), entry.label.as_str());
        }
        if let Some(compat) = compat {
            differs("jarsigner's exit code", &compat.exit_code.to_string(), &judged.exit_code.to_string());
            let found = if judged.outcome == Outcome::Verified { "verified" } else { "something else" };
            differs("jarsigner's conclusion", &compat.outcome, found);
        }
        if let Some(agent) = agent {
            let word = |accepts| if accepts { "accepted" } else { "refused" };
            differs("the MID Server's verdict", word(agent.accepted), word(judged.agent_accepts));
        }
        let report = judged.report();
        let none = "none";
        differs(
            "the signer",
            entry.signer.as_deref().unwrap_or(none),
            report.signer_subject().unwrap_or(none),
        );
        let time = |at: Option<Timestamp>| at.map_or_else(|| none.to_owned(), |at| at.to_string());
        differs("the time of the timestamp", &time(entry.signed_at), &time(report.signed_at()));
        if let Some(recorded) = &said.report {
            let leaf = |signer: &SaidSigner| signer.chain.first().map(|leaf| leaf.sha256.clone());
            let recorded: Vec<String> = recorded.signers.iter().filter_map(leaf).collect();
            let found: Vec<String> =
                report.signers().iter().map(|signer| signer.certificate_sha256().to_owned()).collect();
            differs("the signer's certificate", &recorded.join(", "), &found.join(", "));
        }
        texts
    }
}

impl AnchorsThen {
    fn parse(pem: &str) -> Result<Self, String> {
        let (own, agent) = split(pem, "# Anchors for the MID Server:\n");
        let (signers, timestamps) = split(own, "# Anchors for timestamp authorities:\n");
        let set = |text: &str| {
            if !text.contains("-----BEGIN CERTIFICATE-----") {
                return Ok(TrustStore::empty(NAME));
            }
            TrustStore::read(NAME, text.as_bytes(), None)
                .map_err(|error| format!("its anchors.pem cannot be read: {error}"))
        };
        Ok(Self {
            signers: set(signers)?,
            timestamps: timestamps.map(set).transpose()?,
            agent: agent.map(set).transpose()?.map(AgentAnchors::Given),
        })
    }

    /// Whether these are the anchors that decide today.
    pub(super) fn are_those_of(&self, basis: &Basis<'_>) -> bool {
        let agent = |anchors: Option<&AgentAnchors>| match anchors {
            Some(AgentAnchors::Given(store)) => Some(store.digest()),
            _ => None,
        };
        self.signers.digest() == basis.trust.digest()
            && self.timestamps.as_ref().map(TrustStore::digest)
                == basis.timestamp_trust.map(TrustStore::digest)
            && agent(self.agent.as_ref()) == agent(basis.agent_anchors)
    }
}

fn split<'a>(text: &'a str, heading: &str) -> (&'a str, Option<&'a str>) {
    text.split_once(heading).map_or((text, None), |(before, after)| (before, Some(after)))
}

const NAME: &str = "anchors.pem of the evidence";

#[derive(Debug, Deserialize)]
struct Said {
    sha256: Sha256Digest,
    admitted: bool,
    label: Option<Label>,
    organization: Option<String>,
    #[serde(default)]
    relaxed: Vec<Relaxed>,
    #[serde(default)]
    earlier_admission: Option<SaidThen>,
    compat: Option<SaidCompat>,
    agent: Option<SaidAgent>,
    report: Option<SaidReport>,
}

impl Said {
    /// Reads a report. Its entries come last and are by far the most of it; nothing here asks for them, and they are not read.
    fn read(mut report: impl Read) -> Result<Self, String> {
        // No string in JSON has a line break in it, so this can only be the field.
        const ENTRIES: &[u8] = b",\n    \"entries\": [";
        let mut begin = Vec::new();
        loop {
            let seen = begin.len();
            let read = report.by_ref().take(PIECE).read_to_end(&mut begin);
            read.map_err(|error| error.to_string())?;
            let from = seen.saturating_sub(ENTRIES.len());
            let new = begin.get(from..).unwrap_or_default();
            if let Some(at) = new.windows(ENTRIES.len()).position(|window| window == ENTRIES) {
                let head = [begin.get(..from + at).unwrap_or_default(), b"}}"].concat();
                if let Ok(said) = serde_json::from_slice(&head) {
                    return Ok(said);
                }
            }
            if begin.len() == seen {
                return serde_json::from_slice(&begin).map_err(|error| error.to_string());
            }
            if begin.len() > LONGEST_REPORT {
                return Err(format!("it has more than {LONGEST_REPORT} bytes"));
            }
        }
    }
}

const PIECE: u64 = 64 * 1024;
/// Of reports that are in another form than ours; ours are read as far as their entries.
const LONGEST_REPORT: usize = 256 << 20;

#[derive(Debug, Deserialize)]
struct SaidThen {
    proof: SaidProof,
    compat: Option<SaidCompat>,
    agent: Option<SaidAgent>,
}

#[derive(Debug, Deserialize)]
struct SaidProof {
    admitted_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct SaidCompat {
    outcome: String,
    exit_code: u8,
}

#[derive(Debug, Deserialize)]
struct SaidAgent {
    accepted: bool,
}

#[derive(Debug, Deserialize)]
struct SaidReport {
    examined_at: Timestamp,
    trust_store: Option<SaidSet>,
    #[serde(default)]
    signers: Vec<SaidSigner>,
}

#[derive(Debug, Deserialize)]
struct SaidSet {
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct SaidSigner {
    chain: Vec<SaidCertificate>,
}

#[derive(Debug, Deserialize)]
struct SaidCertificate {
    sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_without_their_entries_and_in_any_form() {
        let sha256 = Sha256Digest::of(b"x");
        let report = serde_json::json!({
            "sha256": sha256,
            "admitted": true,
            "compat": {"outcome": "verified", "exit_code": 0},
            "report": {
                "examined_at": "2026-07-01T00:00:00Z",
                "signers": [{"chain": [{"sha256": "ab"}]}],
                "entries": [{"name": "a"}],
            },
        });
        // The library's own form has the entries last.
        let pretty = format!(
            "{{\n  \"sha256\": \"{sha256}\",\n  \"admitted\": true,\n  \"report\": {{\n    \"examined_at\": \
             \"2026-07-01T00:00:00Z\",\n    \"entries\": [\n      {{\"name\": \"a\"}}\n    ]\n  }}\n}}\n"
        );
        for text in [report.to_string(), serde_json::to_string_pretty(&report).unwrap(), pretty] {
            let said = Said::read(text.as_bytes()).unwrap();
            assert!(said.admitted && said.sha256 == sha256);
            assert_eq!(said.report.unwrap().examined_at.to_string(), "2026-07-01T00:00:00Z");
        }
        assert!(Said::read(&b"{}"[..]).is_err());
    }
}
