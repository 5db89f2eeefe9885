//! What withdrawals add to the attacks on a catalog: dropping them, forging them, getting around them.

use serde_json::{Value, json};

use super::testing::{TestCatalog, reason};
use super::{Distrust, Lifetimes, TrustError, TrustedCatalog, publish};
use crate::Sha256Digest;
use crate::store::testing::{at, path};
use crate::withdraw::{Act, NewWithdrawal, record};

fn decide(catalog: &TestCatalog, act: Act, sha256: Sha256Digest, seconds: i64) {
    let new = NewWithdrawal {
        act,
        sha256,
        reason: "vendor notice".to_owned(),
        by: None,
        paths: Vec::new(),
        learned_from: None,
    };
    assert!(record(&catalog.test.store, &new, at(seconds)).unwrap().1);
}

fn package(number: u32) -> Sha256Digest {
    Sha256Digest::of(format!("package {number}").as_bytes())
}

fn listed(catalog: &TrustedCatalog) -> Vec<Sha256Digest> {
    catalog.entries().iter().map(|entry| entry.sha256).collect()
}

#[test]
fn t5_withdrawal_cannot_be_taken_back_by_an_older_catalog_or_a_copy_without_it() {
    let catalog = TestCatalog::new(2);
    let before = catalog.save();
    decide(&catalog, Act::Withdrawn, package(1), 11);
    catalog.publish(at(12));
    let trusted = catalog.trust_remembering(at(13)).unwrap();
    assert_eq!(trusted.withdrawn()[0].sha256, package(1));
    assert_eq!(trusted.withdrawn()[0].paths, [path(1)]);
    assert_eq!(listed(&trusted), [package(2)]);
    let after = catalog.save();

    catalog.put_back(&before);
    let older = catalog.trust_remembering(at(13));
    assert!(matches!(older, Err(TrustError::WentBackwards { .. })), "{older:?}");

    // The list cannot be cut out of the current version either.
    catalog.put_back(&after);
    let file = catalog.folder().join("2.targets.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    document["signed"]["midmirror"].as_object_mut().unwrap().remove("withdrawn").unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&document).unwrap()).unwrap();
    let cut = catalog.trust_remembering(at(13));
    assert!(matches!(cut, Err(TrustError::NotTrusted { .. })), "{cut:?}");
}

#[test]
fn t6_superseded_bytes_do_not_take_the_place_of_withdrawn_ones() {
    let catalog = TestCatalog::new(0);
    let mut writer = catalog.test.store.write().unwrap();
    catalog.test.commit(&mut writer, &path(1), b"old");
    let new = catalog.test.commit(&mut writer, &path(1), b"new").entry().sha256;
    drop(writer);
    catalog.publish(at(11));
    decide(&catalog, Act::Withdrawn, new, 12);
    catalog.publish(at(12));
    assert_eq!(listed(&catalog.trust(at(13)).unwrap()), []);
    assert!(catalog.test.store.admitted().unwrap().is_empty());

    // Until somebody accepts them.
    let mut writer = catalog.test.store.write().unwrap();
    writer
        .accept(
            &path(1),
            Some(Sha256Digest::of(b"old")),
            &crate::store::Approval { by: None, reason: "good enough" },
            at(14),
        )
        .unwrap();
    drop(writer);
    catalog.publish(at(14));
    assert_eq!(listed(&catalog.trust(at(15)).unwrap()), [Sha256Digest::of(b"old")]);
    // What is lifted is not published in their place.
    decide(&catalog, Act::Lifted, new, 16);
    catalog.publish(at(16));
    assert_eq!(listed(&catalog.trust(at(17)).unwrap()), [Sha256Digest::of(b"old")]);
}

/// Neither older targets under the new version, nor an older snapshot, nor a list of its own, whoever serves the files.
#[test]
fn t9_list_goes_with_the_targets_of_its_version_only() {
    let catalog = TestCatalog::new(2);
    let before = catalog.save();
    decide(&catalog, Act::Withdrawn, package(1), 11);
    catalog.publish(at(12));
    let after = catalog.save();
    let old = |name: &str| before.iter().find(|(file, _)| file.ends_with(name)).unwrap().1.clone();
    for (new, other) in [("2.targets.json", "1.targets.json"), ("2.snapshot.json", "1.snapshot.json")] {
        catalog.put_back(&after);
        assert_eq!(catalog.trust(at(13)).unwrap().withdrawn().len(), 1);
        std::fs::write(catalog.folder().join(new), old(other)).unwrap();
        let mixed = reason(catalog.trust(at(13)));
        assert!(matches!(mixed, Distrust::Length { .. } | Distrust::Digest), "{new}: {mixed:?}");
    }
    // Signed by all three keys, and still not for a list that contradicts the targets beside it.
    catalog.put_back(&before);
    catalog.forge_targets(|signed| {
        signed["midmirror"]["withdrawn"] =
            json!([{"sha256": package(1).to_hex(), "at": "2026-11-30T00:00:00Z", "reason": "notice"}]);
    });
    assert!(matches!(reason(catalog.trust(at(13))), Distrust::Withdrawn { .. }));
}

#[test]
fn lifted_bytes_are_published_again() {
    let catalog = TestCatalog::new(1);
    decide(&catalog, Act::Withdrawn, package(1), 11);
    catalog.publish(at(11));
    decide(&catalog, Act::Lifted, package(1), 12);
    catalog.publish(at(12));
    let trusted = catalog.trust(at(13)).unwrap();
    assert_eq!(listed(&trusted), [package(1)]);
    assert!(trusted.withdrawn().is_empty());
}

#[test]
fn malformed_lists_are_refused_with_the_catalog() {
    let good = json!({
        "sha256": package(9).to_hex(), "paths": [path(9).as_str()], "at": "2026-11-30T00:00:00Z", "reason": "notice"
    });
    let with = |change: &dyn Fn(&mut Value)| {
        let mut entry = good.clone();
        change(&mut entry);
        json!([entry])
    };
    let many = || {
        let mut all: Vec<_> = (0..=5_000_u32).map(package).collect();
        all.sort();
        let entry = |sha256: &Sha256Digest| {
            let mut entry = good.clone();
            entry["sha256"] = json!(sha256.to_hex());
            entry
        };
        Value::Array(all.iter().map(entry).collect())
    };
    let cases = [
        ("no list", json!({"sha256": "x"})),
        ("no digest", with(&|entry| entry["sha256"] = json!("abc"))),
        ("no vendor path", with(&|entry| entry["paths"] = json!(["../../etc/passwd"]))),
        ("too many paths", with(&|entry| entry["paths"] = json!(vec![path(9).as_str(); 17]))),
        ("no time", with(&|entry| entry["at"] = json!("yesterday"))),
        ("no reason", with(&|entry| entry["reason"] = json!(" "))),
        ("endless reason", with(&|entry| entry["reason"] = json!("x".repeat(5_001)))),
        ("hidden characters", with(&|entry| entry["reason"] = json!("fine\u{1b}[2K"))),
        ("twice", json!([good, good])),
        ("a target", with(&|entry| entry["sha256"] = json!(package(1).to_hex()))),
        ("endless", many()),
    ];
    for (what, list) in cases {
        let catalog = TestCatalog::new(1);
        catalog.forge_targets(|signed| signed["midmirror"]["withdrawn"] = list);
        match catalog.trust(at(20)) {
            Err(TrustError::NotTrusted { reason: Distrust::Withdrawn { .. }, .. }) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
    let catalog = TestCatalog::new(1);
    let later = with(&|entry| entry["severity"] = json!("high"));
    catalog.forge_targets(|signed| signed["midmirror"]["withdrawn"] = later);
    assert_eq!(
        catalog.trust(at(20)).unwrap().withdrawn().len(),
        1,
        "fields of later versions are passed over"
    );
}

#[test]
fn lost_records_stop_publishing() {
    let catalog = TestCatalog::new(1);
    decide(&catalog, Act::Withdrawn, package(1), 11);
    decide(&catalog, Act::Withdrawn, package(2), 11);
    catalog.publish(at(11));
    let folder = catalog.test.store.root_dir().join("withdrawals");
    std::fs::remove_file(folder.join("00000002.json")).unwrap();
    let mut writer = catalog.test.store.write().unwrap();
    let refused = publish(&mut writer, &catalog.keys, at(12), &Lifetimes::CONNECTED);
    assert!(matches!(refused, Err(super::CatalogError::LostWithdrawals { .. })), "{refused:?}");
    std::fs::remove_dir_all(&folder).unwrap();
    let refused = publish(&mut writer, &catalog.keys, at(12), &Lifetimes::CONNECTED);
    assert!(matches!(refused, Err(super::CatalogError::LostWithdrawals { .. })), "{refused:?}");
}

#[test]
fn reasons_are_written_so_that_every_encoder_signs_the_same() {
    let catalog = TestCatalog::new(1);
    let new = NewWithdrawal {
        act: Act::Withdrawn,
        sha256: package(1),
        reason: "Zu\u{308}rich, \u{e9}t\u{e9}".to_owned(),
        by: None,
        paths: Vec::new(),
        learned_from: None,
    };
    record(&catalog.test.store, &new, at(11)).unwrap();
    catalog.publish(at(11));
    assert_eq!(catalog.publish(at(12)).outcome, super::PublicationOutcome::Unchanged);
    let trusted = catalog.trust(at(13)).unwrap();
    assert!(trusted.withdrawn()[0].reason.contains("\\u{308}"), "{:?}", trusted.withdrawn());
}

#[test]
fn withdrawals_are_logged_once_whoever_was_interrupted() {
    let catalog = TestCatalog::new(1);
    decide(&catalog, Act::Withdrawn, package(1), 11);
    decide(&catalog, Act::Lifted, package(1), 12);
    catalog.publish(at(12));
    catalog.publish(at(13));
    decide(&catalog, Act::Withdrawn, package(1), 14);
    catalog.publish(at(14));
    let trusted = catalog.trust(at(15)).unwrap();
    let events = super::read_events(&catalog.test.store, &trusted).unwrap();
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|(_, event)| match event.as_ref().unwrap() {
            super::Event::Withdrawn(event) | super::Event::Lifted(event) => Some(event.withdrawal),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(super::check_log(&catalog.test.store, &trusted, None).unwrap().faults.is_empty());
}
