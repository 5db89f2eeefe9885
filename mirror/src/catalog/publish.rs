//! Publishing: from the admissions of a store to the next version of its signed catalog.
//!
//! Every file is durable before the next one refers to it, and `timestamp.json` comes last (TUF 1.0, section 6.2).
//! Until it is replaced everybody sees the old catalog, afterwards the new one, at every moment a complete one. Numbered
//! files are never overwritten: versions that an interrupted publication had used are skipped.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU64;

use jiff::Timestamp;
use tough::schema::{self, Hashes, Metafile, RoleKeys, Root, Snapshot};
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
use super::writing::TargetsToSign;
use crate::Sha256Digest;
use crate::catalog::{CatalogEntry, CatalogVersions, Event, StoreIdentity};
use crate::log::{LogError, LogKey};
use crate::prune::Pruned;
use crate::storage::{FileMode, below};
use crate::store::{Admission, REPOSITORY, Store, StoreWriter};
use crate::withdraw::{self, Withdrawal, WithdrawnPackage};

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
    let identity = identity(store, keys, lifetimes)?;
    ensure_root(store, keys, now, lifetimes)?;
    let publisher = Publisher::new(store, keys, now, lifetimes)?;
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        publisher.check_keys(role)?;
    }
    let before = publisher.current()?;
    no_record_is_lost(store, before.as_ref())?;
    let withdrawals = withdraw::withdrawn(store)?;
    let withdrawn = withdraw::of_records(&withdrawals, metadata::portable_text);
    // After the catalog, the reading of which takes as much memory again.
    let admissions = writer.admissions()?;
    let entries = entries(store, &admissions, &withdrawals)?;
    // Evidence, log, catalog: each tells of nothing that the one before it does not have.
    let log_key = log_key(&identity, keys)?;
    statements::write_missing(store, keys.store().ok_or(CatalogError::NoStoreKey)?, &admissions, now)?;
    let mut journal = Journal::open(store, &log_key)?;
    journal.admissions(&admissions, &notes)?;
    drop(admissions);
    journal.withdrawals()?;
    journal.prunings()?;
    let told = Told { entries: &entries, identity: &identity, withdrawn: &withdrawn };
    let outcome = publisher.write_what_is_due(before.as_ref(), &told)?;
    // What was written is read back as every client will read it; two catalogs of 10,000 packages take 20 MB.
    let after = match before.filter(|_| outcome == PublicationOutcome::Unchanged) {
        Some(before) => before,
        None => publisher.current()?.ok_or_else(|| CatalogError::Current {
            source: TrustError::Missing {
                what: TIMESTAMP_FILE.to_owned(),
                place: store.repository_dir().display().to_string(),
            },
        })?,
    };
    let publication = Publication {
        versions: after.versions(),
        outcome,
        packages: after.entries().len(),
        expires: after.expires(),
    };
    let timestamp = read(store, TIMESTAMP_FILE)?;
    journal.publication(&Event::published(&publication, Sha256Digest::of(&timestamp), now))?;
    sums::write(store, keys.store_or_error()?, &entries, &publication, now)?;
    if outcome != PublicationOutcome::Unchanged {
        let version = publication.versions.timestamp;
        info!(version, packages = publication.packages, expires = %publication.expires, "catalog published");
    }
    Ok(publication)
}

/// What the catalog is to list: the newest admission of each path that is not held, unless it was withdrawn or made room.
fn entries(
    store: &Store,
    admissions: &[Admission],
    withdrawals: &BTreeMap<Sha256Digest, Withdrawal>,
) -> Result<Vec<CatalogEntry>, CatalogError> {
    let mut entries = crate::store::newest(admissions);
    let pruned = Pruned::of(store)?.among(admissions);
    entries.retain(|entry| !withdrawals.contains_key(&entry.sha256) && !pruned.contains(&entry.sha256));
    // The same few signers again and again.
    let mut portable: HashMap<String, String> = HashMap::new();
    for signer in entries.iter_mut().filter_map(|entry| entry.signer.as_mut()) {
        let text = portable.entry(signer.clone()).or_insert_with(|| metadata::portable_text(signer));
        signer.clone_from(text);
    }
    Ok(entries)
}

/// What the catalog withdraws is in the records, as withdrawn or as lifted; else a lost record would lift it.
fn no_record_is_lost(store: &Store, before: Option<&TrustedCatalog>) -> Result<(), CatalogError> {
    let listed = before.map(TrustedCatalog::withdrawn).unwrap_or_default();
    if listed.is_empty() {
        return Ok(());
    }
    let known: HashSet<Sha256Digest> =
        withdraw::withdrawals(store)?.iter().map(|withdrawal| withdrawal.sha256).collect();
    match listed.iter().all(|package| known.contains(&package.sha256)) {
        true => Ok(()),
        false => Err(CatalogError::LostWithdrawals { known: "to the current catalog" }),
    }
}

