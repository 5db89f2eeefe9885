//! The programs `midmirror` and `midmirror-import`: arguments, configuration, printing, exit codes.

pub mod exit;

mod arguments;
mod commands;
mod config;
mod context;
mod failure;
mod host;
mod logging;
mod output;
mod passphrase;
mod private_file;
mod progress;
mod proxies;
mod run;
mod trust_sources;
mod upstream;

pub use run::{run_import, run_midmirror};
