//! The signed catalog and its packages as plain files, for TUF clients where no server runs: a share, a disk, any web server.
//!
//! ```text
//! DIR/
//!   midmirror-export.json              which store it is of; written first
//!   targets/FOLDER/DIGEST.NAME         the packages, as consistent snapshots want it (TUF 1.0, section 6.2.1)
//!   targets/DIGEST.FOLDER/NAME         the same for clients made with `tough`, if that is wanted
//!   N.root.json, N.targets.json, N.snapshot.json
//!   timestamp.json                     written last: without it nothing here is a catalog
//! ```
//!
//! Packages are hard links of the store's blobs where the file system can do that, else copies whose digest is compared.
//! Attacks and accidents considered: a folder of somebody else (refused, nothing is written); an export that was stopped
//! (the old `timestamp.json` stays in force, or there is none); a store that was brought back from an old backup (refused:
//! clients would see the catalog go backwards); files that were changed in DIR (hashed unless they are the store's own
//! file, and replaced); names of targets are vendor paths, which cannot lead out of DIR.

mod error;

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::error::ExportError;
use super::metadata::Role;
use super::publish::{FIRST_ROOT_FILE, TIMESTAMP_FILE};
use super::source::FolderSource;
use super::trust::{TrustInputs, TrustedCatalog, trust_folder};
use super::{CatalogEntry, CatalogVersions};
use crate::Sha256Digest;
use crate::store::Store;
use crate::store::durable::{self, DurableError, FileMode};

/// How to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportOptions {
    /// Copy every package, also where it could be linked.
    pub copy: bool,
    /// Name every package a second time as clients made with `tough` ask for it, `tuftool` for one: with the digest
    /// before the whole path.
    pub tough: bool,
    /// In the end remove packages and metadata that the current catalog does not refer to.
    pub prune: bool,
}

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// The versions of the catalog that is in the folder now.
    pub versions: CatalogVersions,
    /// How many packages it lists; all of them are there.
    pub packages: usize,
    /// How many of them were linked this time.
    pub linked: usize,
    /// How many were copied this time.
    pub copied: usize,
    /// How many package files are in the folder that the catalog does not list.
    pub unlisted: usize,
    /// How many files were removed, because that was asked for.
    pub removed: usize,
}

/// Writes catalog and packages of a store into a folder, or brings an earlier export of it up to date.
///
/// `now` judges nothing: an expired catalog is exported as it is, and clients refuse it.
///
/// # Errors
/// The folder is somebody else's or newer than the store, the catalog cannot be trusted, bytes are missing or damaged, or
/// the folder cannot be written.
pub fn export_tuf(
    store: &Store,
    folder: &Path,
    options: ExportOptions,
    now: Timestamp,
) -> Result<Exported, ExportError> {
    let (catalog, timestamp) = current(store, now)?;
    let export = Export { store, folder, catalog: &catalog, options };
    export.claim()?;
    export.not_backwards()?;
    let (mut linked, mut copied) = (0, 0);
    for entry in catalog.entries() {
        for target in export.targets(entry) {
            match export.package(entry, target)? {
                Added::Nothing => {}
                Added::Link => linked += 1,
                Added::Copy => copied += 1,
            }
        }
    }
    export.metadata()?;
    durable::replace(&folder.join(TIMESTAMP_FILE), &timestamp, FileMode::Shared)?;
    // What was written is read back as every client will read it.
    let exported = trusted(&folder.join(FIRST_ROOT_FILE), folder, now)?;
    let (unlisted, removed) = export.clean()?;
    Ok(Exported {
        versions: exported.versions(),
        packages: exported.entries().len(),
        linked,
        copied,
        unlisted,
        removed,
    })
}

/// The catalog of a store and the `timestamp.json` that belongs to it, also while somebody publishes.
fn current(store: &Store, now: Timestamp) -> Result<(TrustedCatalog, Vec<u8>), ExportError> {
    let repository = store.repository_dir();
    let file = repository.join(TIMESTAMP_FILE);
    for _ in 0..TRIES {
        let before = read(&file)?;
        let catalog = trusted(&repository.join(FIRST_ROOT_FILE), &repository, now)?;
        if read(&file)? == before {
            return Ok((catalog, before));
        }
    }
    Err(ExportError::Moving)
}

