//! From arguments to exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::commands;
use crate::exit::Exit;
use crate::failure;
use crate::host::{self, arguments::HostArguments};
use crate::logging;
use crate::output;

/// Runs `midmirror`. Invoked under the name `jarsigner`, it is the drop-in.
pub fn run_midmirror(arguments: Vec<OsString>) -> ExitCode {
    keep_others_from_writing();
    let exit = midmirror(arguments);
    all_printed(exit)
}

fn midmirror(arguments: Vec<OsString>) -> ExitCode {
    if called_jarsigner(&arguments) {
        let rest: Vec<String> =
            arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
        return commands::jarsigner::run(None, &rest).unwrap_or_else(|error| failure::report(&error).into());
    }
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let default_level = if matches!(parsed.command, Command::Serve(_)) { "info" } else { "warn" };
    logging::init(parsed.log_json, default_level);
    commands::run(parsed).unwrap_or_else(|error| failure::report(&error).into())
}

/// Runs `midmirror-import`.
pub fn run_import(arguments: Vec<OsString>) -> ExitCode {
    keep_others_from_writing();
    let exit = import(arguments);
    all_printed(exit)
}

fn import(arguments: Vec<OsString>) -> ExitCode {
    let parsed = match HostArguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    logging::init(false, "warn");
    host::run(parsed.command, parsed.offline)
        .map_or_else(|error| failure::report(&error).into(), ExitCode::from)
}

/// Whatever the umask of a service manager or container is, nobody else may change what we make.
fn keep_others_from_writing() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        use rustix::process::umask;
        let given = umask(Mode::RWXG | Mode::RWXO);
        umask(given | Mode::WOTH);
    }
}

/// A success whose output was lost is none.
fn all_printed(exit: ExitCode) -> ExitCode {
    match output::lost_data() {
        Some(error) if exit == ExitCode::SUCCESS => {
            output::note(format!("error: failed to write to standard output\ncaused by: {error}"));
            Exit::Storage.into()
        }
        _ => exit,
    }
}

fn called_jarsigner(arguments: &[OsString]) -> bool {
    arguments
        .first()
        .and_then(|program| Path::new(program).file_stem())
        .is_some_and(|stem| stem.eq_ignore_ascii_case("jarsigner"))
}

/// Help and version go to stdout and end 0, everything else is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    let _closed_pipe = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
