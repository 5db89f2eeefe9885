//! The run itself: a task fetches, and beside it the caller's task verifies, stores and publishes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fetcher::{Fetched, Fetcher};
use super::take_in::take_in;
use super::upstream_memory::UpstreamMemory;
use super::withdraw;
use super::{Event, Item, Observer, Outcome, PipelineError, Site, SyncOptions, SyncReport};
use crate::catalog::publish;
use crate::fetch::{FetchOptions, HttpClient, import_file};
use crate::package::PackagePath;
use crate::plan::PlannedPackage;

/// Fetches, verifies, admits and stores what is planned, then publishes. One package's failure does not stop the
/// others unless the options say so; it is part of the answer.
///
/// Needs a runtime of several threads: while a package is verified on all cores, the next one is fetched. Dropping the
/// future ends the fetch as well; what has arrived is continued by the next run.
pub async fn sync(
    site: &Site<'_>,
    client: &HttpClient,
    planned: &[PlannedPackage],
    options: &SyncOptions,
    observer: Arc<Observer<'static>>,
) -> Result<SyncReport, PipelineError> {
    let mut writer = site.store.write()?;
    let policy = withdraw::policy(site)?;
    let site = &Site { policy: &policy, ..*site };
    let mut seen = HashSet::new();
    let planned = planned
        .iter()
        .filter(|package| seen.insert(package.path().as_str()))
        .map(|package| Ok((package.clone(), writer.find(package.path())?)))
        .collect::<Result<Vec<_>, PipelineError>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let fetcher = Fetcher {
        store: site.store.clone(),
        client: client.clone(),
        options: *options,
        observer: Arc::clone(&observer),
        memory: UpstreamMemory::load(site.store),
        now: site.now,
        expectation: site.expectation(),
        policy: policy.clone(),
        stop: Arc::clone(&stop),
    };
    let (sender, mut receiver) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(fetcher.run(planned, sender));
    let mut report = SyncReport::default();
    while let Some((path, fetched)) = receiver.recv().await {
        let outcome = match fetched {
            Fetched::Settled(outcome) => outcome,
            Fetched::Bytes(quarantined) => {
                observer(Event::Verifying { path: &path });
                in_place(|| take_in(site, &mut writer, *quarantined, false))
            }
        };
        if options.stop_at_first_failure && !outcome.is_success() {
            stop.store(true, Ordering::Relaxed);
        }
        observer(Event::Finished { path: &path, outcome: &outcome });
        report.items.push(Item { path, outcome });
    }
    if let Some(Err(error)) = tasks.join_next().await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
    report.publication = Some(publish(&mut writer, site.keys, site.now, site.lifetimes)?);
    Ok(report)
}

/// Verifies, admits and stores packages that were brought by hand, then publishes.
pub async fn import(
    site: &Site<'_>,
    files: &[(PathBuf, PackagePath)],
    observer: &Observer<'_>,
) -> Result<SyncReport, PipelineError> {
    let mut writer = site.store.write()?;
    withdraw::learn(site)?;
    let policy = withdraw::policy(site)?;
    let site = &Site { policy: &policy, ..*site };
    let mut report = SyncReport::default();
    for (file, path) in files {
        observer(Event::Started { path });
        let options = FetchOptions { expectation: site.expectation(), ..FetchOptions::new(site.now) };
        let outcome = match import_file(file, path.clone(), &site.store.quarantine_dir(), &options).await {
            Ok(quarantined) => {
                observer(Event::Verifying { path });
                in_place(|| take_in(site, &mut writer, quarantined, true))
            }
            Err(error) => Outcome::NotFetched(error),
        };
        observer(Event::Finished { path, outcome: &outcome });
        report.items.push(Item { path: path.clone(), outcome });
    }
    report.publication = Some(publish(&mut writer, site.keys, site.now, site.lifetimes)?);
    Ok(report)
}

/// Verification and copying keep a thread busy for seconds; other tasks go on meanwhile.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
