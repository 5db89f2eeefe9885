//! Attacks on keys, thresholds and the chain of root metadata: T7, T12 and T13 of the list in `attacks`.

use serde_json::{Value, json};
use tough::schema::key::Key;

use super::testing::{TestCatalog, foreign_keys, reason, sign};
use super::{Distrust, KeyAlgorithm, NewKeys, Role, RoleKey, SigningKeys, TrustError};
use crate::store::testing::at;

/// Publishes a new root metadata: the current one changed, signed with the given keys.
fn add_root(catalog: &TestCatalog, version: u64, keys: &[&RoleKey], change: impl FnOnce(&mut Value)) {
    let last = std::fs::read(catalog.folder().join(format!("{}.root.json", version - 1))).unwrap();
    let mut signed = serde_json::from_slice::<Value>(&last).unwrap()["signed"].take();
    signed["version"] = json!(version);
    change(&mut signed);
    std::fs::write(catalog.folder().join(format!("{version}.root.json")), sign(&signed, keys)).unwrap();
}

/// Adds a key to root metadata and returns its id.
fn list_key(signed: &mut Value, key: &RoleKey) -> Value {
    let id = hex::encode(&**key.id());
    signed["keys"][&id] = serde_json::to_value(key.public().key()).unwrap();
    json!(id)
}

#[test]
fn t7_new_timestamp_keys_end_a_fast_forward() {
    let catalog = TestCatalog::new(1);
    let good = catalog.save();
    catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
        signed["version"] = json!(u64::MAX);
    });
    assert_eq!(catalog.trust_remembering(at(20)).unwrap().versions().timestamp, u64::MAX);
    catalog.put_back(&good);
    assert!(matches!(catalog.trust_remembering(at(30)), Err(TrustError::WentBackwards { .. })));
    let new = foreign_keys(&catalog.test, "new");
    let new_key = new.key(Role::Timestamp).unwrap();
    add_root(&catalog, 2, &[catalog.key(Role::Root)], |signed| {
        let id = list_key(signed, new_key);
        signed["roles"]["timestamp"]["keyids"] = json!([id]);
    });
    assert!(matches!(reason(catalog.trust_remembering(at(40))), Distrust::TooFewSignatures { valid: 0, .. }));
    catalog.resign("timestamp.json", &[new_key], |_| {});
    let versions = catalog.trust_remembering(at(50)).unwrap().versions();
    assert_eq!((versions.root, versions.timestamp), (2, 1));
}

#[test]
fn t12_wrong_root_and_signatures_of_other_roles_are_refused() {
    let catalog = TestCatalog::new(1);
    let other = TestCatalog::new(1);
    let result = catalog.trust_with(&other.root(), None, at(20));
    assert!(matches!(reason(result), Distrust::TooFewSignatures { role: Role::Timestamp, valid: 0, .. }));
    catalog.resign("timestamp.json", &[catalog.key(Role::Snapshot)], |_| {});
    assert!(matches!(reason(catalog.trust(at(20))), Distrust::TooFewSignatures { valid: 0, .. }));
}

#[test]
fn t12_threshold_counts_different_keys_only() {
    let catalog = TestCatalog::new(1);
    let root_key = catalog.key(Role::Root);
    let second = foreign_keys(&catalog.test, "second");
    let second = second.key(Role::Root).unwrap();
    let two_of_two = |signed: &mut Value| {
        let id = list_key(signed, second);
        signed["roles"]["root"]["keyids"].as_array_mut().unwrap().push(id);
        signed["roles"]["root"]["threshold"] = json!(2);
    };
    add_root(&catalog, 2, &[root_key], two_of_two);
    assert!(matches!(reason(catalog.trust(at(20))), Distrust::TooFewSignatures { needed: 2, valid: 1, .. }));
    add_root(&catalog, 2, &[root_key, root_key], two_of_two);
    assert!(matches!(reason(catalog.trust(at(20))), Distrust::Signatures { .. }));
    add_root(&catalog, 2, &[root_key, second], two_of_two);
    assert_eq!(catalog.trust(at(20)).unwrap().versions().root, 2);
}

