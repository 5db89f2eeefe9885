//! The command line of `midmirror-import` and of `midmirror host`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use midmirror_mirror::package::Platform;

use crate::exit::Exit;

/// Finds out what a MID Server agent misses, verifies it, and stages it into agent/package/incoming.
#[derive(Debug, Parser)]
#[command(name = "midmirror-import", version, after_help = Exit::table(), max_term_width = 110)]
pub(crate) struct HostArguments {
    /// Make any access to a mirror an error, before a connection is opened
    #[arg(long, global = true, env = "MIDMIRROR_OFFLINE", value_parser = FalseyValueParser::new())]
    pub offline: bool,

    /// What to do
    #[command(subcommand)]
    pub command: HostCommand,
}

/// What to do on a MID host.
#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Trust a mirror, by the trust file that `midmirror trust` wrote there
    Enrol(EnrolArguments),
    /// Show what is installed, assigned, missing and waiting
    Status(StatusArguments),
    /// Verify the missing packages and stage them into agent/package/incoming
    Stage(StageArguments),
}

/// Where this program remembers what it trusts and has seen.
#[derive(Debug, Args)]
pub(crate) struct StateArgument {
    /// Folder for trust file, policy and highest catalog versions; outside the agent's folder
    #[arg(long, env = "MIDMIRROR_STATE", value_name = "DIR", default_value = default_state_dir())]
    pub state: PathBuf,
}

/// Enrolment.
#[derive(Debug, Args)]
pub(crate) struct EnrolArguments {
    /// The trust file
    #[arg(long = "trust", value_name = "FILE")]
    pub trust_file: PathBuf,
    /// SHA-256 of the catalog root in the trust file, read out over another channel
    #[arg(long, value_name = "HEX")]
    pub root_sha256: Option<String>,
    /// Trust anchors for packages on this host: `bundled`, PEM, JKS or PKCS12 file
    #[arg(long, value_name = "SOURCE", default_value = "bundled")]
    pub truststore: Vec<String>,
    /// Organisation that signs packages
    #[arg(long, value_name = "NAME", default_value = midmirror_mirror::admit::policy::DEFAULT_ORGANIZATION)]
    pub organization: String,
    /// Replace an earlier enrolment with another root
    #[arg(long)]
    pub replace: bool,
    /// Where it is remembered
    #[command(flatten)]
    pub state: StateArgument,
}

/// Status.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The agent's folder, for instance /opt/servicenow/mid/agent
    #[arg(value_name = "AGENT")]
    pub agent: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Where enrolment is remembered
    #[command(flatten)]
    pub state: StateArgument,
}

/// Staging.
#[derive(Debug, Args)]
pub(crate) struct StageArguments {
    /// The agent's folder, for instance /opt/servicenow/mid/agent
    #[arg(value_name = "AGENT")]
    pub agent: PathBuf,
    /// Mirror URL, folder of a store, or folder of packages [default: the URL of the trust file]
    #[arg(long, value_name = "URL|DIR")]
    pub from: Option<String>,
    /// Certificate for a mirror that asks for one, PEM, intermediates after it; never shown to a proxy
    #[arg(long, env = "MIDMIRROR_CLIENT_CERT", value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Its key, PEM, not encrypted; nobody else may read the file
    #[arg(long, env = "MIDMIRROR_CLIENT_KEY", value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Build stamp to stage when the log names none
    #[arg(long, value_name = "STAMP")]
    pub stamp: Option<String>,
    /// Use a catalog that has expired, until this day or moment, 30 days ahead at most; signatures and versions count all the same
    #[arg(long, value_name = "DATE", requires = "reason")]
    pub accept_stale_until: Option<String>,
    /// For --accept-stale-until: why; it becomes part of the log and of the report
    #[arg(long, value_name = "TEXT", requires = "accept_stale_until")]
    pub reason: Option<String>,
    /// Platform of the agent when it cannot be found out
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Where enrolment is remembered
    #[command(flatten)]
    pub state: StateArgument,
}

fn default_state_dir() -> &'static str {
    if cfg!(windows) { r"C:\ProgramData\midmirror-import" } else { "/var/lib/midmirror-import" }
}
