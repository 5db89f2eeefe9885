//! Trusting a catalog: the client side of TUF. Used by server, importer, auditor, and by publishing itself.
//!
//! Only this module makes a [`TrustedCatalog`]. The steps stand in `update`.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use tough::schema::{Metafile, Root};

use super::ends::RoleEnd;
use super::error::TrustError;
use super::lifetimes::Profile;
use super::metadata::Role;
use super::source::{FolderSource, MetadataSource};
use super::stale::StaleAllowance;
use super::update::Update;
use crate::Sha256Digest;
use crate::catalog::{CatalogEntry, CatalogVersions, StoreIdentity};
use crate::package::{PackageName, PackagePath};
use crate::withdraw::WithdrawnPackage;

/// What decides about trust besides the metadata itself.
#[derive(Debug, Clone, Copy)]
pub struct TrustInputs<'a> {
    /// Root metadata that is trusted from the beginning: the content of a `trust` file, never what the source offers.
    pub root: &'a [u8],
    /// File that remembers the highest versions and the newest root metadata; written only after all checks. Without
    /// it an older catalog is not noticed.
    pub state: Option<&'a Path>,
    /// The current time.
    pub now: Timestamp,
    /// Accept expired metadata, for auditors who look at the past; nothing is remembered then.
    pub allow_expired: bool,
}

/// A catalog whose every file was signed as the trusted root metadata demands.
#[derive(Debug, Clone)]
pub struct TrustedCatalog {
    outcome: Outcome,
}

/// Version and end of a role.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    pub(super) version: u64,
    pub(super) expires: Timestamp,
}

/// What a complete update has found.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) entries: Vec<CatalogEntry>,
    pub(super) withdrawn: Vec<WithdrawnPackage>,
    pub(super) store: Option<StoreIdentity>,
    pub(super) root_bytes: Vec<u8>,
    pub(super) snapshot_meta: Metafile,
    pub(super) targets_meta: Metafile,
    pub(super) root: Validity,
    pub(super) targets: Validity,
    pub(super) snapshot: Validity,
    pub(super) timestamp: Validity,
    /// Expired, and accepted by permission.
    pub(super) stale: Vec<Role>,
}

impl Outcome {
    pub(super) fn of(&self, role: Role) -> Validity {
        match role {
            Role::Root => self.root,
            Role::Targets => self.targets,
            Role::Snapshot => self.snapshot,
            Role::Timestamp => self.timestamp,
        }
    }

    /// When each role ends.
    pub(super) fn ends(&self) -> Vec<RoleEnd> {
        let profile = self.store.as_ref().map_or(Profile::default(), |store| store.profile);
        Role::ALL.into_iter().map(|role| RoleEnd { role, expires: self.of(role).expires, profile }).collect()
    }
}

/// Fetches the metadata from a source and checks it as TUF 1.0, section 5 says.
pub async fn trust(
    source: &dyn MetadataSource,
    inputs: &TrustInputs<'_>,
) -> Result<TrustedCatalog, TrustError> {
    trust_accepting(source, inputs, None).await
}

/// Does the same; what has expired is accepted if that is permitted.
pub async fn trust_accepting(
    source: &dyn MetadataSource,
    inputs: &TrustInputs<'_>,
    stale: Option<&StaleAllowance>,
) -> Result<TrustedCatalog, TrustError> {
    let mut update = Update::begin(source.describe(), inputs)?.accepting(stale);
    while let Some(wanted) = update.wanted() {
        let answer = source.fetch(&wanted.name, wanted.max).await;
        update.supply(answer)?;
    }
    Ok(TrustedCatalog { outcome: update.finish()? })
}

/// Does the same for a local folder without an async runtime.
pub fn trust_folder(source: &FolderSource, inputs: &TrustInputs<'_>) -> Result<TrustedCatalog, TrustError> {
    trust_folder_accepting(source, inputs, None)
}

/// Does the same; what has expired is accepted if that is permitted.
pub fn trust_folder_accepting(
    source: &FolderSource,
    inputs: &TrustInputs<'_>,
    stale: Option<&StaleAllowance>,
) -> Result<TrustedCatalog, TrustError> {
    let mut update = Update::begin(source.describe(), inputs)?.accepting(stale);
    while let Some(wanted) = update.wanted() {
        update.supply(source.read(&wanted.name, wanted.max))?;
    }
    Ok(TrustedCatalog { outcome: update.finish()? })
}

/// Finds the newest root metadata of a local folder, as the first part of an update does.
pub(super) fn trust_root(source: &FolderSource, inputs: &TrustInputs<'_>) -> Result<Root, TrustError> {
    let mut update = Update::begin(source.describe(), inputs)?;
    while let Some(wanted) = update.wanted().filter(|_| !update.has_root()) {
        update.supply(source.read(&wanted.name, wanted.max))?;
    }
    Ok(update.root().clone())
}

