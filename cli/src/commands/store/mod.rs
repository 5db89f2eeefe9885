//! `midmirror store`: looking after the store.

mod arguments;
mod check;
pub(crate) mod export_tuf;
mod gc;
mod prune;
mod repair;
mod stats;

pub(crate) use arguments::StoreCommand;
pub(crate) use gc::GcReport;

use crate::context::Context;
use crate::exit::Exit;

/// Runs one of the commands.
pub(crate) fn run(context: &Context, command: &StoreCommand) -> anyhow::Result<Exit> {
    match command {
        StoreCommand::Check(arguments) => check::run(context, arguments),
        StoreCommand::ExportTuf(arguments) => export_tuf::run(context, arguments),
        StoreCommand::Stats { json } => stats::run(context, *json),
        StoreCommand::Gc(arguments) => gc::run(context, arguments),
        StoreCommand::Prune(arguments) => prune::run(context, arguments),
    }
}
