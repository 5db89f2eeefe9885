//! Stops commit and publication after every durable step, kills a writing process for good, and goes on from there.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::catalog::testing::TestCatalog;
use crate::catalog::{
    CatalogError, FolderSource, Lifetimes, SigningKeys, TrustInputs, check_log, publish, trust_folder,
};

use super::durable::fault;
use super::testing::{TestStore, at, path};
use super::{CheckDepth, CheckOptions, Problem, StoreError, check};

fn full<'a>() -> CheckOptions<'a> {
    CheckOptions::new(CheckDepth::Full)
}

/// Commits package 2 and publishes, stopped after some steps.
fn commit_and_publish(test: &TestStore, keys: &SigningKeys, steps: Option<usize>) -> Result<(), String> {
    let package = test.verified(&path(2), b"package 2", "report 2");
    let mut writer = test.store.write().map_err(|e| e.to_string())?;
    fault::stop_after(steps);
    let result = writer.commit(package, at(20)).map_err(|e: StoreError| e.to_string()).and_then(|_| {
        publish(&mut writer, keys, at(20), &Lifetimes::CONNECTED).map_err(|e: CatalogError| e.to_string())
    });
    fault::stop_after(None);
    drop(writer);
    if result.is_err() {
        // A killed process leaves its name in the lock.
        std::fs::write(test.store.root_dir().join("lock"), b"process 1 on host test").unwrap();
    }
    result.map(|_| ())
}

#[test]
fn stop_at_any_step_loses_nothing_and_publishes_nothing_half() {
    let mut stops = 0;
    loop {
        let catalog = TestCatalog::new(1);
        catalog.trust_remembering(at(15)).unwrap();
        let result = commit_and_publish(&catalog.test, &catalog.keys, Some(stops));

        // Readers see the old state or the new one.
        let trusted = catalog.trust_remembering(at(30)).unwrap();
        let packages = trusted.entries().len();
        assert!(packages == 2 || (packages == 1 && result.is_err()), "{packages} after {stops} steps");
        let report = check(&catalog.test.store, Some(&trusted), &mut full(), &mut |_| {}).unwrap();
        assert!(report.is_sound(), "after {stops} steps: {:?}", report.problems);

        // The next writer finishes.
        commit_and_publish(&catalog.test, &catalog.keys, None).unwrap();
        let trusted = catalog.trust_remembering(at(40)).unwrap();
        assert_eq!(trusted.entries().len(), 2, "after {stops} steps");
        let report = check(&catalog.test.store, Some(&trusted), &mut full(), &mut |_| {}).unwrap();
        assert_eq!(report.problems, Vec::<Problem>::new(), "after {stops} steps");
        if result.is_ok() {
            break;
        }
        stops += 1;
    }
    assert!(stops >= 10, "only {stops} steps were counted");
}

/// A write can fail after its folder has appeared: then the admission is there, and the log has to tell of it.
#[test]
fn writer_that_goes_on_after_a_failed_commit_logs_every_admission() {
    let mut stops = 0;
    loop {
        let catalog = TestCatalog::new(1);
        let store = &catalog.test.store;
        let mut writer = store.write().unwrap();
        let package = catalog.test.verified(&path(2), b"package 2", "report 2");
        fault::stop_after(Some(stops));
        let result = writer.commit(package, at(20));
        fault::stop_after(None);
        catalog.test.commit(&mut writer, &path(3), b"package 3");
        publish(&mut writer, &catalog.keys, at(21), &Lifetimes::CONNECTED).unwrap();
        drop(writer);
        let trusted = catalog.trust(at(30)).unwrap();
        let faults = check_log(store, &trusted, None).unwrap().faults;
        assert!(faults.is_empty(), "after {stops} steps: {faults:?}");
        assert_eq!(trusted.entries().len(), store.admitted().unwrap().len());
        if result.is_ok() {
            break;
        }
        stops += 1;
    }
    assert!(stops >= 10, "only {stops} steps were counted");
}

#[test]
fn stop_at_any_step_of_the_first_publication_can_be_made_good() {
    let mut stops = 0;
    loop {
        let test = TestStore::new();
        let keys = SigningKeys::create(&test.beside("keys")).unwrap();
        let result = commit_and_publish(&test, &keys, Some(stops));
        commit_and_publish(&test, &keys, None).unwrap();
        let root = std::fs::read(test.store.repository_dir().join("1.root.json")).unwrap();
        let inputs = TrustInputs { root: &root, state: None, now: at(30), allow_expired: false };
        let trusted = trust_folder(&FolderSource::new(test.store.repository_dir()), &inputs).unwrap();
        assert_eq!(trusted.entries().len(), 1);
        if result.is_ok() {
            break;
        }
        stops += 1;
    }
    assert!(stops >= 12, "only {stops} steps were counted");
}

/// Not a test of its own: what the killed process of the next test does until its end.
#[test]
#[ignore = "is started by killed_writer_loses_nothing"]
fn writer_to_be_killed() {
    let Some(folder) = std::env::var_os(KILLED_STORE) else { return };
    let test = TestStore::of_another(folder.into());
    let keys = SigningKeys::load(&test.beside("keys")).unwrap();
    let first = u32::try_from(test.store.admissions().unwrap().len()).unwrap() + 1;
    for number in first.. {
        let mut writer = test.store.write().unwrap();
        test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
        println!("{COMMITTED}");
        publish(&mut writer, &keys, at(20), &Lifetimes::CONNECTED).unwrap();
    }
}

#[test]
fn killed_writer_loses_nothing() {
    let catalog = TestCatalog::new(1);
    let mut seen = 1;
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::crashes::writer_to_be_killed", "--include-ignored", "--nocapture"])
            .env(KILLED_STORE, catalog.test.beside(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let committed =
            lines.map_while(Result::ok).filter(|line| line.ends_with(COMMITTED)).take(round).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(committed, round, "the child ended by itself");

        let trusted = catalog.trust_remembering(at(30)).unwrap();
        let admitted = catalog.test.store.admitted().unwrap().len();
        assert!(admitted >= seen + round, "{admitted} of {} packages", seen + round);
        assert!(admitted - trusted.entries().len() <= 1, "at most the last one is not published");
        let report = check(&catalog.test.store, Some(&trusted), &mut full(), &mut |_| {}).unwrap();
        assert!(report.is_sound(), "round {round}: {:?}", report.problems);
        seen = admitted;
    }
    assert_eq!(catalog.publish(at(20)).packages, seen);
}

const KILLED_STORE: &str = "MIDMIRROR_TEST_KILLED_STORE";
const COMMITTED: &str = "committed";
