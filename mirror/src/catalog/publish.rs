//! Publishing: from the admissions of a store to the next version of its signed catalog.
//!
//! Every file is durable before the next one refers to it, and `timestamp.json` comes last (TUF 1.0, section 6.2).
//! Until it is replaced everybody sees the old catalog, afterwards the new one, at every moment a complete one. Numbered
//! files are never overwritten: versions that an interrupted publication had used are skipped.

use std::collections::HashMap;
use std::num::NonZeroU64;

use jiff::{SignedDuration, Timestamp};
use tough::schema::{self, Hashes, Metafile, RoleKeys, Root, Snapshot, Targets};
use tracing::info;

use super::error::{CatalogError, TrustError};
use super::journal::Journal;
use super::keys::{RoleKey, SigningKeys};
use super::lifetimes::Lifetimes;
use super::metadata::{self, Role, SPECIFICATION};
use super::source::FolderSource;
use super::statements;
use super::sums;
use super::trust::{TrustInputs, TrustedCatalog, trust_folder, trust_root};
use crate::Sha256Digest;
use crate::catalog::{CatalogEntry, CatalogVersions, Event, StoreIdentity};
use crate::log::{LogError, LogKey};
use crate::storage::{FileMode, Storage, below};
use crate::store::{REPOSITORY, Store, StoreWriter};

/// What a publication did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The versions of the catalog that is now the current one.
    pub versions: CatalogVersions,
    /// What changed.
    pub outcome: PublicationOutcome,
    /// How many packages the catalog lists.
    pub packages: usize,
    /// When the first of its four roles expires.
    pub expires: Timestamp,
}

/// What changed with a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicationOutcome {
    /// Nothing was new and all metadata has enough lifetime left.
    Unchanged,
    /// The same packages with renewed metadata.
    Renewed,
    /// Other packages than before.
    Changed,
}

/// Publishes everything that was admitted to a store.
///
/// The first publication makes the root metadata too and needs the root key; the later ones do not.
pub fn publish(
    writer: &mut StoreWriter,
    keys: &SigningKeys,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> Result<Publication, CatalogError> {
    let notes = writer.take_notes();
    let store = writer.store();
    let admissions = store.admissions()?;
    let mut entries = crate::store::newest(admissions.clone());
    for entry in &mut entries {
        entry.signer = entry.signer.as_deref().map(metadata::portable_text);
    }
    let identity = identity(store, keys)?;
    let publisher = Publisher { store, keys, now, lifetimes, identity: &identity };
    publisher.ensure_root()?;
    publisher.check_keys()?;
    let before = publisher.current()?;
    // Evidence, log, catalog: each tells of nothing that the one before it does not have.
    let log_key = log_key(&identity, keys)?;
    statements::write_missing(store, keys.store().ok_or(CatalogError::NoStoreKey)?, &admissions, now)?;
    let mut journal = Journal::open(store, &log_key)?;
    journal.admissions(&admissions, &notes)?;
    let outcome = publisher.write_what_is_due(before.as_ref(), &entries)?;
    // What was written is read back as every client will read it.
    let after = publisher.current()?.ok_or_else(|| CatalogError::Current {
        source: TrustError::Missing {
            what: TIMESTAMP_FILE.to_owned(),
            place: store.repository_dir().display().to_string(),
        },
    })?;
    let publication = Publication {
        versions: after.versions(),
        outcome,
        packages: after.entries().len(),
        expires: after.expires(),
    };
    let timestamp = publisher.read(TIMESTAMP_FILE)?;
    journal.publication(&Event::published(&publication, Sha256Digest::of(&timestamp), now))?;
    sums::write(store, keys.store().ok_or(CatalogError::NoStoreKey)?, &entries, &publication, now)?;
    if outcome != PublicationOutcome::Unchanged {
        let version = publication.versions.timestamp;
        info!(version, packages = publication.packages, expires = %publication.expires, "catalog published");
    }
    Ok(publication)
}

fn identity(store: &Store, keys: &SigningKeys) -> Result<StoreIdentity, CatalogError> {
    let key = *keys.store().ok_or(CatalogError::NoStoreKey)?.public();
    Ok(StoreIdentity { id: store.id().to_owned(), key })
}

fn log_key(identity: &StoreIdentity, keys: &SigningKeys) -> Result<LogKey, CatalogError> {
    let key = keys.store().ok_or(CatalogError::NoStoreKey)?;
    Ok(key.for_log(&identity.log_name()).map_err(LogError::from)?)
}

struct Publisher<'a> {
    store: &'a Store,
    keys: &'a SigningKeys,
    now: Timestamp,
    lifetimes: &'a Lifetimes,
    identity: &'a StoreIdentity,
}

