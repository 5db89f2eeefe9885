//! The signed statement about each admission: an in-toto statement in a DSSE envelope, beside its evidence.
//!
//! Evidence is written by whoever admits, who has no keys; the statement by whoever publishes, before the log tells of the
//! admission, so that the log names the digest of the statement too. A publication makes every statement that is missing:
//! those of a run that was stopped, and those of stores of early versions, which state when they were made.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

use super::error::CatalogError;
use crate::Sha256Digest;
use crate::attest::{ADMITTED, Admitted, Envelope, StatedPolicy, Statement, StoreKey};
use crate::store::{Admission, STATEMENT_NAME, Store};

/// What is wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFault {
    text: String,
    of_evidence: bool,
}

impl StatementFault {
    /// Whether the statement is sound and a file of the evidence is not the one it was made for.
    pub fn is_of_evidence(&self) -> bool {
        self.of_evidence
    }
}

impl fmt::Display for StatementFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a verified statement says.
pub type Stated = Statement<Admitted>;

/// Makes the statements that are missing.
pub(super) fn write_missing(
    store: &Store,
    key: &StoreKey,
    admissions: &[Admission],
    now: Timestamp,
) -> Result<(), CatalogError> {
    for admission in admissions {
        if store.is_stated(admission)? {
            continue;
        }
        let statement = statement(store, admission, now)?;
        let envelope = Envelope::seal(&statement, key)
            .map_err(|source| CatalogError::Statement { number: admission.number(), source })?;
        let mut json =
            serde_json::to_vec_pretty(&envelope).map_err(|source| CatalogError::EncodeEvent { source })?;
        json.push(b'\n');
        store.put_statement(admission, &json)?;
    }
    Ok(())
}

fn statement(store: &Store, admission: &Admission, now: Timestamp) -> Result<Stated, CatalogError> {
    let entry = admission.entry();
    let predicate = Admitted {
        store: store.id().to_owned(),
        midmirror: env!("CARGO_PKG_VERSION").to_owned(),
        admission: admission.number(),
        length: entry.length,
        label: entry.label,
        signer: entry.signer.clone(),
        signed_at: entry.signed_at,
        admitted_at: entry.admitted_at,
        first_admitted_at: entry.first_admitted_at,
        by_earlier_admission: entry.by_earlier_admission,
        held: admission.is_held(),
        accepted: admission.accepted().cloned(),
        policy: policy(store, admission),
        evidence: store.evidence_digests(admission)?,
        stated_at: now,
    };
    Ok(Statement::about(entry.path.as_str(), entry.sha256, ADMITTED, predicate))
}

/// The policy as the report tells of it; reports of early versions may say less.
fn policy(store: &Store, admission: &Admission) -> StatedPolicy {
    let report = store.document(admission, "report.json");
    let said: Option<Said> = report.ok().and_then(|report| serde_json::from_slice(&report).ok());
    said.map(|said| StatedPolicy { organization: said.organization, relaxed: said.relaxed })
        .unwrap_or_default()
}

#[derive(Deserialize)]
struct Said {
    organization: Option<String>,
    #[serde(default)]
    relaxed: Vec<crate::attest::StatedRelaxation>,
}

/// Verifies the statement about an admission with a key of the store, the current one or one before it, and compares it with the evidence.
///
/// `found` are the digests of the files of the evidence.
///
/// # Errors
/// `Ok(None)` if there is no statement; a fault if it is not this store's or says something else.
pub fn check_statement(
    store: &Store,
    keys: &[[u8; 32]],
    admission: &Admission,
    found: &BTreeMap<String, Sha256Digest>,
) -> Result<Option<Stated>, StatementFault> {
    let fault = |text: String| StatementFault { text, of_evidence: false };
    let Some(bytes) = store.statement(admission).map_err(|error| fault(error.to_string()))? else {
        return Ok(None);
    };
    let envelope: Envelope =
        serde_json::from_slice(&bytes).map_err(|error| fault(format!("it is no DSSE envelope: {error}")))?;
    let mut opened = Err(fault("the store has no key".to_owned()));
    for key in keys {
        opened = envelope.open(key).map_err(|error| fault(error.to_string()));
        if opened.is_ok() {
            break;
        }
    }
    let stated: Stated = opened?;
    let entry = admission.entry();
    let says = &stated.predicate;
    let is_subject = matches!(
        stated.subject.as_slice(),
        [subject] if subject.name == entry.path.as_str() && subject.digest.sha256 == entry.sha256
    );
    let same = [
        (stated.predicate_type == ADMITTED, "its kind"),
        (is_subject, "its subject"),
        (says.store == store.id(), "its store"),
        (says.admission == admission.number(), "its admission"),
        (
            (says.length, says.label, says.admitted_at, says.held, says.accepted.as_ref())
                == (entry.length, entry.label, entry.admitted_at, admission.is_held(), admission.accepted()),
            "what it says of the admission",
        ),
    ];
    if let Some((_, what)) = same.iter().find(|(same, _)| !same) {
        return Err(fault(format!("{what} is not that of the evidence")));
    }
    let of_files = found.iter().filter(|(file, _)| *file != STATEMENT_NAME);
    if !says.evidence.iter().eq(of_files) {
        let differs = |file: &&String| says.evidence.get(*file) != found.get(*file);
        let file = says.evidence.keys().find(differs).or_else(|| found.keys().find(differs));
        let file = file.map_or("the evidence", String::as_str);
        return Err(StatementFault {
            text: format!("{file} is not the one it was made for"),
            of_evidence: true,
        });
    }
    Ok(Some(stated))
}

