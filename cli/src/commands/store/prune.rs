//! `midmirror store prune`: a plan first, then what is left of it.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use midmirror_mirror::catalog::publish;
use midmirror_mirror::hosts::{HostPackage, known_hosts};
use midmirror_mirror::prune::{self, PlanFile, PruneCandidate, PrunePlan, PrunedPackage, Retention};
use midmirror_mirror::store::Store;

use super::arguments::PruneArguments;
use crate::commands::list;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Plans, or carries a plan out.
pub(super) fn run(context: &Context, arguments: &PruneArguments) -> anyhow::Result<Exit> {
    match (&arguments.plan, &arguments.apply) {
        (_, Some(file)) => apply(context, file, arguments.by.as_deref()),
        (file, None) => make_plan(context, arguments, file.as_deref()),
    }
}

fn make_plan(context: &Context, arguments: &PruneArguments, file: Option<&Path>) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let configured = &context.config.retention;
    let retention = Retention {
        builds_per_family: arguments.keep.unwrap_or(configured.builds_per_family),
        unpublished_days: configured.unpublished_days,
        pinned: configured.pinned.iter().chain(&arguments.pin).cloned().collect(),
    };
    let plan = plan(context, &store, &retention)?;
    let text = PlanFile::write(store.id(), &retention, &plan, context::now());
    match file {
        Some(file) => {
            write_new(file, &text)?;
            output::note(format!(
                "{} in {}: read it, delete the lines of what is to stay, then: midmirror store prune --apply {}",
                output::count(plan.candidates.len(), "package"),
                file.display(),
                file.display()
            ));
        }
        None => output::data(text.trim_end()),
    }
    Ok(Exit::Done)
}

/// A plan that somebody has shortened is not written over.
fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut new = match std::fs::OpenOptions::new().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(coded(
                Exit::Usage,
                format!("{} is there already", file.display()),
                "name a new file; or carry that plan out with --apply",
            ));
        }
        opened => opened.with_context(|| format!("failed to make {}", file.display()))?,
    };
    new.write_all(text.as_bytes()).with_context(|| format!("failed to write {}", file.display()))
}

fn plan(context: &Context, store: &Store, retention: &Retention) -> anyhow::Result<PrunePlan> {
    let admissions = store.admissions()?;
    let catalog = list::catalog(store)?;
    let digests: Vec<_> = catalog.entries().iter().map(|entry| entry.sha256).collect();
    let hosts = hosts(context.config.serve.records.as_ref(), &digests)?;
    let pruned = prune::pruned_digests(store, &admissions)?;
    Ok(prune::plan(retention, &admissions, catalog.entries(), &pruned, &hosts, context::now()))
}

/// Without records nobody knows what hosts run; that is said.
fn hosts(
    records: Option<&PathBuf>,
    digests: &[midmirror_mirror::Sha256Digest],
) -> anyhow::Result<Vec<HostPackage>> {
    let Some(folder) = records else {
        output::note(
            "note: what hosts run is not known (serve.records is not configured); pin what they need with --pin",
        );
        return Ok(Vec::new());
    };
    let known = known_hosts(folder, digests)?;
    if known.unreadable > 0 {
        output::note(format!(
            "note: {} of hosts could not be read: pin what these hosts may need with --pin",
            output::count(usize::try_from(known.unreadable).unwrap_or(usize::MAX), "record")
        ));
    }
    Ok(known.hosts)
}

fn read_plan(file: &Path) -> anyhow::Result<PlanFile> {
    let unusable = |reason: &dyn std::fmt::Display| {
        coded(
            Exit::Usage,
            format!("{}: {reason}", file.display()),
            "midmirror store prune --plan NEW makes a plan",
        )
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map(|opened| opened.take(PlanFile::MAX_BYTES.saturating_add(1)));
    opened
        .and_then(|mut opened| opened.read_to_end(&mut bytes))
        .map_err(|error| unusable(&format_args!("the plan cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable(&"it is no prune plan, which is UTF-8 text"))?;
    PlanFile::parse(&text).map_err(|error| unusable(&error))
}

fn apply(context: &Context, file: &Path, by: Option<&str>) -> anyhow::Result<Exit> {
    let wanted = read_plan(file)?;
    let store = context.store()?;
    if wanted.store != store.id() {
        return Err(coded(
            Exit::Usage,
            format!("{} is a plan for another store ({})", file.display(), printable(&wanted.store)),
            "midmirror store prune --plan NEW makes one for this store",
        ));
    }
    let keys = context.keys_to_publish(&store)?;
    let mut writer = store.write()?;
    // What has come since the plan was made counts: a host that reported, a package that was pinned or became the newest.
    let mut retention = wanted.retention.clone();
    retention.pinned.extend(context.config.retention.pinned.iter().cloned());
    let now = plan(context, &store, &retention)?;
    let mut go = now.candidates;
    go.retain(|candidate| wanted.remove.contains(&candidate.sha256));
    let stays = wanted.remove.len().saturating_sub(distinct(&go));
    if go.is_empty() {
        output::note("nothing to do: no package of the plan is there that may go");
        return Ok(Exit::Done);
    }
    let count = go.len();
    let at = context::now();
    prune::record(&writer, go.iter().map(pruned).collect(), by.map(|by| by.trim().to_owned()), at)?;
    let publication = publish(&mut writer, &keys, at, &context.lifetimes(&store))?;
    let catalog = list::catalog(&store)?;
    // Nothing else than what was pruned: attempts are younger than the beginning of time.
    let removed = writer.collect_garbage(Some(&catalog), Timestamp::MIN)?;
    let bytes = removed.iter().map(|garbage| garbage.bytes).sum();
    output::note(format!(
        "{} pruned, {} freed; catalog version {}; their evidence and the log stay",
        output::count(count, "package"),
        output::size(bytes),
        publication.versions.targets
    ));
    if stays > 0 {
        output::note(format!(
            "{} of the plan not: gone already, pinned, or needed by now",
            output::count(stays, "package")
        ));
    }
    Ok(Exit::Done)
}

fn distinct(candidates: &[PruneCandidate]) -> usize {
    let digests: std::collections::BTreeSet<_> =
        candidates.iter().map(|candidate| candidate.sha256).collect();
    digests.len()
}

fn pruned(candidate: &PruneCandidate) -> PrunedPackage {
    PrunedPackage {
        sha256: candidate.sha256,
        length: candidate.length,
        admission: candidate.admission,
        path: candidate.path.clone(),
        reason: candidate.reason.to_string(),
    }
}
