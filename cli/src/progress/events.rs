//! The events of `--progress json`, one JSON object a line.

use std::time::Instant;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::FetchEvent;
use midmirror_mirror::pipeline::{Event, Outcome, SyncReport};
use schemars::JsonSchema;
use serde::Serialize;

use super::meter::Meter;
use crate::commands::outcomes;
use crate::exit::Exit;

/// One event.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum ProgressEvent {
    /// Work on a package begins.
    Start {
        /// Vendor path.
        package: String,
    },
    /// Bytes arrived; at most two of these a second.
    Progress {
        /// Vendor path.
        package: String,
        /// Bytes that are there, those of earlier runs included.
        received: u64,
        /// Length of the whole, if the upstream has announced it.
        total: Option<u64>,
        /// Rate in this run.
        bytes_per_second: Option<u64>,
        /// Seconds until the file is complete.
        eta_seconds: Option<u64>,
    },
    /// A try failed and another one follows.
    Retry {
        /// Vendor path.
        package: String,
        /// Why.
        cause: String,
        /// Seconds until the next try.
        pause_seconds: f64,
        /// Failures in a row.
        failed: u32,
        /// Tries in a row after which it gives up.
        tries: u32,
    },
    /// All bytes are there and are being verified.
    Verify {
        /// Vendor path.
        package: String,
    },
    /// Work on a package is over.
    Finished {
        /// Vendor path.
        package: String,
        /// `stored`, `already-there`, `unchanged`, `withdrawn`, `not-made`; or not done: `held`, `refused`,
        /// `not-fetched`, `not-stored`, `not-tried`.
        outcome: &'static str,
        /// Whether the package is where it should be.
        success: bool,
        /// Digest of the published bytes.
        sha256: Option<Sha256Digest>,
        /// Why not.
        cause: Option<String>,
    },
    /// The run is over.
    Summary {
        /// Packages that are new.
        stored: usize,
        /// Packages that were there.
        already_there: usize,
        /// Packages that wait for `midmirror accept`.
        held: usize,
        /// Packages that failed.
        failed: usize,
        /// Version of the catalog.
        catalog_version: Option<u64>,
        /// Exit code of these packages.
        exit: u8,
    },
}

impl ProgressEvent {
    /// None for events that this version does not show.
    pub(crate) fn of(event: &Event<'_>, meter: &Meter) -> Option<Self> {
        let event = match *event {
            Event::Started { path } => Self::Start { package: path.as_str().to_owned() },
            Event::Fetching { path, event: FetchEvent::Progress(progress) } => {
                let (bytes_per_second, eta_seconds) = meter.file_speed(Instant::now());
                Self::Progress {
                    package: path.as_str().to_owned(),
                    received: progress.received,
                    total: progress.total,
                    bytes_per_second,
                    eta_seconds,
                }
            }
            Event::Fetching { path, event: FetchEvent::Retry { cause, pause, failed, tries } } => {
                Self::Retry {
                    package: path.as_str().to_owned(),
                    cause: cause.to_owned(),
                    pause_seconds: pause.as_secs_f64(),
                    failed,
                    tries,
                }
            }
            Event::Verifying { path } => Self::Verify { package: path.as_str().to_owned() },
            Event::Finished { path, outcome } => Self::Finished {
                package: path.as_str().to_owned(),
                outcome: outcomes::word(outcome),
                success: outcome.is_success(),
                sha256: published(outcome),
                cause: outcomes::cause(outcome),
            },
            _ => return None,
        };
        Some(event)
    }

    pub(crate) fn summary(report: &SyncReport, exit: Exit) -> Self {
        let outcomes::Counts { stored, already_there, held, failed } = outcomes::count(report);
        let catalog_version = report.publication.map(|publication| publication.versions.targets);
        Self::Summary { stored, already_there, held, failed, catalog_version, exit: exit.code() }
    }
}

fn published(outcome: &Outcome) -> Option<Sha256Digest> {
    match outcome {
        Outcome::Stored(stored) => Some(stored.entry().sha256),
        Outcome::AlreadyThere(entry) | Outcome::Unchanged(entry) | Outcome::Withdrawn(entry) => {
            Some(entry.sha256)
        }
        Outcome::Held { published, .. } => Some(published.sha256),
        _ => None,
    }
}
