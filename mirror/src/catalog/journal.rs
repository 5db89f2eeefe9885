//! Writing the log of a store: what was done since the last time, derived from the evidence and from the catalog.
//!
//! Nothing is said twice and nothing is left out, whenever an earlier writer was stopped: admissions are numbered, and so
//! are versions of the catalog. Refusals are the exception, of which there is no evidence: those of a run that was killed
//! are lost.

use serde::Deserialize;

use super::error::CatalogError;
use super::event::Event;
use crate::log::{LogAt, LogError, LogKey, LogWriter, NoteKey};
use crate::prune::{Pruning, prunings};
use crate::store::{Admission, Store, records};
use crate::withdraw::{self, Withdrawal};

/// The log of a store, to be continued.
pub(super) struct Journal<'a> {
    store: &'a Store,
    log: LogWriter<'a>,
    /// The admission that was logged last, or 0.
    logged: u64,
    /// The version of `timestamp.json` that was logged last, or 0.
    published: u64,
    /// The withdrawal that was logged last, or 0; only if the store has any.
    withdrawn: u64,
    withdrawals: Vec<Withdrawal>,
    /// The pruning that was logged last, or 0; only if the store has any.
    pruned: u64,
    prunings: Vec<Pruning>,
}

impl<'a> Journal<'a> {
    pub(super) fn open(store: &'a Store, key: &'a LogKey) -> Result<Self, CatalogError> {
        Self::of(store, LogWriter::open(&store.log(), key)?)
    }

    /// Opens a log that another key has signed before.
    pub(super) fn open_after(
        store: &'a Store,
        key: &'a LogKey,
        before: &NoteKey,
    ) -> Result<Self, CatalogError> {
        Self::of(store, LogWriter::open_after(&store.log(), key, before)?)
    }

    fn of(store: &'a Store, log: LogWriter<'a>) -> Result<Self, CatalogError> {
        let folder = store.log();
        let withdrawals = withdraw::withdrawals(store)?;
        let prunings = prunings(store)?;
        let Last { admission: logged, published, withdrawn, pruned } =
            last(&folder.at(log.size()), !withdrawals.is_empty(), !prunings.is_empty())?;
        Ok(Self { store, log, logged, published, withdrawn, withdrawals, pruned, prunings })
    }

    /// Logs the admissions that the log does not have yet, and what else was done.
    pub(super) fn admissions(
        &mut self,
        admissions: &[Admission],
        others: &[Event],
    ) -> Result<(), CatalogError> {
        let stored = admissions.last().map_or(0, Admission::number);
        if self.logged > stored {
            return Err(CatalogError::LostEvidence { logged: self.logged, stored });
        }
        let new = admissions.iter().filter(|admission| admission.number() > self.logged);
        let events = new
            .map(|admission| Ok(Event::of_admission(admission, self.store.evidence_digests(admission)?)))
            .chain(others.iter().cloned().map(Ok))
            .collect::<Result<Vec<_>, CatalogError>>()?;
        self.append(&events)?;
        self.logged = stored;
        Ok(())
    }

    /// Logs the withdrawals that the log does not have yet.
    pub(super) fn withdrawals(&mut self) -> Result<(), CatalogError> {
        let stored = self.withdrawals.last().map_or(0, |withdrawal| withdrawal.number);
        if self.withdrawn > stored {
            return Err(CatalogError::LostWithdrawals { known: "to the log" });
        }
        let new = self.withdrawals.iter().filter(|withdrawal| withdrawal.number > self.withdrawn);
        let events: Vec<_> = new
            .filter_map(|withdrawal| {
                let digest = records::digest::<Withdrawal>(self.store, withdrawal.number)?;
                Some(Event::of_withdrawal(withdrawal, digest))
            })
            .collect();
        self.append(&events)?;
        self.withdrawn = stored;
        Ok(())
    }

    /// Logs the prunings that the log does not have yet.
    pub(super) fn prunings(&mut self) -> Result<(), CatalogError> {
        let stored = self.prunings.last().map_or(0, |pruning| pruning.number);
        if self.pruned > stored {
            return Err(CatalogError::LostPrunings);
        }
        let new = self.prunings.iter().filter(|pruning| pruning.number > self.pruned);
        let events: Vec<_> = new
            .filter_map(|pruning| {
                Some(Event::of_pruning(pruning, records::digest::<Pruning>(self.store, pruning.number)?))
            })
            .collect();
        self.append(&events)?;
        self.pruned = stored;
        Ok(())
    }

    /// Logs a publication, unless the log has it.
    pub(super) fn publication(&mut self, event: &Event) -> Result<(), CatalogError> {
        let Event::Published { versions, .. } = event else { return Ok(()) };
        if versions.timestamp > self.published {
            self.append(std::slice::from_ref(event))?;
            self.published = versions.timestamp;
        }
        Ok(())
    }

