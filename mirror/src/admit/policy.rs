//! What this mirror accepts, as a function of facts and verdicts.
//!
//! Rules that nobody can relax: the strict jarsigner verdict, the MID Server's own verifier, a manifest, no unsigned
//! entry, the pinned organisation, code signing, the allowed anchors and keys, an authority of the timestamp that has
//! not expired (or proof of an earlier admission). Everything else (structural hazards, removed entries) can be relaxed for one rule
//! and one digest, with a reason; the relaxation becomes part of the evidence.

use serde::{Deserialize, Serialize};

use midmirror_verify::Limits;

use crate::Sha256Digest;
use crate::withdraw::WithdrawnPackage;

/// What this mirror accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionPolicy {
    /// The value of the organisation (O) in the signer's subject, compared exactly.
    pub organization: String,
    /// SHA-256 digests of the signer's public key (SubjectPublicKeyInfo); empty means that any key of the
    /// organisation is accepted, because a new certificate of the same organisation is ordinary.
    pub signer_keys: Vec<Sha256Digest>,
    /// Whether the extended key usage of the signer must name code signing (RFC 5280, 4.2.1.12). The MID Server's own
    /// verifier demands it in any case, so no configuration turns this off.
    pub code_signing: bool,
    /// SHA-256 digests of the trust anchors that a signer's chain may end in; empty means any of the trust set. The
    /// chains of timestamp authorities are not meant.
    pub anchors: Vec<Sha256Digest>,
    /// Rules relaxed for single packages.
    pub relaxed: Vec<RelaxedRule>,
    /// Files that carry no JAR signature (`.deb`, `.rpm`, `.msi`) and are accepted by their digest alone.
    pub pinned: Vec<PinnedDigest>,
    /// Bytes that nobody is to get any more.
    pub withdrawn: Vec<WithdrawnPackage>,
}

impl Default for AdmissionPolicy {
    fn default() -> Self {
        Self {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            signer_keys: Vec::new(),
            code_signing: true,
            anchors: Vec::new(),
            relaxed: Vec::new(),
            pinned: Vec::new(),
            withdrawn: Vec::new(),
        }
    }
}

/// A rule that does not hold for one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelaxedRule {
    /// Name of the rule, as refusals print it.
    pub rule: String,
    /// Digest of the package.
    pub sha256: Sha256Digest,
    /// Why; becomes part of the evidence.
    pub reason: String,
}

/// A file accepted by its digest alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedDigest {
    /// Digest of the file.
    pub sha256: Sha256Digest,
    /// Where the digest comes from; becomes part of the evidence.
    pub reason: String,
}

impl AdmissionPolicy {
    /// The relaxation of a rule for a digest, if there is one.
    pub(super) fn relaxation(&self, rule: &str, sha256: Sha256Digest) -> Option<&RelaxedRule> {
        self.relaxed.iter().find(|relaxed| relaxed.rule == rule && relaxed.sha256 == sha256)
    }

    /// What an examination may cost, whoever made the file: the largest package known unpacks to about 1.2 GB in fewer
    /// than 10,000 entries.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            central_directory: 16 << 20,
            entries: 250_000,
            entry_size: 8 << 30,
            total_size: 20 << 30,
            ..Limits::default()
        }
    }

    /// The withdrawal of a digest, if there is one.
    pub fn withdrawal(&self, sha256: Sha256Digest) -> Option<&WithdrawnPackage> {
        self.withdrawn.iter().find(|withdrawn| withdrawn.sha256 == sha256)
    }

    /// The pin of a digest, if there is one.
    pub(super) fn pin(&self, sha256: Sha256Digest) -> Option<&PinnedDigest> {
        self.pinned.iter().find(|pin| pin.sha256 == sha256)
    }
}

/// Whether an operator may relax a rule at all.
pub fn is_relaxable(rule: &str) -> bool {
    !FIRM_RULES.contains(&rule)
}

/// The organisation that signs MID Server packages (KB0962479).
pub const DEFAULT_ORGANIZATION: &str = "ServiceNow Inc.";

/// The strict verdict of jarsigner must be "jar verified." with exit code 0.
pub const RULE_JARSIGNER: &str = "jarsigner";
/// The MID Server's own verifier must accept the package.
pub const RULE_AGENT: &str = "agent-verifier";
/// The archive must have a manifest and a signer.
pub const RULE_SIGNED: &str = "signed";
/// Every entry must be signed.
pub const RULE_UNSIGNED_ENTRIES: &str = "unsigned-entries";
/// No signed entry may be missing.
pub const RULE_REMOVED_ENTRIES: &str = "removed-entries";
/// Every signer must belong to the pinned organisation.
pub const RULE_ORGANIZATION: &str = "organization";
/// The signer's key must be one of the pinned keys.
pub const RULE_SIGNER_KEY: &str = "signer-key";
/// The extended key usage of every signer must name code signing.
pub const RULE_CODE_SIGNING: &str = "code-signing";
/// Every signer's chain must end in one of the allowed anchors.
pub const RULE_ANCHOR: &str = "anchor";
/// The timestamp authority has expired, and there is no proof of an earlier admission.
pub const RULE_AUTHORITY_EXPIRED: &str = "timestamp-authority-expired";
/// A package that is only admitted by proof of an earlier admission is refused by MID Servers, so it is not staged.
pub const RULE_AGENT_REFUSES_NOW: &str = "agent-refuses-now";
/// A file that cannot carry a JAR signature needs a pinned digest.
pub const RULE_PIN: &str = "signature-not-checked";
/// Nobody is to get withdrawn bytes, whatever their signature says.
pub const RULE_WITHDRAWN: &str = "withdrawn";
/// Nothing is signed after the moment at which it is judged.
pub const RULE_TIMESTAMP_IN_FUTURE: &str = "timestamp-in-future";
/// The content must be the package that its name says.
pub const RULE_CONTENT_NAME: &str = "content-name";

/// Nothing is signed before it is built: an older package under a newer name.
pub const RULE_SIGNED_BEFORE_BUILD: &str = "signed-before-build";
/// No file may pass for a signature file without being part of a signature.
pub const RULE_STRAY_SIGNATURE_FILE: &str = "stray-signature-file";

const FIRM_RULES: [&str; 11] = [
    RULE_WITHDRAWN,
    RULE_JARSIGNER,
    RULE_AGENT,
    RULE_SIGNED,
    RULE_UNSIGNED_ENTRIES,
    RULE_ORGANIZATION,
    RULE_SIGNER_KEY,
    RULE_CODE_SIGNING,
    RULE_ANCHOR,
    RULE_AUTHORITY_EXPIRED,
    RULE_PIN,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_rules_cannot_be_relaxed_but_hazards_can() {
        for rule in FIRM_RULES {
            assert!(!is_relaxable(rule), "{rule}");
        }
        assert!(is_relaxable(RULE_REMOVED_ENTRIES));
        assert!(is_relaxable("trailing-bytes"));
        assert!(is_relaxable(RULE_AGENT_REFUSES_NOW));
    }

    #[test]
    fn a_relaxation_holds_for_its_rule_and_digest_only() {
        let digest = Sha256Digest::of(b"a");
        let policy = AdmissionPolicy {
            relaxed: vec![RelaxedRule {
                rule: "trailing-bytes".into(),
                sha256: digest,
                reason: "test".into(),
            }],
            ..AdmissionPolicy::default()
        };
        assert!(policy.relaxation("trailing-bytes", digest).is_some());
        assert!(policy.relaxation("leading-bytes", digest).is_none());
        assert!(policy.relaxation("trailing-bytes", Sha256Digest::of(b"b")).is_none());
    }
}
