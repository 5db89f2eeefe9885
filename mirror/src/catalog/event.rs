//! What the log of a store says, one entry for each thing that was done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CatalogEntry, CatalogVersions, Publication, RootChange};
use crate::Sha256Digest;
use crate::admit::{Decision, Label};
use crate::package::PackagePath;
use crate::prune::Pruning;
use crate::store::{Admission, Repair};
use crate::withdraw::{Act, Withdrawal};

/// One entry of the log; canonical JSON there. Entries of later versions may be of other kinds and have more fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A package was admitted.
    Admitted {
        /// When.
        at: Timestamp,
        /// Which admission of this store, beginning with 1.
        number: u64,
        /// The vendor path.
        path: PackagePath,
        /// Digest of the bytes.
        sha256: Sha256Digest,
        /// Length in bytes.
        length: u64,
        /// How it was checked.
        label: Label,
        /// Subject of the signer certificate.
        signer: Option<String>,
        /// Other bytes were published under this name, and these wait for a decision.
        held: bool,
        /// Admitted only because these bytes had been admitted before.
        by_earlier_admission: bool,
        /// Digests of the files of its evidence.
        evidence: BTreeMap<String, Sha256Digest>,
    },
    /// Somebody decided that bytes which the store had already are the published ones.
    Accepted {
        /// When.
        at: Timestamp,
        /// The admission that says so.
        number: u64,
        /// The vendor path.
        path: PackagePath,
        /// Digest of the bytes.
        sha256: Sha256Digest,
        /// The admission whose evidence it repeats.
        admission: u64,
        /// Who decided, as far as known; at most 2,000 characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Why; at most 2,000 characters here, in full in the evidence.
        reason: String,
        /// Digests of the files of its evidence.
        evidence: BTreeMap<String, Sha256Digest>,
    },
    /// Verification or policy refused bytes.
    Refused {
        /// When.
        at: Timestamp,
        /// The vendor path.
        path: PackagePath,
        /// Digest of the bytes.
        sha256: Sha256Digest,
        /// The rules, most of them names of [`Finding`](midmirror_verify::Finding)s; at most 50.
        rules: Vec<String>,
        /// The first refusal; at most 2,000 characters.
        reason: String,
    },
    /// Somebody decided that nobody is to get some bytes any more.
    Withdrawn(WithdrawalEvent),
    /// Somebody decided that withdrawn bytes may be had again.
    Lifted(WithdrawalEvent),
    /// Old packages made room: they are no longer in the catalog, and their bytes are removed.
    Pruned {
        /// When.
        at: Timestamp,
        /// The number of the record.
        pruning: u64,
        /// Digest of the record, which names the packages.
        record: Sha256Digest,
        /// How many packages.
        count: u64,
        /// Their bytes.
        bytes: u64,
        /// Who carried it out, as that person said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The store was repaired.
    Repaired {
        /// When.
        at: Timestamp,
        /// Packages whose bytes were bad and were set aside; at most 500 are named.
        set_aside: Vec<Sha256Digest>,
        /// How many there were.
        count: u64,
    },
    /// A version of the catalog was published.
    Published {
        /// When.
        at: Timestamp,
        /// Its metadata files.
        versions: CatalogVersions,
        /// Digest of `timestamp.json`, which all others follow from.
        timestamp_sha256: Sha256Digest,
        /// How many packages it lists.
        packages: u64,
    },
    /// The keys of the catalog were changed, or the root metadata renewed.
    KeysChanged {
        /// When.
        at: Timestamp,
        /// The version of the root metadata that says so.
        root: u64,
        /// What changed for each role; empty if nothing but the end of validity did.
        roles: Vec<RootChange>,
        /// Why; at most 2,000 characters.
        reason: String,
    },
    /// Another key of the store signs this log and the list of digests from now on.
    StoreKeyChanged {
        /// When.
        at: Timestamp,
        /// The Ed25519 public key before, in hexadecimal digits.
        from: String,
        /// The one from now on.
        to: String,
        /// Why; at most 2,000 characters.
        reason: String,
    },
}

/// What the log says of a decision about some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WithdrawalEvent {
    /// When.
    pub at: Timestamp,
    /// Which decision of this store, beginning with 1.
    pub withdrawal: u64,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// The vendor paths under which the store had them.
    pub paths: Vec<PackagePath>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub by: Option<String>,
    /// The id of the store whose catalog said so, if it was another mirror.
    pub learned_from: Option<String>,
    /// Digest of the record.
    pub record: Sha256Digest,
}

impl Event {
    /// What is said of a withdrawal, whose record has this digest.
    pub(super) fn of_withdrawal(withdrawal: &Withdrawal, record: Sha256Digest) -> Self {
        let event = WithdrawalEvent {
            at: withdrawal.at,
            withdrawal: withdrawal.number,
            sha256: withdrawal.sha256,
            paths: withdrawal.paths.clone(),
            reason: shortened(&withdrawal.reason),
            by: withdrawal.by.as_deref().map(shortened),
            learned_from: withdrawal.learned_from.as_deref().map(shortened),
            record,
        };
        match withdrawal.act {
            Act::Withdrawn => Self::Withdrawn(event),
            Act::Lifted => Self::Lifted(event),
        }
    }

