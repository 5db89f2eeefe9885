//! What is published when, and by whom.

use jiff::SignedDuration;

use super::*;
use crate::catalog::testing::{self, TestCatalog};
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
    let foreign = testing::foreign_keys(&catalog.test, "foreign");
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
    assert!(matches!(refused, Err(CatalogError::NoFirstKey { role: Role::Root, .. })), "{refused:?}");
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
