//! Reading and checking the log of a store against its catalog and its evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::error::CatalogError;
use super::event::Event;
use super::statements::{StatementFault, check_statement};
use super::trust::TrustedCatalog;
use crate::log::{self, Checkpoint, LogError, LogFolder, LogProblem, NoteError, NoteKey};
use crate::prune::Pruning;
use crate::store::{Admission, STATEMENT_NAME, Store, records};
use crate::withdraw::Withdrawal;

/// What a check of a log has found.
#[derive(Debug)]
pub struct LogReport {
    /// The state that was checked; none if there is no log that could be read.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong.
    pub faults: Vec<LogFault>,
}

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
    /// A file of the evidence is not the one that the log tells of.
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
                | Self::LostEvidence { replaced_by: Some(_), .. }
        )
    }

    /// Whether it is about a file of the evidence.
    pub(crate) fn is_evidence(&self) -> bool {
        matches!(self, Self::LostEvidence { .. } | Self::ChangedEvidence { .. } | Self::Statement { .. })
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
                    "{file} in the evidence of admission {number} was changed since entry {index} was written"
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

/// Checks every entry and hash of a log, compares it with the evidence and the catalog, and with an earlier checkpoint, a
/// signed note that somebody has kept.
///
/// # Errors
/// The log has no key in this catalog, the checkpoint is not signed by it, the earlier one is none of this log, or the
/// evidence cannot be read.
pub fn check_log(
    store: &Store,
    catalog: &TrustedCatalog,
    earlier: Option<&[u8]>,
) -> Result<LogReport, CatalogError> {
    let (folder, key) = log_of(store, catalog)?;
    let Some(checkpoint) = folder.checkpoint(&key)? else {
        return Ok(LogReport { checkpoint: None, faults: vec![LogFault::NoLog] });
    };
    let mut faults: Vec<_> = log::check(&folder, &checkpoint).into_iter().map(LogFault::Log).collect();
    if let Some(earlier) = earlier {
        let earlier = open_earlier(earlier, &folder, &checkpoint, &key)?;
        faults.extend(log::check_against(&folder, &checkpoint, &earlier)?.map(LogFault::Log));
    }
    // What entries say that are not the signed ones is of no interest.
    if faults.is_empty() {
        compare(store, catalog, read_at(&folder, checkpoint.size)?, &mut faults)?;
    }
    Ok(LogReport { checkpoint: Some(checkpoint), faults })
}

/// A checkpoint that was kept: signed by the current key, or by one that the log says came before it.
pub(crate) fn open_earlier(
    note: &[u8],
    folder: &LogFolder,
    current: &Checkpoint,
    key: &NoteKey,
) -> Result<Checkpoint, CatalogError> {
    let failed = |source| CatalogError::EarlierCheckpoint { source };
    let first = match Checkpoint::open(note, key) {
        Err(error @ NoteError::NotSigned(_)) => error,
        other => return other.map_err(failed),
    };
    for (_, event) in read_at(folder, current.size)? {
        let Ok(Event::StoreKeyChanged { from, .. }) = event else { continue };
        let before = hex::decode(from).ok().and_then(|from| <[u8; 32]>::try_from(from).ok());
        let Some(before) = before.and_then(|before| NoteKey::new(key.name(), before).ok()) else { continue };
        if let Ok(earlier) = Checkpoint::open(note, &before) {
            return Ok(earlier);
        }
    }
    Err(failed(first))
}

/// All entries of a log in order, each with its place. Entries that this version does not know come as they are.
///
/// # Errors
/// As [`check_log`]; a missing log has no entries.
pub fn read_events(store: &Store, catalog: &TrustedCatalog) -> Result<Vec<LogEntry>, CatalogError> {
    let (folder, key) = log_of(store, catalog)?;
    match folder.checkpoint(&key)? {
        Some(checkpoint) => read_at(&folder, checkpoint.size),
        None => Ok(Vec::new()),
    }
}

/// Place and content of an entry; its bytes, if they are in no form that is known.
pub type LogEntry = (u64, Result<Event, Vec<u8>>);

/// The log of a store, and the key that its catalog names for it.
///
/// # Errors
/// The catalog names none: it is of an early version.
pub fn log_of(store: &Store, catalog: &TrustedCatalog) -> Result<(LogFolder, NoteKey), CatalogError> {
    let identity = catalog.store().ok_or(CatalogError::NoLogKey)?;
    let key = NoteKey::new(&identity.log_name(), identity.key).map_err(LogError::from)?;
    Ok((store.log(), key))
}

fn read_at(folder: &LogFolder, size: u64) -> Result<Vec<LogEntry>, CatalogError> {
    let mut entries = Vec::new();
    let log = folder.at(size);
    for number in 0..size.div_ceil(256) {
        for entry in log.bundle(number)? {
            let index = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            entries.push((index, serde_json::from_slice(&entry).map_err(|_| entry)));
        }
    }
    Ok(entries)
}

fn compare(
    store: &Store,
    catalog: &TrustedCatalog,
    entries: Vec<LogEntry>,
    faults: &mut Vec<LogFault>,
) -> Result<(), CatalogError> {
    let admissions = store.admissions()?;
    let stored: BTreeMap<u64, &Admission> =
        admissions.iter().map(|admission| (admission.number(), admission)).collect();
    let mut digests = BTreeMap::new();
    for admission in &admissions {
        digests.insert(admission.number(), store.evidence_digests(admission)?);
    }
    // What was changed, and whether it is the statement itself: each is told once.
    let mut told = BTreeSet::new();
    // Of statements that were made before the key was changed.
    let mut keys: Vec<[u8; 32]> = catalog.store().map(|identity| identity.key).into_iter().collect();
    let mut logged = BTreeSet::new();
    let mut published = 0;
    for (index, event) in entries {
        let Ok(event) = event else {
            faults.push(LogFault::Unknown { index });
            continue;
        };
        if let Event::Published { versions, .. } = &event {
            published = versions.timestamp;
        }
        if let Event::Withdrawn(event) | Event::Lifted(event) = &event
            && records::digest::<Withdrawal>(store, event.withdrawal) != Some(event.record)
        {
            faults.push(LogFault::ChangedWithdrawal { index, withdrawal: event.withdrawal });
        }
        if let Event::Pruned { pruning, record, .. } = &event
            && records::digest::<Pruning>(store, *pruning) != Some(*record)
        {
            faults.push(LogFault::ChangedPruning { index, pruning: *pruning });
        }
        if let Event::StoreKeyChanged { from, .. } = &event {
            keys.extend(hex::decode(from).ok().and_then(|from| <[u8; 32]>::try_from(from).ok()));
        }
        let (Some(number), Some(evidence)) = (event.admission(), event.evidence()) else { continue };
        logged.insert(number);
        let Some(admission) = stored.get(&number) else {
            let later =
                |admission: &&&Admission| admission.number() > number && event.is_about(admission.entry());
            let replaced_by = stored.values().find(later).map(|admission| admission.number());
            faults.push(LogFault::LostEvidence { index, number, replaced_by });
            continue;
        };
        let found = digests.get(&admission.number());
        for (file, digest) in evidence {
            if found.and_then(|found| found.get(file)) != Some(digest) {
                told.insert((number, file == STATEMENT_NAME));
                faults.push(LogFault::ChangedEvidence { index, number, file: file.clone() });
            }
        }
    }
    if !keys.is_empty() {
        for admission in &admissions {
            let number = admission.number();
            let Some(found) = digests.get(&number) else { continue };
            match check_statement(store, &keys, admission, found) {
                Ok(Some(_)) => {}
                Ok(None) if told.contains(&(number, true)) || !logged.contains(&number) => {}
                Ok(None) => faults.push(LogFault::NotStated { number }),
                // Evidence that was changed is not what was stated either, and told already.
                Err(fault) if told.contains(&(number, false)) && fault.is_of_evidence() => {}
                Err(fault) => faults.push(LogFault::Statement { number, fault }),
            }
        }
    }
    let last = logged.last().copied().unwrap_or_default();
    for &number in stored.keys().filter(|number| !logged.contains(number)) {
        faults.push(match number > last {
            true => LogFault::NotYetLogged { number },
            false => LogFault::NotLogged { number },
        });
    }
    let version = catalog.versions().timestamp;
    if version > published {
        faults.push(LogFault::CatalogNotLogged { version });
    }
    Ok(())
}
