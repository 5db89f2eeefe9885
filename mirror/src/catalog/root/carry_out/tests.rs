//! Ceremonies, losses and compromises; hosts that were enrolled before go on.

use std::num::NonZeroU64;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::catalog::testing::TestCatalog;
use crate::catalog::{
    Holders, KeyAlgorithm, KeyChange, NewKey, NewKeys, PublicKey, SignatureFile, check_log, keys_report,
    publish, read_private_key,
};
use crate::store::durable::fault;
use crate::store::testing::{TestStore, at, path};

/// A catalog with 2 of 3 root keys, and a host that has seen it.
fn site(algorithm: KeyAlgorithm) -> TestCatalog {
    let test = TestStore::new();
    let wanted = NewKeys { root_keys: 3, algorithm, ..NewKeys::default() };
    let keys = SigningKeys::create_with(&test.beside("keys"), &wanted).unwrap();
    let catalog = TestCatalog { test, keys };
    catalog.add(1);
    catalog.publish(at(10));
    catalog.trust_remembering(at(11)).unwrap();
    catalog
}

fn folder(catalog: &TestCatalog) -> PathBuf {
    catalog.test.beside("keys")
}

fn load(catalog: &TestCatalog) -> SigningKeys {
    SigningKeys::load(&folder(catalog)).unwrap()
}

/// Moves a key file out of the mirror's reach.
fn take_away(catalog: &TestCatalog, name: &str) -> PathBuf {
    let elsewhere = catalog.test.beside("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let to = elsewhere.join(name);
    std::fs::copy(folder(catalog).join(name), &to).unwrap();
    std::fs::remove_file(folder(catalog).join(name)).unwrap();
    to
}

fn propose(catalog: &TestCatalog, earlier: Option<&Proposal>, changes: &[KeyChange]) -> Proposal {
    let current = catalog.trust(at(20)).unwrap().root_bytes().to_vec();
    let id = catalog.test.store.id();
    Proposal::new(id, &current, earlier, changes, "drill", at(20), &Lifetimes::CONNECTED).unwrap()
}

fn new_key(keys: &mut SigningKeys, role: Role, algorithm: KeyAlgorithm) -> PublicKey {
    let new = NewKey::generate(algorithm).unwrap();
    let public = new.public().clone();
    keys.keep(role, new, None).unwrap();
    public
}

/// What replaces the key of a role by a new one that is made here.
fn rotate(keys: &mut SigningKeys, role: Role) -> KeyChange {
    let key = new_key(keys, role, KeyAlgorithm::Ed25519);
    KeyChange::Replace { role, key, old: None }
}

fn sign_here(proposal: &mut Proposal, keys: &SigningKeys) {
    let roots: Vec<_> = keys.named(Role::Root).collect();
    proposal.sign(&roots).unwrap();
}

fn carry(
    catalog: &TestCatalog,
    keys: &SigningKeys,
    proposal: &Proposal,
) -> Result<CarriedOut, KeyChangeError> {
    let mut writer = catalog.test.store.write().unwrap();
    carry_out(&mut writer, keys, proposal, at(30), &Lifetimes::CONNECTED)
}

#[track_caller]
fn host_goes_on(catalog: &TestCatalog) -> TrustedCatalog {
    let trusted = catalog.trust_remembering(at(40)).unwrap();
    let report = check_log(&catalog.test.store, &trusted, None).unwrap();
    assert_eq!(report.faults, []);
    trusted
}

#[test]
fn each_online_key_is_rotated_and_hosts_go_on() {
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        let catalog = site(KeyAlgorithm::Ed25519);
        let mut keys = load(&catalog);
        let changes = [rotate(&mut keys, role)];
        let mut proposal = propose(&catalog, None, &changes);
        sign_here(&mut proposal, &keys);
        assert!(proposal.missing().is_empty());
        let done = carry(&catalog, &keys, &proposal).unwrap();
        assert_eq!(done.renewed, signed_with(role));
        let trusted = host_goes_on(&catalog);
        assert_eq!(trusted.versions().root, 3);
        assert_eq!(trusted.entries().len(), 1);
        // Daily work goes on with the new key, and not with the old one.
        take_away(&catalog, &format!("{role}.pem"));
        catalog.add(2);
        let mut writer = catalog.test.store.write().unwrap();
        publish(&mut writer, &load(&catalog), at(50), &Lifetimes::CONNECTED).unwrap();
        drop(writer);
        assert_eq!(host_goes_on(&catalog).find(&path(2)).unwrap().path, path(2));
    }
}

