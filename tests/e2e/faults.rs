//! A whole sync, stopped or failed at each of its operations on files: the layer below counts them in a clean run, and every
//! one of them is hit. What was committed is there, nothing half is seen, the next run completes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use midmirror_fixtures::embedded;
use midmirror_fixtures::noise::Noise;

use crate::site::{Run, Site};

/// What is there before, and what the sync is to add.
const BEFORE: &[&str] = &["sync", "--kind", "mid-upgrade"];
const ADDED: &[&str] = &["sync", "--kind", "mid-core", "--kind", "mid-jre", "--platform", "linux.x86-64"];
/// Each of these looks at the whole store; more than half of the time of this test goes into them.
const WORKERS: u64 = 2;

/// A site whose store can be put back to where the sync begins.
struct Bench {
    site: Site,
}

impl Bench {
    fn new() -> Self {
        let site = Site::new();
        site.run(&["init"]).expect(0);
        site.run(&with_stamp(BEFORE)).expect(0);
        copy(&site.path("store"), &site.path("before"));
        Self { site }
    }

    fn put_back(&self) {
        let store = self.site.path("store");
        if store.exists() {
            fs::remove_dir_all(&store).unwrap();
        }
        copy(&self.site.path("before"), &store);
    }

    /// The sync with a fault.
    fn sync(&self, fault: &str) -> Run {
        self.site.command(&with_stamp(ADDED)).env("MIDMIRROR_FAULT", fault).output().unwrap().into()
    }

    /// The operations of a sync that nothing happens to.
    fn count(&self) -> Vec<String> {
        self.put_back();
        let file = self.site.path("operations");
        self.sync(&format!("count:{}", file.display())).expect(0);
        let operations = fs::read_to_string(&file).unwrap();
        fs::remove_file(file).unwrap();
        operations.lines().map(str::to_owned).collect()
    }

    fn listed(&self) -> BTreeSet<String> {
        let run = self.site.run(&["list", "--json"]).expect(0);
        let packages: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        packages.as_array().unwrap().iter().map(|package| package["path"].to_string()).collect()
    }

    /// What must hold whatever has happened, and afterwards.
    fn survives(&self, what: &str, before: &BTreeSet<String>, after: &BTreeSet<String>) {
        let seen = self.listed();
        assert!(before.is_subset(&seen) && seen.is_subset(after), "{what}: {seen:?}");
        self.site.run(&["store", "check", "--full"]).expect(0);
        let next = self.sync("");
        assert_eq!(next.code, 0, "{what}: the next sync: {}\n{}", next.stdout, next.stderr);
        assert_eq!(self.listed(), *after, "{what}");
        let check = self.site.run(&["store", "check", "--full"]).expect(0);
        assert!(!check.stdout.contains("leftover"), "{what}: {}", check.stdout);
        self.site.run(&["log", "verify"]).expect(0);
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn with_stamp<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &[embedded::new_stamp()]].concat()
}

/// Hits every operation of a sync with a fault; returns how often the run noticed and how often it could do without.
fn hit_every_operation(kind: &str, hit: impl Fn(&Run, u64, usize) -> bool + Sync) {
    let results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let hit = &hit;
                scope.spawn(move || {
                    let bench = Bench::new();
                    let operations = bench.count();
                    bench.put_back();
                    let before = bench.listed();
                    bench.sync("").expect(0);
                    let after = bench.listed();
                    assert!(operations.len() > 60 && after.len() > before.len(), "{}", operations.len());
                    let mut fired = 0_u64;
                    for number in
                        (1..=operations.len()).filter(|number| number % 2 == usize::from(worker == 1))
                    {
                        bench.put_back();
                        let number = u64::try_from(number).unwrap();
                        let run = bench.sync(&format!("{kind}:{number}"));
                        let operation = &operations[usize::try_from(number - 1).unwrap()];
                        let what = format!("{kind} at {number}: {operation}");
                        assert!(
                            hit(&run, number, operations.len()),
                            "{what}: ended {} {}",
                            run.code,
                            run.stderr
                        );
                        fired += 1;
                        bench.survives(&what, &before, &after);
                    }
                    (operations.len(), fired)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let counted = results[0].0;
    let fired: u64 = results.iter().map(|(_, fired)| fired).sum();
    assert!(results.iter().all(|(count, _)| *count == counted), "{results:?}");
    assert_eq!(fired, u64::try_from(counted).unwrap(), "each operation that was counted is hit");
    println!("{kind}: {fired} of {counted} operations");
}

#[test]
fn a_sync_stopped_before_any_operation_is_completed_by_the_next() {
    // An aborted process has no exit code.
    hit_every_operation("stop", |run, _, _| run.code == -1);
}

#[test]
fn a_sync_that_meets_a_full_disk_at_any_operation_says_so() {
    hit_every_operation("full", |run, number, all| match run.code {
        9 | 13 => run.stderr.contains("No space left on device"),
        // Nothing takes space any more.
        0 => number + 8 > u64::try_from(all).unwrap(),
        _ => false,
    });
}

#[test]
fn a_sync_that_meets_a_read_only_file_system_at_any_operation_says_so() {
    hit_every_operation("read-only", |run, _, _| {
        [9, 13].contains(&run.code) && run.stderr.contains("Read-only file system")
    });
}

#[test]
fn a_sync_of_which_any_single_operation_fails_loses_nothing() {
    hit_every_operation("fail", |run, _, _| [0, 9, 13].contains(&run.code));
}

#[test]
fn two_hundred_syncs_killed_at_random_moments_lose_nothing() {
    let interrupted: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKERS).map(|worker| scope.spawn(move || killed_at_random(worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    println!("{interrupted} of {KILLS} runs were still at work when they were killed");
    assert!(interrupted >= KILLS / 2, "only {interrupted} runs were interrupted");
}

/// Kills runs of a sync with SIGKILL after random times; returns how many were still running.
fn killed_at_random(worker: u64) -> u64 {
    let bench = Bench::new();
    bench.put_back();
    let before = bench.listed();
    let began = Instant::now();
    bench.sync("").expect(0);
    let whole = u64::try_from(began.elapsed().as_micros()).unwrap();
    let after = bench.listed();
    let mut noise = Noise::named(worker, "killed sync");
    let mut interrupted = 0;
    for run in 0..KILLS / WORKERS {
        bench.put_back();
        let mut command = bench.site.command(&with_stamp(ADDED));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pause = noise.below(whole);
        std::thread::sleep(Duration::from_micros(pause));
        interrupted += u64::from(child.try_wait().unwrap().is_none());
        let _gone = child.kill();
        child.wait().unwrap();
        bench.survives(&format!("run {run}, killed after {pause} µs"), &before, &after);
    }
    interrupted
}

const KILLS: u64 = 200;

/// The layer must not be in what is shipped: this program has it, a build without tests has not.
#[test]
fn faults_are_there_for_tests_only() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let (shipped, tests) = manifest.split_once("[dev-dependencies]").unwrap();
    assert!(!shipped.contains("fault-injection") && tests.contains("fault-injection"));
}
