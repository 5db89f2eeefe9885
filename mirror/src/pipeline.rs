//! The whole connected flow on one screen: plan → fetch → verify → admit → store → catalog.
//!
//! Each step consumes the proof of the one before it, so none can be left out: a [`PlannedPackage`] becomes a
//! `QuarantinedPackage` (bytes on disk, hashed while they arrived), that becomes a `VerifiedPackage` (only `admit`
//! makes one), and that a [`StoredPackage`]. Publishing comes last and moves the catalog in one step.

use std::path::PathBuf;

use jiff::Timestamp;
use midmirror_verify::{AgentAnchors, TrustStore};
use thiserror::Error;

use crate::admit::{AdmissionInputs, AdmissionPolicy, AdmitError, EarlierAdmission, admit};
use crate::catalog::{
    CatalogEntry, CatalogError, Lifetimes, Publication, SigningKeys, TrustedCatalog, publish,
};
use crate::fetch::{
    Expectation, FetchError, FetchOptions, HttpClient, Progress, QuarantinedPackage, fetch, import_file,
    set_aside,
};
use crate::package::PackagePath;
use crate::plan::PlannedPackage;
use crate::store::{Store, StoreError, StoreWriter, StoredPackage};

/// What a connected mirror works with.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The store.
    pub store: &'a Store,
    /// The keys that sign the catalog.
    pub keys: &'a SigningKeys,
    /// How long signed metadata is valid.
    pub lifetimes: &'a Lifetimes,
    /// Trust anchors for packages.
    pub trust: &'a TrustStore,
    /// Trust anchors for timestamp authorities, if they are not the same.
    pub timestamp_trust: Option<&'a TrustStore>,
    /// The authorities that MID Servers trust, if they are not the same.
    pub agent_anchors: Option<&'a AgentAnchors>,
    /// What is accepted.
    pub policy: &'a AdmissionPolicy,
    /// The catalog of a mirror that admitted packages earlier, as proof for those whose timestamp authority has expired.
    pub proof: Option<&'a TrustedCatalog>,
    /// Largest package in bytes.
    pub max_package_bytes: u64,
    /// The moment of this run.
    pub now: Timestamp,
}

/// Fetches, verifies, admits and stores what is planned, then publishes. One package's failure does not stop the
/// others; it is part of the answer.
pub async fn sync(
    site: &Site<'_>,
    client: &HttpClient,
    planned: &[PlannedPackage],
    observer: &Observer<'_>,
) -> Result<SyncReport, PipelineError> {
    let mut writer = site.store.write()?;
    let mut report = SyncReport::default();
    for package in planned {
        let path = package.path().clone();
        observer(Event::Started { path: &path });
        let outcome = match writer.find(&path)? {
            Some(entry) => Outcome::AlreadyThere(Box::new(entry)),
            None => match fetch_package(site, client, package, observer).await {
                Ok(quarantined) => in_place(|| take_in(site, &mut writer, quarantined)),
                Err(FetchError::NotFound { .. }) if package.may_be_absent() => Outcome::NotMade,
                Err(error) => Outcome::NotFetched(error),
            },
        };
        observer(Event::Finished { path: &path, outcome: &outcome });
        report.items.push(Item { path, outcome });
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
    let mut report = SyncReport::default();
    for (file, path) in files {
        observer(Event::Started { path });
        let options = FetchOptions { expectation: site.expectation(), ..FetchOptions::new(site.now) };
        let outcome = match import_file(file, path.clone(), &site.store.quarantine_dir(), &options).await {
            Ok(quarantined) => in_place(|| take_in(site, &mut writer, quarantined)),
            Err(error) => Outcome::NotFetched(error),
        };
        observer(Event::Finished { path, outcome: &outcome });
        report.items.push(Item { path: path.clone(), outcome });
    }
    report.publication = Some(publish(&mut writer, site.keys, site.now, site.lifetimes)?);
    Ok(report)
}

async fn fetch_package(
    site: &Site<'_>,
    client: &HttpClient,
    package: &PlannedPackage,
    observer: &Observer<'_>,
) -> Result<QuarantinedPackage, FetchError> {
    let path = package.path();
    let progress = |progress: Progress| observer(Event::Received { path, progress });
    let options = FetchOptions { now: site.now, expectation: site.expectation(), progress: &progress };
    fetch(client, package, &site.store.quarantine_dir(), &options).await
}

/// From quarantine into the store, or not.
fn take_in(site: &Site<'_>, writer: &mut StoreWriter, quarantined: QuarantinedPackage) -> Outcome {
    let inputs = AdmissionInputs {
        timestamp_trust: site.timestamp_trust,
        agent_anchors: site.agent_anchors,
        ..AdmissionInputs::new(site.trust, site.policy, site.now)
    };
    let file = quarantined.file().to_owned();
    let sha256 = quarantined.sha256();
    let mut history = match writer.history(sha256) {
        Ok(history) => history,
        Err(error) => return Outcome::NotStored(error),
    };
    let by_catalog = || site.proof.and_then(|catalog| EarlierAdmission::in_catalog(catalog, sha256));
    history.earlier = history.earlier.or_else(by_catalog);
    match admit(quarantined, &inputs, &history) {
        Ok(verified) => {
            for notice in verified.notices() {
                let package = verified.quarantined().path().as_str();
                tracing::info!(package, rule = notice.rule, text = notice.text, "notice");
            }
            match writer.commit(verified, site.now) {
                Ok(stored) => Outcome::Stored(Box::new(stored)),
                Err(error) => Outcome::NotStored(error),
            }
        }
        Err(error) => {
            if let AdmitError::Refused { decision, .. } = &error
                && let Err(problem) = set_aside(&file, &decision.to_json().unwrap_or_default())
            {
                let problem: &dyn std::error::Error = &problem;
                tracing::warn!(file = %file.display(), problem, "a refused package could not be set aside");
            }
            Outcome::NotAdmitted(error)
        }
    }
}

/// Verification and copying keep a thread busy for seconds; other tasks go on meanwhile.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

impl Site<'_> {
    fn expectation(&self) -> Expectation {
        Expectation { max: self.max_package_bytes, ..Expectation::default() }
    }
}

/// Is told what happens, for progress and logs.
pub type Observer<'a> = dyn Fn(Event<'_>) + Send + Sync + 'a;

/// Something happened to a package.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Work on it begins.
    Started {
        /// The package.
        path: &'a PackagePath,
    },
    /// Bytes arrived.
    Received {
        /// The package.
        path: &'a PackagePath,
        /// How many so far.
        progress: Progress,
    },
    /// Work on it is over.
    Finished {
        /// The package.
        path: &'a PackagePath,
        /// What became of it.
        outcome: &'a Outcome,
    },
}

/// What became of all packages of a run.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// In the order of the plan.
    pub items: Vec<Item>,
    /// What the catalog is after the run.
    pub publication: Option<Publication>,
}

/// What became of one package.
#[derive(Debug)]
pub struct Item {
    /// The package.
    pub path: PackagePath,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a package.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It is new in the store.
    Stored(Box<StoredPackage>),
    /// It was in the store before.
    AlreadyThere(Box<CatalogEntry>),
    /// The vendor does not make it for this build, which is normal.
    NotMade,
    /// It could not be fetched or read.
    NotFetched(FetchError),
    /// Verification or policy refuse it.
    NotAdmitted(AdmitError),
    /// The store could not take it.
    NotStored(StoreError),
}

impl Outcome {
    /// Whether the package is where it should be, or is not expected to be.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::AlreadyThere(_) | Self::NotMade)
    }
}

/// The run as a whole failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalog cannot be published.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