    /// Logs that another key signs from now on.
    pub(super) fn store_key_changed(&mut self, event: &Event) -> Result<(), CatalogError> {
        self.append(std::slice::from_ref(event))
    }

    /// Logs a change of keys, unless the log has the one that led to this version of the root metadata.
    pub(super) fn keys_changed(&mut self, event: &Event, root: u64) -> Result<(), CatalogError> {
        let folder = self.store.log();
        let log = folder.at(self.log.size());
        for number in (0..log.size().div_ceil(BUNDLE)).rev() {
            for entry in log.bundle(number)? {
                let known = serde_json::from_slice(&entry);
                if matches!(known, Ok(Event::KeysChanged { root: known, .. }) if known == root) {
                    return Ok(());
                }
            }
        }
        self.append(std::slice::from_ref(event))
    }

    fn append(&mut self, events: &[Event]) -> Result<(), CatalogError> {
        if events.is_empty() {
            return Ok(());
        }
        let entries = events.iter().map(Event::to_canonical_json).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|source| CatalogError::EncodeEvent { source })?;
        self.log.append(&entries)?;
        Ok(())
    }
}

/// The last admission that the log of a store tells of, whoever has signed it; 0 if there is none or it cannot be read. No
/// number is used twice, also when the evidence of the newest one was lost.
pub(crate) fn last_admission(store: &Store) -> u64 {
    let folder = store.log();
    let last = folder.unverified_size().and_then(|size| last(&folder.at(size), false, false).ok());
    last.unwrap_or_default().admission
}

/// What a log tells of last; 0 where it tells nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    admission: u64,
    published: u64,
    withdrawn: u64,
    pruned: u64,
}

/// The last admission and the last version of the catalog that a log tells of, and if that is wanted the last withdrawal and
/// pruning, for which the whole log may have to be read.
fn last(log: &LogAt<'_>, with_withdrawals: bool, with_prunings: bool) -> Result<Last, LogError> {
    let (mut admission, mut published) = (None, None);
    let mut withdrawn = (!with_withdrawals).then_some(0);
    let mut pruned = (!with_prunings).then_some(0);
    for number in (0..log.size().div_ceil(BUNDLE)).rev() {
        for entry in log.bundle(number)?.iter().rev() {
            let Ok(marks) = serde_json::from_slice::<Marks>(entry) else { continue };
            admission = admission.or(marks.number);
            published = published.or(marks.versions.map(|versions| versions.timestamp));
            withdrawn = withdrawn.or(marks.withdrawal);
            pruned = pruned.or(marks.pruning);
            if let (Some(admission), Some(published), Some(withdrawn), Some(pruned)) =
                (admission, published, withdrawn, pruned)
            {
                return Ok(Last { admission, published, withdrawn, pruned });
            }
        }
    }
    let or_none = Option::unwrap_or_default;
    Ok(Last {
        admission: or_none(admission),
        published: or_none(published),
        withdrawn: or_none(withdrawn),
        pruned: or_none(pruned),
    })
}

/// What is looked for, in events of any version.
#[derive(Deserialize)]
struct Marks {
    number: Option<u64>,
    withdrawal: Option<u64>,
    pruning: Option<u64>,
    versions: Option<Versions>,
}

#[derive(Deserialize)]
struct Versions {
    timestamp: u64,
}

