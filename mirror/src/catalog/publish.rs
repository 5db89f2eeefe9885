//! Publishing: from the admissions of a store to the next version of its signed catalog.
//!
//! Every file is durable before the next one refers to it, and `timestamp.json` comes last (TUF 1.0, section 6.2).
//! Until it is replaced everybody sees the old catalog, afterwards the new one, at every moment a complete one. Numbered
//! files are never overwritten: versions that an interrupted publication had used are skipped.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tough::schema::{self, Hashes, Metafile, RoleKeys, Root, Snapshot, Targets};
use tracing::info;

use super::error::{CatalogError, TrustError};
use super::keys::{RoleKey, SigningKeys};
use super::lifetimes::Lifetimes;
use super::metadata::{self, Role, SPECIFICATION};
use super::source::FolderSource;
use super::trust::{TrustInputs, TrustedCatalog, trust_folder, trust_root};
use crate::Sha256Digest;
use crate::catalog::{CatalogEntry, CatalogVersions};
use crate::store::StoreWriter;
use crate::store::durable::{self, FileMode};

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
    let mut entries = writer.store().admitted()?;
    for entry in &mut entries {
        entry.signer = entry.signer.as_deref().map(metadata::portable_text);
    }
    let folder = writer.store().repository_dir();
    let publisher = Publisher { folder: &folder, keys, now, lifetimes };
    publisher.ensure_root()?;
    publisher.check_keys()?;
    let before = publisher.current()?;
    let outcome = publisher.write_what_is_due(before.as_ref(), &entries)?;
    // What was written is read back as every client will read it.
    let after = publisher.current()?.ok_or_else(|| CatalogError::Current {
        source: TrustError::Missing { what: TIMESTAMP_FILE.to_owned(), place: folder.display().to_string() },
    })?;
    let publication = Publication {
        versions: after.versions(),
        outcome,
        packages: after.entries().len(),
        expires: after.expires(),
    };
    if outcome != PublicationOutcome::Unchanged {
        let version = publication.versions.timestamp;
        info!(version, packages = publication.packages, expires = %publication.expires, "catalog published");
    }
    Ok(publication)
}

struct Publisher<'a> {
    folder: &'a Path,
    keys: &'a SigningKeys,
    now: Timestamp,
    lifetimes: &'a Lifetimes,
}

