//! Where packages come from: a mirror, a store, a folder with a catalog, or a plain folder of packages.
//!
//! A plain folder has no catalog: nobody vouches for names, lengths and digests in it, so what its packages are is only
//! known from their own signature. That is said in the report.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use url::Url;

use super::error::{PackageError, SourceError};
use super::in_place;
use super::incoming::{Step, copy_and_hash};
use super::mirror_metadata::UrlSource;
use crate::Sha256Digest;
use crate::admit::{EarlierAdmission, History, Label, Purpose};
use crate::catalog::{
    AcceptedStale, FolderSource, MetadataSource, StaleAllowance, TrustInputs, TrustedCatalog, trust_accepting,
};
use crate::enrol::Enrolment;
use crate::fetch::{Expectation, FetchEvent, HttpClient, Progress};
use crate::package::{PackageName, PackagePath, Tree};
use crate::plan::PlannedPackage;
use crate::regular_file::{self, Links};
use crate::store::Store;
use crate::withdraw::WithdrawnPackage;

/// A source of packages, its catalog trusted already.
pub struct Source {
    place: Place,
    catalog: Option<TrustedCatalog>,
    accepted_stale: Option<AcceptedStale>,
    withdrawn: Vec<WithdrawnPackage>,
}

enum Place {
    Mirror { client: Box<HttpClient>, base: Url },
    Store(Store),
    Folder(PathBuf),
}

/// What a source has under a name.
pub(super) struct Offer {
    pub(super) name: PackageName,
    pub(super) length: u64,
    /// Digest that the catalog states, or that a file of a plain folder had when it was looked at.
    pub(super) sha256: Option<Sha256Digest>,
    /// What the catalog says; `None` without one.
    pub(super) label: Option<Label>,
    found_at: FoundAt,
}

enum FoundAt {
    Path(PackagePath),
    File(PathBuf),
}

impl Source {
    /// Opens a mirror by its address.
    pub async fn mirror(
        client: HttpClient,
        base: &Url,
        enrolment: &Enrolment,
        now: Timestamp,
    ) -> Result<Self, SourceError> {
        Self::mirror_accepting(client, base, enrolment, now, None).await
    }

    /// Does the same; a catalog that has expired is accepted if that is permitted.
    pub async fn mirror_accepting(
        client: HttpClient,
        base: &Url,
        enrolment: &Enrolment,
        now: Timestamp,
        stale: Option<&StaleAllowance>,
    ) -> Result<Self, SourceError> {
        let base = as_folder(base)?;
        let metadata = base.join("repository/").map_err(|_| SourceError::Url { url: base.to_string() })?;
        let catalog = trusted(&UrlSource::new(client.clone(), metadata), enrolment, now, stale).await?;
        let withdrawn = catalog.withdrawn().to_vec();
        enrolment.remember_withdrawn(&withdrawn)?;
        Ok(Self {
            place: Place::Mirror { client: Box::new(client), base },
            accepted_stale: accepted(&catalog, stale),
            catalog: Some(catalog),
            withdrawn,
        })
    }

    /// Opens a folder: a store, a folder with `repository/` in it, or a plain folder of packages.
    pub async fn folder(path: &Path, enrolment: &Enrolment, now: Timestamp) -> Result<Self, SourceError> {
        Self::folder_accepting(path, enrolment, now, None).await
    }

    /// Does the same; a catalog that has expired is accepted if that is permitted.
    pub async fn folder_accepting(
        path: &Path,
        enrolment: &Enrolment,
        now: Timestamp,
        stale: Option<&StaleAllowance>,
    ) -> Result<Self, SourceError> {
        fs::read_dir(path).map_err(|source| SourceError::Folder { path: path.to_owned(), source })?;
        let (place, repository) = if path.join("midmirror-store.json").exists() {
            let store = Store::open(path)?;
            let repository = store.repository_dir();
            (Place::Store(store), Some(repository))
        } else {
            let repository = path.join("repository");
            (Place::Folder(path.to_owned()), repository.symlink_metadata().is_ok().then_some(repository))
        };
        let catalog = match repository {
            Some(repository) => Some(trusted(&FolderSource::new(repository), enrolment, now, stale).await?),
            None => None,
        };
        let accepted_stale = catalog.as_ref().and_then(|catalog| accepted(catalog, stale));
        // What a catalog said before counts where there is none.
        let withdrawn = match &catalog {
            Some(catalog) => catalog.withdrawn().to_vec(),
            None => enrolment.withdrawn()?,
        };
        if catalog.is_some() {
            enrolment.remember_withdrawn(&withdrawn)?;
        }
        Ok(Self { place, catalog, accepted_stale, withdrawn })
    }