#[cfg(test)]
mod tests {
    use super::super::log_check::check_log;
    use super::super::log_fault::LogFault;
    use super::super::testing::TestCatalog;
    use super::*;
    use crate::store::testing::at;

    fn faults(catalog: &TestCatalog) -> Vec<LogFault> {
        let trusted = catalog.trust(at(30)).unwrap();
        check_log(&catalog.test.store, &trusted, None).unwrap().faults
    }

    fn first(catalog: &TestCatalog) -> Admission {
        catalog.test.store.admissions().unwrap().remove(0)
    }

    fn replace(catalog: &TestCatalog, admission: &Admission, bytes: &[u8]) {
        let path = catalog.test.store.statement_path(admission);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn every_admission_is_stated_before_the_log_tells_of_it() {
        let catalog = TestCatalog::new(2);
        let trusted = catalog.trust(at(30)).unwrap();
        let key = trusted.store().unwrap().key;
        for admission in catalog.test.store.admissions().unwrap() {
            let digests = catalog.test.store.evidence_digests(&admission).unwrap();
            assert_eq!(digests.len(), 6);
            let stated = check_statement(&catalog.test.store, &[key], &admission, &digests).unwrap().unwrap();
            assert_eq!(stated.predicate.stated_at, at(10));
            assert_eq!(stated.predicate.evidence.len(), 5);
        }
        let events = super::super::read_events(&catalog.test.store, &trusted).unwrap();
        let named = events.iter().filter_map(|(_, event)| event.as_ref().ok()?.evidence());
        assert!(named.clone().count() == 2 && named.clone().all(|files| files.contains_key(STATEMENT_NAME)));
        let before = catalog.test.store.statement(&first(&catalog)).unwrap();
        catalog.publish(at(11));
        assert_eq!(catalog.test.store.statement(&first(&catalog)).unwrap(), before);
        assert_eq!(faults(&catalog), []);
    }

    #[test]
    fn store_of_an_early_version_is_stated_later_and_says_when() {
        let catalog = TestCatalog::new(1);
        let admission = first(&catalog);
        std::fs::remove_file(catalog.test.store.statement_path(&admission)).unwrap();
        // The log of an early version names no statement.
        std::fs::remove_dir_all(catalog.test.store.log_dir()).unwrap();
        let trusted = catalog.trust(at(20)).unwrap();
        let key = catalog.keys.store().unwrap().for_log(&trusted.store().unwrap().log_name()).unwrap();
        let mut journal = super::super::journal::Journal::open(&catalog.test.store, &key).unwrap();
        journal.admissions(std::slice::from_ref(&admission), &[]).unwrap();
        let found = faults(&catalog);
        let waits = |fault: &LogFault| matches!(fault, LogFault::NotStated { number: 1 });
        assert!(found.iter().any(waits) && !found.iter().any(LogFault::is_damage), "{found:?}");
        catalog.publish(at(12));
        assert_eq!(faults(&catalog), []);
        let envelope: Envelope =
            serde_json::from_slice(&catalog.test.store.statement(&admission).unwrap().unwrap()).unwrap();
        let stated: Stated = envelope.open(&trusted.store().unwrap().key).unwrap();
        assert_eq!((stated.predicate.stated_at, stated.predicate.admitted_at), (at(12), at(1)));
    }

    #[test]
    fn statement_that_is_lost_foreign_or_of_something_else_is_named() {
        let catalog = TestCatalog::new(2);
        let [one, two] = &catalog.test.store.admissions().unwrap()[..] else { panic!() };
        let store = &catalog.test.store;
        let before = store.statement(one).unwrap().unwrap();
        let said = |expected: &str| {
            let found = faults(&catalog);
            assert!(found.iter().all(LogFault::is_damage), "{found:?}");
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert!(texts.iter().any(|text| text.contains(expected)), "{expected}: {texts:?}");
        };
        replace(&catalog, one, b"{}");
        said("it is no DSSE envelope");
        let foreign = super::super::testing::foreign_keys(&catalog.test, "foreign");
        let envelope =
            Envelope::seal(&statement(store, one, at(10)).unwrap(), foreign.store().unwrap()).unwrap();
        replace(&catalog, one, &serde_json::to_vec(&envelope).unwrap());
        said("no signature of the statement is by the key");
        let other = store.statement(two).unwrap().unwrap();
        replace(&catalog, one, &other);
        said("its subject is not that of the evidence");
        let mut changed = statement(store, one, at(10)).unwrap();
        changed.predicate.evidence.insert("report.json".to_owned(), Sha256Digest::of(b"other"));
        let envelope = Envelope::seal(&changed, catalog.keys.store().unwrap()).unwrap();
        replace(&catalog, one, &serde_json::to_vec(&envelope).unwrap());
        said("report.json is not the one it was made for");
        replace(&catalog, one, &before);
        assert_eq!(faults(&catalog), []);
        std::fs::remove_file(store.statement_path(one)).unwrap();
        said("statement.dsse.json in the evidence of admission 1 was changed");
        // Made anew, it is still not the one that the log tells of.
        catalog.publish(at(20));
        said("statement.dsse.json in the evidence of admission 1 was changed");
    }
}
