//! The TUF attacks that `update` claims to withstand, one test each; the numbers are those of its list.
//!
//! T7, T12 and T13 are in `attacks_root`; what withdrawals add to T5, T6 and T9 in `attacks_withdrawn`. Those on packages
//! rather than metadata are tested where packages are:
//!
//! | | where |
//! | --- | --- |
//! | T1, T2 | `stage::tests`: `changed_bytes_of_the_store_are_refused`, `copy_that_is_changed_after_its_check_is_not_staged` |
//! | T3, T4 | `tests/net/behaviours.rs` |
//! | T10 | `stage::tests`: `what_the_catalog_does_not_list_is_reported` |
//! | T11 | `store::check`: `missing_and_shortened_blobs_are_found_at_once` |
//! | T16, T17 | of the log, `log::tests`: `cut_and_rewritten_logs_are_told_apart` |

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::testing::{TestCatalog, reason};
use super::{Distrust, FolderSource, Role, TrustError, TrustInputs, trust_folder};
use crate::store::testing::{at, path};

fn days(days: i64) -> Timestamp {
    at(10) + SignedDuration::from_hours(24 * days)
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
