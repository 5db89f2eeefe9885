//! Our verification against the real `jarsigner -verify -strict`: the same package, in turn, as child processes.
//!
//! `cargo bench -p midmirror-verify --bench verification -- FILE [ANCHORS] [--rounds N]`
//!
//! `FILE` may be `size` or `entries`: such a package is made then, unless there is one from before. `ANCHORS` is a PEM file; its certificates go into a keystore that both programs get. Each round runs every variant
//! once, so that a busy machine disturbs all of them alike; what counts are the ratios of the medians. We run as this
//! program started anew, by the library's drop-in for `jarsigner`: arguments, text and exit code are the same. CPU time
//! and peak memory are those that GNU `time` reports. It needs `jarsigner`, `keytool` and `time` on the path.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use midmirror_verify::{TrustStore, jarsigner};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    // Cargo adds this one.
    let mut args: Vec<OsString> = std::env::args_os().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|first| first == CHILD) {
        return child(args);
    }
    let rounds = match args.iter().position(|arg| arg == "--rounds") {
        Some(at) => {
            let taken: Vec<OsString> = args.splice(at..args.len().min(at + 2), []).collect();
            taken.get(1).and_then(|count| count.to_str()).ok_or("--rounds needs a number")?.parse()?
        }
        None => ROUNDS,
    };
    let mut args = args.into_iter().map(PathBuf::from);
    let Some(file) = args.next() else {
        say(USAGE)?;
        return Ok(ExitCode::SUCCESS);
    };
    let missing = ["jarsigner", "keytool", "time"].iter().find(|tool| Command::new(tool).output().is_err());
    if let Some(tool) = missing {
        say(&format!("skipped: no {tool}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = tempfile::tempdir()?;
    let (file, anchors) = match PACKAGES.iter().find(|(name, _)| file == Path::new(name)) {
        Some((name, options)) => made(name, options)?,
        None => (file, args.next()),
    };
    let setting = Setting { keystore: keystore(anchors.as_deref(), folder.path())?, file, folder };
    compare(&setting, rounds)
}

/// Runs the library as `jarsigner`: `CHILD THREADS ARGUMENTS…`.
fn child(args: Vec<OsString>) -> Outcome<ExitCode> {
    let mut args = args.into_iter().skip(1).map(|arg| arg.into_string().map_err(|_| "not UTF-8"));
    let threads = args.next().ok_or("no number of threads")??.parse()?;
    let args: Vec<String> = args.collect::<Result<_, _>>()?;
    let trust = TrustStore::bundled();
    let environment =
        jarsigner::Environment { threads, ..jarsigner::Environment::new(&trust, jiff::Timestamp::now()) };
    let exit_code =
        jarsigner::run_to(&args, &environment, &mut std::io::stdout().lock(), &mut std::io::stderr())?;
    Ok(ExitCode::from(exit_code))
}

/// A package for measurements and its anchors, made if they are not there.
fn made(name: &str, options: &[&str]) -> Outcome<(PathBuf, Option<PathBuf>)> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.zip"));
    let anchors = file.with_extension("zip.anchors.pem");
    // The anchors are written last.
    if !anchors.exists() {
        say(&format!("making {}", file.display()))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["run", "--quiet", "--release", "-p", "midmirror-fixtures", "--", "large"]);
        if !command.arg(&file).args(options).status()?.success() {
            return Err("midmirror-fixtures failed".into());
        }
    }
    Ok((file, Some(anchors)))
}

/// What all runs have in common.
struct Setting {
    file: PathBuf,
    keystore: Option<PathBuf>,
    folder: tempfile::TempDir,
}

