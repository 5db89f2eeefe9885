//! `midmirror store check`.

use midmirror_mirror::catalog::TrustedCatalog;
use midmirror_mirror::store::{CheckDepth, Problem, check};

use crate::arguments::StoreCommand;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{self, printable};

/// Runs one of the commands.
pub(crate) fn run(context: &Context, command: &StoreCommand) -> anyhow::Result<Exit> {
    let StoreCommand::Check { full, json } = command;
    let store = context.store()?;
    let depth = if *full { CheckDepth::Full } else { CheckDepth::Fast };
    // A catalog that cannot be trusted is damage as well, and the files are looked at all the same.
    let catalog = super::list::catalog(&store);
    let report = check(&store, catalog.as_ref().ok(), depth, &mut |_| {})?;
    if *json {
        output::json(&report)?;
    } else {
        for problem in &report.problems {
            let word = if problem.is_damage() { "DAMAGED" } else { "note" };
            output::data(format!("{word:<8} {}", printable(&problem.to_string())));
            for name in catalog.as_ref().map(|catalog| affected(catalog, problem)).unwrap_or_default() {
                output::data(format!("         package {name}"));
            }
        }
        output::note(format!(
            "{} blobs, {}{}; {} admissions, {} packages in the catalog; {} problems",
            report.blobs,
            output::size(report.bytes),
            if *full { ", every byte read" } else { ", sizes only (--full reads every byte)" },
            report.admissions,
            report.catalogued,
            report.problems.len()
        ));
    }
    if !report.is_sound() {
        output::note(
            "next: move damaged files away (or bring them back from a backup), then sync their packages again",
        );
    }
    if let Ok(catalog) = &catalog {
        super::list::warn_of_expiry(catalog);
    }
    if let Err(error) = catalog {
        output::failure(
            &error,
            Some(
                "bring STORE/repository back from a backup; if only timestamp.json is damaged, move it away and run \
                 midmirror init",
            ),
        );
        return Ok(Exit::StoreDamaged);
    }
    Ok(if report.is_sound() { Exit::Done } else { Exit::StoreDamaged })
}

/// The packages whose bytes a problem is about.
fn affected(catalog: &TrustedCatalog, problem: &Problem) -> Vec<String> {
    let digest = match problem {
        Problem::MissingBlob { sha256 } => sha256.to_hex(),
        Problem::WrongLength { path, .. } | Problem::WrongDigest { path, .. } => {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
        _ => return Vec::new(),
    };
    let same = catalog.entries().iter().filter(|entry| entry.sha256.to_hex() == digest);
    same.map(|entry| entry.path.name().to_string()).collect()
}
