//! The TUF attacks that `update` claims to withstand, one test each; the numbers are those of its list.
//!
//! Those on packages rather than metadata are tested where packages are: T1, T2 and T10 in `stage::tests`, T3 and T4 in
//! `tests/net/behaviours.rs`, T11 in `store::check`, T16 and T17 of the log in `log::tests`. What withdrawals add to T5, T6
//! and T9 stands in `attacks_withdrawn`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::testing::{TestCatalog, foreign_keys, sign};
use super::{Distrust, FolderSource, Role, TrustError, TrustInputs, trust_folder};
use crate::store::testing::{at, path};

fn days(days: i64) -> Timestamp {
    at(10) + SignedDuration::from_hours(24 * days)
}

/// Publishes a new root metadata: the current one changed, signed with the given keys.
fn add_root(
    catalog: &TestCatalog,
    version: u64,
    keys: &[&super::keys::RoleKey],
    change: impl FnOnce(&mut Value),
) {
    let last = std::fs::read(catalog.folder().join(format!("{}.root.json", version - 1))).unwrap();
    let mut signed = serde_json::from_slice::<Value>(&last).unwrap()["signed"].take();
    signed["version"] = json!(version);
    change(&mut signed);
    std::fs::write(catalog.folder().join(format!("{version}.root.json")), sign(&signed, keys)).unwrap();
}

/// Adds a key to root metadata and returns its id.
fn list_key(signed: &mut Value, key: &super::keys::RoleKey) -> Value {
    let id = hex::encode(&**key.id());
    signed["keys"][&id] = serde_json::to_value(key.public().key()).unwrap();
    json!(id)
}

fn reason(result: Result<super::TrustedCatalog, TrustError>) -> Distrust {
    match result {
        Err(TrustError::NotTrusted { reason, .. }) => reason,
        other => panic!("not refused as expected: {other:?}"),
    }
}

#[test]
fn no_changed_byte_of_any_file_changes_the_catalog() {
    let catalog = TestCatalog::new(2);
    let good = catalog.trust(at(20)).unwrap();
    let root = catalog.root();
    for name in ["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"] {
        let file = catalog.folder().join(name);
        let bytes = std::fs::read(&file).unwrap();
        let mut refused = 0;
        for position in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            std::fs::write(&file, &changed).unwrap();
            let given = if name == "1.root.json" { &changed } else { &root };
            match catalog.trust_with(given, None, at(20)) {
                Err(_) => refused += 1,
                // Blanks between the fields of the files nobody has announced a digest of.
                Ok(same) => {
                    assert_eq!((same.entries(), same.versions()), (good.entries(), good.versions()));
                    assert!(name == "1.root.json" || name == "timestamp.json", "{name} byte {position}");
                }
            }
        }
        assert!(refused * 3 > bytes.len() / 2, "{name}");
        std::fs::write(&file, &bytes).unwrap();
    }
}