/// A keystore with the certificates of a PEM file, made by `keytool`.
fn keystore(anchors: Option<&Path>, folder: &Path) -> Outcome<Option<PathBuf>> {
    let Some(anchors) = anchors else { return Ok(None) };
    let keystore = folder.join("anchors.p12");
    for (number, block) in std::fs::read_to_string(anchors)?.split(PEM_BEGIN).skip(1).enumerate() {
        let certificate = folder.join("certificate.pem");
        std::fs::write(&certificate, format!("{PEM_BEGIN}{block}"))?;
        let made = Command::new("keytool")
            .args(["-importcert", "-noprompt", "-storepass", PASSWORD, "-alias", &number.to_string()])
            .args(["-file".as_ref(), certificate.as_os_str(), "-keystore".as_ref(), keystore.as_os_str()])
            .output()?;
        if !made.status.success() {
            return Err(format!("keytool: {}", String::from_utf8_lossy(&made.stdout)).into());
        }
    }
    Ok(Some(keystore))
}

/// One way to verify.
#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    /// Threads of ours; the real `jarsigner` has none to give.
    threads: Option<&'static str>,
    verbose: bool,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Figures {
    wall: f64,
    cpu: f64,
    peak: f64,
}

fn compare(setting: &Setting, rounds: usize) -> Outcome<ExitCode> {
    let cores = std::thread::available_parallelism()?;
    let length = std::fs::metadata(&setting.file)?.len();
    say(&format!("{length} bytes, {rounds} rounds, {cores} cores, SHA-256 in hardware: {}\n", has_sha()))?;

    // Once unmeasured: fills the page cache, and shows whether both say the same.
    let mut same = true;
    for [theirs, ours] in [[THEIRS, ONE_THREAD], [THEIRS_VERBOSE, ONE_THREAD_VERBOSE]] {
        let (theirs, ours) = (setting.command(theirs)?.output()?, setting.command(ours)?.output()?);
        let text = if theirs.stdout == ours.stdout { "equal" } else { "different" };
        same &= theirs.status.code() == ours.status.code();
        let (code, bytes) = (theirs.status, theirs.stdout.len());
        say(&format!("jarsigner: {code}, ours: {}; {text} text, {bytes} bytes", ours.status))?;
    }
    let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); VARIANTS.len()];
    for _ in 0..rounds {
        for (variant, runs) in VARIANTS.iter().zip(&mut runs) {
            runs.push(setting.measure(*variant)?);
        }
    }
    say(&table(&runs))?;
    if !same {
        say("the exit codes differ: these figures compare different things")?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

impl Setting {
    fn measure(&self, variant: Variant) -> Outcome<Figures> {
        let figures = self.folder.path().join("figures");
        let inner = self.command(variant)?;
        let mut command = Command::new("time");
        command.args(["-f", "%U %S %M", "-o"]).arg(&figures).arg(inner.get_program());
        command.args(inner.get_args()).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let start = Instant::now();
        command.status()?;
        let wall = start.elapsed().as_secs_f64();
        // A line about the exit code may come first.
        let text = std::fs::read_to_string(&figures)?;
        let numbers: Vec<f64> =
            text.lines().last().unwrap_or_default().split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [user, system, peak] = numbers.try_into().map_err(|_| "not GNU time")?;
        Ok(Figures { wall, cpu: user + system, peak: peak / 1024.0 })
    }

    fn command(&self, variant: Variant) -> Outcome<Command> {
        let mut command = match variant.threads {
            Some(threads) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([CHILD, threads]);
                command
            }
            None => Command::new("jarsigner"),
        };
        command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").args(["-verify", "-strict"]);
        if variant.verbose {
            command.args(["-verbose", "-certs"]);
        }
        if let Some(keystore) = &self.keystore {
            command.arg("-keystore").arg(keystore).args(["-storepass", PASSWORD]);
        }
        command.arg(&self.file);
        Ok(command)
    }
}

