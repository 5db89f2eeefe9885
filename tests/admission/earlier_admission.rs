//! Packages whose timestamp authority has expired: nothing without proof of an earlier admission, and what proof does.
//!
//! In the shipped packages of the newer build the first certificate of the timestamp's chain, a cross certificate, ends on
//! 2037-11-09, the authority's own on 2039-05-31. The moment of each step is an input, so the years pass without any
//! clock.

use std::fs;

use midmirror_fixtures::embedded;
use midmirror_mirror::admit::{AdmissionPolicy, RelaxedRule};
use midmirror_mirror::store::{CheckDepth, CheckOptions, check};
use midmirror_verify::TrustStore;

use crate::mirror::{Mirror, at, digest, new_upgrade};

const VALID: &str = "2036-01-01T00:00:00Z";
const EXPIRED: &str = "2040-01-01T00:00:00Z";
const LATER: &str = "2041-01-01T00:00:00Z";

#[test]
fn without_proof_an_expired_authority_refuses_with_that_reason() {
    let mirror = Mirror::new(EXPIRED);
    let texts = mirror.refused(EXPIRED, None);
    assert!(texts[0].starts_with("timestamp-authority-expired: "), "{texts:?}");
    for part in ["2037-11-09", "no proof that the package was admitted before", "--proof", "clock"] {
        assert!(texts[0].contains(part), "{part}: {texts:?}");
    }
    assert!(texts.iter().any(|text| text.contains("Timestamp certificate is expired")), "{texts:?}");
}

#[test]
fn a_stored_package_comes_again_after_the_end_of_its_authority() {
    let mirror = Mirror::new(VALID);
    assert!(mirror.import(VALID, None).is_empty());
    for moment in [EXPIRED, LATER] {
        fs::remove_file(mirror.store.blob_path(&digest())).unwrap();
        let notices = mirror.import(moment, None);
        assert_eq!(notices.len(), 2, "{notices:?}");
        assert!(
            notices[0].starts_with("earlier-admission: admitted as of 2036-01-01T00:00:00Z"),
            "{notices:?}"
        );
        assert!(notices[1].starts_with("agent-refuses-now: "), "{notices:?}");
        assert!(notices[1].contains("Timestamp certificate is expired"), "{notices:?}");
        let catalog = mirror.catalog(moment);
        let entry = &catalog.entries()[0];
        assert!(entry.by_earlier_admission);
        assert_eq!((entry.first_admitted_at, entry.admitted_at), (Some(at(VALID)), at(moment)));
        let report =
            check(&mirror.store, Some(&catalog), &mut CheckOptions::new(CheckDepth::Full), &mut |_| {})
                .unwrap();
        assert_eq!(report.problems, []);
    }
    let evidence: serde_json::Value =
        serde_json::from_slice(&fs::read(mirror.evidence(3).join("report.json")).unwrap()).unwrap();
    let earlier = &evidence["earlier_admission"];
    assert_eq!(earlier["proof"]["source"], "store");
    assert_eq!(earlier["proof"]["number"], 1);
    assert_eq!(earlier["proof"]["store"], mirror.store.id());
    assert_eq!(earlier["proof"]["admitted_at"], VALID);
    assert_eq!(earlier["agent"]["accepted"], true);
    assert_eq!(evidence["agent"]["accepted"], false);
    assert_eq!(evidence["notices"][0]["rule"], "earlier-admission");
}

#[test]
fn proof_is_for_the_same_bytes_only() {
    let mirror = Mirror::new(VALID);
    mirror.import(VALID, None);
    // An archive comment of one byte: other bytes, same signature.
    let mut bytes = new_upgrade().bytes.to_vec();
    let length = bytes.len();
    bytes[length - 2] = 1;
    bytes.push(b'!');
    fs::write(mirror.package(), bytes).unwrap();
    let texts = mirror.refused(EXPIRED, None);
    assert!(texts[0].contains("no proof"), "{texts:?}");
}

#[test]
fn forged_and_damaged_evidence_proves_nothing() {
    type Forge = fn(&Mirror);
    let forgeries: [(&str, Forge, &str); 8] = [
        (
            "report exchanged",
            |m| m.edit("report.json", "\"admitted\": true", "\"admitted\":  true"),
            "no proof",
        ),
        ("report missing", |m| fs::remove_file(m.evidence(1).join("report.json")).unwrap(), "no proof"),
        ("record garbled", |m| fs::write(m.evidence(1).join("admission.json"), "{").unwrap(), "no proof"),
        ("folder of another digest", |m| m.move_evidence(&"ab".repeat(32)), "no proof"),
        ("report of a refusal", |m| m.forge("\"admitted\": true", "\"admitted\": false"), "no proof"),
        (
            "before the timestamp",
            |m| m.forge("\"examined_at\": \"2036-", "\"examined_at\": \"2025-"),
            "does not lie between timestamp and now",
        ),
        (
            "in the future",
            |m| m.forge("\"examined_at\": \"2036-", "\"examined_at\": \"2050-"),
            "does not lie between timestamp and now",
        ),
        (
            "after the end of the authority",
            |m| m.forge("\"examined_at\": \"2036-01-", "\"examined_at\": \"2039-12-"),
            "it is refused too: jarsigner: ",
        ),
    ];
    let original = Mirror::new(VALID);
    original.import(VALID, None);
    for (what, forge, says) in forgeries {
        let mirror = original.copy();
        forge(&mirror);
        let texts = mirror.refused_by_judgement(EXPIRED);
        assert!(texts[0].starts_with("timestamp-authority-expired: "), "{what}: {texts:?}");
        assert!(texts[0].contains(says), "{what}: {texts:?}");
    }
    assert!(original.copy().refused_by_judgement(EXPIRED).is_empty());
}