#[test]
fn t5_older_catalog_is_refused_and_the_memory_stays() {
    let catalog = TestCatalog::new(1);
    let old = catalog.save();
    catalog.add(2);
    catalog.publish(at(20));
    let new = catalog.save();
    catalog.trust_remembering(at(30)).unwrap();
    let memory = std::fs::read(catalog.state()).unwrap();
    catalog.put_back(&old);
    for _ in 0..2 {
        match catalog.trust_remembering(at(40)) {
            Err(TrustError::WentBackwards { role: Role::Timestamp, seen: 2, offered: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(std::fs::read(catalog.state()).unwrap(), memory);
    assert_eq!(catalog.trust(at(40)).unwrap().entries().len(), 1, "without memory it cannot be known");
    catalog.put_back(&new);
    assert_eq!(catalog.trust_remembering(at(50)).unwrap().entries().len(), 2);
}

#[test]
fn t5_newer_timestamp_that_leads_to_older_targets_is_refused() {
    for (name, key, field, role) in [
        ("timestamp.json", Role::Timestamp, "snapshot.json", Role::Snapshot),
        ("2.snapshot.json", Role::Snapshot, "targets.json", Role::Targets),
    ] {
        let catalog = TestCatalog::new(1);
        catalog.add(2);
        catalog.publish(at(20));
        catalog.trust_remembering(at(30)).unwrap();
        catalog.resign(name, &[catalog.key(key)], |signed| {
            signed["version"] = json!(signed["version"].as_u64().unwrap() + 1);
            signed["meta"][field]["version"] = json!(1);
        });
        if role == Role::Targets {
            std::fs::copy(catalog.folder().join(name), catalog.folder().join("3.snapshot.json")).unwrap();
            let bytes = std::fs::read(catalog.folder().join("3.snapshot.json")).unwrap();
            catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
                signed["version"] = json!(3);
                signed["meta"]["snapshot.json"] = json!({
                    "version": 3,
                    "length": bytes.len(),
                    "hashes": {"sha256": crate::Sha256Digest::of(&bytes).to_hex()},
                });
            });
        }
        match catalog.trust_remembering(at(40)) {
            Err(TrustError::WentBackwards { role: found, seen: 2, offered: 1, .. }) => {
                assert_eq!(found, role)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn t5_garbled_memory_is_an_error_and_not_a_new_beginning() {
    let catalog = TestCatalog::new(1);
    catalog.trust_remembering(at(20)).unwrap();
    std::fs::write(catalog.state(), b"{}").unwrap();
    assert!(matches!(catalog.trust_remembering(at(20)), Err(TrustError::State { .. })));
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
fn t8_expired_role_is_named_and_an_auditor_may_look_all_the_same() {
    let catalog = TestCatalog::new(1);
    for (day, role) in [(31, Role::Timestamp), (366, Role::Timestamp), (1900, Role::Root)] {
        match catalog.trust_remembering(days(day)) {
            Err(TrustError::Expired { role: found, now, .. }) => assert_eq!((found, now), (role, days(day))),
            other => panic!("{other:?}"),
        }
    }
    let root = catalog.root();
    let state = catalog.state();
    let inputs = TrustInputs { root: &root, state: Some(&state), now: days(1900), allow_expired: true };
    trust_folder(&FolderSource::new(catalog.folder()), &inputs).unwrap();
    assert!(!state.exists(), "an auditor leaves no trace");
    catalog.trust_remembering(days(29)).unwrap();
}

#[test]
fn t9_parts_of_two_catalogs_are_refused() {
    let catalog = TestCatalog::new(1);
    let file = |name: &str| catalog.folder().join(name);
    let (old_targets, old_snapshot) =
        (std::fs::read(file("1.targets.json")).unwrap(), std::fs::read(file("1.snapshot.json")).unwrap());
    catalog.add(2);
    catalog.publish(at(20));
    let new_targets = std::fs::read(file("2.targets.json")).unwrap();
    std::fs::write(file("2.targets.json"), &old_targets).unwrap();
    assert!(matches!(reason(catalog.trust(at(30))), Distrust::Length { .. }));
    std::fs::write(file("2.targets.json"), &new_targets).unwrap();
    catalog.trust(at(30)).unwrap();
    std::fs::write(file("2.snapshot.json"), &old_snapshot).unwrap();
    assert!(matches!(reason(catalog.trust(at(30))), Distrust::Digest | Distrust::Length { .. }));
}

#[test]
fn t9_files_must_be_announced_with_length_and_digest() {
    for field in ["length", "hashes"] {
        let catalog = TestCatalog::new(1);
        catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
            signed["meta"]["snapshot.json"].as_object_mut().unwrap().remove(field);
        });
        assert!(matches!(reason(catalog.trust(at(20))), Distrust::NotAnnounced { name: "snapshot.json" }));
    }
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
    let alias_id =
        serde_json::from_value::<tough::schema::key::Key>(alias.clone()).unwrap().key_id().unwrap();
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

#[test]
fn t14_delegations_are_refused() {
    let catalog = TestCatalog::new(1);
    catalog.forge_targets(|signed| {
        signed["delegations"] = json!({"keys": {}, "roles": [
            {"name": "other", "keyids": [], "threshold": 1, "paths": ["*"], "terminating": false},
        ]});
    });
    assert_eq!(reason(catalog.trust(at(20))), Distrust::Delegations);
}

#[test]
fn t15_target_names_other_than_vendor_paths_are_refused() {
    let good = path(1).to_string();
    for name in [
        "../../x",
        "/etc/passwd",
        "C:\\x.zip",
        "CON",
        &format!("/{good}"),
        &format!("./{good}"),
        &good.replace("mid-core/2026", "mid-core/../mid-core/2026"),
        &good.replace("package/", "package//"),
        &format!("{good}."),
        &format!("{good} "),
        &format!("{good}\0"),
        &good.replace("mid-core/", "MID-CORE/"),
        &good.replace("06/19", "06/20"),
    ] {
        let catalog = TestCatalog::new(1);
        catalog.forge_targets(|signed| {
            let target = signed["targets"].as_object_mut().unwrap().remove(&good).unwrap();
            signed["targets"][name] = target;
        });
        assert!(matches!(reason(catalog.trust(at(20))), Distrust::TargetName { .. }), "{name}");
    }
}

#[test]
fn t15_names_that_differ_in_case_only_are_refused() {
    let catalog = TestCatalog::new(1);
    let stamp =
        |text: &str| text.replace("zurich-07-01-2025__patch7-hotfix1-06-18-2026_06-19-2026_0134", "opaque-X");
    let lower = |text: &str| stamp(text).replace("opaque-X", "opaque-x");
    let name = path(1).to_string();
    catalog.forge_targets(|signed| {
        let target = signed["targets"].as_object_mut().unwrap().remove(&name).unwrap();
        for (name, text) in [(stamp(&name), "opaque-X"), (lower(&name), "opaque-x")] {
            signed["targets"][&name] = target.clone();
            signed["targets"][&name]["custom"]["stamp"] = json!(text);
        }
    });
    assert!(matches!(reason(catalog.trust(at(20))), Distrust::TargetCase { .. }));
}

#[test]
fn t2_data_of_another_package_is_refused() {
    for (field, value) in [
        ("platform", json!("windows.x86-64")),
        ("kind", json!("mid-jre")),
        ("stamp", json!("other")),
        ("label", json!("trusted-blindly")),
        ("admitted_at", Value::Null),
    ] {
        let catalog = TestCatalog::new(1);
        let name = path(1).to_string();
        catalog.forge_targets(|signed| signed["targets"][&name]["custom"][field] = value);
        assert!(matches!(reason(catalog.trust(at(20))), Distrust::TargetData { .. }), "{field}");
    }
}

#[test]
fn t16_second_catalog_of_the_same_version_is_refused() {
    let catalog = TestCatalog::new(1);
    catalog.trust_remembering(at(20)).unwrap();
    catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
        signed["expires"] = json!("2026-07-01T00:00:00Z");
    });
    assert!(matches!(catalog.trust_remembering(at(30)), Err(TrustError::Forked { version: 1, .. })));
}

#[test]
fn t18_clock_set_back_does_not_make_an_expired_catalog_valid() {
    let catalog = TestCatalog::new(1);
    catalog.trust_remembering(days(20)).unwrap();
    // Whoever holds the timestamp key signs a catalog that ended before that day.
    catalog.resign("timestamp.json", &[catalog.key(Role::Timestamp)], |signed| {
        signed["version"] = json!(2);
        signed["expires"] = json!(days(10).to_string());
    });
    catalog.trust(at(20)).unwrap();
    match catalog.trust_remembering(at(20)) {
        Err(TrustError::Expired { now, clock, .. }) => assert_eq!((now, clock), (days(20), at(20))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_of_another_catalog_is_not_used() {
    let catalog = TestCatalog::new(1);
    let other = TestCatalog::new(1);
    other.trust_with(&other.root(), Some(&catalog.state()), at(20)).unwrap();
    assert!(matches!(catalog.trust_remembering(at(20)), Err(TrustError::OtherRoot { .. })));
}

#[test]
fn endless_or_missing_files_are_told_apart_from_attacks() {
    let catalog = TestCatalog::new(1);
    let timestamp = catalog.folder().join("timestamp.json");
    std::fs::write(&timestamp, vec![b' '; 70_000]).unwrap();
    assert!(matches!(catalog.trust(at(20)), Err(TrustError::Unreachable { .. })));
    std::fs::write(&timestamp, b"<html>").unwrap();
    assert!(matches!(catalog.trust(at(20)), Err(TrustError::Malformed { .. })));
    std::fs::remove_file(&timestamp).unwrap();
    assert!(matches!(catalog.trust(at(20)), Err(TrustError::Missing { .. })));
    let root = catalog.root();
    std::fs::remove_dir_all(catalog.folder()).unwrap();
    assert!(matches!(catalog.trust_with(&root, None, at(20)), Err(TrustError::Unreachable { .. })));
}
