//! What can be wrong with a log, or between it and the store.

use std::fmt;

use serde::Serialize;

use super::statements::StatementFault;
use crate::log::LogProblem;

/// Something is wrong with a log, or between it and the store.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogFault {
    /// There is no log.
    NoLog,
    /// The files of the log are not what was signed.
    Log(LogProblem),
    /// An entry is not in the form of this version or an earlier one.
    Unknown {
        /// Its place, beginning with 0.
        index: u64,
    },
    /// The log does not tell of the newest admissions: a writer was interrupted, and the next publication adds them.
    NotYetLogged {
        /// The admission.
        number: u64,
    },
    /// The log does not tell of an admission, and of a later one it does.
    NotLogged {
        /// The admission.
        number: u64,
    },
    /// The log tells of an admission of which there is no evidence.
    LostEvidence {
        /// Place of the entry.
        index: u64,
        /// The admission.
        number: u64,
        /// A later admission of the same bytes under the same path, whose evidence is there.
        replaced_by: Option<u64>,
    },
    /// A file of the evidence is not the one that the log tells of, or is not there.
    ChangedEvidence {
        /// Place of the entry.
        index: u64,
        /// The admission.
        number: u64,
        /// The file.
        file: String,
    },
    /// The statement about an admission is not there, and the log does not tell of one: the next publication makes it.
    NotStated {
        /// The admission.
        number: u64,
    },
    /// The statement about an admission is not signed by this store, or says something else than the evidence.
    Statement {
        /// The admission.
        number: u64,
        /// What is wrong.
        fault: StatementFault,
    },
    /// The log tells of a withdrawal whose record is not there or was changed.
    ChangedWithdrawal {
        /// Place of the entry.
        index: u64,
        /// The withdrawal.
        withdrawal: u64,
    },
    /// The log tells of a pruning whose record is not there or was changed.
    ChangedPruning {
        /// Place of the entry.
        index: u64,
        /// The pruning.
        pruning: u64,
    },
    /// The log does not tell of a withdrawal or a pruning whose record is in the store.
    RecordNotLogged {
        /// `withdrawal` or `pruning`.
        what: &'static str,
        /// Which.
        number: u64,
        /// The log tells of none that is newer: a writer was interrupted, and the next publication adds it. Until then nothing
        /// vouches for the record.
        waits: bool,
    },
    /// The evidence of an admission cannot be read.
    UnreadableEvidence {
        /// The admission.
        number: u64,
        /// Why.
        reason: String,
    },
    /// The log tells of a later version of the catalog than there is: an old one was put in its place.
    CatalogOlder {
        /// Version of `timestamp.json`.
        version: u64,
        /// The version that the log tells of.
        published: u64,
    },
    /// The log does not tell of the current version of the catalog.
    CatalogNotLogged {
        /// Version of `timestamp.json`.
        version: u64,
    },
}

impl LogFault {
    /// Whether something was lost or changed. The rest waits for the next publication, or was written by a later version:
    /// every entry is signed.
    pub fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::Unknown { .. }
                | Self::NotYetLogged { .. }
                | Self::CatalogNotLogged { .. }
                | Self::NotStated { .. }
                | Self::RecordNotLogged { waits: true, .. }
                | Self::LostEvidence { replaced_by: Some(_), .. }
        )
    }
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog => write!(f, "the store has no log"),
            Self::Log(problem) => write!(f, "{problem}"),
            Self::Unknown { index } => write!(
                f,
                "entry {index} is not in a form that this version knows; a later one may have written it"
            ),
            Self::NotYetLogged { number } => write!(
                f,
                "admission {number} is not yet in the log; a run was interrupted, and the next publication adds it"
            ),
            Self::NotLogged { number } => write!(f, "admission {number} is not in the log"),
            Self::LostEvidence { index, number, replaced_by } => {
                write!(f, "entry {index} tells of admission {number}, whose evidence is not in the store")?;
                match replaced_by {
                    Some(later) => write!(f, "; the same bytes were admitted again as admission {later}"),
                    None => Ok(()),
                }
            }
            Self::ChangedEvidence { index, number, file } => {
                write!(
                    f,
                    "{file} in the evidence of admission {number} was changed or removed since entry {index} was written"
                )
            }
            Self::NotStated { number } => {
                write!(f, "there is no statement about admission {number} yet; the next publication makes it")
            }
            Self::Statement { number, fault } => {
                write!(f, "the statement about admission {number} is wrong: {fault}")
            }
            Self::ChangedWithdrawal { index, withdrawal } => {
                write!(
                    f,
                    "entry {index} tells of withdrawal {withdrawal}, whose record is lost or was changed"
                )
            }
            Self::ChangedPruning { index, pruning } => {
                write!(f, "entry {index} tells of pruning {pruning}, whose record is lost or was changed")
            }
            Self::RecordNotLogged { what, number, waits } => {
                write!(f, "{what} {number} is not in the log")?;
                match waits {
                    true => write!(
                        f,
                        "; a run was interrupted, and the next publication adds it, or somebody else has written the record"
                    ),
                    false => Ok(()),
                }
            }
            Self::UnreadableEvidence { number, reason } => {
                write!(f, "the evidence of admission {number} cannot be read: {reason}")
            }
            Self::CatalogOlder { version, published } => write!(
                f,
                "version {published} of the catalog was published, and that in the store is version {version}: an old \
                 timestamp.json was put in its place"
            ),
            Self::CatalogNotLogged { version } => write!(
                f,
                "version {version} of the catalog is not in the log; a publication was interrupted, and the next one \
                 adds it"
            ),
        }
    }
}

impl Serialize for LogFault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialEq for LogFault {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
