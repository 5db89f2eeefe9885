//! The command line of `midmirror`.

mod verify;

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use midmirror_mirror::package::{PackageKind, Platform};

pub(crate) use self::verify::{
    EntrySelection, ExitCodeKind, InspectArguments, TrustSourceArguments, VerifyArguments, VerifyFormat,
};
use crate::commands::accept::AcceptArguments;
use crate::commands::audit::arguments::AuditArguments;
use crate::commands::demo_upstream::DemoUpstreamArguments;
use crate::commands::evidence::EvidenceCommand;
use crate::commands::keys::arguments::{CatalogCommand, InitArguments, KeysCommand};
use crate::commands::store::StoreCommand;
use crate::commands::who_has::WhoHasArguments;
use crate::commands::withdraw::WithdrawArguments;
use crate::exit::Exit;
use crate::host::arguments::HostCommand;

/// Mirrors ServiceNow MID Server packages for sites that cannot reach the vendor: fetches, verifies like jarsigner
/// and like the MID Server itself, stores, signs a catalog, and serves under the vendor's own paths.
#[derive(Debug, Parser)]
#[command(name = "midmirror", version, after_help = Exit::table(), max_term_width = 110)]
pub(crate) struct Arguments {
    /// Configuration file [default: /etc/midmirror/midmirror.toml if it exists]
    #[arg(long, global = true, env = "MIDMIRROR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of the store; overrides the configuration
    #[arg(long, global = true, env = "MIDMIRROR_STORE", value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// File with the passphrase of encrypted signing keys [default: MIDMIRROR_KEY_PASSPHRASE, the systemd credential
    /// midmirror-key-passphrase, or a question on the terminal]
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,

    /// Log as JSON lines on stderr (level by MIDMIRROR_LOG, for instance `info` or `midmirror_mirror=debug`)
    #[arg(long, global = true)]
    pub log_json: bool,