/// Medians, and ratios of medians to the real `jarsigner` with the same arguments.
fn table(runs: &[Vec<Figures>]) -> String {
    let mut text = format!(
        "\n{:<34} {:>8} {:>8} {:>9}   ratio: wall    cpu   peak\n",
        "medians", "wall s", "cpu s", "peak MiB"
    );
    let mut theirs: Option<Figures> = None;
    for (variant, runs) in VARIANTS.iter().zip(runs) {
        let Figures { wall, cpu, peak } = medians(runs);
        let _ = write!(text, "{:<34} {wall:>8.3} {cpu:>8.2} {peak:>9.1}", variant.name);
        match theirs.filter(|_| variant.threads.is_some()) {
            Some(theirs) => {
                let ratios = [wall / theirs.wall, cpu / theirs.cpu, peak / theirs.peak];
                let _ = writeln!(text, "   {:>11.3} {:>6.3} {:>6.3}", ratios[0], ratios[1], ratios[2]);
            }
            None => {
                theirs = Some(Figures { wall, cpu, peak });
                text.push('\n');
            }
        }
    }
    let found = |wanted: Variant| {
        let pairs = VARIANTS.iter().zip(runs);
        pairs.filter(|(variant, _)| variant.name == wanted.name).map(|(_, runs)| medians(runs)).next()
    };
    if let (Some(one), Some(all), Some(verbose)) =
        (found(ONE_THREAD), found(ALL_CORES), found(ONE_THREAD_VERBOSE))
    {
        let _ = writeln!(text, "\nall cores, CPU against one thread: {:.3}", all.cpu / one.cpu);
        let _ = writeln!(text, "verbose, CPU against plain:        {:.3}", verbose.cpu / one.cpu);
        let _ = writeln!(text, "verbose, wall against plain:       {:.3}", verbose.wall / one.wall);
    }
    if let (Some(theirs), Some(ours)) = (found(THEIRS_VERBOSE), found(ALL_CORES_VERBOSE)) {
        let _ =
            writeln!(text, "verbose, all cores, wall against jarsigner's: {:.3}", ours.wall / theirs.wall);
    }
    text
}

fn medians(runs: &[Figures]) -> Figures {
    let median = |of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Figures { wall: median(|run| run.wall), cpu: median(|run| run.cpu), peak: median(|run| run.peak) }
}

/// Without such instructions SHA-256 takes three times as long, and the ratios are others.
fn has_sha() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return if std::arch::is_x86_feature_detected!("sha") { "yes" } else { "no" };
    #[cfg(not(target_arch = "x86_64"))]
    "unknown"
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")
}

const THEIRS: Variant = Variant { name: "jarsigner -strict", threads: None, verbose: false };
const ONE_THREAD: Variant = Variant { name: "ours, one thread", threads: Some("1"), verbose: false };
const ALL_CORES: Variant = Variant { name: "ours, all cores", threads: Some("0"), verbose: false };
const THEIRS_VERBOSE: Variant =
    Variant { name: "jarsigner -strict -verbose -certs", threads: None, verbose: true };
const ONE_THREAD_VERBOSE: Variant =
    Variant { name: "ours -verbose -certs, one thread", threads: Some("1"), verbose: true };
const ALL_CORES_VERBOSE: Variant =
    Variant { name: "ours -verbose -certs, all cores", threads: Some("0"), verbose: true };

/// In this order, each group led by the real one.
const VARIANTS: [Variant; 6] =
    [THEIRS, ONE_THREAD, ALL_CORES, THEIRS_VERBOSE, ONE_THREAD_VERBOSE, ALL_CORES_VERBOSE];

/// Fewer give no median worth the name.
const ROUNDS: usize = 9;

/// The first argument of this program started anew.
const CHILD: &str = "run-as-child";

const PASSWORD: &str = "changeit";
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";

const USAGE: &str = "\
usage: cargo bench -p midmirror-verify --bench verification -- FILE [ANCHORS] [--rounds N]

FILE may be the name of a package to measure with, which is made when it is not there (signing needs a JDK and OpenSSL):

  size      large size.zip --megabytes 300 --entries 4000 --sign
  entries   large entries.zip --megabytes 60 --entries 50000 --sign

By hand that is `midmirror-fixtures large …`; a package of one file is `large one.zip --megabytes 2223 --entries 1`. The
anchors of a signed one are beside it: size.zip.anchors.pem.";

/// What the packages with a name are made of.
const PACKAGES: [(&str, &[&str]); 2] = [
    ("size", &["--megabytes", "300", "--entries", "4000", "--sign"]),
    ("entries", &["--megabytes", "60", "--entries", "50000", "--sign"]),
];
