//! `midmirror store check`.

use midmirror_mirror::catalog::TrustedCatalog;
use midmirror_mirror::store::{CheckDepth, CheckOptions, CheckReport, CheckSession, Problem, Store, check};

use super::arguments::CheckArguments;
use super::repair;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output::{self, printable};
use crate::progress::ByteProgress;

/// Checks, and repairs if that is wanted.
pub(crate) fn run(context: &Context, arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let looked = look(&store, arguments)?;
    show(&looked, arguments)?;
    if arguments.repair {
        repair::run(context, &store, &looked.report)?;
        let again = look(&store, &CheckArguments { full: false, resume: None, ..*arguments })?;
        show(&again, arguments)?;
        return Ok(conclude(again, true));
    }
    Ok(conclude(looked, arguments.quiet))
}

/// What was found, and the catalog it was compared with.
struct Looked {
    report: CheckReport,
    catalog: anyhow::Result<TrustedCatalog>,
}

fn look(store: &Store, arguments: &CheckArguments) -> anyhow::Result<Looked> {
    // A catalog that cannot be trusted is damage as well, and the files are looked at all the same.
    let catalog = crate::commands::list::catalog(store);
    let mut session = match &arguments.resume {
        Some(file) => Some(CheckSession::open(file, store, context::now())?),
        None => None,
    };
    if let Some(session) = session.as_ref().filter(|session| session.packages() > 0 && !arguments.quiet) {
        output::note(format!(
            "going on with the check of {}: {} were read then",
            session.begun(),
            output::count(usize::try_from(session.packages()).unwrap_or(usize::MAX), "package")
        ));
    }
    let mut options = CheckOptions {
        depth: if arguments.full { CheckDepth::Full } else { CheckDepth::Fast },
        bytes_per_second: arguments.rate.map(|rate| rate << 20),
        session: session.as_mut(),
    };
    let mut progress = ByteProgress::new("checked", arguments.full && !arguments.quiet);
    let report =
        check(store, catalog.as_ref().ok(), &mut options, &mut |at| progress.show(at.done, at.total));
    drop(progress);
    let report = report?;
    if let Some(session) = session {
        session.end()?;
    }
    Ok(Looked { report, catalog })
}

fn show(looked: &Looked, arguments: &CheckArguments) -> anyhow::Result<()> {
    let Looked { report, catalog } = looked;
    if arguments.json {
        return output::json(report);
    }
    for problem in &report.problems {
        let word = if problem.is_damage() { "DAMAGED" } else { "note" };
        output::data(format!("{word:<8} {}", printable(&problem.to_string())));
        for name in catalog.as_ref().map(|catalog| affected(catalog, problem)).unwrap_or_default() {
            output::data(format!("         package {name}"));
        }
    }
    if !arguments.quiet {
        output::note(format!(
            "{} blobs, {}{}; {} admissions, {} packages in the catalog; {} problems",
            report.blobs,
            output::size(report.bytes),
            match report.depth {
                CheckDepth::Full => ", every byte read",
                CheckDepth::Fast => ", sizes only (--full reads every byte)",
            },
            report.admissions,
            report.catalogued,
            report.problems.len()
        ));
    }
    Ok(())
}

fn conclude(looked: Looked, no_advice: bool) -> Exit {
    let is_sound = looked.report.is_sound();
    if !is_sound && !no_advice {
        output::note(
            "next: midmirror store check --full --repair sets bad bytes aside and fetches them anew; what it cannot do \
             comes back from a backup",
        );
    }
    if let Some(catalog) = looked.catalog.as_ref().ok().filter(|_| !no_advice) {
        crate::commands::list::warn_of_expiry(catalog);
    }
    if let Err(error) = looked.catalog {
        output::failure(
            &error,
            Some(
                "bring STORE/repository back from a backup; if only timestamp.json is damaged, move it away and run \
                 midmirror init",
            ),
        );
        return Exit::StoreDamaged;
    }
    if is_sound { Exit::Done } else { Exit::StoreDamaged }
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
