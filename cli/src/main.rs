//! The program `midmirror`.

use std::process::ExitCode;

fn main() -> ExitCode {
    midmirror_cli::run_midmirror(std::env::args_os().collect())
}