fn identity(store: &Store, keys: &SigningKeys, lifetimes: &Lifetimes) -> Result<StoreIdentity, CatalogError> {
    let key = *keys.store_or_error()?.public();
    Ok(StoreIdentity { id: store.id().to_owned(), key, profile: lifetimes.profile })
}

pub(super) fn log_key(identity: &StoreIdentity, keys: &SigningKeys) -> Result<LogKey, CatalogError> {
    Ok(keys.store_or_error()?.for_log(&identity.log_name()).map_err(LogError::from)?)
}

/// Makes version 1 of the root metadata if there is none.
fn ensure_root(
    store: &Store,
    signing: &SigningKeys,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> Result<(), CatalogError> {
    if is_there(store, FIRST_ROOT_FILE)? {
        return Ok(());
    }
    let (mut keys, mut roles) = (HashMap::new(), HashMap::new());
    for role in Role::ALL {
        signing.nothing_locked(role)?;
        let mut keyids = Vec::new();
        for key in signing.named(role).map(RoleKey::public) {
            keys.insert(key.raw_id().clone(), key.key().clone());
            keyids.push(key.raw_id().clone());
        }
        if keyids.is_empty() {
            return Err(CatalogError::NoFirstKey { role, folder: signing.folder().to_owned() });
        }
        let threshold = if role == Role::Root { signing.first_root_threshold() } else { 1 };
        let threshold = NonZeroU64::new(threshold).unwrap_or(NonZeroU64::MIN);
        roles.insert(role.role_type(), RoleKeys { keyids, threshold, _extra: HashMap::new() });
    }
    let root = Root {
        spec_version: SPECIFICATION.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: expiry(Role::Root, now, lifetimes)?,
        keys,
        roles,
        _extra: HashMap::new(),
    };
    let signers = signing.enough(Role::Root, &root)?;
    create(store, FIRST_ROOT_FILE, &metadata::sign(root, &signers)?)
}

/// Whether the catalog has a file.
pub(super) fn is_there(store: &Store, name: &str) -> Result<bool, CatalogError> {
    let kind = store.storage().look(&below(REPOSITORY, name)).map_err(CatalogError::reading)?;
    Ok(kind.is_some())
}

/// Reads a root or timestamp file of the catalog.
pub(super) fn read(store: &Store, name: &str) -> Result<Vec<u8>, CatalogError> {
    let key = below(REPOSITORY, name);
    let read = store.storage().read(&key, LARGEST_READ).map_err(CatalogError::reading)?;
    let path = store.storage().place(&key);
    read.ok_or_else(|| CatalogError::folder(&path)(std::io::ErrorKind::NotFound.into()))
}

/// Writes a new file of the catalog.
pub(super) fn create(store: &Store, name: &str, bytes: &[u8]) -> Result<(), CatalogError> {
    Ok(store.storage().create(&below(REPOSITORY, name), bytes, FileMode::Shared)?)
}

/// What targets metadata is to tell.
struct Told<'a> {
    entries: &'a [CatalogEntry],
    identity: &'a StoreIdentity,
    withdrawn: &'a [WithdrawnPackage],
}

