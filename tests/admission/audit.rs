//! Audits over the years: what has expired since its admission is kept apart from what is bad.

use std::fs;

use jiff::SignedDuration;
use midmirror_fixtures::embedded;
use midmirror_mirror::admit::AdmissionPolicy;
use midmirror_mirror::audit::{
    Audit, AuditInputs, AuditRecord, Basis, Class, EndKind, Reread, Verdict, audit,
};
use midmirror_verify::TrustStore;

use crate::mirror::{Mirror, at, digest};

const VALID: &str = "2036-01-01T00:00:00Z";
const LATER: &str = "2037-01-01T00:00:00Z";
const EXPIRED: &str = "2040-01-01T00:00:00Z";

struct Auditor<'a> {
    mirror: &'a Mirror,
    trust: TrustStore,
    policy: AdmissionPolicy,
}

impl<'a> Auditor<'a> {
    fn of(mirror: &'a Mirror) -> Self {
        Self { mirror, trust: mirror.trust.clone(), policy: AdmissionPolicy::default() }
    }

    fn audit(&self, now: &str, other: Option<&str>, previous: Option<&AuditRecord>) -> Audit {
        let store = &self.mirror.store;
        let inputs = AuditInputs {
            store,
            root: None,
            basis: Basis { at: other.map(at), previous, ..Basis::new(&self.trust, &self.policy, at(now)) },
            reread: Reread::After(SignedDuration::from_hours(24 * 365 * 50)),
        };
        audit(&inputs, &mut |_| {}).unwrap()
    }
}

fn admitted() -> Mirror {
    let mirror = Mirror::new(VALID);
    mirror.import(VALID, None);
    mirror.publish(VALID);
    mirror
}

#[test]
fn what_has_expired_since_is_no_damage_and_says_so() {
    let mirror = admitted();
    let auditor = Auditor::of(&mirror);
    let good = auditor.audit(LATER, None, None);
    let [package] = &good.report.packages[..] else { panic!() };
    assert_eq!((package.class, good.report.verdict), (Class::Good, Verdict::Good), "{package:?}");
    let end = package.until.as_ref().unwrap().at;
    assert!(end > at(LATER) && end < at(EXPIRED), "{package:?}");

    mirror.publish(EXPIRED);
    let expired = auditor.audit(EXPIRED, None, None);
    let [package] = &expired.report.packages[..] else { panic!() };
    assert_eq!(package.class, Class::ValidWhenAdmittedExpiredSince, "{package:?}");
    assert!(package.then.as_ref().unwrap().accepted && !package.now.as_ref().unwrap().accepted);
    assert_eq!((expired.report.verdict, expired.report.counts.expired_since), (Verdict::Good, 1));
    // The same bytes damaged are bad, and nothing else.
    fs::remove_file(mirror.store.blob_path(&digest())).unwrap();
    let mut bytes = crate::mirror::new_upgrade().bytes.to_vec();
    bytes[100] ^= 1;
    fs::write(mirror.store.blob_path(&digest()), bytes).unwrap();
    let bad = auditor.audit(EXPIRED, None, None);
    assert_eq!((bad.report.packages[0].class, bad.report.verdict), (Class::Bad, Verdict::Damaged));
}

#[test]
fn another_moment_is_judged_as_well() {
    let mirror = admitted();
    let report = Auditor::of(&mirror).audit(LATER, Some(EXPIRED), None).report;
    let [package] = &report.packages[..] else { panic!() };
    let judged = package.at.as_ref().unwrap();
    assert_eq!((package.class, judged.accepted, judged.at), (Class::Good, false, at(EXPIRED)));
    // Before it was signed, nothing holds; what was found as of then and now stays the same.
    let before = Auditor::of(&mirror).audit(LATER, Some("2020-01-01T00:00:00Z"), None).report;
    let [early] = &before.packages[..] else { panic!() };
    assert!(!early.at.as_ref().unwrap().accepted);
    assert_eq!((&early.then, &early.now, early.class), (&package.then, &package.now, Class::Good));
}