    /// The source in words.
    pub fn describe(&self) -> String {
        match &self.place {
            Place::Mirror { base, .. } => base.to_string(),
            Place::Store(store) => store.root_dir().display().to_string(),
            Place::Folder(path) => path.display().to_string(),
        }
    }

    /// Whether a signed catalog vouches for what it has.
    pub fn has_catalog(&self) -> bool {
        self.catalog.is_some()
    }

    /// The catalog.
    pub fn catalog(&self) -> Option<&TrustedCatalog> {
        self.catalog.as_ref()
    }

    /// What has expired of the catalog and was accepted by permission.
    pub fn accepted_stale(&self) -> Option<&AcceptedStale> {
        self.accepted_stale.as_ref()
    }

    /// What nobody is to get any more, as the catalog says, or where there is none the last one that this host has seen.
    pub fn withdrawn(&self) -> &[WithdrawnPackage] {
        &self.withdrawn
    }

    /// What the catalog proves of bytes that are to be installed here. A plain folder, and the evidence of a store that
    /// lies on a medium, prove nothing to a host.
    pub fn history(&self, sha256: Sha256Digest) -> History {
        let earlier = self.catalog.as_ref().and_then(|catalog| EarlierAdmission::in_catalog(catalog, sha256));
        History { earlier, signers: Vec::new(), purpose: Purpose::Install }
    }

    /// Looks a package up by its name.
    pub(super) fn find(&self, name: &PackageName) -> Result<Option<Offer>, PackageError> {
        let Some(catalog) = &self.catalog else { return self.find_without_catalog(name) };
        Ok(catalog.find_name(name).map(|entry| Offer {
            name: name.clone(),
            length: entry.length,
            sha256: Some(entry.sha256),
            label: Some(entry.label),
            found_at: FoundAt::Path(entry.path.clone()),
        }))
    }

    fn find_without_catalog(&self, name: &PackageName) -> Result<Option<Offer>, PackageError> {
        let Place::Folder(folder) = &self.place else { return Ok(None) };
        for path in places_in(folder, name, None) {
            let Some(file) = open_regular(&path)? else { continue };
            let (sha256, length) =
                copy_and_hash(file, &mut io::sink()).map_err(|(_, e)| PackageError::io("read", &path, e))?;
            let (name, sha256) = (name.clone(), Some(sha256));
            return Ok(Some(Offer { name, length, sha256, label: None, found_at: FoundAt::File(path) }));
        }
        Ok(None)
    }

