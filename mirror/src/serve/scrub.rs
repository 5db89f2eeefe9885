//! Reading every published file again, slowly and for ever, so that a bad disk is known before a fleet asks.
//!
//! What it finds is what the server goes by: a file that is not what the catalog says gets 503 from then on, `/healthz` and
//! `/metrics` say so, and it is served again when it has been put right.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::blob_check::BlobProblem;
use super::metrics::CheckLabels;
use super::site::Site;
use crate::store::Pace;

/// How the published files are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubConfig {
    /// Bytes per second; 0 turns it off.
    pub bytes_per_second: u64,
    /// From the beginning of one round to the beginning of the next.
    pub every: Duration,
}

impl Default for ScrubConfig {
    /// 20 MiB/s, once a day.
    fn default() -> Self {
        Self { bytes_per_second: 20 * 1024 * 1024, every: Duration::from_secs(24 * 3600) }
    }
}

/// Reads what is published until told to stop.
pub(super) fn run(site: &Arc<Site>, config: ScrubConfig, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        round(site, config, stop);
        while begun.elapsed() < config.every && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn round(site: &Arc<Site>, config: ScrubConfig, stop: &AtomicBool) {
    let mut pace = Pace::new(Some(config.bytes_per_second));
    let mut done = HashSet::new();
    let view = site.view();
    for package in view.packages() {
        let entry = &package.entry;
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if !done.insert(entry.sha256) || !site.view().names(&entry.sha256) {
            continue;
        }
        let metrics = site.metrics();
        let passed = |bytes| {
            metrics.checked_bytes.inc_by(bytes);
            pace.pass(bytes);
            !stop.load(Ordering::Relaxed)
        };
        let outcome = match site.scrub(entry, passed) {
            Ok(true) => "good",
            Ok(false) => return,
            Err(problem) => {
                say(entry.path.as_str(), &problem);
                "bad"
            }
        };
        metrics.checked_files.get_or_create(&CheckLabels { outcome }).inc();
    }
}

fn say(package: &str, problem: &BlobProblem) {
    let problem: &dyn std::error::Error = problem;
    tracing::error!(
        package,
        error = problem,
        "a stored file is not what the catalog says and is not served any more"
    );
}

const LOOK_EVERY: Duration = Duration::from_millis(200);
