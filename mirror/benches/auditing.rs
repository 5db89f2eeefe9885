//! An audit of everything beside the verifier alone: the same packages, in turn, in one process.
//!
//! `cargo bench -p midmirror-mirror --bench auditing -- FILE ANCHORS [FILE ANCHORS …] [--rounds N]`
//!
//! Each file is a signed package with the PEM file of its anchors; `cargo bench -p midmirror-verify --bench verification -- size`
//! makes such a pair. Each gets a store of its own, under the name of a package of a made-up build. A round runs each variant
//! once, so that a busy machine disturbs all of them alike; what counts are the ratios of the medians, by wall and by CPU time
//! (user and system, from `/proc/self/stat`).

use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, RelaxedRule, judge_file};
use midmirror_mirror::audit::{AuditInputs, AuditRecord, Basis, Reread, Verdict, audit};
use midmirror_mirror::catalog::{Lifetimes, SigningKeys};
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::pipeline::{self, OnChange, Outcome as Item, Site};
use midmirror_mirror::store::Store;
use midmirror_verify::TrustStore;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // Cargo adds this one.
    let mut args: Vec<OsString> = std::env::args_os().skip(1).filter(|arg| arg != "--bench").collect();
    let rounds = match args.iter().position(|arg| arg == "--rounds") {
        Some(at) => {
            let taken: Vec<OsString> = args.splice(at..args.len().min(at + 2), []).collect();
            taken.get(1).and_then(|count| count.to_str()).ok_or("--rounds needs a number")?.parse()?
        }
        None => ROUNDS,
    };
    if args.is_empty() {
        return say("name packages and their anchors: FILE ANCHORS [FILE ANCHORS …]");
    }
    for pair in args.chunks(2) {
        let [file, anchors] = pair else { return Err("each package needs its anchors".into()) };
        compare(Path::new(file), Path::new(anchors), rounds)?;
    }
    Ok(())
}

fn compare(file: &Path, anchors: &Path, rounds: usize) -> Outcome<()> {
    let setting = Setting::new(file, anchors)?;
    let length = setting.blob.metadata()?.len();
    say(&format!("{}: {length} bytes, {rounds} rounds", file.display()))?;
    let record = setting.audit(Reread::Always, None)?;
    let variants: [(&str, &dyn Fn() -> Outcome<()>); 4] = [
        ("the verifier alone", &|| setting.verify()),
        ("the digest, then the verifier", &|| setting.hash_and_verify()),
        ("audit of everything", &|| setting.audit(Reread::Always, None).map(drop)),
        ("audit again, nothing read", &|| setting.audit(AGAIN, Some(&record)).map(drop)),
    ];
    let mut times: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); variants.len()];
    // The first round is for the page cache, and not counted.
    for round in 0..=rounds {
        for ((_, run), (wall, cpu)) in variants.iter().zip(&mut times) {
            let (start, before) = (Instant::now(), cpu_seconds()?);
            run()?;
            if round > 0 {
                wall.push(start.elapsed().as_secs_f64());
                cpu.push(cpu_seconds()? - before);
            }
        }
    }
    let medians: Vec<(f64, f64)> = times.into_iter().map(|(wall, cpu)| (median(wall), median(cpu))).collect();
    let (first_wall, first_cpu) = medians.first().copied().unwrap_or_default();
    for ((name, _), (wall, cpu)) in variants.iter().zip(medians) {
        say(&format!(
            "  {name:<30} wall {wall:>7.3} s, CPU {cpu:>7.2} s; speed of the verifier × {:.2} (wall), {:.2} (CPU)",
            first_wall / wall,
            first_cpu / cpu.max(0.01)
        ))?;
    }
    Ok(())
}

/// A store with one package.
struct Setting {
    _folder: tempfile::TempDir,
    store: Store,
    path: PackagePath,
    blob: PathBuf,
    sha256: Sha256Digest,
    trust: TrustStore,
    policy: AdmissionPolicy,
    now: Timestamp,
}

impl Setting {
    fn new(file: &Path, anchors: &Path) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let now = Timestamp::now();
        let store = Store::create(&folder.path().join("store"), now)?;
        let keys = SigningKeys::create(&folder.path().join("keys"))?;
        let trust = TrustStore::read("anchors", &std::fs::read(anchors)?, None)?;
        let sha256 = Sha256Digest::of_file(file)?;
        let path = PackagePath::parse(PATH)?;
        // Made-up packages are not what their names say; nothing else is set aside.
        let relax =
            |rule: &str| RelaxedRule { rule: rule.to_owned(), sha256, reason: "a benchmark".to_owned() };
        let relaxed = ["content-name", "signed-before-build"].map(relax).to_vec();
        let policy = AdmissionPolicy { relaxed, ..AdmissionPolicy::default() };
        let site = Site {
            store: &store,
            keys: &keys,
            lifetimes: &Lifetimes::ISOLATED,
            trust: &trust,
            timestamp_trust: None,
            agent_anchors: None,
            policy: &policy,
            proof: None,
            on_change: OnChange::Hold,
            max_package_bytes: 1 << 40,
            now,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let report =
            runtime.block_on(pipeline::import(&site, &[(file.to_owned(), path.clone())], &|_| {}))?;
        if let Some(Item::NotAdmitted(error)) = report.items.into_iter().map(|item| item.outcome).next() {
            return Err(error.into());
        }
        let blob = store.blob_path(&sha256);
        Ok(Self { _folder: folder, store, path, blob, sha256, trust, policy, now })
    }

    fn verify(&self) -> Outcome<()> {
        let inputs = AdmissionInputs::new(&self.trust, &self.policy, self.now);
        let decision = judge_file(&self.blob, Some(self.path.name()), self.sha256, &inputs)?;
        if decision.is_admitted() { Ok(()) } else { Err(decision.summary().into()) }
    }

    fn hash_and_verify(&self) -> Outcome<()> {
        if Sha256Digest::of_file(&self.blob)? != self.sha256 {
            return Err("another digest".into());
        }
        self.verify()
    }

    fn audit(&self, reread: Reread, previous: Option<&AuditRecord>) -> Outcome<AuditRecord> {
        let inputs = AuditInputs {
            store: &self.store,
            root: None,
            basis: Basis { previous, ..Basis::new(&self.trust, &self.policy, self.now) },
            reread,
        };
        let audit = audit(&inputs, &mut |_| {})?;
        match audit.report.verdict {
            Verdict::Good => Ok(audit.record),
            _ => Err(format!("{:?}", audit.report.packages).into()),
        }
    }
}

/// User and system time of this process, in the hundredths of a second that Linux tells.
fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<u32> =
        after_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.into_iter().map(f64::from).sum::<f64>() / 100.0)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn say(text: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

const ROUNDS: usize = 7;
const AGAIN: Reread = Reread::After(SignedDuration::from_hours(24 * 30));
const PATH: &str = "glide/distribution/builds/package/app-signed/mid-upgrade/2026/06/19/\
    mid-upgrade.zurich-07-01-2025__patch7-hotfix1-06-18-2026_06-19-2026_0134.universal.universal.zip";
