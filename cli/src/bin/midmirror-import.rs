//! The program `midmirror-import`, the companion on the MID host.

use std::process::ExitCode;

fn main() -> ExitCode {
    midmirror_cli::run_import(std::env::args_os().collect())
}
