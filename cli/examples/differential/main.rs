//! Changes signed archives at random and compares what `jarsigner` and this project say of them.
//!
//! ```text
//! cargo run --release -p midmirror-cli --example differential -- --seed 1 --count 5000 --keep differences
//! cargo run --release -p midmirror-cli --example differential -- --seed 1 --only 1234 --keep differences
//! ```
//!
//! Ends 1 if anything differs that `fixtures/conformance/explained.tsv` does not explain. Each such difference is kept as a
//! folder: the archive, both texts, and what was done.

#![expect(clippy::print_stdout, reason = "a program for developers that reports on standard output")]

mod explained;
mod judge;
mod summary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::judge::{Judges, Outcome, is_reproduced};
use crate::summary::Summary;

#[derive(Parser)]
#[command(about = "Compares jarsigner and midmirror on randomly changed archives")]
struct Options {
    /// Which sequence of mutants
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many mutants
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// The first mutant
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this mutant; it is kept even if nothing differs
    #[arg(long)]
    only: Option<u64>,
    /// Folder for differences
    #[arg(long, default_value = "differences")]
    keep: PathBuf,
    /// Home of a JDK of 17 or newer, if not the one on the path
    #[arg(long)]
    jdk: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let options = Options::parse();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/conformance");
    let folder = tempfile::tempdir()?;
    let mut judges = Judges::start(options.jdk.as_deref(), &corpus, folder.path())?;
    println!("JDK {}, seed {}", judges.version(), options.seed);
    if !is_reproduced(judges.version()) {
        println!("its texts are not reproduced: expect differences");
    }
    let classes = explained::read(explained::TABLE)?;
    let mut summary = Summary::default();
    let range = match options.only {
        Some(index) => index..index + 1,
        None => options.from..options.from + options.count,
    };
    for index in range {
        let outcome = judges.judge(options.seed, index)?;
        let class = explained::explain(&classes, &outcome);
        summary.add(&outcome, class);
        let differs = !outcome.differences.is_empty();
        if differs {
            let (base, kinds) = (&outcome.mutant.base, &outcome.mutant.kinds);
            let class = class.map(|class| format!(", explained by {class}")).unwrap_or_default();
            println!("{index}: {:?}: {base} {kinds:?}{class}", outcome.differences);
        }
        if outcome.unconfirmed.is_some() {
            println!("{index}: jarsigner in one machine says something else than by itself");
        }
        if differs || outcome.unconfirmed.is_some() || options.only.is_some() {
            keep(&options.keep.join(format!("{}-{index}", options.seed)), &outcome)?;
        }
    }
    println!("\n{summary}");
    Ok(ExitCode::from(u8::from(summary.unexplained() > 0)))
}

fn keep(folder: &Path, outcome: &Outcome) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("mutant.jar"), &outcome.mutant.bytes)?;
    fs::write(folder.join("jarsigner.txt"), &outcome.theirs.text)?;
    fs::write(folder.join("midmirror.txt"), &outcome.ours.text)?;
    if let Some(answer) = &outcome.unconfirmed {
        fs::write(folder.join("unconfirmed.txt"), format!("{:?}\n{}", answer.exit_code, answer.text))?;
    }
    let about = format!(
        "base: {}\nchanges: {:?}\narguments: {}\njarsigner ends {:?}, midmirror {:?}; admitted: {}\ndifferences: {:?}\n",
        outcome.mutant.base,
        outcome.mutant.kinds,
        outcome.arguments.join(" "),
        outcome.theirs.exit_code,
        outcome.ours.exit_code,
        outcome.admitted,
        outcome.differences,
    );
    fs::write(folder.join("about.txt"), about)
}
