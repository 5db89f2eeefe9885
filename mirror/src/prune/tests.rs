//! Planning and carrying out, with a real store and catalog.

use jiff::Timestamp;

use super::*;
use crate::catalog::testing::TestCatalog;
use crate::catalog::{Lifetimes, LogFault};
use crate::catalog::{check_log, publish};
use crate::hosts::{HostPackage, RecordKind};
use crate::package::PackagePath;
use crate::store::testing::at;
use crate::store::{CheckDepth, CheckOptions, DigestState, GarbageKind, Problem, check, garbage};

/// A package of a build of July 2026, one a day.
fn build(family: &str, day: u32) -> PackagePath {
    let stamp = format!("{family}-07-01-2025__patch1-07-{day:02}-2026_07-{day:02}-2026_0100");
    let folder = "glide/distribution/builds/package/app-signed/mid-core/2026/07";
    PackagePath::parse(&format!("{folder}/{day:02}/mid-core.{stamp}.universal.universal.zip")).unwrap()
}

fn bytes(family: &str, day: u32) -> Vec<u8> {
    format!("{family} {day}").into_bytes()
}

/// Five builds of one family and two of another, published.
fn site() -> TestCatalog {
    let catalog = TestCatalog::new(0);
    let mut writer = catalog.test.store.write().unwrap();
    for (family, day) in (1..=5).map(|day| ("zurich", day)).chain([("yokohama", 1), ("yokohama", 2)]) {
        catalog.test.commit(&mut writer, &build(family, day), &bytes(family, day));
    }
    drop(writer);
    catalog.publish(at(11));
    catalog
}

fn retention(builds_per_family: u32, pinned: &[&str]) -> Retention {
    let pinned = pinned.iter().map(|pin| (*pin).to_owned()).collect();
    Retention { builds_per_family, unpublished_days: 90, pinned }
}

fn plan_of(catalog: &TestCatalog, retention: &Retention, hosts: &[HostPackage], now: Timestamp) -> PrunePlan {
    let admissions = catalog.test.store.admissions().unwrap();
    let pruned = Pruned::of(&catalog.test.store).unwrap().among(&admissions);
    let trusted = catalog.trust(at(20)).unwrap();
    plan(retention, &admissions, trusted.entries(), &pruned, hosts, now)
}

fn paths(plan: &PrunePlan) -> Vec<PackagePath> {
    plan.candidates.iter().map(|candidate| candidate.path.clone()).collect()
}

fn host(name: &str, kind: RecordKind, family: &str, day: u32) -> HostPackage {
    HostPackage {
        host: name.to_owned(),
        certificate: None,
        kind,
        sha256: Sha256Digest::of(&bytes(family, day)),
        path: Some(build(family, day)),
        first: at(1),
        last: at(1),
    }
}

fn packages(plan: &PrunePlan) -> Vec<PrunedPackage> {
    let package = |candidate: &PruneCandidate| PrunedPackage {
        sha256: candidate.sha256,
        length: candidate.length,
        admission: candidate.admission,
        path: candidate.path.clone(),
        reason: candidate.reason.to_string(),
    };
    plan.candidates.iter().map(package).collect()
}

#[test]
fn newest_builds_of_each_family_stay() {
    let catalog = site();
    let planned = plan_of(&catalog, &retention(3, &[]), &[], at(20));
    assert_eq!(paths(&planned), [build("zurich", 2), build("zurich", 1)]);
    assert_eq!(planned.candidates[0].reason, Reason::OldBuild { family: "zurich".to_owned(), newer: 3 });
    let planned = plan_of(&catalog, &retention(1, &[]), &[], at(20));
    assert_eq!(paths(&planned).len(), 5);
    assert_eq!(paths(&plan_of(&catalog, &retention(5, &[]), &[], at(20))).len(), 0);
}

