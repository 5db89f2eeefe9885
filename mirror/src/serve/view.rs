//! The published catalog as the server sees it: one immutable view in memory, replaced when the catalog on disk moves.
//!
//! Attacks considered: a path that leads out of the store (requests are looked up in the view and nowhere else); a
//! catalog that is spoilt while the server runs (the last good view stays, `/healthz` says so, the log says why).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::builds::Builds;
use super::error::ServeError;
use super::representation::Package;
use crate::Sha256Digest;
use crate::catalog::{
    CatalogEntry, CatalogVersions, FolderSource, RoleEnd, StoreIdentity, TrustInputs, trust_folder,
};
use crate::store::Store;
use crate::withdraw::{self, WithdrawnPackage};

/// Why a catalog could not be loaded.
pub type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// Reads and checks the current catalog; called again whenever `timestamp.json` has changed.
pub type LoadCatalog = dyn Fn() -> Result<LoadedCatalog, LoadError> + Send + Sync;

/// A catalog that is to be served.
#[derive(Debug, Clone, Default)]
pub struct LoadedCatalog {
    /// The packages.
    pub entries: Vec<CatalogEntry>,
    /// What nobody is to get any more: none of the entries, and a text for those who ask.
    pub withdrawn: Vec<WithdrawnPackage>,
    /// When importers will begin to refuse it. Packages are served on, but `/healthz` complains.
    pub expires: jiff::Timestamp,
    /// When its roles end, for warnings in time; may be empty.
    pub ends: Vec<RoleEnd>,
    /// The versions of its metadata files, to be shown.
    pub versions: Option<CatalogVersions>,
    /// The store and the key that signs its log; without it nothing is shown of the log.
    pub store: Option<StoreIdentity>,
}

/// What the server may see of a store: the catalog's folder, the catalog, and blobs that the catalog names.
pub struct ServedStore {
    store: Store,
    load: Arc<LoadCatalog>,
    clock: fn() -> jiff::Timestamp,
}

impl ServedStore {
    /// Serves what the signed catalog lists, as long as it can be trusted from the given root metadata on. What the store
    /// has a record of as withdrawn is left out, also before the catalog says so.
    pub fn trusting(store: &Store, root: Vec<u8>, clock: fn() -> jiff::Timestamp) -> Self {
        let source = FolderSource::new(store.repository_dir());
        let of = store.clone();
        Self::loading(store, clock, move || {
            let inputs = TrustInputs { root: &root, state: None, now: clock(), allow_expired: true };
            let catalog = trust_folder(&source, &inputs)?;
            let (expires, ends) = (catalog.expires(), catalog.ends());
            let (versions, identity) = (Some(catalog.versions()), catalog.store().cloned());
            let recorded = withdraw::withdrawn(&of)?;
            let mut entries = catalog.entries().to_vec();
            entries.retain(|entry| !recorded.contains_key(&entry.sha256));
            let mut withdrawn = withdraw::of_records(&recorded, str::to_owned);
            withdrawn
                .extend(catalog.withdrawn().iter().filter(|w| !recorded.contains_key(&w.sha256)).cloned());
            Ok(LoadedCatalog { entries, withdrawn, expires, ends, versions, store: identity })
        })
    }

    /// Serves what a function says.
    pub fn loading(
        store: &Store,
        clock: fn() -> jiff::Timestamp,
        load: impl Fn() -> Result<LoadedCatalog, LoadError> + Send + Sync + 'static,
    ) -> Self {
        Self { store: store.clone(), load: Arc::new(load), clock }
    }

    /// The time of this machine.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        (self.clock)()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.store.root_dir().to_owned()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.store.repository_dir()
    }

    pub(crate) fn blob_path(&self, digest: &Sha256Digest) -> PathBuf {
        self.store.blob_path(digest)
    }
}

/// Everything that is published, in the order of the paths.
#[derive(Debug, Default)]
pub(crate) struct View {
    packages: Vec<Package>,
    by_path: HashMap<String, usize>,
    by_digest: HashMap<Sha256Digest, Vec<usize>>,
    builds: Builds,
    withdrawn: HashMap<String, String>,
    withdrawals: Vec<WithdrawnPackage>,
    expires: Option<jiff::Timestamp>,
    ends: Vec<RoleEnd>,
    versions: Option<CatalogVersions>,
    identity: Option<StoreIdentity>,
}