fn trusted(root: &Path, folder: &Path, now: Timestamp) -> Result<TrustedCatalog, ExportError> {
    let root = read(root)?;
    let inputs = TrustInputs { root: &root, state: None, now, allow_expired: true };
    Ok(trust_folder(&FolderSource::new(folder), &inputs)?)
}

enum Added {
    Nothing,
    Link,
    Copy,
}

struct Export<'a> {
    store: &'a Store,
    folder: &'a Path,
    catalog: &'a TrustedCatalog,
    options: ExportOptions,
}

/// What says whose folder it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    format: u64,
    store: String,
}

impl Export<'_> {
    /// Makes the folder ours, if it is empty or was ours before.
    fn claim(&self) -> Result<(), ExportError> {
        let folder = std::path::absolute(self.folder).map_err(failed("find", self.folder))?;
        let there = folder.ancestors().find(|above| above.exists()).unwrap_or(&folder);
        let resolved = |path: &Path| path.canonicalize().map_err(failed("find", path));
        let (ours, theirs) = (resolved(there)?, resolved(self.store.root_dir())?);
        if ours.starts_with(&theirs) || (there == folder && theirs.starts_with(&ours)) {
            return Err(ExportError::InStore { folder: self.folder.to_owned() });
        }
        durable::create_folders(self.folder)?;
        let foreign = || ExportError::Foreign { folder: self.folder.to_owned() };
        let marker = Marker { format: FORMAT, store: self.store.id().to_owned() };
        let file = self.folder.join(MARKER_FILE);
        match std::fs::read(&file) {
            Ok(bytes) => match serde_json::from_slice::<Marker>(&bytes) {
                Ok(found) if found == marker => Ok(()),
                _ => Err(foreign()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                for name in names_in(self.folder)? {
                    if name != "lost+found" && !durable::is_temporary(&name) {
                        return Err(foreign());
                    }
                }
                let json = format!("{{\"format\": {FORMAT}, \"store\": \"{}\"}}\n", marker.store);
                Ok(durable::write_new(&file, json.as_bytes(), FileMode::Shared)?)
            }
            Err(error) => Err(failed("read", &file)(error)),
        }
    }

    /// A client that was here before must not find an older catalog.
    fn not_backwards(&self) -> Result<(), ExportError> {
        let file = self.folder.join(TIMESTAMP_FILE);
        let bytes = match std::fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(failed("read", &file))?,
        };
        #[derive(Deserialize)]
        struct Document {
            signed: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        // One that cannot be read is damaged, and about to be replaced.
        let exported = serde_json::from_slice(&bytes).map_or(0, |found: Document| found.signed.version);
        let stored = self.catalog.version(Role::Timestamp);
        if exported > stored {
            let folder = self.folder.to_owned();
            return Err(ExportError::WouldGoBackwards { folder, exported, stored });
        }
        Ok(())
    }

    /// The places of one package.
    fn targets(&self, entry: &CatalogEntry) -> Vec<PathBuf> {
        let path = entry.path.as_str();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut targets = vec![format!("{folder}/{}.{name}", entry.sha256)];
        if self.options.tough {
            targets.push(format!("{}.{path}", entry.sha256));
        }
        let place = |target: &String| {
            target.split('/').fold(self.folder.join(TARGETS_FOLDER), |folder, word| folder.join(word))
        };
        targets.iter().map(place).collect()
    }

    /// Whether a file has a name that this module gives: a digest before the name or before the first folder.
    fn is_package(&self, path: &Path) -> bool {
        let below = path.strip_prefix(self.folder.join(TARGETS_FOLDER)).unwrap_or(path);
        let words = [below.components().next().map(|word| word.as_os_str()), below.file_name()];
        words.into_iter().flatten().any(has_digest)
    }

    /// Puts one package into a place.
    fn package(&self, entry: &CatalogEntry, target: PathBuf) -> Result<Added, ExportError> {
        let blob = self.store.blob_path(&entry.sha256);
        match target.symlink_metadata() {
            Ok(there) if is_same_file(&blob, &target) && !self.options.copy => {
                if there.len() == entry.length {
                    return Ok(Added::Nothing);
                }
            }
            Ok(there) => {
                let sound =
                    there.is_file() && there.len() == entry.length && digest(&target)? == entry.sha256;
                if sound && !is_same_file(&blob, &target) {
                    return Ok(Added::Nothing);
                }
                if there.is_dir() {
                    return Err(ExportError::OtherMetadata { path: target });
                }
                std::fs::remove_file(&target).map_err(failed("remove", &target))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", &target)(error)),
        }
        if let Some(parent) = target.parent() {
            durable::create_folders(parent)?;
        }
        self.store
            .check_blob(&entry.sha256)
            .map_err(|source| ExportError::Store { name: entry.path.name().to_string(), source })?;
        // Another file system, one without hard links, or a file of another user (fs.protected_hardlinks).
        if !self.options.copy && durable::link_in(&blob, &target).is_ok() {
            return Ok(Added::Link);
        }
        durable::copy_in(&blob, &target, FileMode::ReadOnly, entry.sha256)?;
        Ok(Added::Copy)
    }

    /// Every version of the root metadata, and what the current `timestamp.json` refers to.
    fn metadata(&self) -> Result<(), ExportError> {
        let versions = self.catalog.versions();
        let roots = (1..=versions.root).map(|version| format!("{version}.root.json"));
        let others =
            [format!("{}.targets.json", versions.targets), format!("{}.snapshot.json", versions.snapshot)];
        for name in roots.chain(others) {
            let bytes = read(&self.store.repository_dir().join(&name))?;
            let target = self.folder.join(&name);
            match std::fs::read(&target) {
                Ok(there) if there == bytes => {}
                // Clients have it by this name, or have refused it: never written over.
                Ok(_) => return Err(ExportError::OtherMetadata { path: target }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    durable::write_new(&target, &bytes, FileMode::Shared)?;
                }
                Err(error) => return Err(failed("read", &target)(error)),
            }
        }
        Ok(())
    }

    /// Removes unfinished files of earlier exports, and what is no longer listed if that is wanted. Returns how many
    /// packages are there that are not listed, and how many files were removed because of that.
    fn clean(&self) -> Result<(usize, usize), ExportError> {
        let listed: std::collections::HashSet<PathBuf> =
            self.catalog.entries().iter().flat_map(|entry| self.targets(entry)).collect();
        let (mut unlisted, mut removed) = (0, 0);
        let mut folders = vec![self.folder.join(TARGETS_FOLDER)];
        while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
            for name in names_in(&folder)? {
                let path = folder.join(&name);
                let kind = path.symlink_metadata().map_err(failed("look at", &path))?;
                if kind.is_dir() {
                    folders.push(path);
                } else if durable::is_temporary(&name) {
                    std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                } else if !listed.contains(&path) && self.is_package(&path) {
                    unlisted += 1;
                    if self.options.prune {
                        std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                        removed += 1;
                    }
                }
            }
        }
        let versions = self.catalog.versions();
        for name in names_in(self.folder)? {
            let Some(text) = name.to_str() else { continue };
            let is_old = |suffix: &str, version: u64| {
                text.strip_suffix(suffix).and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n < version)
            };
            let old =
                is_old(".targets.json", versions.targets) || is_old(".snapshot.json", versions.snapshot);
            let old = old && self.options.prune;
            if old || durable::is_temporary(&name) {
                let path = self.folder.join(&name);
                std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                removed += usize::from(old);
            }
        }
        Ok((if self.options.prune { 0 } else { unlisted }, removed))
    }
}