#[test]
fn pinned_builds_stay_by_stamp_name_path_and_digest() {
    let catalog = site();
    let two = build("zurich", 2);
    let digest = Sha256Digest::of(&bytes("zurich", 2)).to_hex();
    for pin in [two.name().stamp().as_str(), two.name().as_str(), two.as_str(), digest.as_str()] {
        let planned = plan_of(&catalog, &retention(3, &[pin]), &[], at(20));
        assert_eq!(paths(&planned), [build("zurich", 1)], "{pin}");
        assert_eq!(planned.kept[0].why, format!("pinned: {pin}"));
    }
}

#[test]
fn what_a_host_runs_and_the_build_before_it_stay() {
    let catalog = site();
    let hosts =
        [host("a", RecordKind::Installed, "zurich", 2), host("a", RecordKind::Downloaded, "zurich", 5)];
    let planned = plan_of(&catalog, &retention(1, &[]), &hosts, at(20));
    // It runs 2, so 1 stays to go back to; it got 5, so 4 stays.
    assert_eq!(paths(&planned), [build("yokohama", 1), build("zurich", 3)]);
    let whys: Vec<_> = planned.kept.iter().map(|kept| kept.why.as_str()).collect();
    assert_eq!(
        whys,
        ["host a got the build after it last", "host a runs it", "host a runs the build after it"]
    );
    let planned = plan_of(&catalog, &retention(0, &[]), &hosts[..1], at(20));
    assert_eq!(
        paths(&planned),
        [build("yokohama", 1), build("zurich", 5), build("zurich", 4), build("zurich", 3)],
        "yokohama 2 is the build before it as well"
    );
}

#[test]
fn pruned_packages_leave_catalog_and_disk_and_their_evidence_stays() {
    let catalog = site();
    let store = &catalog.test.store;
    let planned = plan_of(&catalog, &retention(3, &[]), &[], at(20));
    let mut writer = store.write().unwrap();
    record(&writer, packages(&planned), Some("ops".to_owned()), at(21)).unwrap();
    let before = catalog.trust(at(21)).unwrap();
    let left = garbage(store, Some(&before), Timestamp::MIN).unwrap();
    assert_eq!(left, [], "the current catalog names them still");
    publish(&mut writer, &catalog.keys, at(22), &Lifetimes::CONNECTED).unwrap();
    let after = catalog.trust(at(23)).unwrap();
    assert_eq!(after.entries().len(), 5);
    let removed = writer.collect_garbage(Some(&after), Timestamp::MIN).unwrap();
    assert_eq!(removed.iter().filter(|item| item.kind == GarbageKind::PrunedBlob).count(), 2);
    for candidate in &planned.candidates {
        assert!(store.open_blob(&candidate.sha256).is_err());
        assert!(store.evidence_dir(&candidate.sha256).is_dir());
        assert_eq!(writer.find(&candidate.path).unwrap(), None);
    }
    drop(writer);
    let mut full = CheckOptions::new(CheckDepth::Full);
    let report = check(store, Some(&after), &mut full, &mut |_| {}).unwrap();
    assert_eq!(report.problems, Vec::<Problem>::new());
    assert_eq!(check_log(store, &after, None).unwrap().faults, Vec::<LogFault>::new());
    let states: Vec<_> = store.name_histories().unwrap().iter().map(|name| name.digests[0].state).collect();
    assert_eq!(states.iter().filter(|state| **state == DigestState::Pruned).count(), 2);
    assert_eq!(paths(&plan_of(&catalog, &retention(3, &[]), &[], at(24))), [], "nothing is pruned twice");
    assert_eq!(catalog.publish(at(25)).packages, 5);

    // Fetched again it is admitted anew and published.
    catalog.test.commit(&mut store.write().unwrap(), &build("zurich", 1), &bytes("zurich", 1));
    assert_eq!(catalog.publish(at(26)).packages, 6);
    assert_eq!(store.admissions().unwrap().len(), 8);
}