impl TrustedCatalog {
    /// The packages in the order of their vendor paths.
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.outcome.entries
    }

    /// The store it is of; catalogs of early versions do not say it.
    pub fn store(&self) -> Option<&StoreIdentity> {
        self.outcome.store.as_ref()
    }

    /// The packages that nobody is to get any more, in the order of their digests.
    pub fn withdrawn(&self) -> &[WithdrawnPackage] {
        &self.outcome.withdrawn
    }

    /// The digests of all packages.
    pub(crate) fn digests(&self) -> BTreeSet<Sha256Digest> {
        self.entries().iter().map(|entry| entry.sha256).collect()
    }

    /// Finds a package by its vendor path.
    pub fn find(&self, path: &PackagePath) -> Option<&CatalogEntry> {
        let entries = &self.outcome.entries;
        let at = entries.binary_search_by(|entry| entry.path.as_str().cmp(path.as_str())).ok()?;
        entries.get(at)
    }

    /// Finds a package by its file name; if both trees of the vendor have it, the one in the signed tree.
    pub fn find_name(&self, name: &PackageName) -> Option<&CatalogEntry> {
        let named = self.outcome.entries.iter().filter(|entry| entry.path.name() == name);
        named.min_by_key(|entry| entry.path.tree())
    }

    /// The versions of the four metadata files.
    pub fn versions(&self) -> CatalogVersions {
        CatalogVersions {
            root: self.version(Role::Root),
            timestamp: self.version(Role::Timestamp),
            snapshot: self.version(Role::Snapshot),
            targets: self.version(Role::Targets),
        }
    }

    /// When the first of the four roles expires.
    pub fn expires(&self) -> Timestamp {
        Role::ALL.into_iter().map(|role| self.expiry(role)).min().unwrap_or(Timestamp::MIN)
    }

    /// When each role ends.
    pub fn ends(&self) -> Vec<RoleEnd> {
        self.outcome.ends()
    }

    /// The roles that have expired and were accepted by a [`StaleAllowance`].
    pub fn stale_roles(&self) -> &[Role] {
        &self.outcome.stale
    }

    /// When one role expires.
    pub fn expiry(&self, role: Role) -> Timestamp {
        self.outcome.of(role).expires
    }

    /// The newest root metadata; the root of trust for whoever trusts this catalog.
    pub fn root_bytes(&self) -> &[u8] {
        &self.outcome.root_bytes
    }

    pub(super) fn version(&self, role: Role) -> u64 {
        self.outcome.of(role).version
    }

    /// How the current snapshot metadata refers to the targets metadata.
    pub(super) fn targets_meta(&self) -> &Metafile {
        &self.outcome.targets_meta
    }

    /// How the current timestamp metadata refers to the snapshot metadata.
    pub(super) fn snapshot_meta(&self) -> &Metafile {
        &self.outcome.snapshot_meta
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{BoxFuture, MetadataError};
    use super::super::testing::TestCatalog;
    use super::*;
    use crate::store::testing::at;

    /// A web server that is there for all files but one.
    struct Flaky<'a>(FolderSource, &'a str);

    impl MetadataSource for Flaky<'_> {
        fn fetch<'a>(
            &'a self,
            name: &'a str,
            max: u64,
        ) -> BoxFuture<'a, Result<Option<Vec<u8>>, MetadataError>> {
            if name == self.1 {
                let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
                return Box::pin(async move { Err(MetadataError::Network { url: name.to_owned(), source }) });
            }
            self.0.fetch(name, max)
        }

        fn describe(&self) -> String {
            "a flaky server".to_owned()
        }
    }

    #[tokio::test]
    async fn lost_network_is_never_taken_for_the_end_of_the_root_chain() {
        let catalog = TestCatalog::new(1);
        let root = catalog.root();
        let inputs = TrustInputs { root: &root, state: None, now: at(20), allow_expired: false };
        for lost in ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"] {
            match trust(&Flaky(FolderSource::new(catalog.folder()), lost), &inputs).await {
                Err(TrustError::Unreachable { what, .. }) => assert_eq!(what, lost),
                other => panic!("{other:?}"),
            }
        }
        let trusted = trust(&Flaky(FolderSource::new(catalog.folder()), "none"), &inputs).await.unwrap();
        assert_eq!(trusted.entries().len(), 1);
    }

    /// The other implementation of TUF that is at hand; it reads the clock, so the catalog is made now.
    #[tokio::test]
    async fn client_of_tough_accepts_the_catalog() {
        let catalog = TestCatalog::new(2);
        catalog.add(3);
        catalog.publish(Timestamp::now());
        let url = url::Url::from_directory_path(catalog.folder()).unwrap();
        let root = catalog.root();
        let loaded = tough::RepositoryLoader::new(&root, url.clone(), url)
            .transport(tough::FilesystemTransport)
            .load()
            .await
            .unwrap();
        let ours = catalog.trust(Timestamp::now()).unwrap();
        assert_eq!(loaded.targets().signed.targets.len(), ours.entries().len());
        for entry in ours.entries() {
            let name = tough::TargetName::new(entry.path.as_str()).unwrap();
            assert_eq!(*loaded.targets().signed.targets[&name].hashes.sha256, *entry.sha256.as_bytes());
        }
    }
}
