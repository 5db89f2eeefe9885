//! The fetching side: a task of its own that brings one package after the other and hands it to the verifying side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::upstream_memory::{Remembered, UpstreamMemory};
use super::{Event, Observer, Outcome, Revalidate, SyncOptions};
use crate::Sha256Digest;
use crate::admit::{AdmissionPolicy, AdmitError, Decision};
use crate::catalog::CatalogEntry;
use crate::fetch::{
    Expectation, FetchError, FetchEvent, FetchOptions, HttpClient, Look, QuarantinedPackage, Seen, fetch,
};
use crate::package::PackagePath;
use crate::plan::PlannedPackage;
use crate::store::Store;

/// What the fetching side has of a package.
pub(super) enum Fetched {
    /// Bytes to be verified.
    Bytes(Box<QuarantinedPackage>),
    /// Nothing more is to be done.
    Settled(Outcome),
}

pub(super) struct Fetcher {
    pub(super) store: Store,
    pub(super) client: HttpClient,
    pub(super) options: SyncOptions,
    pub(super) observer: Arc<Observer<'static>>,
    pub(super) memory: UpstreamMemory,
    pub(super) now: Timestamp,
    pub(super) expectation: Expectation,
    /// Knows what is withdrawn.
    pub(super) policy: AdmissionPolicy,
    /// Set by the verifying side when nothing more is to be begun.
    pub(super) stop: Arc<AtomicBool>,
}

impl Fetcher {
    /// Works off the plan in its order. Ends early if nobody takes what it brings.
    pub(super) async fn run(
        mut self,
        planned: Vec<(PlannedPackage, Option<CatalogEntry>)>,
        verifier: mpsc::Sender<(PackagePath, Fetched)>,
    ) {
        for (package, known) in planned {
            // First a place, then the bytes: no more than one package waits while another one is verified.
            let Ok(place) = verifier.reserve().await else { break };
            let fetched = if self.stop.load(Ordering::Relaxed) {
                Fetched::Settled(Outcome::NotTried)
            } else {
                self.work(&package, known).await
            };
            place.send((package.path().clone(), fetched));
        }
        self.memory.save();
    }

    async fn work(&mut self, package: &PlannedPackage, known: Option<CatalogEntry>) -> Fetched {
        let path = package.path();
        (self.observer)(Event::Started { path });
        match self.ask(package, known).await {
            Ok(Some(outcome)) => return Fetched::Settled(outcome),
            Ok(None) => {}
            Err(error) => return Fetched::Settled(Outcome::NotFetched(error)),
        }
        let observer = Arc::clone(&self.observer);
        let progress = |event: FetchEvent<'_>| observer(Event::Fetching { path, event });
        let options =
            FetchOptions { now: self.now, expectation: self.expectation.clone(), progress: &progress };
        match fetch(&self.client, package, &self.store.quarantine_dir(), &options).await {
            Ok(quarantined) => {
                let seen = Seen::of_record(quarantined.record(), quarantined.length());
                self.remember(package, quarantined.sha256(), seen);
                Fetched::Bytes(Box::new(quarantined))
            }
            Err(FetchError::NotFound { .. }) if package.may_be_absent() => Fetched::Settled(Outcome::NotMade),
            Err(error) => Fetched::Settled(Outcome::NotFetched(error)),
        }
    }

    /// What is to be said without a fetch; none if there must be one.
    async fn ask(
        &mut self,
        package: &PlannedPackage,
        known: Option<CatalogEntry>,
    ) -> Result<Option<Outcome>, FetchError> {
        let Some(published) = known.map(Box::new) else { return Ok(None) };
        // Withdrawn bytes are there and of no use; only if the upstream has others something is to be done.
        let withdrawn = Decision::of_withdrawn(package.path().name(), published.sha256, &self.policy);
        let is_withdrawn = withdrawn.is_some();
        let already_there = |published| {
            withdrawn.map_or_else(
                || Outcome::AlreadyThere(published),
                |decision| {
                    let name = Box::new(package.path().name().clone());
                    Outcome::NotAdmitted(AdmitError::Refused { name, decision: Box::new(decision) })
                },
            )
        };
        if self.options.revalidate == Revalidate::Never {
            return Ok(Some(already_there(published)));
        }
        let path = package.path();
        let recalled = match self.memory.recall(&self.store, path, package.url().as_str()) {
            Ok(Some(recalled)) => recalled,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(Outcome::NotStored(error))),
        };
        if let Revalidate::After(interval) = self.options.revalidate
            && !is_due(recalled.asked_at, self.now, interval)
        {
            return Ok(Some(already_there(published)));
        }
        let observer = Arc::clone(&self.observer);
        let progress = |event: FetchEvent<'_>| observer(Event::Fetching { path, event });
        match self.client.look(package.url(), &recalled.seen, &progress).await? {
            Look::Gone | Look::Same if is_withdrawn => Ok(Some(already_there(published))),
            Look::Gone => Ok(Some(Outcome::Withdrawn(published))),
            Look::Other(_) => Ok(None),
            Look::Same => {
                let outcome = if recalled.sha256 == published.sha256 {
                    Outcome::Unchanged(published)
                } else {
                    match self.held(path, recalled.sha256) {
                        Some(held) => Outcome::Held { published, held: Box::new(held) },
                        // Never admitted: it is fetched and judged again.
                        None => return Ok(None),
                    }
                };
                self.remember(package, recalled.sha256, recalled.seen);
                Ok(Some(outcome))
            }
        }
    }

    /// The entry of bytes that are held under a path.
    fn held(&self, path: &PackagePath, sha256: Sha256Digest) -> Option<CatalogEntry> {
        let newest = self.store.newest_admission(path).ok().flatten()?;
        let entry = newest.is_held().then(|| newest.into_entry())?;
        (entry.sha256 == sha256).then_some(entry)
    }

    fn remember(&mut self, package: &PlannedPackage, sha256: Sha256Digest, seen: Seen) {
        let (url, asked_at) = (package.url().to_string(), self.now);
        self.memory.remember(package.path(), Remembered { url, asked_at, sha256, seen });
    }
}

/// A clock that went back makes everything due.
fn is_due(asked_at: Timestamp, now: Timestamp, interval: Duration) -> bool {
    let since = now.duration_since(asked_at);
    since.is_negative() || since.unsigned_abs() >= interval
}