#[test]
fn verdict_of_an_earlier_audit_counts_until_time_changes_it() {
    let mirror = admitted();
    let auditor = Auditor::of(&mirror);
    let first = auditor.audit(VALID, None, None);
    assert_eq!(first.report.counts.read, 1);
    let second = auditor.audit(LATER, None, Some(&first.record));
    assert_eq!((second.report.counts.read, second.report.counts.not_read_again), (0, 1));
    // A clock that was set back, and a record that was written in the future.
    let back = auditor.audit(VALID, None, Some(&second.record));
    assert_eq!((back.report.counts.read, back.report.packages[0].class), (1, Class::Good));
    let expired = auditor.audit(EXPIRED, None, Some(&second.record));
    assert_eq!(expired.report.counts.read, 1);
    assert_eq!(expired.report.packages[0].class, Class::ValidWhenAdmittedExpiredSince);
    let policy = AdmissionPolicy { organization: "Another Inc.".to_owned(), ..AdmissionPolicy::default() };
    let other = Auditor { policy, ..Auditor::of(&mirror) };
    let refused = other.audit(LATER, None, Some(&first.record));
    assert_eq!((refused.report.counts.read, refused.report.verdict), (1, Verdict::RefusedToday));
    let none = Auditor { trust: TrustStore::empty("none"), ..Auditor::of(&mirror) };
    let untrusted = none.audit(LATER, None, Some(&first.record)).report;
    assert_eq!((untrusted.counts.read, untrusted.packages[0].class), (1, Class::RefusedToday));
    assert_eq!(untrusted.packages[0].same_anchors, Some(false));
}

#[test]
fn verdicts_and_anchors_that_were_changed_in_the_evidence_are_contradicted() {
    for (from, to, says) in [
        ("\"outcome\": \"verified\"", "\"outcome\": \"unsigned\"", "jarsigner's conclusion was recorded as"),
        ("\"admitted\": true", "\"admitted\": false", "admission was recorded as"),
    ] {
        let mirror = admitted();
        mirror.forge(from, to);
        let report = Auditor::of(&mirror).audit(LATER, None, None).report;
        let [package] = &report.packages[..] else { panic!() };
        assert_eq!(package.class, Class::Bad, "{from}");
        assert!(package.reasons.iter().any(|reason| reason.starts_with(says)), "{:?}", package.reasons);
    }
    // Somebody who wrote other anchors into the evidence, so that a foreign signature held.
    let mirror = admitted();
    let pem = mirror.evidence(1).join("anchors.pem");
    fs::remove_file(&pem).unwrap();
    fs::write(&pem, embedded::test_legacy_root_pem()).unwrap();
    let report = Auditor::of(&mirror).audit(LATER, None, None).report;
    assert_eq!(report.verdict, Verdict::Damaged);
    let reason = &report.packages[0].reasons[0];
    assert!(reason.contains("not the set that its report names"), "{reason}");
}

#[test]
fn admission_by_proof_is_judged_as_of_the_moment_of_the_proof() {
    let mirror = admitted();
    fs::remove_file(mirror.store.blob_path(&digest())).unwrap();
    mirror.import(EXPIRED, None);
    mirror.publish(EXPIRED);
    let report = Auditor::of(&mirror).audit(EXPIRED, None, None).report;
    assert_eq!(report.packages.len(), 2);
    for package in &report.packages {
        assert_eq!(package.class, Class::ValidWhenAdmittedExpiredSince, "{package:?}");
        assert_eq!(package.then.as_ref().unwrap().at, at(VALID));
    }
}

#[test]
fn what_runs_out_is_told_in_time() {
    let mirror = admitted();
    let first = Auditor::of(&mirror).audit(LATER, None, None).report;
    let end = first.packages[0].until.as_ref().unwrap().at;
    let kinds = |days: i64| {
        let now = (end - SignedDuration::from_hours(24 * days)).to_string();
        mirror.publish(&now);
        let warnings = Auditor::of(&mirror).audit(&now, None, None).report.warnings;
        let verdict = warnings.iter().find(|warning| warning.kind == EndKind::Verdict);
        verdict.map(|warning| (warning.within_days, warning.packages))
    };
    assert_eq!(kinds(181), None);
    assert_eq!(kinds(179), Some((180, 1)));
    assert_eq!(kinds(13), Some((14, 1)));
}
