//! Signing the catalog anew, unchanged: for sites where nothing happens for long, so that hosts go on accepting it.
//!
//! Each role is renewed when half of its life is over and enough of its keys are here; what is signed is what stands in the
//! current files, with another version and end. What cannot be renewed here is named. Root metadata is renewed only where
//! enough root keys are at hand, which is during a ceremony.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tough::schema::{Metafile, Signed, Targets};
use tracing::info;

use super::checks::{MAX_TARGETS_BYTES, parse};
use super::error::CatalogError;
use super::journal::Journal;
use super::keys::SigningKeys;
use super::lifetimes::Lifetimes;
use super::metadata::Role;
use super::publish::{Publisher, TIMESTAMP_FILE, create, is_there, log_key, read};
use super::source::FolderSource;
use super::trust::TrustedCatalog;
use crate::Sha256Digest;
use crate::catalog::{Event, Publication, PublicationOutcome, TrustError};
use crate::store::StoreWriter;

/// What a renewal did, and what it could not do.
#[derive(Debug)]
pub struct Refresh {
    /// The catalog as it is now.
    pub publication: Publication,
    /// The roles that were signed anew.
    pub renewed: Vec<Role>,
    /// The roles that are due and whose keys are not here.
    pub blocked: Vec<Blocked>,
}

/// A role that is due and cannot be renewed here.
#[derive(Debug)]
pub struct Blocked {
    /// The role.
    pub role: Role,
    /// When its metadata expires.
    pub expires: Timestamp,
    /// Whether it is time to act: less than 60 days are left, or less than half of its life if that is less.
    pub is_urgent: bool,
    /// Which keys are missing.
    pub reason: CatalogError,
}

/// Signs anew what is due and what the keys here are enough for. Packages do not change, and nothing is written if nothing
/// is due.
///
/// # Errors
/// There is no catalog, it cannot be trusted, the key of the store is missing, or files cannot be written.
pub fn refresh(
    writer: &mut StoreWriter,
    keys: &SigningKeys,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> Result<Refresh, CatalogError> {
    let store = writer.store();
    if !is_there(store, TIMESTAMP_FILE)? {
        return Err(CatalogError::NoCatalog);
    }
    let mut publisher = Publisher::new(store, keys, now, lifetimes)?;
    let before = publisher.current()?.ok_or(CatalogError::NoCatalog)?;
    // The log must be ready for what it will have to tell.
    let log_key = log_key(before.store().ok_or(CatalogError::NoLogKey)?, keys)?;
    drop(Journal::open(store, &log_key)?);
    let (mut wanted, mut blocked) = (BTreeSet::new(), Vec::new());
    for role in Role::ALL.into_iter().filter(|role| publisher.is_due(*role, before.expiry(*role))) {
        match signed_with(role).iter().try_for_each(|role| publisher.check_keys(*role)) {
            Ok(()) => drop(wanted.insert(role)),
            Err(reason) => {
                let expires = before.expiry(role);
                let urgent = URGENT.min(lifetimes.of(role).checked_div(2).unwrap_or(URGENT));
                let is_urgent = expires.duration_since(now) < urgent;
                blocked.push(Blocked { role, expires, is_urgent, reason });
            }
        }
    }
    let mut renewed = Vec::new();
    if wanted.remove(&Role::Root) {
        renew_root(&publisher)?;
        renewed.push(Role::Root);
        // Who looks at timestamp.json alone sees that something has changed.
        if publisher.check_keys(Role::Timestamp).is_ok() {
            wanted.insert(Role::Timestamp);
        }
        publisher = Publisher::new(store, keys, now, lifetimes)?;
    }
    renewed.extend(sign_anew(&publisher, &before, &wanted)?);
    let publication = record(writer, keys, &publisher, !renewed.is_empty())?;
    Ok(Refresh { publication, renewed, blocked })
}

/// The next version of root metadata with the same keys.
fn renew_root(publisher: &Publisher<'_>) -> Result<(), CatalogError> {
    let mut root = publisher.root.clone();
    root.version = super::publish::next(Role::Root, root.version.get())?;
    root.expires = publisher.expiry(Role::Root)?;
    let name = format!("{}.root.json", root.version);
    create(publisher.store, &name, &publisher.sign(root)?)
}

/// What is signed when a role is: itself, and what refers to it.
pub(super) fn signed_with(role: Role) -> &'static [Role] {
    match role {
        Role::Root => &[Role::Root],
        Role::Targets => &[Role::Targets, Role::Snapshot, Role::Timestamp],
        Role::Snapshot => &[Role::Snapshot, Role::Timestamp],
        Role::Timestamp => &[Role::Timestamp],
    }
}

