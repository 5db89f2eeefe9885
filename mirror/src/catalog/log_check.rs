//! Reading and checking the log of a store against its catalog and its evidence.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::error::CatalogError;
use super::event::Event;
use super::log_fault::LogFault;
use super::statements::check_statement;
use super::trust::TrustedCatalog;
use crate::error_text;
use crate::log::{self, Checkpoint, LogError, LogFolder, NoteError, NoteKey};
use crate::prune::{Pruning, prunings};
use crate::store::{Admission, Evidence, STATEMENT_NAME, Store, records};
use crate::withdraw::{Withdrawal, withdrawals};

/// What a check of a log has found.
#[derive(Debug)]
pub struct LogReport {
    /// The state that was checked; none if there is no log that could be read.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong.
    pub faults: Vec<LogFault>,
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
    check_log_with(store, catalog, earlier, None)
}

/// Does the same with evidence that was read already.
pub(crate) fn check_log_with(
    store: &Store,
    catalog: &TrustedCatalog,
    earlier: Option<&[u8]>,
    evidence: Option<&Evidence>,
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
        let entries = read_entries(&folder, checkpoint.size)?;
        match evidence {
            Some(evidence) => compare(store, catalog, evidence, entries, &mut faults),
            None => compare(store, catalog, &Evidence::read(store)?, entries, &mut faults),
        }
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
    for before in earlier_keys(&read_entries(folder, current.size)?) {
        let Ok(before) = NoteKey::new(key.name(), before) else { continue };
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
        Some(checkpoint) => read_entries(&folder, checkpoint.size),
        None => Ok(Vec::new()),
    }
}

/// All entries of a log whose files are what was signed; none if there is no such log.
pub(crate) fn sound_events(store: &Store, catalog: &TrustedCatalog) -> Option<Vec<LogEntry>> {
    let (folder, key) = log_of(store, catalog).ok()?;
    let checkpoint = folder.checkpoint(&key).ok().flatten()?;
    let is_sound = log::check(&folder, &checkpoint).is_empty();
    is_sound.then(|| read_entries(&folder, checkpoint.size).ok()).flatten()
}

/// The keys of a store: the current one, and as far as its log tells of them those before it.
pub(crate) fn store_keys(catalog: &TrustedCatalog, events: &[LogEntry]) -> Vec<[u8; 32]> {
    let current = catalog.store().map(|identity| identity.key);
    current.into_iter().chain(earlier_keys(events)).collect()
}

fn earlier_keys(events: &[LogEntry]) -> impl Iterator<Item = [u8; 32]> {
    events.iter().filter_map(|(_, event)| match event {
        Ok(Event::StoreKeyChanged { from, .. }) => hex::decode(from).ok()?.try_into().ok(),
        _ => None,
    })
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

/// All entries of a log of so many.
pub(crate) fn read_entries(folder: &LogFolder, size: u64) -> Result<Vec<LogEntry>, CatalogError> {
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
    evidence: &Evidence,
    entries: Vec<LogEntry>,
    faults: &mut Vec<LogFault>,
) {
    let admissions = &evidence.admissions;
    let stored: BTreeMap<u64, &Admission> =
        admissions.iter().map(|admission| (admission.number(), admission)).collect();
    let mut digests = BTreeMap::new();
    for (number, found) in &evidence.digests {
        match found {
            Ok(found) => {
                digests.insert(*number, found);
            }
            Err(error) => {
                faults.push(LogFault::UnreadableEvidence { number: *number, reason: error_text(error) });
            }
        }
    }
    // What was changed, and whether it is the statement itself: each is told once.
    let mut told = BTreeSet::new();
    let keys = store_keys(catalog, &entries);
    let mut logged = BTreeSet::new();
    let (mut withdrawn, mut pruned) = (BTreeSet::new(), BTreeSet::new());
    let mut published = 0;
    for (index, event) in entries {
        let Ok(event) = event else {
            faults.push(LogFault::Unknown { index });
            continue;
        };
        if let Event::Published { versions, .. } = &event {
            published = versions.timestamp;
        }
        if let Event::Withdrawn(event) | Event::Lifted(event) = &event {
            withdrawn.insert(event.withdrawal);
            if records::digest::<Withdrawal>(store, event.withdrawal) != Some(event.record) {
                faults.push(LogFault::ChangedWithdrawal { index, withdrawal: event.withdrawal });
            }
        }
        if let Event::Pruned { pruning, record, .. } = &event {
            pruned.insert(*pruning);
            if records::digest::<Pruning>(store, *pruning) != Some(*record) {
                faults.push(LogFault::ChangedPruning { index, pruning: *pruning });
            }
        }
        let (Some(number), Some(evidence)) = (event.admission(), event.evidence()) else { continue };
        logged.insert(number);
        if !stored.contains_key(&number) {
            let later =
                |admission: &&&Admission| admission.number() > number && event.is_about(admission.entry());
            let replaced_by = stored.values().find(later).map(|admission| admission.number());
            faults.push(LogFault::LostEvidence { index, number, replaced_by });
            continue;
        }
        let Some(found) = digests.get(&number) else { continue };
        for (file, digest) in evidence {
            if found.get(file) != Some(digest) {
                told.insert((number, file == STATEMENT_NAME));
                faults.push(LogFault::ChangedEvidence { index, number, file: file.clone() });
            }
        }
    }
    if !keys.is_empty() {
        for admission in admissions {
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
    // That they cannot be read is told by the check of the store.
    let records = withdrawals(store).unwrap_or_default();
    faults.extend(not_logged("withdrawal", records.iter().map(|record| record.number), &withdrawn));
    let records = prunings(store).unwrap_or_default();
    faults.extend(not_logged("pruning", records.iter().map(|record| record.number), &pruned));
    let version = catalog.versions().timestamp;
    match version.cmp(&published) {
        Ordering::Greater => faults.push(LogFault::CatalogNotLogged { version }),
        Ordering::Less => faults.push(LogFault::CatalogOlder { version, published }),
        Ordering::Equal => {}
    }
}

/// The records that a log does not tell of.
fn not_logged(
    what: &'static str,
    numbers: impl Iterator<Item = u64>,
    logged: &BTreeSet<u64>,
) -> Vec<LogFault> {
    let last = logged.last().copied().unwrap_or_default();
    let missing = numbers.filter(|number| !logged.contains(number));
    missing.map(|number| LogFault::RecordNotLogged { what, number, waits: number > last }).collect()
}
