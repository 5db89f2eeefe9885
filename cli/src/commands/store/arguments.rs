//! The command line of `midmirror store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::export_tuf::ExportTufArguments;

/// Looking after the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Write catalog and packages into a folder, for TUF clients where no server runs
    ExportTuf(ExportTufArguments),
    /// Compare store, catalog and log; names every file that is missing or wrong
    Check(CheckArguments),
    /// Show how much the store holds, of what
    Stats {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what nobody needs: leftovers, bytes that were never admitted, old attempts in quarantine
    Gc(GcArguments),
    /// Make room: plan by [retention] which old packages go, review the plan, carry it out
    Prune(PruneArguments),
}

/// How to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Read and hash every byte
    #[arg(long)]
    pub full: bool,
    /// For --full: read at most so many MiB a second on the average, so that others can work
    #[arg(long, value_name = "MIB", requires = "full", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rate: Option<u64>,
    /// For --full: remember in this file what was read; a check that was interrupted goes on there. Removed at the end
    #[arg(long, value_name = "FILE", requires = "full")]
    pub resume: Option<PathBuf>,
    /// Set bad bytes aside, build the index again, finish what was interrupted, and fetch anew what is missing
    #[arg(long, conflicts_with = "json")]
    pub repair: bool,
    /// Print problems only, and nothing if there are none
    #[arg(long, short)]
    pub quiet: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Which old packages go.
#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// Write the plan into this new file instead of printing it; nothing else changes
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Carry a plan out: publish a catalog without the packages, then remove their bytes. Evidence and log stay
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "keep", "pin"])]
    pub apply: Option<PathBuf>,
    /// Keep so many builds of each release family instead of the configured number
    #[arg(long, value_name = "BUILDS")]
    pub keep: Option<u32>,
    /// Keep this too: a build stamp, package name, vendor path or digest
    #[arg(long, value_name = "STAMP|NAME|PATH|DIGEST")]
    pub pin: Vec<String>,
    /// For --apply: who decides; in the record and in the log
    #[arg(long, value_name = "NAME", requires = "apply")]
    pub by: Option<String>,
}

/// What to remove.
#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Show what would be removed; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove attempts in quarantine, refused packages among them, that nobody has touched for so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub attempts_older_than: u16,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