#[test]
fn lost_online_keys_are_replaced_with_root_keys_alone() {
    let catalog = site(KeyAlgorithm::Ed25519);
    for role in ["targets", "snapshot", "timestamp"] {
        std::fs::remove_file(folder(&catalog).join(format!("{role}.pem"))).unwrap();
    }
    let mut keys = load(&catalog);
    let mut proposal: Option<Proposal> = None;
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        let changes = [rotate(&mut keys, role)];
        proposal = Some(propose(&catalog, proposal.as_ref(), &changes));
    }
    let mut proposal = proposal.unwrap();
    assert_eq!(proposal.overall().len(), 3);
    sign_here(&mut proposal, &keys);
    carry(&catalog, &keys, &proposal).unwrap();
    host_goes_on(&catalog);
}

#[test]
fn holders_sign_on_other_machines_and_nothing_happens_before_the_threshold() {
    let catalog = site(KeyAlgorithm::EcdsaP256);
    let [one, two, three] = ["root-1.pem", "root-2.pem", "root-3.pem"].map(|name| take_away(&catalog, name));
    let mut keys = load(&catalog);
    let changes = [rotate(&mut keys, Role::Timestamp)];
    let mut proposal = propose(&catalog, None, &changes);
    proposal.save(&folder(&catalog)).unwrap();
    // The holder reads a copy, and sends signatures back.
    let brought = Proposal::parse(&proposal.to_json().unwrap()).unwrap();
    assert_eq!(brought.digest().unwrap(), proposal.digest().unwrap());
    assert_eq!(brought.changes().len(), 2);
    let sign = |file: &PathBuf| {
        let key = read_private_key(file, None).unwrap();
        let to = file.with_extension("sig");
        std::fs::write(&to, SignatureFile::sign(&brought, &[&key]).unwrap().to_json().unwrap()).unwrap();
        SignatureFile::read(&to).unwrap()
    };
    let before = catalog.save();
    for file in [&one, &one] {
        sign(file).add_to(&mut proposal).unwrap();
        let refused = carry(&catalog, &keys, &proposal);
        assert!(matches!(refused, Err(KeyChangeError::Incomplete { .. })), "{refused:?}");
        assert_eq!(proposal.missing()[0].have, 1);
        assert_eq!(catalog.save(), before);
    }
    // A key that is no root key, and a signature that was changed on the way.
    let stranger = keys.named(Role::Targets).next().unwrap();
    assert!(matches!(SignatureFile::sign(&brought, &[stranger]), Err(KeyChangeError::NoRootKey { .. })));
    let mut text = serde_json::to_value(sign(&two)).unwrap();
    let signature = text["signatures"][0][0]["sig"].as_str().unwrap().to_owned();
    let (rest, last) = signature.split_at(signature.len() - 2);
    text["signatures"][0][0]["sig"] = json!(format!("{rest}{}", if last == "00" { "01" } else { "00" }));
    let file = two.with_extension("changed");
    std::fs::write(&file, text.to_string()).unwrap();
    let refused = SignatureFile::read(&file).unwrap().add_to(&mut proposal);
    assert!(matches!(refused, Err(KeyChangeError::BadSignature { .. })), "{refused:?}");
    assert_eq!(proposal.missing()[0].have, 1);
    sign(&three).add_to(&mut proposal).unwrap();
    carry(&catalog, &keys, &proposal).unwrap();
    host_goes_on(&catalog);
    // Carried out twice is carried out once.
    let again = carry(&catalog, &keys, &proposal).unwrap();
    assert_eq!(again.renewed, []);
    host_goes_on(&catalog);
}

#[test]
fn signatures_of_an_earlier_proposal_do_not_count_for_a_changed_one() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let mut keys = load(&catalog);
    let first = propose(&catalog, None, &[rotate(&mut keys, Role::Timestamp)]);
    let root = keys.named(Role::Root).next().unwrap();
    let signatures = SignatureFile::sign(&first, &[root]).unwrap();
    let changes = [rotate(&mut keys, Role::Snapshot)];
    let mut second = propose(&catalog, Some(&first), &changes);
    assert!(matches!(signatures.add_to(&mut second), Err(KeyChangeError::OtherProposal)));
}

