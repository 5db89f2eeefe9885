//! One file per command.

pub(crate) mod accept;
mod anchors;
pub(crate) mod audit;
mod demo;
pub(crate) mod demo_upstream;
mod dry_run;
pub(crate) mod evidence;
mod history;
mod init;
mod inspect;
pub(crate) mod jarsigner;
pub(crate) mod keys;
pub(crate) mod list;
mod log;
mod on_demand;
pub(crate) mod outcomes;
pub(crate) mod plan;
mod schema;
mod serve;
pub(crate) mod store;
mod sync;
mod trust;
pub(crate) mod verify;
mod watch;
pub(crate) mod who_has;
pub(crate) mod withdraw;

use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::host;

/// Runs one command.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { config, store, command, offline, passphrase_file, .. } = arguments;
    let context = || {
        let context = Context::load(config.clone(), store, offline)?;
        anyhow::Ok(context.with_passphrase_file(passphrase_file))
    };
    let exit = match command {
        Command::Jarsigner { arguments } => return jarsigner::run(config.clone(), &arguments),
        Command::Inspect(arguments) => inspect::run(&arguments)?,
        Command::Schema { name } => schema::run(name.as_deref())?,
        Command::Verify(arguments) => return verify::run(&context()?, &arguments),
        Command::Demo(arguments) => demo::run(&arguments)?,
        Command::DemoUpstream(arguments) => demo_upstream::run(&arguments)?,
        Command::Host(command) => host::run(command, offline)?,
        Command::Anchors { sources, json } => anchors::run(&context()?, &sources, json)?,
        Command::Init(arguments) => init::run(&context()?, &arguments)?,
        Command::Keys(command) => keys::run(context, &command)?,
        Command::Catalog(command) => keys::catalog(&context()?, &command)?,
        Command::Plan(arguments) => plan::run(&context()?, &arguments)?,
        Command::Sync(arguments) if arguments.watch => watch::run(context()?, &arguments)?,
        Command::Sync(arguments) => sync::sync(&context()?, &arguments)?,
        Command::Fetch { urls, progress } => sync::fetch(&context()?, &urls, &progress)?,
        Command::Audit(arguments) => audit::run(&context()?, &arguments)?,
        Command::Evidence(command) => evidence::run(&context()?, &command)?,
        Command::Accept(arguments) => accept::run(&context()?, &arguments)?,
        Command::WhoHas(arguments) => who_has::run(&context()?, &arguments)?,
        Command::Withdraw(arguments) => withdraw::run(&context()?, &arguments)?,
        Command::ImportFile(arguments) => sync::import_files(&context()?, &arguments)?,
        Command::List { json, history: true } => history::run(&context()?, json)?,
        Command::List { json, history: false } => list::run(&context()?, json)?,
        Command::Log(command) => log::run(&context()?, &command)?,
        Command::Serve(arguments) => serve::run(&context()?, &arguments)?,
        Command::Trust(arguments) => trust::run(&context()?, &arguments)?,
        Command::Store(command) => store::run(&context()?, &command)?,
    };
    Ok(exit.into())
}
