//! `midmirror sync --dry-run`: what would be fetched, from where, and whether there is room for it.

use midmirror_mirror::pipeline::{self, Preview, PreviewState};
use midmirror_mirror::plan::PlannedPackage;

use super::sync::Parts;
use crate::context::{Context, block_on};
use crate::exit::Exit;
use crate::output::{self, printable};

/// Prints it; changes nothing.
pub(crate) fn run(context: &Context, planned: &[PlannedPackage]) -> anyhow::Result<Exit> {
    let parts = Parts::load(context)?;
    let client = if context.is_offline() { None } else { Some(context.client()?) };
    let preview =
        block_on(async { Ok(pipeline::preview(&parts.site(context), client.as_ref(), planned).await?) })?;
    Ok(print(&preview, client.is_some()))
}

fn print(preview: &Preview, asked: bool) -> Exit {
    let (mut to_fetch, mut unknown, mut failed, mut withdrawn) = (0, 0, 0, 0);
    for item in &preview.items {
        let url = item.package.url();
        match &item.state {
            PreviewState::InStore { length } => {
                output::data(format!("in store   {:>11}  {url}", output::size(*length)));
            }
            PreviewState::ToFetch { length } => {
                to_fetch += 1;
                unknown += usize::from(length.is_none());
                let size = length.map_or_else(|| "size unknown".to_owned(), output::size);
                output::data(format!("to fetch   {size:>11}  {url}"));
            }
            PreviewState::Withdrawn { reason } => {
                withdrawn += 1;
                output::data(format!("WITHDRAWN  {:>11}  {url}", ""));
                output::note(format!("  {}", printable(reason)));
            }
            PreviewState::Absent if item.package.may_be_absent() => {
                output::data(format!("not made   {:>11}  {url}", ""));
            }
            PreviewState::Absent => {
                failed += 1;
                output::data(format!("NOT FOUND  {:>11}  {url}", ""));
            }
            PreviewState::Unknown { cause } => {
                failed += 1;
                output::data(format!("UNKNOWN    {:>11}  {url}", ""));
                output::note(format!("  {}", printable(cause)));
            }
            _ => {}
        }
    }
    let bytes = preview.known_bytes();
    let more = match unknown {
        0 => String::new(),
        unknown if asked => format!(" and {} of unknown size", output::count(unknown, "package")),
        _ => " (offline: sizes are not known)".to_owned(),
    };
    output::note(format!(
        "{to_fetch} to fetch, {}{more}; {} free; nothing was changed",
        output::size(bytes),
        output::size(preview.available)
    ));
    if !preview.has_room() {
        output::note("warning: there is not enough room for all of them, and for the 64 MiB that stay free");
        return Exit::Storage;
    }
    match failed + withdrawn {
        0 => Exit::Done,
        _ if withdrawn == preview.items.len() => Exit::RefusedByPolicy,
        _ if failed == preview.items.len() => Exit::Unreachable,
        _ => Exit::SomeFailed,
    }
}
