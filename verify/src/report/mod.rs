//! The facts about an archive: what is in it, who signed what, what is odd. No opinion.
//!
//! Serialised, a report is one JSON object. Fields may be added within a schema version, never renamed or removed;
//! times are RFC 3339 in UTC, digests are hexadecimal, names of certificates as Java prints them.
//!
//! | field | content |
//! | --- | --- |
//! | `schema` | 1 |
//! | `examined_at` | the moment that counted as now |
//! | `trust_store` | `name`, `sha256` over the anchors, number of `anchors` |
//! | `timestamp_trust_store` | the same of the set for timestamp authorities; `null` if it is the one set |
//! | `length`, `entry_count`, `total_size` | bytes of the archive, entries, sum of their declared sizes |
//! | `abort` | `null`, or `class` and `message` of the exception that ends the JDK's verification |
//! | `has_manifest` | whether there is a manifest |
//! | `signers[]` | accepted signers: `block`, `digest_algorithm`, `signature_algorithm`, `signed_attributes`, `chain[]`, `validation`, `timestamp`, number of `entries` |
//! | `signers[].chain[]` | `subject`, `issuer`, `organizations`, `serial`, `sha256`, `spki_sha256`, `not_before`, `not_after`, `signature_algorithm`, `signature_strength`, `key`, `trusted`, `self_signed`, `code_signing`, `time_stamping`, `usage` |
//! | `signers[].validation` | `at`, `failure` (`null`, or `kind` and `reason`), `anchor` (`null`, or `subject` and `sha256`) |
//! | `signers[].timestamp` | `null`, or `gen_time`, `imprint_algorithm`, `signature_algorithm`, `is_tst_info`, `chain[]`, `validation`, `earliest_end` |
//! | `blocks[]` | every signature block: `name`, `outcome` (`accepted`, `ignored`, `refused`, `without_signature_file`; with `reason`) |
//! | `signature_files[]` | what signature files and blocks say of themselves; no evidence |
//! | `findings[]` | oddities: `finding` and its details |
//! | `removed_entries[]` | signed names without an entry |
//! | `entries[]` | in archive order: `name`, `size`, `compressed_size`, `modified`, `mode`, `kind`, `in_manifest`, `signers[]` (indices) |
//!
//! Verdicts are drawn from a report and stand beside it, not in it:
//!
//! | verdict | content |
//! | --- | --- |
//! | [`AgentVerdict`](crate::AgentVerdict) | `accepted`, `reason`, `entry`, `anchors` (like `trust_store`; `null` if the agent's key store cannot be read), `anchors_error` |
//! | [`Outlook`](crate::Outlook) | `changes[]`: `at`, `jarsigner` (`exit_code`, `sentence`), `agent` (`accepted`, `reason`), `because`; `known_until` (`null`: for all time) |

mod certificate;
mod entry;
mod signature_file;
mod signer;

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::cross_check::CrossCheck;
use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::jdk::{Jdk, Rules};
use crate::judge_chains::AnchorSets;
use crate::trust_store::TrustStore;

pub use certificate::{CertificateReport, KeyReport};
pub use entry::{EntryKind, EntryReport};
pub use signature_file::{
    AlgorithmReport, BlockDescription, BlockOutcome, BlockReport, SignatureFileReport, TokenReport,
};
pub use signer::{AnchorReport, ChainReport, SignerReport, TimestampReport};

/// The facts about an archive.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    #[schemars(extend("const" = REPORT_SCHEMA))]
    pub(crate) schema: u32,
    pub(crate) examined_at: Timestamp,
    pub(crate) trust_store: TrustStoreReport,
    pub(crate) timestamp_trust_store: Option<TrustStoreReport>,
    pub(crate) length: u64,
    pub(crate) abort: Option<JavaError>,
    pub(crate) has_manifest: bool,
    pub(crate) entry_count: usize,
    pub(crate) total_size: u64,
    pub(crate) signers: Vec<SignerReport>,
    pub(crate) blocks: Vec<BlockReport>,
    pub(crate) signature_files: Vec<SignatureFileReport>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) removed_entries: Vec<String>,
    /// Shared by the copies of a report that are judged at other moments.
    #[serde(serialize_with = "shared")]
    #[schemars(with = "Vec<EntryReport>")]
    pub(crate) entries: Arc<Vec<EntryReport>>,
    /// The anchors themselves, to judge the chains as of another moment.
    #[serde(skip)]
    pub(crate) anchor_sets: AnchorSets,
    /// What the report is from each later algorithm date on.
    #[serde(skip)]
    pub(crate) later: Vec<Arc<Report>>,
    /// What the second pass of newer JDKs found.
    #[serde(skip)]
    pub(crate) cross_checks: Vec<(Jdk, CrossCheck)>,
    /// The reports of JDKs that see something else than the most lenient one.
    #[serde(skip)]
    pub(crate) others: Vec<(Jdk, Report)>,
}

