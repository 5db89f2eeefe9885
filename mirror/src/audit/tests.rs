//! Stores of unit tests: packages there are no archives, so nothing verifies; what is tested is what bytes, records and logs do.

use super::*;
use crate::catalog::testing::TestCatalog;
use crate::store::testing::at;

fn run(catalog: &TestCatalog, now: Timestamp, previous: Option<&AuditRecord>) -> Audit {
    let (trust, policy) = (TrustStore::empty("none"), AdmissionPolicy::default());
    let inputs = AuditInputs {
        store: &catalog.test.store,
        root: None,
        basis: Basis { previous, ..Basis::new(&trust, &policy, now) },
        reread: Reread::After(SignedDuration::from_hours(24)),
    };
    audit(&inputs, &mut |_| {}).unwrap()
}

#[test]
fn bytes_that_do_not_verify_are_bad_and_never_remembered() {
    let catalog = TestCatalog::new(2);
    let first = run(&catalog, at(20), None);
    assert_eq!((first.report.counts.bad, first.report.counts.read), (2, 2));
    assert_eq!(first.report.verdict, Verdict::Damaged);
    let second = run(&catalog, at(30), Some(&first.record));
    assert_eq!((second.report.counts.read, second.report.counts.not_read_again), (2, 0));
    assert_eq!(second.report.log.grown_from, Some(3));
    assert_eq!(second.report.changes, []);
    assert_eq!(second.report.since, Some(at(20)));
}

#[test]
fn changes_since_the_last_audit_are_those_of_the_log() {
    let catalog = TestCatalog::new(1);
    let first = run(&catalog, at(20), None);
    let all: Vec<&str> = first.report.changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(all, ["admitted", "published"]);
    let mut writer = catalog.test.store.write().unwrap();
    let new = catalog.test.commit(&mut writer, &crate::store::testing::path(1), b"other bytes");
    drop(writer);
    catalog.publish(at(21));
    let second = run(&catalog, at(30), Some(&first.record));
    let [admitted, published] = &second.report.changes[..] else { panic!("{:?}", second.report.changes) };
    assert_eq!(admitted.sha256, Some(new.entry().sha256.to_hex()));
    assert_eq!(admitted.supersedes, Some(Sha256Digest::of(b"package 1").to_hex()));
    assert_eq!(published.what, "published");
    let states: Vec<State> = second.report.packages.iter().map(|package| package.state).collect();
    assert_eq!(states, [State::Superseded, State::Published]);
}

#[test]
fn rewritten_log_is_found_and_does_not_become_the_one_to_compare_with() {
    let catalog = TestCatalog::new(2);
    let first = run(&catalog, at(20), None);
    std::fs::remove_dir_all(catalog.test.store.log_dir()).unwrap();
    catalog.add(3);
    catalog.publish(at(21));
    let second = run(&catalog, at(30), Some(&first.record));
    assert_eq!(second.report.log.problems.len(), 1, "{:?}", second.report.log);
    assert_eq!(second.report.log.grown_from, None);
    let third = run(&catalog, at(40), Some(&second.record));
    assert_eq!(third.report.log.problems, second.report.log.problems);
}

#[test]
fn expiring_roles_are_told_in_time_and_expired_ones_are_an_end() {
    let catalog = TestCatalog::new(0);
    let days = |days: i64| at(10) + SignedDuration::from_hours(24 * days);
    let levels = |now| -> Vec<u32> {
        run(&catalog, now, None).report.warnings.iter().map(|warning| warning.within_days).collect()
    };
    assert!(levels(days(0)).is_empty());
    assert_eq!(levels(days(20)), [14]);
    let expired = run(&catalog, days(31), None).report;
    assert_eq!((expired.verdict, expired.warnings[0].within_days), (Verdict::CatalogExpired, 0));
    std::fs::write(catalog.folder().join("timestamp.json"), b"{}").unwrap();
    let lost = run(&catalog, days(1), None).report;
    assert_eq!(lost.verdict, Verdict::CatalogNotTrusted);
    assert!(lost.catalog.reason.is_some());
}

#[test]
fn list_that_is_not_signed_or_not_of_the_catalog_is_told() {
    let catalog = TestCatalog::new(0);
    let place = |name: &str| catalog.test.store.root_dir().join(name);
    assert_eq!(run(&catalog, at(20), None).report.faults, []);
    std::fs::write(place("SHA256SUMS"), "SHA256 (x) = 0\n").unwrap();
    let faults = run(&catalog, at(20), None).report.faults;
    assert!(faults.len() == 1 && faults[0].damage && faults[0].text.contains("not signed"), "{faults:?}");
    std::fs::remove_file(place("SHA256SUMS")).unwrap();
    let faults = run(&catalog, at(20), None).report.faults;
    assert!(faults.len() == 1 && !faults[0].damage, "{faults:?}");
}

#[test]
fn record_is_read_for_its_own_store_only() {
    let catalog = TestCatalog::new(1);
    let record = run(&catalog, at(20), None).record;
    let file = catalog.test.beside("audits/record.json");
    assert!(AuditRecord::read(&file, catalog.test.store.id()).unwrap().is_none());
    record.write(&file).unwrap();
    let read = AuditRecord::read(&file, catalog.test.store.id()).unwrap().unwrap();
    assert_eq!(read.audited_at(), at(20));
    assert!(matches!(AuditRecord::read(&file, "other"), Err(RecordError::OtherStore(_))));
    std::fs::write(&file, r#"{"schema": "midmirror-audit-record-9"}"#).unwrap();
    assert!(matches!(AuditRecord::read(&file, catalog.test.store.id()), Err(RecordError::Schema(_))));
}

#[test]
fn page_and_table_hold_no_markup_of_others() {
    let catalog = TestCatalog::new(1);
    let mut report = run(&catalog, at(20), None).report;
    report.packages[0].reasons = vec!["<script>alert(1)</script>\u{202e}".to_owned(), "=1+1".to_owned()];
    report.changes[0].reason = Some("\"><img src=x>".to_owned());
    let page = html(&report);
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;") && page.contains("\\u{202e}"));
    assert!(csv(&report).lines().count() == 2);
}