impl Publisher<'_> {
    /// Makes version 1 of the root metadata if there is none.
    fn ensure_root(&self) -> Result<(), CatalogError> {
        if self.is_there(FIRST_ROOT_FILE)? {
            return Ok(());
        }
        let root_key = self.keys.key(Role::Root).ok_or(CatalogError::NoRootKey)?;
        let (mut keys, mut roles) = (HashMap::new(), HashMap::new());
        for role in Role::ALL {
            let key = self.keys.key(role).ok_or(CatalogError::NoRootKey)?;
            keys.insert(key.id().clone(), key.public().clone());
            let role_keys = RoleKeys {
                keyids: vec![key.id().clone()],
                threshold: NonZeroU64::MIN,
                _extra: HashMap::new(),
            };
            roles.insert(role.role_type(), role_keys);
        }
        let root = Root {
            spec_version: SPECIFICATION.to_owned(),
            consistent_snapshot: true,
            version: NonZeroU64::MIN,
            expires: self.expiry(Role::Root)?,
            keys,
            roles,
            _extra: HashMap::new(),
        };
        self.create(FIRST_ROOT_FILE, &metadata::sign(root, root_key)?)
    }

    fn storage(&self) -> &dyn Storage {
        self.store.storage().as_ref()
    }

    fn is_there(&self, name: &str) -> Result<bool, CatalogError> {
        let kind = self.storage().look(&below(REPOSITORY, name)).map_err(CatalogError::reading)?;
        Ok(kind.is_some())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, CatalogError> {
        let key = below(REPOSITORY, name);
        let read = self.storage().read(&key, LARGEST_READ).map_err(CatalogError::reading)?;
        let path = self.storage().place(&key);
        read.ok_or_else(|| CatalogError::folder(&path)(std::io::ErrorKind::NotFound.into()))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), CatalogError> {
        Ok(self.storage().create(&below(REPOSITORY, name), bytes, FileMode::Shared)?)
    }

    /// Makes sure that what our keys sign will be accepted, before anything is written.
    fn check_keys(&self) -> Result<(), CatalogError> {
        let root = self.trusting(trust_root)?;
        for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
            let ours = self.keys.key(role).map(RoleKey::id);
            let role_keys = root.roles.get(&role.role_type());
            let role_keys = role_keys
                .filter(|role_keys| ours.is_some_and(|ours| role_keys.keyids.contains(ours)))
                .ok_or(CatalogError::ForeignKey { role })?;
            let needed = role_keys.threshold.get();
            if needed > 1 {
                return Err(CatalogError::TooFewKeys { role, needed });
            }
        }
        Ok(())
    }

    /// The catalog as it is; none before the first publication. An expired one can be built upon.
    fn current(&self) -> Result<Option<TrustedCatalog>, CatalogError> {
        if !self.is_there(TIMESTAMP_FILE)? {
            return Ok(None);
        }
        self.trusting(trust_folder).map(Some)
    }

    /// Reads our own catalog as a client does who was enrolled with the first root metadata.
    fn trusting<T>(
        &self,
        read: impl FnOnce(&FolderSource, &TrustInputs<'_>) -> Result<T, TrustError>,
    ) -> Result<T, CatalogError> {
        let root = self.read(FIRST_ROOT_FILE)?;
        let inputs = TrustInputs { root: &root, state: None, now: self.now, allow_expired: true };
        read(&FolderSource::of(self.store), &inputs).map_err(|source| CatalogError::Current { source })
    }

    fn write_what_is_due(
        &self,
        before: Option<&TrustedCatalog>,
        entries: &[CatalogEntry],
    ) -> Result<PublicationOutcome, CatalogError> {
        let changed = before
            .is_none_or(|catalog| catalog.entries() != entries || catalog.store() != Some(self.identity));
        let due = |role| before.is_none_or(|catalog| self.is_due(role, catalog.expiry(role)));
        // A new file of a role makes a new one of all that refer to it.
        let write_targets = changed || due(Role::Targets);
        let write_snapshot = write_targets || due(Role::Snapshot);
        if !(write_snapshot || due(Role::Timestamp)) {
            return Ok(PublicationOutcome::Unchanged);
        }
        let old = |role| before.map_or(0, |catalog| catalog.version(role));
        let targets = match before {
            Some(catalog) if !write_targets => catalog.targets_meta().clone(),
            _ => self.write_targets(entries, old(Role::Targets))?,
        };
        let snapshot = match before {
            Some(catalog) if !write_snapshot => catalog.snapshot_meta().clone(),
            _ => self.write_snapshot(targets, old(Role::Snapshot))?,
        };
        let old_timestamp = match before {
            Some(catalog) => catalog.version(Role::Timestamp),
            None => self.lost_timestamp(snapshot.version.get()),
        };
        self.write_timestamp(snapshot, old_timestamp)?;
        Ok(if changed { PublicationOutcome::Changed } else { PublicationOutcome::Renewed })
    }

    /// A version that no lost `timestamp.json` can have had; 0 if there never was one.
    ///
    /// Without it the numbers would begin anew, and every host would find that the catalog went backwards. Each snapshot
    /// came with one version; besides those there were renewals, and these are at least a day apart.
    fn lost_timestamp(&self, snapshot: u64) -> u64 {
        if snapshot == 1 {
            return 0;
        }
        let days = u64::try_from(self.now.as_second() / (24 * 3600)).unwrap_or_default();
        snapshot.saturating_add(days)
    }

    fn is_due(&self, role: Role, expires: Timestamp) -> bool {
        let left = expires.duration_since(self.now);
        left < self.lifetimes.of(role).checked_div(2).unwrap_or(SignedDuration::MAX)
    }

    fn write_targets(&self, entries: &[CatalogEntry], old: u64) -> Result<Metafile, CatalogError> {
        let targets = entries.iter().map(metadata::to_target).collect::<Result<_, _>>()?;
        let version = self.next_version(Role::Targets, old)?;
        self.write_numbered(Targets {
            spec_version: SPECIFICATION.to_owned(),
            version,
            expires: self.expiry(Role::Targets)?,
            targets,
            delegations: None,
            _extra: metadata::extra(self.identity)?,
        })
    }

    fn write_snapshot(&self, targets: Metafile, old: u64) -> Result<Metafile, CatalogError> {
        let version = self.next_version(Role::Snapshot, old)?;
        let mut snapshot = Snapshot::new(SPECIFICATION.to_owned(), version, self.expiry(Role::Snapshot)?);
        snapshot.meta.insert("targets.json".to_owned(), targets);
        self.write_numbered(snapshot)
    }

    fn write_timestamp(&self, snapshot: Metafile, old: u64) -> Result<(), CatalogError> {
        let version = next(Role::Timestamp, old)?;
        let expires = self.expiry(Role::Timestamp)?;
        let mut timestamp = schema::Timestamp::new(SPECIFICATION.to_owned(), version, expires);
        timestamp.meta.insert("snapshot.json".to_owned(), snapshot);
        let bytes = self.sign(timestamp)?;
        Ok(self.storage().replace(&below(REPOSITORY, TIMESTAMP_FILE), &bytes, FileMode::Shared)?)
    }

    /// Writes `N.ROLE.json` and returns how the next file refers to it.
    fn write_numbered<T: schema::Role>(&self, signed: T) -> Result<Metafile, CatalogError> {
        let version = signed.version();
        let name = format!("{version}.{}.json", Role::of::<T>());
        let bytes = self.sign(signed)?;
        self.create(&name, &bytes)?;
        let digest = Sha256Digest::of(&bytes);
        Ok(Metafile {
            length: Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            hashes: Some(Hashes { sha256: digest.as_bytes().to_vec().into(), _extra: HashMap::new() }),
            version,
            _extra: HashMap::new(),
        })
    }

    fn sign<T: schema::Role>(&self, signed: T) -> Result<Vec<u8>, CatalogError> {
        let role = Role::of::<T>();
        metadata::sign(signed, self.keys.key(role).ok_or(CatalogError::ForeignKey { role })?)
    }

    /// The first version after the current one that no file in the folder has.
    fn next_version(&self, role: Role, current: u64) -> Result<NonZeroU64, CatalogError> {
        let mut highest = current;
        let suffix = format!(".{role}.json");
        for listed in self.storage().list(REPOSITORY).map_err(CatalogError::reading)? {
            let version = listed.name.strip_suffix(&suffix).map(str::parse);
            if let Some(Ok(version)) = version {
                highest = highest.max(version);
            }
        }
        next(role, highest)
    }

    /// The end of validity in whole seconds, as TUF wants it.
    fn expiry(&self, role: Role) -> Result<Timestamp, CatalogError> {
        let end = self.now.as_second().checked_add(self.lifetimes.of(role).as_secs());
        end.and_then(|end| Timestamp::from_second(end).ok()).ok_or(CatalogError::Lifetime { role })
    }
}

fn next(role: Role, version: u64) -> Result<NonZeroU64, CatalogError> {
    version.checked_add(1).and_then(NonZeroU64::new).ok_or(CatalogError::VersionsUsedUp { role })
}

/// Where every chain of root metadata begins.
pub(super) const FIRST_ROOT_FILE: &str = "1.root.json";
/// The pointer to the current state.
pub(super) const TIMESTAMP_FILE: &str = "timestamp.json";
/// What is read here was written by this program, and is parsed by nobody but `update`, which has limits of its own.
const LARGEST_READ: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