    /// Make any access to an upstream or mirror an error, before a connection is opened
    #[arg(long, global = true, env = "MIDMIRROR_OFFLINE", value_parser = FalseyValueParser::new())]
    pub offline: bool,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the store, its signing keys and a first, empty catalog
    Init(InitArguments),
    /// Show which packages a build stamp, release name, instance, URL, package name or MID log asks for
    Plan(PlanArguments),
    /// Fetch, verify, admit and publish what is planned (or what [[follow]] names)
    Sync(SyncArguments),
    /// Fetch, verify, admit and publish single URLs
    Fetch {
        /// Full vendor URLs
        #[arg(required = true)]
        urls: Vec<String>,
        /// How progress is shown
        #[command(flatten)]
        progress: ProgressArguments,
    },
    /// Publish other bytes under a known name, which a sync has verified and held
    Accept(AcceptArguments),
    /// Stop publishing bytes at once, here and wherever the signed catalog goes; or lift that
    Withdraw(WithdrawArguments),
    /// List the hosts that are known to have a package
    WhoHas(WhoHasArguments),
    /// Verify, admit and publish packages that were brought by hand
    ImportFile(ImportFileArguments),
    /// Verify a package; ends 0 only if this mirror would admit it
    Verify(VerifyArguments),
    /// Show what is in a package without trusting or judging anything; ends 0 if it can be read as a ZIP archive
    Inspect(InspectArguments),
    /// Drop-in for `jarsigner -verify`, with its texts and exit codes
    #[command(disable_help_flag = true)]
    Jarsigner {
        /// For instance: -verify -verbose -certs -strict FILE
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// List what the catalog holds
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// All digests that each name ever had here: published, held, superseded; with times and reasons
        #[arg(long)]
        history: bool,
    },
    /// Verify everything again, compare it with what was recorded, and report what changed, runs out or is wrong
    Audit(AuditArguments),
    /// Take the evidence of one package with you, in a form that stock programs check
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Show, check and prove what was done here: the append-only log of the store
    #[command(subcommand)]
    Log(LogCommand),
    /// The keys that sign the catalog: who has which, what expires when, changes of keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Look after the signed catalog
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Serve the store over HTTPS under the vendor's paths
    Serve(ServeArguments),
    /// List the trust anchors that decide, with fingerprints and origin
    Anchors {
        /// Which ones
        #[command(flatten)]
        sources: TrustSourceArguments,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the trust file with which hosts are enrolled
    Trust(TrustArguments),
    /// Look after the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Everything of `midmirror-import`, for MID hosts that have the one binary
    #[command(subcommand)]
    Host(HostCommand),
    /// Print the JSON Schema of what `--json` and `--format json` print; without a name, list them
    Schema {
        /// For instance `report`
        name: Option<String>,
    },
    /// Show the whole path on loopback with shipped test packages
    Demo(DemoArguments),
    /// The demo's stand-in for the vendor's host
    #[command(hide = true)]
    DemoUpstream(DemoUpstreamArguments),
}

/// What to plan.
#[derive(Debug, Args, Default)]
pub(crate) struct Selection {
    /// Build stamps, release names ("zurich patch 9 hotfix 3"), build tags (glide-…), package names or vendor URLs
    #[arg(value_name = "STAMP|RELEASE|TAG|NAME|URL")]
    pub items: Vec<String>,
    /// A MID Server's agent0.log.0, rotated ones beside it or .gz; `-` reads standard input
    #[arg(long = "log", value_name = "FILE")]
    pub logs: Vec<PathBuf>,
    /// Stamps, names or URLs one a line; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// A saved page stats.do, as HTML or as text; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub stats: Vec<PathBuf>,
    /// Ask a live instance for its page stats.do
    #[arg(long = "instance", value_name = "URL")]
    pub instances: Vec<String>,
    /// For --instance: a file with user:password in its first line that nobody else may read (mode 0600)
    #[arg(long, value_name = "FILE", requires = "instances")]
    pub instance_credentials: Option<PathBuf>,
    /// For a build tag (glide-…): when it was built, as in `Build date` of stats.do
    #[arg(long, value_name = "MM-DD-YYYY_HHMM")]
    pub build_date: Option<String>,
    /// Only these platforms [default: those of the configuration]
    #[arg(long = "platform", value_name = "PLATFORM")]
    pub platforms: Vec<Platform>,
    /// Only these kinds [default: what an upgrade needs]
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<PackageKind>,
    /// Plan in the vendor's unsigned tree; its packages pass only if they are signed all the same
    #[arg(long)]
    pub unsigned_tree: bool,
}

impl Selection {
    /// Whether it names nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
            && [&self.logs, &self.from, &self.stats].iter().all(|files| files.is_empty())
            && self.instances.is_empty()
    }
}

/// What to sync, and how.
#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// What to sync [default: what [[follow]] names]
    #[command(flatten)]
    pub selection: Selection,
    /// Repeat until SIGTERM or SIGINT, by [watch] in the configuration
    #[arg(long)]
    pub watch: bool,
    /// For --watch: seconds from the end of one round to the next, instead of the configured ones
    #[arg(long, value_name = "SECONDS", requires = "watch", value_parser = clap::value_parser!(u32).range(1..=MAX_EVERY))]
    pub every: Option<u32>,
    /// Ask the upstream whether it still has what the store has; other bytes are verified and held (upstream.on_change)
    #[arg(long)]
    pub revalidate: bool,
    /// Show what would be fetched, from where and how much; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with the other packages after a failure (this is the default)
    #[arg(long)]
    pub keep_going: bool,
    /// Begin nothing more after the first failure; what is done by then is published
    #[arg(long, conflicts_with = "keep_going")]
    pub stop_at_first_failure: bool,
    /// How progress is shown
    #[command(flatten)]
    pub progress: ProgressArguments,
}