impl View {
    pub(crate) fn new(catalog: LoadedCatalog) -> Self {
        let LoadedCatalog { mut entries, mut withdrawn, expires, ends, versions, store } = catalog;
        let texts = said_of(&withdrawn);
        withdrawn.sort_by_key(|package| std::cmp::Reverse(package.at));
        entries.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
        let mut by_digest: HashMap<Sha256Digest, Vec<usize>> = HashMap::new();
        let mut by_path = HashMap::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            by_digest.entry(entry.sha256).or_default().push(index);
            by_path.insert(entry.path.as_str().to_owned(), index);
        }
        let builds = Builds::of(&entries);
        let packages = entries.into_iter().map(Package::new).collect();
        Self {
            packages,
            by_path,
            by_digest,
            builds,
            withdrawn: texts,
            withdrawals: withdrawn,
            expires: Some(expires),
            ends,
            versions,
            identity: store,
        }
    }

    /// Looks up a vendor path, letter by letter.
    pub(crate) fn index(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// The packages with these bytes, usually one; none if nothing published has them.
    pub(crate) fn with_digest(&self, sha256: &Sha256Digest) -> impl Iterator<Item = &CatalogEntry> {
        let indexes = self.by_digest.get(sha256).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.entry(*index))
    }

    /// One package.
    pub(crate) fn entry(&self, index: usize) -> Option<&CatalogEntry> {
        self.packages.get(index).map(|package| &package.entry)
    }

    /// The packages by builds.
    pub(crate) fn builds(&self) -> &Builds {
        &self.builds
    }

    /// Whether a package has these bytes.
    pub(crate) fn names(&self, sha256: &Sha256Digest) -> bool {
        self.by_digest.contains_key(sha256)
    }

    /// What is to be said to those who ask for a withdrawn package.
    pub(crate) fn withdrawn(&self, path: &str) -> Option<&str> {
        self.withdrawn.get(path).map(String::as_str)
    }

    /// The same for those who ask for the bytes by their digest.
    pub(crate) fn withdrawn_digest(&self, sha256: &Sha256Digest) -> Option<String> {
        self.withdrawals.iter().find(|package| package.sha256 == *sha256).map(said)
    }

    /// All withdrawals, the newest first.
    pub(crate) fn withdrawals(&self) -> &[WithdrawnPackage] {
        &self.withdrawals
    }

    /// Whether there has ever been a catalog.
    pub(crate) fn is_published(&self) -> bool {
        self.expires.is_some()
    }

    pub(crate) fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// When importers will begin to refuse the catalog; none if there is no catalog.
    pub(crate) fn expires(&self) -> Option<jiff::Timestamp> {
        self.expires
    }

    /// When each role ends.
    pub(crate) fn ends(&self) -> &[RoleEnd] {
        &self.ends
    }

    pub(crate) fn versions(&self) -> Option<CatalogVersions> {
        self.versions
    }

    /// The store that the catalog is of, and its key.
    pub(crate) fn identity(&self) -> Option<&StoreIdentity> {
        self.identity.as_ref()
    }
}

/// The newest withdrawal of each path, in words.
fn said_of(withdrawn: &[WithdrawnPackage]) -> HashMap<String, String> {
    let mut in_order: Vec<&WithdrawnPackage> = withdrawn.iter().collect();
    in_order.sort_by_key(|package| package.at);
    let mut texts = HashMap::new();
    for package in in_order {
        for path in &package.paths {
            texts.insert(path.as_str().to_owned(), said(package));
        }
    }
    texts
}

fn said(package: &WithdrawnPackage) -> String {
    let WithdrawnPackage { at, reason, sha256, .. } = package;
    format!("withdrawn from this mirror on {at}: {reason} (sha256 {sha256})")
}

/// The current view and what is needed to replace it.
pub(crate) struct Published {
    store: Arc<ServedStore>,
    view: RwLock<Arc<View>>,
    /// Why the catalog on disk is not the one in the view.
    problem: RwLock<Option<String>>,
    /// Milliseconds since `started` when the disk was last looked at.
    looked: AtomicU64,
    started: Instant,
    seen: tokio::sync::Mutex<Seen>,
}

/// The state of `timestamp.json` and of the withdrawals when they were loaded, or tried.
#[derive(Default)]
struct Seen {
    stamp: Option<Stamp>,
    failed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    catalog: FileStamp,
    withdrawals: Option<FileStamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    file: (u64, u64),
    length: u64,
    changed: (i64, i64),
}