/// Signs roles anew with the content they have, and what refers to them. Returns all of them.
pub(super) fn sign_anew(
    publisher: &Publisher<'_>,
    before: &TrustedCatalog,
    wanted: &BTreeSet<Role>,
) -> Result<Vec<Role>, CatalogError> {
    let all: BTreeSet<Role> = wanted.iter().flat_map(|role| signed_with(*role)).copied().collect();
    let is_signed = |role| all.contains(&role);
    let targets = match is_signed(Role::Targets) {
        true => write_targets(publisher, before)?,
        false => before.targets_meta().clone(),
    };
    let snapshot = match is_signed(Role::Snapshot) {
        true => publisher.write_snapshot(targets, before.version(Role::Snapshot))?,
        false => before.snapshot_meta().clone(),
    };
    if is_signed(Role::Timestamp) {
        publisher.write_timestamp(snapshot, before.version(Role::Timestamp))?;
    }
    Ok(all.into_iter().collect())
}

/// Everything that the current targets metadata says, with the next version and a new end.
fn write_targets(publisher: &Publisher<'_>, before: &TrustedCatalog) -> Result<Metafile, CatalogError> {
    let version = before.version(Role::Targets);
    let (name, place) =
        (format!("{version}.targets.json"), publisher.store.repository_dir().display().to_string());
    let current = |source| CatalogError::Current { source };
    let bytes = FolderSource::of(publisher.store).read(&name, MAX_TARGETS_BYTES);
    let bytes = bytes
        .map_err(|source| {
            current(TrustError::Unreachable { what: name.clone(), place: place.clone(), source })
        })?
        .ok_or_else(|| current(TrustError::Missing { what: name.clone(), place: place.clone() }))?;
    let signed: Signed<Targets> = parse(&bytes, &name, &place).map_err(current)?;
    let mut targets = signed.signed;
    targets.version = publisher.next_version(Role::Targets, version)?;
    targets.expires = publisher.expiry(Role::Targets)?;
    publisher.write_numbered(targets)
}

/// Reads the catalog back as clients do, and logs a new version of it.
pub(super) fn record(
    writer: &StoreWriter,
    keys: &SigningKeys,
    publisher: &Publisher<'_>,
    is_new: bool,
) -> Result<Publication, CatalogError> {
    let after = publisher.current()?.ok_or(CatalogError::NoCatalog)?;
    let publication = Publication {
        versions: after.versions(),
        outcome: if is_new { PublicationOutcome::Renewed } else { PublicationOutcome::Unchanged },
        packages: after.entries().len(),
        expires: after.expires(),
    };
    let identity = after.store().ok_or(CatalogError::NoLogKey)?;
    let log_key = log_key(identity, keys)?;
    let mut journal = Journal::open(writer.store(), &log_key)?;
    let timestamp = read(writer.store(), TIMESTAMP_FILE)?;
    journal.publication(&Event::published(&publication, Sha256Digest::of(&timestamp), publisher.now))?;
    if is_new {
        let version = publication.versions.timestamp;
        info!(version, expires = %publication.expires, "catalog signed anew");
    }
    Ok(publication)
}

const URGENT: SignedDuration = SignedDuration::from_hours(24 * 60);

#[cfg(test)]
mod tests {
    use super::super::testing::TestCatalog;
    use super::super::{KeyAlgorithm, NewKeys};
    use super::*;
    use crate::store::testing::at;

    fn days(days: i64) -> Timestamp {
        at(10) + SignedDuration::from_hours(24 * days)
    }

    fn refresh_at(catalog: &TestCatalog, now: Timestamp) -> Refresh {
        let keys = SigningKeys::load(&catalog.test.beside("keys")).unwrap();
        let mut writer = catalog.test.store.write().unwrap();
        refresh(&mut writer, &keys, now, &Lifetimes::CONNECTED).unwrap()
    }

    fn remove(catalog: &TestCatalog, name: &str) {
        std::fs::remove_file(catalog.test.beside("keys").join(name)).unwrap();
    }

    #[test]
    fn idle_catalog_is_renewed_for_years_without_root_and_targets_keys() {
        let catalog = TestCatalog::new(2);
        let before = catalog.trust_remembering(at(20)).unwrap();
        remove(&catalog, "root.pem");
        remove(&catalog, "targets.pem");
        assert_eq!(refresh_at(&catalog, days(14)).renewed, []);
        for day in (0..=350).step_by(10) {
            refresh_at(&catalog, days(day));
            catalog.trust_remembering(days(day + 9)).unwrap();
        }
        let late = refresh_at(&catalog, days(350));
        assert_eq!(
            late.blocked.iter().map(|b| (b.role, b.is_urgent)).collect::<Vec<_>>(),
            [(Role::Targets, true)]
        );
        assert!(matches!(late.blocked[0].reason, CatalogError::TooFewKeys { role: Role::Targets, .. }));
        let after = catalog.trust_remembering(days(355)).unwrap();
        assert_eq!(after.entries(), before.entries());
        assert_eq!(after.versions().targets, 1);
        assert!(after.versions().snapshot > 1);
    }