    /// What is said of an admission, whose evidence has these digests.
    pub(super) fn of_admission(admission: &Admission, evidence: BTreeMap<String, Sha256Digest>) -> Self {
        let entry = admission.entry();
        match admission.accepted() {
            Some(accepted) => Self::Accepted {
                at: accepted.at,
                number: admission.number(),
                path: entry.path.clone(),
                sha256: entry.sha256,
                admission: accepted.admission,
                by: accepted.by.as_deref().map(shortened),
                reason: shortened(&accepted.reason),
                evidence,
            },
            None => Self::Admitted {
                at: entry.admitted_at,
                number: admission.number(),
                path: entry.path.clone(),
                sha256: entry.sha256,
                length: entry.length,
                label: entry.label,
                signer: entry.signer.as_deref().map(shortened),
                held: admission.is_held(),
                by_earlier_admission: entry.by_earlier_admission,
                evidence,
            },
        }
    }

    /// What is said of a refusal.
    pub(crate) fn refused(
        path: &PackagePath,
        sha256: Sha256Digest,
        decision: &Decision,
        at: Timestamp,
    ) -> Self {
        let mut rules: Vec<String> = Vec::new();
        for refusal in decision.refusals() {
            if rules.len() < 50 && !rules.iter().any(|rule| rule == refusal.rule) {
                rules.push(refusal.rule.to_owned());
            }
        }
        Self::Refused { at, path: path.clone(), sha256, rules, reason: shortened(&decision.summary()) }
    }

    /// What is said of a pruning, whose record has this digest.
    pub(super) fn of_pruning(pruning: &Pruning, record: Sha256Digest) -> Self {
        Self::Pruned {
            at: pruning.at,
            pruning: pruning.number,
            record,
            count: u64::try_from(pruning.packages.len()).unwrap_or(u64::MAX),
            bytes: pruning.packages.iter().fold(0, |sum, package| package.length.saturating_add(sum)),
            by: pruning.by.as_deref().map(shortened),
        }
    }

    /// What is said of a repair.
    pub(crate) fn repaired(repair: &Repair, at: Timestamp) -> Self {
        let digests = repair.set_aside.iter().map(|aside| aside.sha256);
        Self::Repaired {
            at,
            set_aside: digests.take(500).collect(),
            count: u64::try_from(repair.set_aside.len()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn published(
        publication: &Publication,
        timestamp_sha256: Sha256Digest,
        at: Timestamp,
    ) -> Self {
        Self::Published {
            at,
            versions: publication.versions,
            timestamp_sha256,
            packages: u64::try_from(publication.packages).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn keys_changed(at: Timestamp, root: u64, roles: &[RootChange], reason: &str) -> Self {
        Self::KeysChanged { at, root, roles: roles.to_vec(), reason: shortened(reason) }
    }

    pub(super) fn store_key_changed(at: Timestamp, from: [u8; 32], to: [u8; 32], reason: &str) -> Self {
        Self::StoreKeyChanged { at, from: hex::encode(from), to: hex::encode(to), reason: shortened(reason) }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Admitted { at, .. }
            | Self::Accepted { at, .. }
            | Self::Refused { at, .. }
            | Self::Published { at, .. }
            | Self::Pruned { at, .. }
            | Self::Repaired { at, .. }
            | Self::KeysChanged { at, .. }
            | Self::StoreKeyChanged { at, .. } => *at,
            Self::Withdrawn(event) | Self::Lifted(event) => event.at,
        }
    }

    /// The admission that it is about.
    pub fn admission(&self) -> Option<u64> {
        match self {
            Self::Admitted { number, .. } | Self::Accepted { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// The digests of the evidence that it is about.
    pub fn evidence(&self) -> Option<&BTreeMap<String, Sha256Digest>> {
        match self {
            Self::Admitted { evidence, .. } | Self::Accepted { evidence, .. } => Some(evidence),
            _ => None,
        }
    }

    /// Whether it is about these bytes under this path.
    pub(super) fn is_about(&self, entry: &CatalogEntry) -> bool {
        match self {
            Self::Admitted { path, sha256, .. } | Self::Accepted { path, sha256, .. } => {
                *path == entry.path && *sha256 == entry.sha256
            }
            _ => false,
        }
    }

    /// The bytes that it is about.
    pub fn sha256(&self) -> Option<&Sha256Digest> {
        match self {
            Self::Admitted { sha256, .. } | Self::Accepted { sha256, .. } | Self::Refused { sha256, .. } => {
                Some(sha256)
            }
            Self::Withdrawn(event) | Self::Lifted(event) => Some(&event.sha256),
            _ => None,
        }
    }

    pub(super) fn to_canonical_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        let formatter = olpc_cjson::CanonicalFormatter::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
        Ok(bytes)
    }
}

/// An entry of the log has at most 65,535 bytes, and JSON makes up to six of one.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const MOST_CHARACTERS: usize = 2_000;