#[test]
fn signatures_for_another_store_or_for_an_earlier_version_do_not_count() {
    let (catalog, other) = (site(KeyAlgorithm::Ed25519), site(KeyAlgorithm::Ed25519));
    let mut keys = load(&catalog);
    let changes = [rotate(&mut keys, Role::Timestamp)];
    let mut first = propose(&catalog, None, &changes);
    let root = keys.named(Role::Root).next().unwrap();
    // The same root metadata under the id of another store.
    let text = catalog.trust(at(20)).unwrap().root_bytes().to_vec();
    let copied =
        Proposal::new(other.test.store.id(), &text, None, &changes, "drill", at(20), &Lifetimes::CONNECTED);
    let foreign = SignatureFile::sign(&copied.unwrap(), &[root]).unwrap();
    assert!(matches!(foreign.add_to(&mut first), Err(KeyChangeError::OtherProposal)));
    let earlier = SignatureFile::sign(&first, &[root]).unwrap().to_json().unwrap();
    sign_here(&mut first, &keys);
    assert!(matches!(carry(&other, &keys, &first), Err(KeyChangeError::Foreign)));
    carry(&catalog, &keys, &first).unwrap();
    // Replayed for what comes next.
    let mut second = propose(&catalog, None, &[KeyChange::Renew]);
    let file = catalog.test.beside("replayed.json");
    std::fs::write(&file, earlier).unwrap();
    let replayed = SignatureFile::read(&file).unwrap().add_to(&mut second);
    assert!(matches!(replayed, Err(KeyChangeError::OtherProposal)), "{replayed:?}");
    assert!(second.missing().iter().all(|missing| missing.have == 0));
}

/// Holders see keys, thresholds and ends; nothing else may be smuggled in with them.
#[test]
fn proposal_that_changes_what_holders_are_not_shown_is_refused() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let mut keys = load(&catalog);
    let changes = [rotate(&mut keys, Role::Timestamp)];
    let proposal = propose(&catalog, None, &changes).to_json().unwrap();
    Proposal::parse(&proposal).unwrap();
    for (field, value) in [
        ("consistent_snapshot", json!(false)),
        ("spec_version", json!("1.99.0")),
        ("x-policy", json!("none")),
    ] {
        let mut document: serde_json::Value = serde_json::from_slice(&proposal).unwrap();
        document["versions"][1]["signed"][field] = value;
        let refused = Proposal::parse(document.to_string().as_bytes());
        assert!(matches!(refused, Err(KeyChangeError::Malformed { .. })), "{field}: {refused:?}");
    }
}

#[test]
fn proposal_that_has_expired_is_not_published() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let keys = load(&catalog);
    let current = catalog.trust(at(20)).unwrap().root_bytes().to_vec();
    let (id, early) = (catalog.test.store.id(), at(20) - SignedDuration::from_hours(24 * 365 * 20));
    // Made while the clock was wrong.
    let mut proposal =
        Proposal::new(id, &current, None, &[KeyChange::Renew], "drill", early, &Lifetimes::CONNECTED)
            .unwrap();
    sign_here(&mut proposal, &keys);
    let refused = carry(&catalog, &keys, &proposal);
    assert!(matches!(refused, Err(KeyChangeError::Expired { .. })), "{refused:?}");
    assert_eq!(host_goes_on(&catalog).versions().root, 1);
}

#[test]
fn lost_root_key_of_three_is_replaced_by_the_other_two() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let lost = load(&catalog).named(Role::Root).next().unwrap().public().id();
    std::fs::remove_file(folder(&catalog).join("root-1.pem")).unwrap();
    let mut keys = load(&catalog);
    let key = new_key(&mut keys, Role::Root, KeyAlgorithm::EcdsaP256);
    let new_id = key.id();
    let changes =
        [KeyChange::Remove { role: Role::Root, id: lost.clone() }, KeyChange::Add { role: Role::Root, key }];
    let mut proposal = propose(&catalog, None, &changes);
    assert_eq!(proposal.changes().len(), 1, "the catalog itself is signed by none of them");
    sign_here(&mut proposal, &keys);
    let done = carry(&catalog, &keys, &proposal).unwrap();
    assert_eq!(done.renewed, [Role::Timestamp]);
    assert_eq!(host_goes_on(&catalog).versions().root, 2);
    let report = keys_report(&catalog.test.store, &keys, None, &Holders::default(), at(50)).unwrap();
    let gone = report.history.iter().find(|record| record.id == lost).unwrap();
    assert_eq!((gone.from_version, gone.to_version, gone.to), (1, Some(2), Some(at(30))));
    let came = report.history.iter().find(|record| record.id == new_id).unwrap();
    assert_eq!((came.from_version, came.to_version), (2, None));
    assert!(report.roles[0].can_sign_here && report.roles[0].threshold == 2);
}

