//! A store with many packages, and putting a large one into it: `cargo bench -p midmirror-mirror --bench store [-- PACKAGES|large]`.
//!
//! Makes a store with so many admissions (10,000 when not said; evidence as small as it can be), publishes it, and prints what
//! follows; with `large` only the last line of it.
//!
//! - how long opening takes: for reading, as the writer, and as a client who checks the whole catalog
//! - how long the index takes to be built again
//! - how long publishing takes when nothing, or one package, is new
//! - the peak memory of a process that publishes once (Linux)
//! - the time of storing 300 MB on the same file system, and from another one beside `cp` and `sync` (when `/dev/shm` has room)

mod admissions;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::catalog::{
    FolderSource, Lifetimes, SigningKeys, TrustInputs, TrustedCatalog, publish, trust_folder,
};
use midmirror_mirror::storage::{FileMode, LocalFolder, Storage as _};
use midmirror_mirror::store::Store;

use admissions::{Outcome, at, say};

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, folder] = arguments.as_slice()
        && mode == "publish-once"
    {
        return publish_once(Path::new(folder));
    }
    if arguments.as_slice() == ["large"] {
        return large(tempfile::tempdir()?.path());
    }
    let packages = arguments.first().map_or(Ok(10_000), |number| number.parse())?;
    let folder = tempfile::tempdir()?;
    many(folder.path(), packages)?;
    large(folder.path())
}

fn many(folder: &Path, packages: u32) -> Outcome<()> {
    let store = Store::create(&folder.join("store"), at(0)?)?;
    let keys = SigningKeys::create(&folder.join("keys"))?;
    for number in 1..=packages {
        write_admission(&store, number)?;
    }
    say(&format!("{packages} packages"))?;
    timed("first publication (logs all admissions)", 1, || publish_at(&store, &keys, 10))?;
    let size = fs::metadata(store.repository_dir().join("1.targets.json"))?.len();
    say(&format!("  targets.json has {:.1} MB", to_f64(size) / 1e6))?;
    timed("opening for reading", ROUNDS, || Ok(Store::open(store.root_dir())?))?;
    timed("opening as the writer", ROUNDS, || Ok(store.write()?))?;
    timed("opening as a client: all checks of the catalog", ROUNDS, || trust(&store))?;
    timed("building the index again", 3, || {
        fs::remove_dir_all(store.root_dir().join("index"))?;
        Ok(store.write()?)
    })?;
    timed("publishing when nothing is new", ROUNDS, || publish_at(&store, &keys, 20))?;
    let mut next = packages;
    let mut second = 30;
    timed("publishing one new package", ROUNDS, || {
        next += 1;
        second += 1;
        write_admission(&store, next)?;
        publish_at(&store, &keys, second)
    })?;
    write_admission(&store, next + 1)?;
    let child = Command::new(std::env::current_exe()?).arg("publish-once").arg(folder).output()?;
    say(&format!(
        "peak memory of publishing one new package: {}",
        String::from_utf8_lossy(&child.stdout).trim()
    ))
}

fn publish_at(store: &Store, keys: &SigningKeys, second: i64) -> Outcome<()> {
    let mut writer = store.write()?;
    publish(&mut writer, keys, at(second)?, &Lifetimes::CONNECTED)?;
    Ok(())
}

fn publish_once(folder: &Path) -> Outcome<()> {
    let store = Store::open(&folder.join("store"))?;
    publish_at(&store, &SigningKeys::load(&folder.join("keys"))?, 1000)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("not known here");
    say(peak)
}

fn trust(store: &Store) -> Outcome<TrustedCatalog> {
    let root = fs::read(store.repository_dir().join("1.root.json"))?;
    let inputs = TrustInputs { root: &root, state: None, now: at(2000)?, allow_expired: false };
    Ok(trust_folder(&FolderSource::of(store), &inputs)?)
}

/// The evidence of a package, as small as it can be.
fn write_admission(store: &Store, number: u32) -> Outcome<()> {
    let report = |sha256| Ok(format!("{{\"sha256\":\"{sha256}\"}}\n").into_bytes());
    admissions::write(store, number, number, ("mid-core", "universal.universal"), report)?;
    Ok(())
}

fn large(folder: &Path) -> Outcome<()> {
    let storage = LocalFolder::new(folder.join("large"));
    let bytes: Vec<u8> =
        (0..LARGE).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 13 & 0xff).unwrap_or(0)).collect();
    let digest = Sha256Digest::of(&bytes);
    say("300 MB")?;
    let source = folder.join("source");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        fs::write(&source, &bytes)?;
        fs::File::open(&source)?.sync_all()?;
        let begin = Instant::now();
        storage.take(&format!("same/{round}"), &source, digest, FileMode::ReadOnly)?;
        times.push(begin.elapsed());
    }
    say(&format!("  on the same file system, written and synced before: {}", median(&mut times)))?;
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return Ok(()) };
    let source = elsewhere.path().join("source");
    if fs::write(&source, &bytes).is_err() {
        return say("  from another file system: /dev/shm has no room");
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begin = Instant::now();
        storage.take(&format!("other/{round}"), &source, digest, FileMode::ReadOnly)?;
        ours.push(begin.elapsed());
        let to: PathBuf = folder.join(format!("cp-{round}"));
        let begin = Instant::now();
        let copied = Command::new("cp").args([&source, &to]).status()?.success();
        let synced = Command::new("sync").arg(&to).status()?.success();
        theirs.push(begin.elapsed());
        if !(copied && synced) {
            return Err("cp or sync failed".into());
        }
    }
    let (ours_text, theirs_text) = (median(&mut ours), median(&mut theirs));
    let ratio = middle(&ours).as_secs_f64() / middle(&theirs).as_secs_f64();
    say(&format!("  from another file system: {ours_text}, cp and sync: {theirs_text}, ratio {ratio:.2}"))
}

fn timed<T>(what: &str, rounds: usize, mut work: impl FnMut() -> Outcome<T>) -> Outcome<()> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        drop(work()?);
        times.push(begin.elapsed());
    }
    say(&format!("  {what}: {}", median(&mut times)))
}

fn median(times: &mut [Duration]) -> String {
    times.sort();
    format!("{:.1} ms", middle(times).as_secs_f64() * 1000.0)
}

fn middle(times: &[Duration]) -> Duration {
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn to_f64(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

const ROUNDS: usize = 5;
const LARGE: u64 = 300_000_000;
