//! `midmirror evidence export`: all that the store knows of one package, as a folder that stock programs check.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use midmirror_mirror::evidence_export::{ExportError, ExportInputs, export};
use midmirror_mirror::store::{Admission, Store};

use super::list;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// The evidence of packages.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Write package, evidence, statement, proofs and catalog into one folder, with the commands that check them
    Export(ExportArguments),
}

/// What to export, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Package name, vendor path or SHA-256 digest
    pub package: String,
    /// A new or empty folder
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Which admission of the package, if not the one that is published or else the newest
    #[arg(long, value_name = "NUMBER")]
    pub admission: Option<u64>,
}

/// Runs one of the commands.
pub(crate) fn run(context: &Context, command: &EvidenceCommand) -> anyhow::Result<Exit> {
    let EvidenceCommand::Export(arguments) = command;
    let store = context.store()?;
    let catalog = list::catalog(&store)?;
    let admission = find(&store, arguments)?;
    let inputs = ExportInputs {
        store: &store,
        catalog: &catalog,
        admission: &admission,
        folder: &arguments.output,
        now: context::now(),
        log_verifier: LOG_VERIFIER,
    };
    let made = match export(&inputs) {
        Err(ExportError::NotEmpty { path }) => {
            return Err(coded(
                Exit::Usage,
                format!("{} is not empty", path.display()),
                "name a new folder: what is in it must be the evidence and nothing else",
            ));
        }
        other => other?,
    };
    output::note(format!(
        "{}: admission {}, {} in {}; README.md there says how to check them",
        admission.entry().path.name(),
        admission.number(),
        output::count(made.files, "file"),
        arguments.output.display()
    ));
    if !made.has_package {
        output::note("the package is not among them: the retention policy has removed its bytes");
    }
    if made.faults.is_empty() {
        return Ok(Exit::Done);
    }
    for fault in &made.faults {
        output::note(format!("DAMAGED: {}", printable(fault)));
    }
    output::note("the evidence is exported as it is; midmirror audit says what else is wrong with the store");
    Ok(Exit::StoreDamaged)
}

fn find(store: &Store, arguments: &ExportArguments) -> anyhow::Result<Admission> {
    let package = &arguments.package;
    let is_meant = |admission: &Admission| {
        let entry = admission.entry();
        entry.path.name().as_str() == package
            || entry.path.as_str() == package
            || entry.sha256.to_hex() == package.to_ascii_lowercase()
    };
    let mut found: Vec<Admission> = store.readable_admissions()?.into_iter().filter(is_meant).collect();
    let mut paths: Vec<&str> = found.iter().map(|admission| admission.entry().path.as_str()).collect();
    paths.dedup();
    if let (Some(first), true) = (paths.first(), paths.iter().any(|path| Some(path) != paths.first())) {
        return Err(coded(
            Exit::Usage,
            format!("{package:?} stands for several packages"),
            format!("give the vendor path, for instance {first}"),
        ));
    }
    let chosen = match arguments.admission {
        Some(number) => found.iter().position(|admission| admission.number() == number),
        None => found.iter().rposition(|admission| !admission.is_held()).or(found.len().checked_sub(1)),
    };
    chosen.map(|at| found.swap_remove(at)).ok_or_else(|| {
        coded(
            Exit::Usage,
            match arguments.admission {
                Some(number) => format!("the store has no admission {number} of {package:?}"),
                None => format!("the store has nothing under the name {package:?}"),
            },
            "midmirror list --history and midmirror log show tell what there is",
        )
    })
}

/// Follows C2SP tlog-proof and knows nothing of this program.
const LOG_VERIFIER: &str = include_str!("../../../tests/interop/verify_log.py");