#[test]
fn two_lost_root_keys_of_three_can_change_nothing() {
    let catalog = site(KeyAlgorithm::Ed25519);
    for name in ["root-1.pem", "root-2.pem"] {
        std::fs::remove_file(folder(&catalog).join(name)).unwrap();
    }
    let keys = load(&catalog);
    let threshold = KeyChange::Threshold { role: Role::Root, threshold: NonZeroU64::MIN };
    let mut proposal = propose(&catalog, None, &[threshold]);
    sign_here(&mut proposal, &keys);
    let refused = carry(&catalog, &keys, &proposal);
    assert!(matches!(refused, Err(KeyChangeError::Incomplete { .. })), "{refused:?}");
    assert_eq!(proposal.missing().len(), 1, "the keys before the change are too few, those after it not");
}

#[test]
fn thief_of_online_keys_is_shut_out_and_a_fast_forward_ends() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let good = catalog.save();
    // The thief moves a host far ahead.
    catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
        signed["version"] = json!(1_u64 << 40);
    });
    assert_eq!(catalog.trust_remembering(at(20)).unwrap().versions().timestamp, 1 << 40);
    catalog.put_back(&good);
    assert!(matches!(catalog.trust_remembering(at(20)), Err(TrustError::WentBackwards { .. })));
    let mut keys = load(&catalog);
    let mut changes = vec![rotate(&mut keys, Role::Timestamp)];
    changes.push(rotate(&mut keys, Role::Snapshot));
    changes.push(rotate(&mut keys, Role::Targets));
    let mut proposal = propose(&catalog, None, &changes);
    sign_here(&mut proposal, &keys);
    carry(&catalog, &keys, &proposal).unwrap();
    let trusted = host_goes_on(&catalog);
    assert_eq!(trusted.versions().timestamp, 2);
    // What the thief signs from now on is refused.
    catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
        signed["version"] = json!(9);
    });
    assert!(matches!(catalog.trust_remembering(at(50)), Err(TrustError::NotTrusted { .. })));
}

#[test]
fn every_crash_leaves_a_catalog_that_hosts_accept_and_the_change_can_be_finished() {
    for stop in 0.. {
        let catalog = site(KeyAlgorithm::Ed25519);
        let mut keys = load(&catalog);
        let mut changes = vec![rotate(&mut keys, Role::Targets)];
        changes.push(rotate(&mut keys, Role::Timestamp));
        let key = new_key(&mut keys, Role::Root, KeyAlgorithm::Ed25519);
        changes.push(KeyChange::Add { role: Role::Root, key });
        // The old online keys are lost.
        for name in ["targets.pem", "timestamp.pem"] {
            take_away(&catalog, name);
        }
        let keys = load(&catalog);
        let mut proposal = propose(&catalog, None, &changes);
        sign_here(&mut proposal, &keys);
        let mut writer = catalog.test.store.write().unwrap();
        fault::stop_after(Some(stop));
        let stopped = carry_out(&mut writer, &keys, &proposal, at(30), &Lifetimes::CONNECTED);
        fault::stop_after(None);
        drop(writer);
        catalog.trust_remembering(at(31)).unwrap_or_else(|e| panic!("step {stop}: {e}"));
        let finished = stopped.is_ok();
        carry(&catalog, &keys, &proposal).unwrap_or_else(|e| panic!("step {stop}: {e}"));
        let trusted = host_goes_on(&catalog);
        assert_eq!(trusted.versions().root, 3, "step {stop}");
        if finished {
            assert!(stop > 8, "{stop}");
            return;
        }
    }
}