    /// Brings the bytes into a private file and returns their digest. Length and digest are the offered ones.
    pub(super) async fn bring(
        &self,
        offer: &Offer,
        copy: &Path,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Sha256Digest, PackageError> {
        let path = match (&self.place, &offer.found_at) {
            (_, FoundAt::File(path)) => path.clone(),
            (Place::Mirror { client, base }, FoundAt::Path(path)) => {
                return download(client, base, path, offer, copy, progress).await;
            }
            (Place::Store(store), FoundAt::Path(_)) => {
                let Some(sha256) = offer.sha256 else { return Err(PackageError::NotChecked) };
                store.open_blob(&sha256)?;
                store.blob_path(&sha256)
            }
            (Place::Folder(folder), FoundAt::Path(path)) => {
                let found = places_in(folder, &offer.name, Some(path)).into_iter().find(|p| p.is_file());
                found.ok_or_else(|| PackageError::Absent { folder: folder.clone() })?
            }
        };
        let copied = in_place(|| copy_file(&path, copy, offer));
        if copied.is_err() {
            // Best effort: the next run starts anew in any case.
            let _ = discard(copy);
        }
        copied
    }
}

impl Offer {
    /// The name of the private copy. It depends on the bytes, so a download can only go on from its own beginning.
    pub(super) fn copy_name(&self) -> String {
        let digest = self.sha256.unwrap_or_else(|| Sha256Digest::of(self.name.as_str().as_bytes()));
        format!("{digest}.part")
    }
}

/// Removes a private copy and what a download noted beside it.
pub(super) fn discard(copy: &Path) -> Result<(), PackageError> {
    let mut sidecar = copy.as_os_str().to_owned();
    sidecar.push(".json");
    for path in [copy, Path::new(&sidecar)] {
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(PackageError::io("remove", path, e));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn trusted(
    source: &dyn MetadataSource,
    enrolment: &Enrolment,
    now: Timestamp,
    stale: Option<&StaleAllowance>,
) -> Result<TrustedCatalog, SourceError> {
    let state = enrolment.catalog_state_file();
    let root = enrolment.trust().root();
    let inputs = TrustInputs { root, state: Some(&state), now, allow_expired: false };
    trust_accepting(source, &inputs, stale).await.map_err(|source| SourceError::Catalog { source })
}

/// What a permission was needed for, told to whoever reads the log.
fn accepted(catalog: &TrustedCatalog, stale: Option<&StaleAllowance>) -> Option<AcceptedStale> {
    let roles = catalog.stale_roles().to_vec();
    let accepted = stale.filter(|_| !roles.is_empty())?.accepted(roles);
    let expired = catalog.expires();
    tracing::warn!(%expired, until = %accepted.until, reason = accepted.reason, "an expired catalog is accepted");
    Some(accepted)
}

async fn download(
    client: &HttpClient,
    base: &Url,
    path: &PackagePath,
    offer: &Offer,
    copy: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Sha256Digest, PackageError> {
    let expectation = Expectation { length: Some(offer.length), sha256: offer.sha256, max: offer.length };
    let planned = PlannedPackage::below(base, path.clone()).map_err(|e| {
        PackageError::io("make an address for", Path::new(path.as_str()), io::Error::other(e))
    })?;
    let told = |event: FetchEvent<'_>| {
        if let FetchEvent::Progress(so_far) = event {
            progress(so_far);
        }
    };
    let done = client.download(planned.url(), copy, &expectation, &told).await?;
    Ok(done.sha256)
}

/// Copies a file of a store or folder, never more than it may have.
fn copy_file(path: &Path, copy: &Path, offer: &Offer) -> Result<Sha256Digest, PackageError> {
    let absent = || PackageError::io("open", path, io::Error::from(io::ErrorKind::NotFound));
    let file = open_regular(path)?.ok_or_else(absent)?;
    // The private folder is ours alone, but a leftover may be there.
    discard(copy)?;
    let mut target = File::create_new(copy).map_err(|e| PackageError::io("make", copy, e))?;
    let limit = offer.length.saturating_add(1);
    let (found, length) = copy_and_hash(file.take(limit), &mut target).map_err(|(step, e)| match step {
        Step::Read => PackageError::io("read", path, e),
        Step::Write => PackageError::io("write", copy, e),
    })?;
    if length != offer.length {
        return Err(PackageError::Length { path: path.to_owned(), expected: offer.length, found: length });
    }
    match offer.sha256 {
        Some(expected) if expected != found => {
            Err(PackageError::Digest { path: path.to_owned(), expected, found })
        }
        _ => Ok(found),
    }
}

/// Where a package may be in a folder: flat, or in the vendor's layout.
fn places_in(folder: &Path, name: &PackageName, path: Option<&PackagePath>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    match path {
        Some(path) => places.push(folder.join(path.as_str())),
        None => {
            let trees = [Tree::Signed, Tree::Unsigned];
            let paths = trees.into_iter().filter_map(|tree| PackagePath::new(tree, name).ok());
            places.extend(paths.map(|path| folder.join(path.as_str())));
        }
    }
    places.push(folder.join(name.as_str()));
    places
}

/// Opens an ordinary file; `None` if there is none. A pipe does not make us wait.
fn open_regular(path: &Path) -> Result<Option<File>, PackageError> {
    match regular_file::open(path, Links::Followed) {
        Ok(file) => Ok(Some(file)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
            Err(PackageError::NotAFile { path: path.to_owned() })
        }
        Err(e) => Err(PackageError::io("open", path, e)),
    }
}

/// The address with a slash at its end.
fn as_folder(base: &Url) -> Result<Url, SourceError> {
    let plain = base.username().is_empty()
        && base.password().is_none()
        && base.query().is_none()
        && base.fragment().is_none();
    if !plain || !matches!(base.scheme(), "http" | "https") {
        let url = format!("{}://{}{}", base.scheme(), base.host_str().unwrap_or_default(), base.path());
        return Err(SourceError::Url { url });
    }
    let mut folder = base.clone();
    if !folder.path().ends_with('/') {
        folder.set_path(&format!("{}/", base.path()));
    }
    Ok(folder)
}
