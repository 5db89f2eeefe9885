//! `midmirror store gc`.

use jiff::SignedDuration;
use midmirror_mirror::store::{Garbage, GarbageKind, garbage};
use schemars::JsonSchema;
use serde::Serialize;

use super::arguments::GcArguments;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output::{self, printable};

/// What was, or would be, removed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GcReport {
    /// Whether it was removed; otherwise it only would be.
    removed: bool,
    /// Bytes of all of it.
    bytes: u64,
    /// Each thing.
    items: Vec<Garbage>,
}

/// Removes what nobody needs.
pub(super) fn run(context: &Context, arguments: &GcArguments) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let age = SignedDuration::from_hours(24 * i64::from(arguments.attempts_older_than));
    let before = context::now().checked_sub(age)?;
    // Without a catalog that can be trusted, bytes of pruned packages stay.
    let catalog = crate::commands::list::catalog(&store).ok();
    let items = match arguments.dry_run {
        true => garbage(&store, catalog.as_ref(), before)?,
        false => store.write()?.collect_garbage(catalog.as_ref(), before)?,
    };
    let bytes = items.iter().map(|item| item.bytes).sum();
    let report = GcReport { removed: !arguments.dry_run, bytes, items };
    if arguments.json {
        output::json(&report)?;
        return Ok(Exit::Done);
    }
    for item in &report.items {
        let why = match item.kind {
            GarbageKind::Leftover => "leftover of an interrupted writer",
            GarbageKind::UnadmittedBlob => "bytes that were never admitted",
            GarbageKind::PrunedBlob => "bytes of a pruned package",
            GarbageKind::OldAttempt => "old attempt",
        };
        let place = printable(&item.place.display().to_string());
        output::data(format!("{:>10}  {why}: {place}", output::size(item.bytes)));
    }
    output::note(format!(
        "{} {}, {}",
        if report.removed { "removed" } else { "would remove" },
        output::count(report.items.len(), "thing"),
        output::size(report.bytes)
    ));
    Ok(Exit::Done)
}