#[test]
fn superseded_bytes_go_after_their_time_and_what_waits_does_not() {
    let catalog = site();
    let store = &catalog.test.store;
    let mut writer = store.write().unwrap();
    catalog.test.commit(&mut writer, &build("zurich", 5), b"newer bytes");
    writer.hold(catalog.test.verified(&build("zurich", 4), b"waiting", "{}"), at(12)).unwrap();
    drop(writer);
    catalog.publish(at(13));
    let all = retention(9, &[]);
    let day = |days: i64| at(days * 24 * 3600);
    assert_eq!(paths(&plan_of(&catalog, &all, &[], day(90))), []);
    let planned = plan_of(&catalog, &all, &[], day(91));
    assert_eq!(paths(&planned), [build("zurich", 5)]);
    assert_eq!(planned.candidates[0].sha256, Sha256Digest::of(&bytes("zurich", 5)));
    assert!(matches!(planned.candidates[0].reason, Reason::Unpublished { .. }));
}

#[test]
fn bytes_that_a_staying_name_has_as_well_stay() {
    let catalog = site();
    let mut writer = catalog.test.store.write().unwrap();
    catalog.test.commit(&mut writer, &build("zurich", 9), &bytes("zurich", 1));
    drop(writer);
    catalog.publish(at(13));
    let planned = plan_of(&catalog, &retention(1, &[]), &[], at(20));
    assert!(!paths(&planned).contains(&build("zurich", 1)), "{planned:?}");
}

#[test]
fn lost_record_stops_publishing() {
    let catalog = site();
    let planned = plan_of(&catalog, &retention(3, &[]), &[], at(20));
    let mut writer = catalog.test.store.write().unwrap();
    // The name is shown by whoever reads the log.
    for by in ["", " ", "a\u{1b}[2J", &"x".repeat(101)] {
        let refused = record(&writer, packages(&planned), Some(by.to_owned()), at(21));
        assert!(matches!(refused, Err(PruneError::By)), "{by:?}");
    }
    record(&writer, packages(&planned), None, at(21)).unwrap();
    publish(&mut writer, &catalog.keys, at(22), &Lifetimes::CONNECTED).unwrap();
    let file = catalog.test.store.root_dir().join("prunings/00000001.json");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    // Without a record the packages would come back into the catalog, and their bytes are gone.
    assert!(
        check_log(&catalog.test.store, &catalog.trust(at(23)).unwrap(), None).unwrap().faults[0].is_damage()
    );
    std::fs::write(&file, &kept[..kept.len() / 2]).unwrap();
    assert!(publish(&mut writer, &catalog.keys, at(24), &Lifetimes::CONNECTED).is_err());
}

#[test]
fn plan_file_is_read_as_it_was_written_and_shortened() {
    let catalog = site();
    let policy = retention(2, &["zurich-pin"]);
    let hosts = [host("evil\u{202e}\nremove me", RecordKind::Installed, "zurich", 2)];
    let planned = plan_of(&catalog, &policy, &hosts, at(20));
    let text = PlanFile::write("0a1b", &policy, &planned, at(20));
    let file = PlanFile::parse(&text).unwrap();
    assert_eq!((file.store.as_str(), &file.retention), ("0a1b", &policy));
    assert_eq!(file.remove, planned.candidates.iter().map(|candidate| candidate.sha256).collect());
    assert!(text.contains("# stays: zurich-") && text.contains("host evil??remove me runs it"), "{text}");
    let shorter: String =
        text.lines().filter(|line| !line.starts_with("remove")).map(|line| format!("{line}\r\n")).collect();
    assert_eq!(PlanFile::parse(&shorter).unwrap().remove.len(), 0);
    for bad in [
        "",
        "# midmirror prune plan 2\n",
        &text.replace("remove ", "delete "),
        &text.replace("# policy {", "# policy ["),
    ] {
        assert!(PlanFile::parse(bad).is_err(), "{bad}");
    }
}