/// Entries in a full bundle.
const BUNDLE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::super::log_check::{check_log, read_events};
    use super::super::log_fault::LogFault;
    use super::super::testing::TestCatalog;
    use super::super::{CatalogError, Lifetimes, SigningKeys, publish};
    use super::*;
    use crate::store::testing::{at, path};

    fn events(catalog: &TestCatalog) -> Vec<Event> {
        let trusted = catalog.trust(at(30)).unwrap();
        read_events(&catalog.test.store, &trusted)
            .unwrap()
            .into_iter()
            .map(|(_, event)| event.unwrap())
            .collect()
    }

    fn faults(catalog: &TestCatalog) -> Vec<LogFault> {
        let trusted = catalog.trust(at(30)).unwrap();
        check_log(&catalog.test.store, &trusted, None).unwrap().faults
    }

    #[test]
    fn admissions_and_publications_are_logged_once_and_in_order() {
        let catalog = TestCatalog::new(2);
        catalog.publish(at(11));
        catalog.add(3);
        catalog.publish(at(12));
        let told: Vec<_> = events(&catalog)
            .iter()
            .map(|event| match event {
                Event::Admitted { number, path, .. } => format!("{number} {}", path.name()),
                Event::Published { versions, packages, .. } => format!("v{} {packages}", versions.timestamp),
                other => format!("{other:?}"),
            })
            .collect();
        let name = |number| path(number).name().as_str().to_owned();
        let expected = [
            format!("1 {}", name(1)),
            format!("2 {}", name(2)),
            "v1 2".to_owned(),
            format!("3 {}", name(3)),
            "v2 3".to_owned(),
        ];
        assert_eq!(told, expected);
        assert_eq!(faults(&catalog), []);
    }

    #[test]
    fn lost_log_is_begun_anew_and_the_loss_is_seen_by_who_kept_a_checkpoint() {
        let catalog = TestCatalog::new(2);
        let kept = catalog.test.store.log().signed_checkpoint().unwrap().unwrap();
        std::fs::remove_dir_all(catalog.test.store.log_dir()).unwrap();
        assert!(matches!(faults(&catalog)[..], [LogFault::NoLog]), "{:?}", faults(&catalog));
        catalog.add(3);
        catalog.publish(at(12));
        let trusted = catalog.trust(at(30)).unwrap();
        let report = check_log(&catalog.test.store, &trusted, Some(&kept)).unwrap();
        assert!(matches!(report.faults[..], [LogFault::Log(_)]), "{:?}", report.faults);
    }

    #[test]
    fn changed_and_lost_evidence_is_named() {
        let catalog = TestCatalog::new(2);
        let first = catalog.test.store.admissions().unwrap().remove(0);
        let report = catalog.test.store.admission_dir(&first).join("jarsigner.txt");
        let writable = |path: &std::path::Path| {
            let mut permissions = path.metadata().unwrap().permissions();
            #[expect(clippy::permissions_set_readonly_false, reason = "a test's own folder")]
            permissions.set_readonly(false);
            std::fs::set_permissions(path, permissions).unwrap();
        };
        writable(&report);
        std::fs::write(&report, "jar verified.").unwrap();
        assert!(
            matches!(&faults(&catalog)[..], [LogFault::ChangedEvidence { number: 1, file, .. }] if file == "jarsigner.txt"),
            "{:?}",
            faults(&catalog)
        );
        std::fs::remove_dir_all(catalog.test.store.evidence_dir(&first.entry().sha256)).unwrap();
        assert!(matches!(&faults(&catalog)[..], [LogFault::LostEvidence { number: 1, .. }]));
    }

    #[test]
    fn evidence_that_ends_before_the_log_stops_publishing() {
        let catalog = TestCatalog::new(2);
        let last = catalog.test.store.admissions().unwrap().pop().unwrap();
        std::fs::remove_dir_all(catalog.test.store.evidence_dir(&last.entry().sha256)).unwrap();
        let mut writer = catalog.test.store.write().unwrap();
        let refused = publish(&mut writer, &catalog.keys, at(20), &Lifetimes::CONNECTED);
        assert!(matches!(refused, Err(CatalogError::LostEvidence { logged: 2, stored: 1 })), "{refused:?}");
    }

    #[test]
    fn entry_of_a_later_version_is_named_and_no_damage() {
        let catalog = TestCatalog::new(1);
        let name = catalog.trust(at(20)).unwrap().store().unwrap().log_name();
        let key = catalog.keys.store().unwrap().for_log(&name).unwrap();
        let mut log = LogWriter::open(&catalog.test.store.log(), &key).unwrap();
        log.append(&[br#"{"event":"audited"}"#.to_vec()]).unwrap();
        let found = faults(&catalog);
        assert!(matches!(found[..], [LogFault::Unknown { index: 2 }]) && !found[0].is_damage(), "{found:?}");
        catalog.add(2);
        catalog.publish(at(12));
        assert_eq!(faults(&catalog).len(), 1, "the log goes on behind it");
    }

    #[test]
    fn log_needs_the_key_that_began_it() {
        let catalog = TestCatalog::new(1);
        std::fs::remove_file(catalog.test.beside("keys").join("store.pem")).unwrap();
        let none = SigningKeys::load(&catalog.test.beside("keys")).unwrap();
        let mut writer = catalog.test.store.write().unwrap();
        let refused = publish(&mut writer, &none, at(20), &Lifetimes::CONNECTED);
        assert!(matches!(refused, Err(CatalogError::NoStoreKey)), "{refused:?}");
        let other = SigningKeys::complete(&catalog.test.beside("keys"), None).unwrap();
        let refused = publish(&mut writer, &other, at(20), &Lifetimes::CONNECTED);
        assert!(matches!(refused, Err(CatalogError::Log { .. })), "{refused:?}");
    }

    #[test]
    fn signed_catalog_names_the_key_of_the_log() {
        let catalog = TestCatalog::new(1);
        let identity = catalog.trust(at(20)).unwrap().store().cloned().unwrap();
        assert_eq!(identity.id, catalog.test.store.id());
        let key = NoteKey::new(&identity.log_name(), identity.key).unwrap();
        assert_eq!(&identity.key, catalog.keys.store().unwrap().public());
        let checkpoint = catalog.test.store.log().checkpoint(&key).unwrap().unwrap();
        assert_eq!(checkpoint.size, 2);
    }
}