impl Publisher<'_> {
    /// Makes version 1 of the root metadata if there is none.
    fn ensure_root(&self) -> Result<(), CatalogError> {
        let path = self.folder.join(FIRST_ROOT_FILE);
        if path.symlink_metadata().is_ok() {
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
        Ok(durable::write_new(&path, &metadata::sign(root, root_key)?, FileMode::Shared)?)
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
        if self.folder.join(TIMESTAMP_FILE).symlink_metadata().is_err() {
            return Ok(None);
        }
        self.trusting(trust_folder).map(Some)
    }

    /// Reads our own catalog as a client does who was enrolled with the first root metadata.
    fn trusting<T>(
        &self,
        read: impl FnOnce(&FolderSource, &TrustInputs<'_>) -> Result<T, TrustError>,
    ) -> Result<T, CatalogError> {
        let path = self.folder.join(FIRST_ROOT_FILE);
        let root = std::fs::read(&path).map_err(CatalogError::folder(&path))?;
        let inputs = TrustInputs { root: &root, state: None, now: self.now, allow_expired: true };
        read(&FolderSource::new(self.folder), &inputs).map_err(|source| CatalogError::Current { source })
    }

    fn write_what_is_due(
        &self,
        before: Option<&TrustedCatalog>,
        entries: &[CatalogEntry],
    ) -> Result<PublicationOutcome, CatalogError> {
        let changed = before.is_none_or(|catalog| catalog.entries() != entries);
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
            _extra: HashMap::new(),
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
        Ok(durable::replace(&self.folder.join(TIMESTAMP_FILE), &bytes, FileMode::Shared)?)
    }

    /// Writes `N.ROLE.json` and returns how the next file refers to it.
    fn write_numbered<T: schema::Role>(&self, signed: T) -> Result<Metafile, CatalogError> {
        let version = signed.version();
        let name = format!("{version}.{}.json", Role::of::<T>());
        let bytes = self.sign(signed)?;
        durable::write_new(&self.folder.join(name), &bytes, FileMode::Shared)?;
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
        for entry in std::fs::read_dir(self.folder).map_err(CatalogError::folder(self.folder))? {
            let name = entry.map_err(CatalogError::folder(self.folder))?.file_name();
            let version = name.to_str().and_then(|name| name.strip_suffix(&suffix)).map(str::parse);
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

#[cfg(test)]
mod tests {
    use super::super::testing::TestCatalog;
    use super::*;
    use crate::store::testing::{at, path};

    fn days(days: i64) -> Timestamp {
        at(10) + SignedDuration::from_hours(24 * days)
    }

    fn versions(publication: Publication) -> (u64, u64, u64, u64) {
        let CatalogVersions { root, timestamp, snapshot, targets } = publication.versions;
        (root, timestamp, snapshot, targets)
    }

    #[test]
    fn published_packages_are_found_in_the_trusted_catalog() {
        let catalog = TestCatalog::new(3);
        let trusted = catalog.trust(at(20)).unwrap();
        assert_eq!(trusted.entries(), catalog.test.store.admitted().unwrap());
        assert_eq!(trusted.find(&path(2)), trusted.find_name(path(2).name()));
        assert_eq!(trusted.find(&path(2)).unwrap().path, path(2));
        assert_eq!(trusted.find(&path(4)), None);
        assert_eq!(trusted.expires(), days(30));
        assert_eq!(trusted.root_bytes(), catalog.root());
    }

    #[test]
    fn nothing_new_makes_no_new_version() {
        let catalog = TestCatalog::new(1);
        let before = catalog.save();
        let again = catalog.publish(days(14));
        assert_eq!((again.outcome, versions(again)), (PublicationOutcome::Unchanged, (1, 1, 1, 1)));
        assert_eq!(catalog.save().len(), before.len());
        catalog.add(2);
        let more = catalog.publish(days(14));
        assert_eq!((more.outcome, versions(more)), (PublicationOutcome::Changed, (1, 2, 2, 2)));
        assert_eq!(more.packages, 2);
    }

    #[test]
    fn only_what_is_near_its_end_is_signed_anew() {
        let catalog = TestCatalog::new(1);
        let timestamp = catalog.publish(days(16));
        assert_eq!((timestamp.outcome, versions(timestamp)), (PublicationOutcome::Renewed, (1, 2, 1, 1)));
        assert_eq!(timestamp.expires, days(46));
        let all = catalog.publish(days(200));
        assert_eq!((all.outcome, versions(all)), (PublicationOutcome::Renewed, (1, 3, 2, 2)));
        catalog.trust(days(229)).unwrap();
    }

    #[test]
    fn empty_store_has_a_catalog_too() {
        let catalog = TestCatalog::new(0);
        assert_eq!(catalog.trust(at(20)).unwrap().entries(), []);
    }

    #[test]
    fn new_bytes_under_a_known_name_move_the_catalog() {
        let catalog = TestCatalog::new(1);
        let mut writer = catalog.test.store.write().unwrap();
        let new = catalog.test.commit(&mut writer, &path(1), b"new bytes");
        drop(writer);
        catalog.publish(at(20));
        assert_eq!(catalog.trust(at(30)).unwrap().find(&path(1)), Some(new.entry()));
    }

    #[test]
    fn foreign_keys_publish_nothing() {
        let catalog = TestCatalog::new(1);
        let foreign = super::super::testing::foreign_keys(&catalog.test, "foreign");
        let before = catalog.save();
        catalog.add(2);
        let mut writer = catalog.test.store.write().unwrap();
        let refused = publish(&mut writer, &foreign, at(20), &Lifetimes::CONNECTED);
        assert!(matches!(refused, Err(CatalogError::ForeignKey { role: Role::Targets })), "{refused:?}");
        assert_eq!(catalog.save().len(), before.len());
    }

    #[test]
    fn root_key_is_needed_only_once() {
        let catalog = TestCatalog::new(1);
        std::fs::remove_file(catalog.test.beside("keys").join("root.pem")).unwrap();
        let keys = SigningKeys::load(&catalog.test.beside("keys")).unwrap();
        catalog.add(2);
        let mut writer = catalog.test.store.write().unwrap();
        publish(&mut writer, &keys, at(20), &Lifetimes::CONNECTED).unwrap();
        drop(writer);
        let empty = crate::store::testing::TestStore::new();
        let mut writer = empty.store.write().unwrap();
        let refused = publish(&mut writer, &keys, at(20), &Lifetimes::CONNECTED);
        assert!(matches!(refused, Err(CatalogError::NoRootKey)), "{refused:?}");
    }

    #[test]
    fn lost_timestamp_is_replaced_by_one_that_hosts_accept() {
        let catalog = TestCatalog::new(1);
        catalog.publish(days(16));
        let renewed = catalog.publish(days(32));
        assert_eq!(versions(renewed), (1, 3, 1, 1));
        catalog.trust_remembering(days(32)).unwrap();
        std::fs::remove_file(catalog.folder().join("timestamp.json")).unwrap();
        catalog.publish(days(33));
        assert!(catalog.trust_remembering(days(33)).unwrap().versions().timestamp > 3);
    }

    #[test]
    fn clock_that_went_back_keeps_nothing_from_being_published() {
        let catalog = TestCatalog::new(1);
        catalog.publish(days(100));
        catalog.add(2);
        let earlier = catalog.publish(days(1));
        assert_eq!((earlier.outcome, earlier.packages), (PublicationOutcome::Changed, 2));
        assert_eq!(catalog.trust(days(2)).unwrap().find(&path(2)).unwrap().path, path(2));
    }

    #[test]
    fn damaged_catalog_is_not_built_upon() {
        let catalog = TestCatalog::new(1);
        std::fs::write(catalog.folder().join("timestamp.json"), b"{}").unwrap();
        let mut writer = catalog.test.store.write().unwrap();
        let refused = publish(&mut writer, &catalog.keys, at(20), &Lifetimes::CONNECTED);
        assert!(matches!(refused, Err(CatalogError::Current { .. })), "{refused:?}");
    }
}