    #[test]
    fn everything_that_is_due_is_renewed_where_its_keys_are() {
        let catalog = TestCatalog::new(1);
        let done = refresh_at(&catalog, days(1000));
        assert_eq!(done.renewed, Role::ALL);
        assert!(done.blocked.is_empty());
        let trusted = catalog.trust(days(1029)).unwrap();
        assert_eq!((trusted.versions().root, trusted.versions().targets), (2, 2));
        assert_eq!(trusted.store().unwrap().id, catalog.test.store.id());
        assert_eq!(refresh_at(&catalog, days(1001)).renewed, []);
        let report = super::super::check_log(&catalog.test.store, &trusted, None).unwrap();
        assert_eq!(report.faults, []);
    }

    #[test]
    fn root_that_is_due_is_urgent_only_near_its_end() {
        let catalog = TestCatalog::new(0);
        remove(&catalog, "root.pem");
        assert!(!refresh_at(&catalog, days(1000)).blocked[0].is_urgent);
        assert!(refresh_at(&catalog, days(1800)).blocked[0].is_urgent);
    }

    #[test]
    fn what_was_signed_while_the_clock_was_ahead_is_signed_anew_when_it_is_right() {
        let catalog = TestCatalog::new(1);
        let before = catalog.trust(at(20)).unwrap().versions();
        remove(&catalog, "root.pem");
        assert_eq!(
            refresh_at(&catalog, days(1000)).renewed,
            [Role::Targets, Role::Snapshot, Role::Timestamp]
        );
        // Valid for three years, which no freeze should be.
        assert!(catalog.trust(days(900)).is_ok());
        assert_eq!(refresh_at(&catalog, days(1)).renewed, [Role::Targets, Role::Snapshot, Role::Timestamp]);
        let after = catalog.trust_remembering(days(2)).unwrap();
        assert_eq!(after.expiry(Role::Timestamp), days(31));
        assert_eq!(after.versions().timestamp, before.timestamp + 2, "versions never go back");
        assert_eq!(refresh_at(&catalog, days(2)).renewed, []);
    }

    #[test]
    fn clock_that_goes_back_changes_nothing() {
        let catalog = TestCatalog::new(1);
        let before = catalog.save();
        let done = refresh_at(&catalog, at(10) - SignedDuration::from_mins(10));
        assert_eq!((done.renewed, done.blocked.len()), (vec![], 0));
        assert_eq!(catalog.save(), before);
    }

    #[test]
    fn expired_root_is_renewed_where_its_keys_are_and_blocks_no_other_role() {
        let catalog = TestCatalog::new(1);
        let key = std::fs::read(catalog.test.beside("keys/root.pem")).unwrap();
        remove(&catalog, "root.pem");
        let late = refresh_at(&catalog, days(2000));
        assert_eq!(late.renewed, [Role::Targets, Role::Snapshot, Role::Timestamp]);
        assert_eq!(
            late.blocked.iter().map(|b| (b.role, b.is_urgent)).collect::<Vec<_>>(),
            [(Role::Root, true)]
        );
        assert!(matches!(catalog.trust(days(2000)), Err(TrustError::Expired { role: Role::Root, .. })));
        crate::store::durable::write_new(
            &catalog.test.beside("keys/root.pem"),
            &key,
            crate::store::durable::FileMode::Secret,
        )
        .unwrap();
        assert_eq!(refresh_at(&catalog, days(2001)).renewed, [Role::Root, Role::Timestamp]);
        assert_eq!(catalog.trust(days(2002)).unwrap().versions().root, 2);
    }

    #[test]
    fn two_of_three_root_keys_renew_and_one_does_not() {
        let test = crate::store::testing::TestStore::new();
        let wanted = NewKeys { root_keys: 3, algorithm: KeyAlgorithm::EcdsaP256, ..NewKeys::default() };
        let keys = SigningKeys::create_with(&test.beside("keys"), &wanted).unwrap();
        let catalog = TestCatalog { test, keys };
        catalog.publish(at(10));
        catalog.trust(at(20)).unwrap();
        remove(&catalog, "root-2.pem");
        assert_eq!(refresh_at(&catalog, days(1000)).renewed, Role::ALL);
        remove(&catalog, "root-3.pem");
        let blocked = refresh_at(&catalog, days(2000)).blocked;
        assert!(matches!(blocked[0].reason, CatalogError::TooFewKeys { needed: 2, here: 1, .. }));
        assert_eq!(catalog.trust(days(2001)).unwrap().versions().root, 2);
    }
}