fn has_digest(name: &std::ffi::OsStr) -> bool {
    let split = name.to_str().and_then(|name| name.split_once('.'));
    split.is_some_and(|(digest, _)| digest.parse::<Sha256Digest>().is_ok())
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let id = |path: &Path| path.symlink_metadata().ok().map(|file| (file.dev(), file.ino()));
        id(one).is_some() && id(one) == id(other)
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        false
    }
}

fn digest(path: &Path) -> Result<Sha256Digest, ExportError> {
    Sha256Digest::of_file(path).map_err(failed("read", path))
}

fn read(path: &Path) -> Result<Vec<u8>, ExportError> {
    std::fs::read(path).map_err(failed("read", path))
}

fn names_in(folder: &Path) -> Result<Vec<std::ffi::OsString>, ExportError> {
    let entries = std::fs::read_dir(folder).map_err(failed("read the folder", folder))?;
    entries.map(|entry| Ok(entry.map_err(failed("read the folder", folder))?.file_name())).collect()
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> ExportError + 'a {
    move |source| DurableError::new(operation, path, source).into()
}

const MARKER_FILE: &str = "midmirror-export.json";
const TARGETS_FOLDER: &str = "targets";
const FORMAT: u64 = 1;
/// A publication takes a moment, and the next one comes much later.
const TRIES: usize = 5;

#[cfg(test)]
mod tests;