#[test]
fn proposals_of_others_and_outdated_ones_are_refused() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let other = site(KeyAlgorithm::Ed25519);
    let mut keys = load(&catalog);
    let changes = [rotate(&mut keys, Role::Timestamp)];
    let mut foreign = propose(&other, None, &[KeyChange::Renew]);
    sign_here(&mut foreign, &load(&other));
    assert!(matches!(carry(&catalog, &keys, &foreign), Err(KeyChangeError::Foreign)));
    let mut late = propose(&catalog, None, &changes);
    sign_here(&mut late, &keys);
    let mut renewal = propose(&catalog, None, &[KeyChange::Renew]);
    sign_here(&mut renewal, &keys);
    carry(&catalog, &keys, &renewal).unwrap();
    assert!(matches!(carry(&catalog, &keys, &late), Err(KeyChangeError::Stale { base: 1, current: 2 })));
}

#[test]
fn new_keys_must_be_here_before_anything_is_published() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let mut keys = load(&catalog);
    let changes = [rotate(&mut keys, Role::Snapshot)];
    let mut proposal = propose(&catalog, None, &changes);
    sign_here(&mut proposal, &keys);
    let before = catalog.save();
    let without = catalog.keys;
    let catalog = TestCatalog { test: catalog.test, keys: load_without_new(&without) };
    let refused = carry(&catalog, &catalog.keys, &proposal);
    assert!(
        matches!(refused, Err(KeyChangeError::Catalog(CatalogError::ForeignKey { role: Role::Snapshot }))),
        "{refused:?}"
    );
    assert_eq!(catalog.save(), before);
}

/// The keys as they were before a new one came.
fn load_without_new(keys: &SigningKeys) -> SigningKeys {
    for entry in std::fs::read_dir(keys.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("snapshot-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    SigningKeys::load(keys.folder()).unwrap()
}

#[test]
fn impossible_changes_are_refused() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let current = catalog.root();
    let attempt = |changes: &[KeyChange]| {
        let id = catalog.test.store.id();
        Proposal::new(id, &current, None, changes, "", at(20), &Lifetimes::CONNECTED).map(|_| ())
    };
    let which =
        KeyChange::Replace { role: Role::Root, key: catalog.key(Role::Targets).public().clone(), old: None };
    assert!(matches!(attempt(&[which]), Err(KeyChangeError::WhichKey { role: Role::Root, .. })));
    let threshold =
        |threshold| KeyChange::Threshold { role: Role::Root, threshold: NonZeroU64::new(threshold).unwrap() };
    assert!(matches!(attempt(&[threshold(4)]), Err(KeyChangeError::Threshold { keys: 3, .. })));
    assert!(matches!(attempt(&[threshold(2)]), Err(KeyChangeError::NoChange)));
    attempt(&[threshold(3)]).unwrap();
    let remove = |id: &str| KeyChange::Remove { role: Role::Targets, id: id.to_owned() };
    assert!(matches!(attempt(&[remove("00000000")]), Err(KeyChangeError::NoSuchKey { .. })));
    let targets = catalog.key(Role::Targets).public().clone();
    assert!(matches!(attempt(&[remove(&targets.id())]), Err(KeyChangeError::Threshold { keys: 0, .. })));
    let again = KeyChange::Add { role: Role::Targets, key: targets };
    assert!(matches!(attempt(&[again]), Err(KeyChangeError::AlreadyListed { .. })));
}

#[test]
fn expired_root_is_renewed_by_a_ceremony() {
    let catalog = site(KeyAlgorithm::Ed25519);
    let late = at(10) + SignedDuration::from_hours(24 * 2000);
    assert!(matches!(catalog.trust(late), Err(TrustError::Expired { .. })));
    let keys = load(&catalog);
    let current = catalog.root();
    let id = catalog.test.store.id();
    let mut proposal =
        Proposal::new(id, &current, None, &[KeyChange::Renew], "", late, &Lifetimes::CONNECTED).unwrap();
    sign_here(&mut proposal, &keys);
    let mut writer = catalog.test.store.write().unwrap();
    carry_out(&mut writer, &keys, &proposal, late, &Lifetimes::CONNECTED).unwrap();
    crate::catalog::refresh(&mut writer, &keys, late, &Lifetimes::CONNECTED).unwrap();
    catalog.trust_remembering(late).unwrap();
}