/// How progress is shown.
#[derive(Debug, Args, Default)]
pub(crate) struct ProgressArguments {
    /// Progress on stderr: two lines on a terminal and a line every few seconds elsewhere (auto), lines, JSON events, or none
    #[arg(long, value_enum, value_name = "KIND", default_value_t)]
    pub progress: ProgressKind,
    /// For --progress json: append the events to this file (or /dev/fd/3) instead of stderr
    #[arg(long, value_name = "FILE", requires = "progress")]
    pub progress_file: Option<PathBuf>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ProgressKind {
    /// By what stderr is
    #[default]
    Auto,
    /// A line every few seconds
    Plain,
    /// One JSON object a line
    Json,
    /// Only what became of each package
    None,
}

/// The catalog of a connected mirror is due for renewal after 15 days.
pub(crate) const MAX_EVERY: i64 = 7 * 24 * 3600;

/// How to show a plan.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// What to plan
    #[command(flatten)]
    pub selection: Selection,
    /// As JSON
    #[arg(long, group = "form")]
    pub json: bool,
    /// Only the URLs, one a line
    #[arg(long, group = "form")]
    pub urls: bool,
    /// A page for whoever fetches by browser and carries the files by hand
    #[arg(long, group = "form")]
    pub instructions: bool,
}

/// Packages brought by hand.
#[derive(Debug, Args)]
pub(crate) struct ImportFileArguments {
    /// Files with the vendor's names
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The vendor path or URL of the file, when its stamp is irregular or its name was changed (one file only)
    #[arg(long, value_name = "PATH|URL")]
    pub as_path: Option<String>,
    /// A copy of another mirror's store or `repository`: its catalog proves that it admitted the files before their
    /// timestamp authority expired
    #[arg(long, value_name = "DIR", requires = "trust")]
    pub proof: Option<PathBuf>,
    /// The trust file of that mirror
    #[arg(long, value_name = "FILE", requires = "proof")]
    pub trust: Option<PathBuf>,
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// HTTPS address instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Make TLS files for --host, then end: with --csr a key and a request for your own PKI, which is the better choice where
    /// there is one; without it a private CA and a server certificate
    #[arg(long, requires = "hosts", conflicts_with = "renew_tls")]
    pub init_tls: bool,
    /// With --init-tls: a certificate signing request for your own PKI
    #[arg(long, requires = "init_tls")]
    pub csr: bool,
    /// Make a new server certificate and key under the private CA, whose key is needed for it (--ca-key), then end. A server
    /// that runs takes them up by itself
    #[arg(long)]
    pub renew_tls: bool,
    /// With --renew-tls: the server's key has leaked; name its certificate in the revocation list
    #[arg(long, requires = "renew_tls")]
    pub revoke: bool,
    /// With --renew-tls: the private CA's key [default: ca-key.pem beside the certificate]
    #[arg(long, value_name = "FILE", requires = "renew_tls")]
    pub ca_key: Option<PathBuf>,
    /// Where hosts get the private CA's revocation list, for the certificate
    /// [default: http://HOST:PORT/tls/ca.crl with the port of serve.plain_listen, if that is configured]
    #[arg(long, value_name = "URL")]
    pub crl_url: Option<String>,
    /// Names or addresses that hosts use for this mirror; with --renew-tls those of the old certificate if none is given
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
}

/// The trust file.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Where to write it [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Address of this mirror instead of the configured one
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// The log of the store.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print the entries, oldest first: admissions, decisions, refusals, publications
    Show {
        /// Only those about this package: its name, vendor path or SHA-256 digest
        item: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Check every entry, hash and signature, and that evidence and catalog are as recorded
    Verify {
        /// A checkpoint that was kept elsewhere: the log must have grown from it
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the proof that an entry is in the log (C2SP tlog-proof), which can be checked without the log
    Prove {
        /// Number of the entry, or the package that it alone is about: name, vendor path or digest
        item: String,
    },
    /// Print the signed checkpoint, to be kept elsewhere
    Checkpoint,
    /// Print the key of the log, as verifiers of signed notes take it
    Key,
}

/// The demo.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Keep store, agent folder and configuration in this new or empty folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Leave the mirror running at the end, until interrupted
    #[arg(long)]
    pub serve: bool,
}