#[test]
fn everything_else_must_hold_as_of_the_earlier_admission() {
    let mirror = Mirror::new(VALID);
    mirror.import(VALID, None);
    // The policy has changed since: another organisation counts, then other anchors are trusted.
    let policy = AdmissionPolicy { organization: "Another Inc.".to_owned(), ..AdmissionPolicy::default() };
    let texts = mirror.judge(EXPIRED, &policy, &mirror.trust);
    assert!(texts[0].contains("it is refused too"), "{texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("organization: ")), "{texts:?}");
    let legacy = TrustStore::read("legacy", embedded::test_legacy_root_pem().as_bytes(), None).unwrap();
    let texts = mirror.judge(EXPIRED, &AdmissionPolicy::default(), &legacy);
    assert!(!texts.is_empty() && !texts.iter().any(|text| text.contains("admitted as of")), "{texts:?}");
}

#[test]
fn the_catalog_of_another_mirror_is_proof_and_expires_with_nothing() {
    let first = Mirror::new(VALID);
    first.import(VALID, None);
    let second = Mirror::new(EXPIRED);
    let catalog = first.catalog(EXPIRED);
    let notices = second.import(EXPIRED, Some(&catalog));
    assert!(notices[0].contains("catalog version"), "{notices:?}");
    // The second mirror hands the first moment on, in its evidence and in its own catalog.
    let third = Mirror::new(LATER);
    third.import(LATER, Some(&second.catalog(LATER)));
    assert_eq!(third.catalog(LATER).entries()[0].first_admitted_at, Some(at(VALID)));
    second.import(LATER, None);
    assert_eq!(second.catalog(LATER).entries()[0].first_admitted_at, Some(at(VALID)));
    // A catalog that does not list the bytes proves nothing.
    let empty = Mirror::new(VALID);
    empty.publish(VALID);
    let texts = Mirror::new(EXPIRED).refused(EXPIRED, Some(&empty.catalog(EXPIRED)));
    assert!(texts[0].contains("no proof"), "{texts:?}");
}

#[test]
fn a_host_stages_it_only_if_its_own_policy_says_so() {
    let mirror = Mirror::new(VALID);
    mirror.import(VALID, None);
    mirror.publish(EXPIRED);
    let relaxed = [RelaxedRule {
        rule: "agent-refuses-now".to_owned(),
        sha256: digest(),
        reason: "this agent's clock stands in 2036".to_owned(),
    }];
    let refused = mirror.stage(EXPIRED, &[], true);
    let text = serde_json::to_string(&refused).unwrap();
    assert!(text.contains("Timestamp certificate is expired"), "{text}");
    assert!(text.contains("agent-refuses-now") && text.contains("no MID Server installs"), "{text}");
    assert_eq!(mirror.staged(), 0);
    // Without a catalog there is no proof, and the relaxation alone is none.
    let plain = serde_json::to_string(&mirror.stage(EXPIRED, &relaxed, false)).unwrap();
    assert!(plain.contains("timestamp-authority-expired"), "{plain}");
    assert_eq!(mirror.staged(), 0);
    let staged = mirror.stage(EXPIRED, &relaxed, true);
    assert!(serde_json::to_string(&staged).unwrap().contains("\"outcome\":\"staged\""), "{staged:?}");
    assert_eq!(mirror.staged(), 1);
}

#[test]
fn what_only_jarsigner_calls_expired_is_staged_with_proof() {
    let mirror = Mirror::new(VALID);
    mirror.import(VALID, None);
    // The cross certificate has ended; another path to an anchor, which the MID Server finds, has not.
    let between = "2038-06-01T00:00:00Z";
    fs::remove_file(mirror.store.blob_path(&digest())).unwrap();
    let notices = mirror.import(between, None);
    assert!(notices.len() == 1 && notices[0].starts_with("earlier-admission: "), "{notices:?}");
    let plain = serde_json::to_string(&mirror.stage(between, &[], false)).unwrap();
    assert!(plain.contains("timestamp-authority-expired"), "{plain}");
    let staged = serde_json::to_string(&mirror.stage(between, &[], true)).unwrap();
    assert!(staged.contains("\"outcome\":\"staged\""), "{staged}");
}
