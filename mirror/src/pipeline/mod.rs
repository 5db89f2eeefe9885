//! The whole connected flow on one screen: plan → fetch → verify → admit → store → catalog.
//!
//! Each step consumes the proof of the one before it, so none can be left out: a `PlannedPackage` becomes a
//! `QuarantinedPackage` (bytes on disk, hashed while they arrived), that becomes a `VerifiedPackage` (only `admit`
//! makes one), and that a [`StoredPackage`]. Publishing comes last and moves the catalog in one step.
//!
//! While one package is verified on all cores the next one is fetched; no more than one waits for its verification.
//! Other bytes under a known name are admitted as evidence and held, unless [`OnChange`] says otherwise.

mod accept;
mod fetcher;
mod preview;
mod run;
mod take_in;
mod upstream_memory;
mod withdraw;

use std::time::Duration;

use jiff::Timestamp;
use midmirror_verify::{AgentAnchors, TrustStore};
use thiserror::Error;

use crate::admit::{AdmissionPolicy, AdmitError};
use crate::catalog::{CatalogEntry, CatalogError, Lifetimes, Publication, SigningKeys, TrustedCatalog};
use crate::fetch::{Expectation, FetchError, FetchEvent};
use crate::package::PackagePath;
use crate::store::{Store, StoreError, StoredPackage};

pub use accept::accept;
pub use preview::{Preview, PreviewItem, PreviewState, preview};
pub use run::{import, sync};

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
    /// What happens to other bytes under a known name.
    pub on_change: OnChange,
    /// Largest package in bytes.
    pub max_package_bytes: u64,
    /// The moment of this run.
    pub now: Timestamp,
}

impl Site<'_> {
    fn expectation(&self) -> Expectation {
        Expectation { max: self.max_package_bytes, ..Expectation::default() }
    }
}

/// What happens when a name that is in the store comes with other bytes, which verification and policy accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnChange {
    /// The old ones stay published; the new ones wait for somebody's decision.
    #[default]
    Hold,
    /// The new ones are published.
    Publish,
}

/// How a sync goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncOptions {
    /// Whether the upstream is asked about packages that are in the store.
    pub revalidate: Revalidate,
    /// Whether the first failure is also the end; otherwise the other packages go on.
    pub stop_at_first_failure: bool,
}

/// When the upstream is asked whether it still has what the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revalidate {
    /// Not at all.
    #[default]
    Never,
    /// If that was last done so long ago.
    After(Duration),
    /// Always.
    Now,
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
    /// Bytes arrived, or a try failed.
    Fetching {
        /// The package.
        path: &'a PackagePath,
        /// What happened.
        event: FetchEvent<'a>,
    },
    /// All bytes are there and are being verified.
    Verifying {
        /// The package.
        path: &'a PackagePath,
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
    /// It was in the store before, and the upstream says that it has not changed.
    Unchanged(Box<CatalogEntry>),
    /// It was in the store before and stays published; the upstream no longer has it.
    Withdrawn(Box<CatalogEntry>),
    /// The upstream has other bytes under this name. They are verified and wait; the old ones stay published.
    Held {
        /// What is published.
        published: Box<CatalogEntry>,
        /// What waits for a decision.
        held: Box<CatalogEntry>,
    },
    /// An earlier failure had ended the run.
    NotTried,
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
        matches!(
            self,
            Self::Stored(_) | Self::AlreadyThere(_) | Self::Unchanged(_) | Self::Withdrawn(_) | Self::NotMade
        )
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
    /// Bytes that are to be published are not acceptable.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// A withdrawal cannot be recorded, or the records not be read.
    #[error(transparent)]
    Withdraw(#[from] crate::withdraw::WithdrawError),
    /// A file outside store and catalog cannot be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}