/// Which trust anchors were used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TrustStoreReport {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) anchors: usize,
}

impl TrustStoreReport {
    pub(crate) fn of(trust: &TrustStore) -> Self {
        Self { name: trust.name().to_owned(), sha256: trust.digest(), anchors: trust.len() }
    }

    /// The name of the set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the set, see [`TrustStore::digest`].
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many anchors there are.
    pub fn anchors(&self) -> usize {
        self.anchors
    }
}

fn shared<S: Serializer>(entries: &Arc<Vec<EntryReport>>, serializer: S) -> Result<S::Ok, S::Error> {
    entries.as_slice().serialize(serializer)
}

/// The version of the JSON schema.
pub const REPORT_SCHEMA: u32 = 1;

impl Report {
    /// Oddities of the archive.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why the examination ended early: the archive cannot be read, or something in it is forged.
    pub fn abort(&self) -> Option<&JavaError> {
        self.abort.as_ref()
    }

    /// The signers whose signatures are right, in the order of their discovery.
    pub fn signers(&self) -> &[SignerReport] {
        &self.signers
    }

    /// What became of each signature block.
    pub fn blocks(&self) -> &[BlockReport] {
        &self.blocks
    }

    /// Signature files and blocks as they describe themselves.
    pub fn signature_files(&self) -> &[SignatureFileReport] {
        &self.signature_files
    }

    /// All entries in the order of the central directory.
    pub fn entries(&self) -> &[EntryReport] {
        &self.entries
    }

    /// The number of entries.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// The sum of the declared sizes of all entries.
    pub fn total_size(&self) -> u64 {
        self.total_size
    }

    /// The length of the archive in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Entries that ought to be signed and are not.
    pub fn unsigned_entries(&self) -> impl Iterator<Item = &EntryReport> {
        self.entries.iter().filter(|entry| entry.is_unsigned())
    }

    /// Names covered by an accepted signature for which the archive has no entry.
    pub fn removed_entries(&self) -> &[String] {
        &self.removed_entries
    }

    /// Whether there is a manifest.
    pub fn has_manifest(&self) -> bool {
        self.has_manifest
    }

    /// The name of the trust anchor set.
    pub fn trust_store_name(&self) -> &str {
        &self.trust_store.name
    }

    /// The digest of the trust anchor set, see [`crate::TrustStore::digest`].
    pub fn trust_store_digest(&self) -> &str {
        &self.trust_store.sha256
    }

    /// The set for timestamp authorities, if it is another one.
    pub fn timestamp_trust_store(&self) -> Option<&TrustStoreReport> {
        self.timestamp_trust_store.as_ref()
    }

    /// The moment that validity was judged at.
    pub fn examined_at(&self) -> Timestamp {
        self.examined_at
    }

    /// The archive in the eyes of a JDK. The report itself is that of the most lenient one.
    pub(crate) fn as_read_by(&self, jdk: Jdk) -> &Self {
        self.others.iter().find(|(other, _)| *other == jdk).map_or(self, |(_, report)| report)
    }

    /// What the second pass of a JDK found, if it has one. To be asked of the report in the eyes of that JDK.
    pub(crate) fn cross_check(&self, jdk: Jdk) -> Option<&CrossCheck> {
        self.cross_checks.iter().find(|(other, _)| *other == jdk).map(|(_, found)| found)
    }

    /// Notes why no JDK opens the archive, each in its words.
    pub(crate) fn aborted_by_all(&mut self, error: impl Fn(&Rules) -> JavaError) {
        let [most_lenient, others @ ..] = Jdk::ALL;
        self.abort = Some(error(most_lenient.rules()));
        for jdk in others {
            let abort = Some(error(jdk.rules()));
            if abort != self.abort {
                self.others.push((jdk, Self { abort, others: Vec::new(), ..self.clone() }));
            }
        }
    }

    /// Marks every chain as one whose revocation could not be asked: there is no network here.
    pub(crate) fn fail_revocation(&mut self) {
        self.others.iter_mut().for_each(|(_, report)| report.fail_revocation());
        for signer in &mut self.signers {
            signer.validation.fail_revocation();
            if let Some(timestamp) = &mut signer.timestamp {
                timestamp.validation.fail_revocation();
            }
        }
    }

    /// The subject of the first signer.
    pub fn signer_subject(&self) -> Option<&str> {
        self.signers.first().map(SignerReport::subject)
    }

    /// The time in the timestamp of the first signer that has one.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.signers.iter().find_map(SignerReport::timestamp).map(TimestampReport::gen_time)
    }
}