/// Writes metadata that fits the newest root metadata.
pub(super) struct Publisher<'a> {
    pub(super) store: &'a Store,
    keys: &'a SigningKeys,
    pub(super) now: Timestamp,
    lifetimes: &'a Lifetimes,
    /// Whose keys sign.
    pub(super) root: Root,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(
        store: &'a Store,
        keys: &'a SigningKeys,
        now: Timestamp,
        lifetimes: &'a Lifetimes,
    ) -> Result<Self, CatalogError> {
        let root = trusting(store, now, trust_root)?;
        Ok(Self { store, keys, now, lifetimes, root })
    }

    /// Makes sure that what our keys sign for a role will be accepted, before anything is written.
    pub(super) fn check_keys(&self, role: Role) -> Result<(), CatalogError> {
        self.keys.enough(role, &self.root).map(drop)
    }

    /// The catalog as it is; none before the first publication. An expired one can be built upon.
    pub(super) fn current(&self) -> Result<Option<TrustedCatalog>, CatalogError> {
        if !is_there(self.store, TIMESTAMP_FILE)? {
            return Ok(None);
        }
        trusting(self.store, self.now, trust_folder).map(Some)
    }

    fn write_what_is_due(
        &self,
        before: Option<&TrustedCatalog>,
        told: &Told<'_>,
    ) -> Result<PublicationOutcome, CatalogError> {
        let changed = before.is_none_or(|catalog| {
            catalog.entries() != told.entries
                || catalog.store() != Some(told.identity)
                || catalog.withdrawn() != told.withdrawn
        });
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
            _ => self.write_targets(told, old(Role::Targets))?,
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

    pub(super) fn is_due(&self, role: Role, expires: Timestamp) -> bool {
        self.lifetimes.is_due(role, expires.duration_since(self.now))
    }

    fn write_targets(&self, told: &Told<'_>, old: u64) -> Result<Metafile, CatalogError> {
        let version = self.next_version(Role::Targets, old)?;
        let targets = TargetsToSign {
            version,
            expires: self.expiry(Role::Targets)?,
            entries: told.entries,
            extra: &metadata::extra(told.identity, told.withdrawn)?,
        };
        let canonical = targets.canonical_form()?;
        let signatures = metadata::signatures(&canonical, &self.keys.enough(Role::Targets, &self.root)?)?;
        self.write_bytes(Role::Targets, version, &metadata::compact(&signatures, &canonical)?)
    }

    pub(super) fn write_snapshot(&self, targets: Metafile, old: u64) -> Result<Metafile, CatalogError> {
        let version = self.next_version(Role::Snapshot, old)?;
        let mut snapshot = Snapshot::new(SPECIFICATION.to_owned(), version, self.expiry(Role::Snapshot)?);
        snapshot.meta.insert("targets.json".to_owned(), targets);
        self.write_numbered(snapshot)
    }

    pub(super) fn write_timestamp(&self, snapshot: Metafile, old: u64) -> Result<(), CatalogError> {
        let version = next(Role::Timestamp, old)?;
        let expires = self.expiry(Role::Timestamp)?;
        let mut timestamp = schema::Timestamp::new(SPECIFICATION.to_owned(), version, expires);
        timestamp.meta.insert("snapshot.json".to_owned(), snapshot);
        let bytes = self.sign(timestamp)?;
        let key = below(REPOSITORY, TIMESTAMP_FILE);
        Ok(self.store.storage().replace(&key, &bytes, FileMode::Shared)?)
    }

    /// Writes `N.ROLE.json` and returns how the next file refers to it.
    pub(super) fn write_numbered<T: schema::Role>(&self, signed: T) -> Result<Metafile, CatalogError> {
        let version = signed.version();
        let bytes = self.sign(signed)?;
        self.write_bytes(Role::of::<T>(), version, &bytes)
    }

    fn write_bytes(&self, role: Role, version: NonZeroU64, bytes: &[u8]) -> Result<Metafile, CatalogError> {
        create(self.store, &format!("{version}.{role}.json"), bytes)?;
        let digest = Sha256Digest::of(bytes);
        Ok(Metafile {
            length: Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            hashes: Some(Hashes { sha256: digest.as_bytes().to_vec().into(), _extra: HashMap::new() }),
            version,
            _extra: HashMap::new(),
        })
    }

    pub(super) fn sign<T: schema::Role>(&self, signed: T) -> Result<Vec<u8>, CatalogError> {
        let role = Role::of::<T>();
        metadata::sign(signed, &self.keys.enough(role, &self.root)?)
    }

    /// The first version after the current one that no file in the folder has.
    pub(super) fn next_version(&self, role: Role, current: u64) -> Result<NonZeroU64, CatalogError> {
        let mut highest = current;
        let suffix = format!(".{role}.json");
        for listed in self.store.storage().list(REPOSITORY).map_err(CatalogError::reading)? {
            let version = listed.name.strip_suffix(&suffix).map(str::parse);
            if let Some(Ok(version)) = version {
                highest = highest.max(version);
            }
        }
        next(role, highest)
    }

    pub(super) fn expiry(&self, role: Role) -> Result<Timestamp, CatalogError> {
        expiry(role, self.now, self.lifetimes)
    }
}

/// Reads a store's own catalog as a client does who was enrolled with the first root metadata.
pub(super) fn trusting<T>(
    store: &Store,
    now: Timestamp,
    run: impl FnOnce(&FolderSource, &TrustInputs<'_>) -> Result<T, TrustError>,
) -> Result<T, CatalogError> {
    let root = read(store, FIRST_ROOT_FILE)?;
    let inputs = TrustInputs { root: &root, state: None, now, allow_expired: true };
    run(&FolderSource::of(store), &inputs).map_err(|source| CatalogError::Current { source })
}

/// The end of validity in whole seconds, as TUF wants it.
pub(super) fn expiry(role: Role, now: Timestamp, lifetimes: &Lifetimes) -> Result<Timestamp, CatalogError> {
    let end = now.as_second().checked_add(lifetimes.of(role).as_secs());
    end.and_then(|end| Timestamp::from_second(end).ok()).ok_or(CatalogError::Lifetime { role })
}

pub(super) fn next(role: Role, version: u64) -> Result<NonZeroU64, CatalogError> {
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
