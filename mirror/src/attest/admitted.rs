//! What a store states of an admission.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Sha256Digest;
use crate::admit::Label;
use crate::store::Acceptance;

/// The predicate of the in-toto statement about an admission; the subject is the package under its vendor path.
///
/// Fields may be added within a version of [`ADMITTED`], never renamed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// Id of the store.
    pub store: String,
    /// The version of midmirror that made the statement.
    pub midmirror: String,
    /// Which admission of the store.
    pub admission: u64,
    /// Length of the package in bytes.
    pub length: u64,
    /// How the package was checked.
    pub label: Label,
    /// Subject of the signer certificate.
    pub signer: Option<String>,
    /// Time of the RFC 3161 timestamp.
    pub signed_at: Option<Timestamp>,
    /// When the package was admitted.
    pub admitted_at: Timestamp,
    /// When the same bytes were first admitted, if that was earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_admitted_at: Option<Timestamp>,
    /// Admitted only because these bytes had been admitted before.
    pub by_earlier_admission: bool,
    /// Kept as evidence only, until somebody decides.
    pub held: bool,
    /// The decision that published it, if it took one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// The policy that was applied, as far as the report says.
    pub policy: StatedPolicy,
    /// The digests of the files of its evidence: report, anchors, jarsigner's text, where the bytes came from.
    pub evidence: BTreeMap<String, Sha256Digest>,
    /// When this was signed. For stores of early versions that can be long after the admission.
    pub stated_at: Timestamp,
}

/// The policy that was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedPolicy {
    /// The organisation that the signer has to be of.
    pub organization: Option<String>,
    /// The rules that were set aside for these bytes.
    #[serde(default)]
    pub relaxed: Vec<StatedRelaxation>,
}

/// A rule that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedRelaxation {
    /// Name of the rule.
    pub rule: String,
    /// Why, in the words of the operator.
    pub reason: String,
}

/// The predicate type of [`Admitted`].
pub const ADMITTED: &str = "urn:midmirror:admission:1";