impl Published {
    /// Loads the catalog; a store without one is served as empty, one with a bad one is an error.
    pub(crate) async fn load(store: Arc<ServedStore>) -> Result<Self, ServeError> {
        let published = Self {
            store,
            view: RwLock::default(),
            problem: RwLock::default(),
            looked: AtomicU64::new(0),
            started: Instant::now(),
            seen: tokio::sync::Mutex::default(),
        };
        let failed = |source: LoadError| ServeError::Catalog { source };
        let stamp = published.stamp().map_err(|error| failed(error.into()))?;
        match stamp {
            None => published.set_problem(Some(NOTHING_PUBLISHED.to_owned())),
            Some(_) => {
                let view = published.read().await.map_err(failed)?;
                *published.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
            }
        }
        published.seen.lock().await.stamp = stamp;
        Ok(published)
    }

    pub(crate) fn store(&self) -> &ServedStore {
        &self.store
    }

    /// Why the server is not healthy, if it is not.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.read().unwrap_or_else(PoisonError::into_inner).clone();
        problem.or_else(|| {
            let expired = self.view().expires.filter(|expires| *expires <= (self.store.clock)())?;
            Some(format!(
                "the catalog has expired on {expired}; importers refuse it until it is published again"
            ))
        })
    }

    /// When the catalog on disk was published, as far as the disk says.
    pub(crate) fn published_at(&self) -> Option<jiff::Timestamp> {
        let metadata = fs::metadata(self.store.repository().join("timestamp.json")).ok()?;
        jiff::Timestamp::try_from(metadata.modified().ok()?).ok()
    }

    /// The view, at most a second older than the disk.
    pub(crate) async fn current(&self) -> Arc<View> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.looked.load(Ordering::Relaxed)) >= LOOK_EVERY_MILLIS {
            self.looked.store(now, Ordering::Relaxed);
            // Once in a while only; it would make each request's state the larger.
            Box::pin(self.look()).await;
        }
        self.view()
    }

    /// The view as of now; for a path that the current one does not have.
    pub(crate) async fn newest(&self) -> Arc<View> {
        Box::pin(self.look()).await;
        self.view()
    }

    /// The view as it was when it was last looked at.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the view if `timestamp.json`, which is written last, has changed, or a package was withdrawn.
    async fn look(&self) {
        let mut seen = self.seen.lock().await;
        if seen.failed.is_some_and(|then| then.elapsed() < RETRY_AFTER_FAILURE) {
            return;
        }
        let loaded = match self.stamp() {
            Ok(stamp) if stamp == seen.stamp && seen.failed.is_none() => return,
            Ok(None) => Err("the catalog has disappeared".into()),
            Ok(stamp) => self.read().await.map(|view| (stamp, view)),
            Err(error) => Err(error.into()),
        };
        match loaded {
            Ok((stamp, view)) => {
                tracing::info!(packages = view.packages.len(), "catalog loaded");
                *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
                self.set_problem(None);
                *seen = Seen { stamp, failed: None };
            }
            Err(error) => {
                let error: LoadError = error;
                tracing::error!(error = %causes(error.as_ref()), "catalog not loaded, serving the last good one");
                self.set_problem(Some("the catalog on disk cannot be used; the log says why".to_owned()));
                seen.failed = Some(Instant::now());
            }
        }
    }

    async fn read(&self) -> Result<View, LoadError> {
        let load = self.store.load.clone();
        tokio::task::spawn_blocking(move || load().map(View::new)).await?
    }

    fn stamp(&self) -> io::Result<Option<Stamp>> {
        let stamp = |path: PathBuf| match fs::metadata(path) {
            Ok(metadata) => Ok(Some(FileStamp {
                file: (metadata.dev(), metadata.ino()),
                length: metadata.len(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let Some(catalog) = stamp(self.store.repository().join("timestamp.json"))? else { return Ok(None) };
        let withdrawals = self.store.store.storage().file(withdraw::WITHDRAWALS).map(stamp).transpose()?;
        Ok(Some(Stamp { catalog, withdrawals: withdrawals.flatten() }))
    }

    fn set_problem(&self, problem: Option<String>) {
        *self.problem.write().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

const LOOK_EVERY_MILLIS: u64 = 1000;
const RETRY_AFTER_FAILURE: Duration = Duration::from_secs(1);
const NOTHING_PUBLISHED: &str = "nothing has been published yet";
