//! What an audit leaves for the next one.
//!
//! | attack on the record | defence |
//! | --- | --- |
//! | verdicts written by hand, so that damaged bytes are passed over | kept where only the auditor writes; bytes are read again after a time, and with `--full` always |
//! | bytes changed and the file's time set back | the time of the last change of the file (`ctime`), which needs the clock set back as well |
//! | a record of another store | its id |
//! | a record of the future, a clock that was set back | nothing of it counts |
//! | another set of anchors, another policy or version since | nothing of its verdicts counts |
//! | an old record put in place of a newer one | the log has grown from both; only the list of changes is longer |

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::finding::{Class, PackageAudit};
use super::report::AuditReport;
use super::{AuditInputs, Basis, Reread};
use crate::Sha256Digest;
use crate::store::durable::{self, DurableError, FileMode};

/// What is remembered of an audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditRecord {
    schema: String,
    store: String,
    pub(super) audited_at: Timestamp,
    /// Digest of the report: its compact JSON.
    pub(super) report_sha256: Sha256Digest,
    /// The signed checkpoint of the log.
    pub(super) checkpoint: Option<String>,
    pub(super) log_entries: Option<u64>,
    /// Everything besides the bytes that the verdicts depended on.
    judged_by: Sha256Digest,
    blobs: BTreeMap<Sha256Digest, BlobRecord>,
}

/// What is remembered of bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BlobRecord {
    length: u64,
    modified: Option<Timestamp>,
    /// Seconds and nanoseconds of the last change of the file, where the system has it.
    changed: Option<(i64, i64)>,
    read_at: Timestamp,
    /// What was found, for each admission.
    audits: Vec<PackageAudit>,
}

/// A record cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The file cannot be read.
    #[error("failed to read the record of the last audit")]
    Read(#[source] std::io::Error),
    /// It is longer than is ever read.
    #[error("the record of the last audit is longer than {LIMIT} bytes")]
    TooLong,
    /// It is no record.
    #[error("the record of the last audit cannot be understood")]
    Form(#[source] serde_json::Error),
    /// It is of another version.
    #[error("the record of the last audit has the form {0:?}, which this version does not know")]
    Schema(String),
    /// It is of another store.
    #[error("the record is of an audit of the store {0}")]
    OtherStore(String),
    /// It cannot be written.
    #[error("failed to write the record of the audit")]
    Write(#[from] DurableError),
}

impl AuditRecord {
    pub(super) fn new(
        basis: &Basis<'_>,
        report: &AuditReport,
        report_sha256: Sha256Digest,
        checkpoint: Option<Vec<u8>>,
        blobs: BTreeMap<Sha256Digest, BlobRecord>,
    ) -> Self {
        // Only a checkpoint that was verified has given the report its root.
        let note = checkpoint.filter(|_| report.log.root.is_some());
        let note = note.and_then(|note| String::from_utf8(note).ok());
        // A log that was cut or rewritten does not become the one to compare with.
        let earlier = basis.previous.filter(|_| note.is_none() || !report.log.problems.is_empty());
        let (checkpoint, log_entries) = match earlier {
            Some(earlier) => (earlier.checkpoint.clone(), earlier.log_entries),
            None => (note, report.log.root.map(|_| report.log.entries)),
        };
        Self {
            schema: SCHEMA.to_owned(),
            store: report.store.clone(),
            audited_at: basis.now,
            report_sha256,
            checkpoint,
            log_entries,
            judged_by: basis.judged_by(),
            blobs,
        }
    }

    /// Reads the record of a store; none if there is none yet.
    ///
    /// # Errors
    /// It cannot be read, or is of another store or version.
    pub fn read(path: &Path, store_id: &str) -> Result<Option<Self>, RecordError> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::Read(error)),
        };
        let mut bytes = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(RecordError::Read)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LIMIT {
            return Err(RecordError::TooLong);
        }
        #[derive(Deserialize)]
        struct SchemaOnly {
            schema: String,
        }
        let SchemaOnly { schema } = serde_json::from_slice(&bytes).map_err(RecordError::Form)?;
        if schema != SCHEMA {
            return Err(RecordError::Schema(schema));
        }
        let record: Self = serde_json::from_slice(&bytes).map_err(RecordError::Form)?;
        if record.store != store_id {
            return Err(RecordError::OtherStore(record.store));
        }
        Ok(Some(record))
    }

    /// Writes it in place of an older one; only its owner may read it.
    ///
    /// # Errors
    /// The folder cannot be made or the file not be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let mut json = serde_json::to_vec(self).map_err(RecordError::Form)?;
        json.push(b'\n');
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            durable::create_folders(folder)?;
        }
        Ok(durable::replace(path, &json, FileMode::Secret)?)
    }

    /// The moment of the audit.
    pub fn audited_at(&self) -> Timestamp {
        self.audited_at
    }

    /// What was found of bytes that did not change since; none if they are to be read again.
    pub(super) fn still_counts(
        &self,
        inputs: &AuditInputs<'_>,
        sha256: Sha256Digest,
        metadata: &Metadata,
    ) -> Option<&BlobRecord> {
        let Reread::After(age) = inputs.reread else { return None };
        let record = self.blobs.get(&sha256)?;
        let now = inputs.basis.now;
        let same_file = record.length == metadata.len()
            && record.modified == modified(metadata)
            && record.changed == changed(metadata);
        let in_time = record.read_at <= self.audited_at
            && self.audited_at <= now
            && record.read_at.checked_add(age).is_ok_and(|again| now < again);
        let settled = |audit: &PackageAudit| {
            // Time alone changes verdicts, at moments that are known; of what is bad there is nothing to remember.
            matches!(audit.class, Class::Good | Class::ValidWhenAdmittedExpiredSince)
                && audit.until.as_ref().is_none_or(|until| now < until.at)
        };
        let counts = same_file
            && in_time
            && inputs.basis.at.is_none()
            && self.judged_by == inputs.basis.judged_by()
            && record.audits.iter().all(settled);
        counts.then_some(record)
    }
}

impl BlobRecord {
    /// Of bytes that were read from begin to end just now.
    pub(super) fn new(metadata: &Metadata, read_at: Timestamp, audits: Vec<PackageAudit>) -> Self {
        Self {
            length: metadata.len(),
            modified: modified(metadata),
            changed: changed(metadata),
            read_at,
            audits,
        }
    }

    pub(super) fn read_at(&self) -> Timestamp {
        self.read_at
    }

    /// What was found of an admission.
    pub(super) fn of_admission(&self, number: u64) -> Option<&PackageAudit> {
        self.audits.iter().find(|audit| audit.number == number)
    }
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?).ok()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "not every system has it")]
fn changed(metadata: &Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(not(unix))]
fn changed(_metadata: &Metadata) -> Option<(i64, i64)> {
    None
}

const SCHEMA: &str = "midmirror-audit-record-1";
/// 2 KB for an admission: about 100,000 of them.
const LIMIT: u64 = 256 << 20;
