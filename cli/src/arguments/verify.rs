//! The command line of `verify` and `inspect`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use midmirror_verify::Jdk;

/// How to verify.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The package
    pub file: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value_t = VerifyFormat::Human)]
    pub format: VerifyFormat,
    /// Whose exit codes to use
    #[arg(long, value_enum, default_value_t = ExitCodeKind::Midmirror)]
    pub exit_code: ExitCodeKind,
    /// Where trust anchors come from
    #[command(flatten)]
    pub sources: TrustSourceArguments,
    /// Organisation instead of the configured one
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// The JDK whose `jarsigner` concludes: 17.0.15, 17.0.21, 17 (which is 17.0.21) or 25. Admission takes all of them
    #[arg(long, value_name = "JDK", env = "MIDMIRROR_JDK", default_value_t)]
    pub jdk: Jdk,
    /// Judge at this moment instead of now, for instance 2030-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
}

/// Where trust anchors come from.
#[derive(Debug, Args)]
pub(crate) struct TrustSourceArguments {
    /// Trust anchors instead of the configured ones: `bundled`, PEM, JKS or PKCS12 file, folder, `jdk:HOME|CACERTS`
    #[arg(long, value_name = "SOURCE", env = "MIDMIRROR_TRUSTSTORE")]
    pub truststore: Vec<String>,
    /// Trust anchors for timestamp authorities only, which those of --truststore then are not for
    #[arg(long, value_name = "SOURCE")]
    pub tsa_truststore: Vec<String>,
    /// Opens keystores among them and checks their integrity
    #[arg(long, value_name = "TEXT", env = "MIDMIRROR_TRUSTSTORE_PASSWORD", hide_env_values = true)]
    pub truststore_password: Option<String>,
    /// What the MID Server trusts, for its own verdict: its `cacerts`, or the folder of the agent
    #[arg(long, value_name = "PATH")]
    pub agent_cacerts: Option<PathBuf>,
}

/// What `verify` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// A summary for people
    Human,
    /// The text of `jarsigner -verify -verbose -certs -strict`
    Jarsigner,
    /// Facts, verdicts and decision as JSON
    Json,
}

/// Whose exit codes `verify` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitCodeKind {
    /// 0 only if this mirror would admit the package
    Midmirror,
    /// What `jarsigner -verify -strict` ends with; 0 also for a ZIP without any signature
    Jarsigner,
}

/// What to show of a package.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The package, or what is left of one
    pub file: PathBuf,
    /// As JSON, with all entries
    #[arg(long, conflicts_with = "entries")]
    pub json: bool,
    /// List the entries, or only the odd ones
    #[arg(long, value_enum, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub entries: Option<EntrySelection>,
    /// What counts as now in the time line
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
}

/// Which entries `inspect` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EntrySelection {
    /// Every entry
    All,
    /// Entries with an oddity, and files that manifest or signature files do not name
    Odd,
}
