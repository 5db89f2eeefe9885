//! What the documents of an admission have to be, as somebody has signed it.

use std::collections::BTreeMap;

use super::DocumentName;
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;

/// What the log records of the documents of an admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// The catalog names no log: nothing is recorded but the report's digest, in the catalog.
    NoLog,
    /// The digests of the files, from an entry that is in the log as it was signed.
    Digests(BTreeMap<String, Sha256Digest>),
    /// The catalog names a log, and it does not tell of the admission, or is not what was signed.
    Broken,
}

/// What one file has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Digest(Sha256Digest),
    /// Nobody has recorded it: statements that were made after the log entry, and stores without a log.
    NotRecorded,
    /// It should be recorded, and cannot be told.
    Unknown,
}

impl Recorded {
    /// What a file of the evidence has to be. Of the report the catalog says it.
    pub(super) fn expected(&self, entry: &CatalogEntry, file: &str) -> Expected {
        let report = entry.report.filter(|_| file == DocumentName::Report.as_str());
        match (report, self) {
            (Some(digest), _) => Expected::Digest(digest),
            (None, Self::Digests(digests)) => {
                digests.get(file).map_or(Expected::NotRecorded, |digest| Expected::Digest(*digest))
            }
            (None, Self::NoLog) => Expected::NotRecorded,
            (None, Self::Broken) => Expected::Unknown,
        }
    }
}