#[test]
fn t12_one_key_under_two_names_is_refused() {
    let catalog = TestCatalog::new(1);
    let root_key = catalog.key(Role::Root);
    let mut alias = serde_json::to_value(root_key.public().key()).unwrap();
    alias["note"] = json!("the same key");
    let alias_id = serde_json::from_value::<Key>(alias.clone()).unwrap().key_id().unwrap();
    let alias_id = hex::encode(&*alias_id);
    add_root(&catalog, 2, &[root_key], |signed| {
        signed["keys"][&alias_id] = alias;
        signed["roles"]["root"]["keyids"].as_array_mut().unwrap().push(json!(alias_id));
        signed["roles"]["root"]["threshold"] = json!(2);
    });
    let file = catalog.folder().join("2.root.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut signature = document["signatures"][0].clone();
    signature["keyid"] = json!(alias_id);
    document["signatures"].as_array_mut().unwrap().push(signature);
    std::fs::write(&file, serde_json::to_vec(&document).unwrap()).unwrap();
    assert_eq!(reason(catalog.trust(at(20))), Distrust::KeyTwice { role: Role::Root });
}

/// A point of P-256 can be written in two lengths, and a negated one needs no other secret.
#[test]
fn t12_one_key_in_two_encodings_is_refused() {
    let catalog = TestCatalog::new(1);
    let wanted = NewKeys { algorithm: KeyAlgorithm::EcdsaP256, ..NewKeys::default() };
    let keys = SigningKeys::create_with(&catalog.test.beside("p256"), &wanted).unwrap();
    let key = keys.key(Role::Root).unwrap();
    let Key::Ecdsa { keyval, .. } = key.public().key() else { panic!("{key:?}") };
    let (x, y) = keyval.public[1..].split_at(32);
    let sign = if y[31] % 2 == 0 { 2 } else { 3 };
    let compressed = [&[sign], x].concat();
    let named = [&[0x30, 0x59, 0x30, 0x13], &keyval.public[..]].concat();
    let twice = Distrust::KeyTwice { role: Role::Root };
    for (other, expected) in [
        (compressed, twice.clone()),
        ([&[5 - sign], x].concat(), twice),
        (named, Distrust::KeyForm { role: Role::Root }),
    ] {
        let alias = json!({
            "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": hex::encode(other)}
        });
        let alias_id = serde_json::from_value::<Key>(alias.clone()).unwrap().key_id().unwrap();
        let alias_id = hex::encode(&*alias_id);
        add_root(&catalog, 2, &[catalog.key(Role::Root), key], |signed| {
            let id = list_key(signed, key);
            signed["keys"][&alias_id] = alias;
            signed["roles"]["root"]["keyids"] = json!([id, alias_id]);
        });
        assert_eq!(reason(catalog.trust(at(20))), expected);
    }
}

#[test]
fn t13_root_chain_has_no_gap_and_each_link_is_signed_by_the_one_before() {
    let catalog = TestCatalog::new(1);
    let new = foreign_keys(&catalog.test, "new");
    let (old_key, new_key) = (catalog.key(Role::Root), new.key(Role::Root).unwrap());
    let rotate = |signed: &mut Value| {
        let id = list_key(signed, new_key);
        signed["roles"]["root"]["keyids"] = json!([id]);
    };
    add_root(&catalog, 2, &[new_key], rotate);
    assert!(matches!(reason(catalog.trust(at(20))), Distrust::TooFewSignatures { .. }));
    add_root(&catalog, 2, &[old_key], rotate);
    assert!(matches!(reason(catalog.trust(at(20))), Distrust::TooFewSignatures { .. }));
    add_root(&catalog, 2, &[old_key, new_key], |signed| {
        rotate(signed);
        signed["version"] = json!(3);
    });
    assert_eq!(reason(catalog.trust(at(20))), Distrust::Version { expected: 2, found: 3 });
    add_root(&catalog, 2, &[old_key, new_key], rotate);
    assert_eq!(catalog.trust_remembering(at(20)).unwrap().versions().root, 2);
    // The replaced key cannot sign a successor of its own any more, even where version 2 is hidden.
    std::fs::remove_file(catalog.folder().join("2.root.json")).unwrap();
    assert_eq!(catalog.trust_remembering(at(30)).unwrap().versions().root, 2);
    add_root(&catalog, 2, &[old_key], |_| {});
    std::fs::copy(catalog.folder().join("2.root.json"), catalog.folder().join("3.root.json")).unwrap();
    assert!(matches!(reason(catalog.trust_remembering(at(30))), Distrust::TooFewSignatures { .. }));
}

#[test]
fn t13_only_the_last_root_must_be_valid() {
    let catalog = TestCatalog::new(1);
    let key = catalog.key(Role::Root);
    add_root(&catalog, 2, &[key], |signed| signed["expires"] = json!("2026-01-01T00:00:00Z"));
    assert!(matches!(catalog.trust(at(20)), Err(TrustError::Expired { role: Role::Root, .. })));
    add_root(&catalog, 3, &[key], |signed| signed["expires"] = json!("2036-01-01T00:00:00Z"));
    assert_eq!(catalog.trust(at(20)).unwrap().versions().root, 3);
}
