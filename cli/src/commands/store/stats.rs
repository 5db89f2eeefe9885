//! `midmirror store stats`.

use midmirror_mirror::store::{Amount, stats};

use crate::commands::list;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;

/// Shows how much the store holds.
pub(super) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let stats = stats(&store, &list::catalog(&store)?)?;
    if json {
        output::json(&stats)?;
        return Ok(Exit::Done);
    }
    output::data(format!("store        {}, format {}, made {}", stats.id, stats.format, stats.created));
    line("published", "package", stats.published);
    for (family, amount) in &stats.families {
        line(&format!("  {family}"), "package", *amount);
    }
    for of_kind in &stats.kinds {
        line(
            &format!("  {} {}", of_kind.kind.as_str(), of_kind.platform.as_str()),
            "package",
            of_kind.amount,
        );
    }
    line("unpublished", "blob", stats.unpublished);
    line("evidence", "admission", stats.evidence);
    line("quarantine", "attempt", stats.quarantine);
    line("damaged", "file", stats.damaged);
    let entries = stats.log_entries.map_or("none".to_owned(), |entries| count(entries, "entry"));
    output::data(format!("log          {entries}"));
    output::data(format!("free         {}", output::size(stats.free_bytes)));
    if stats.missing > 0 {
        output::note(format!(
            "{} without bytes; next: midmirror store check --repair",
            count(stats.missing, "published package")
        ));
    }
    Ok(Exit::Done)
}

fn line(what: &str, noun: &str, amount: Amount) {
    output::data(format!("{what:<36} {:>14}  {:>10}", count(amount.count, noun), output::size(amount.bytes)));
}

fn count(number: u64, noun: &str) -> String {
    output::count(usize::try_from(number).unwrap_or(usize::MAX), noun)
}
