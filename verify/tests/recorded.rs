//! Recorded cases: what `jarsigner` said of them, what the MID Server's verifier would say, and what is odd about them.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use midmirror_verify::{
    AgentRequirements, AgentVerdict, CompatOptions, CompatVerdict, Finding, Inputs, Jdk, Keystore, Outcome,
    Report, Source, TrustStore, examine, jarsigner,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    exit_code: u8,
    exit_code_plain: u8,
    outcome: String,
    agent_reason: Option<String>,
    agent_entry: Option<String>,
    findings: Vec<String>,
    removed: Vec<String>,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn anchors() -> TrustStore {
    TrustStore::read("recorded", &fs::read(data().join("anchors.pem")).unwrap(), None).unwrap()
}

fn case(name: &str) -> Vec<u8> {
    fs::read(data().join(name).join("case.jar")).unwrap()
}

fn report(bytes: Vec<u8>) -> Report {
    let anchors = anchors();
    examine(&Source::from_bytes(bytes), &Inputs::new(&anchors, now())).unwrap()
}

fn requirements() -> AgentRequirements {
    AgentRequirements { organization: "Jar Cases".to_owned(), ..AgentRequirements::default() }
}

fn rules(report: &Report) -> BTreeSet<&'static str> {
    report.findings().iter().map(Finding::rule).collect()
}

fn compat(report: &Report) -> CompatVerdict {
    let bytes = fs::read(data().join("anchors.p12")).unwrap();
    let keystore = Keystore::read("anchors.p12", &bytes, Some("changeit")).unwrap();
    CompatVerdict::of(
        report,
        &CompatOptions { jdk: Jdk::V17_0_15, keystore: Some(keystore), ..CompatOptions::default() },
    )
}

#[test]
fn recorded_cases_give_the_recorded_verdicts() {
    let mut seen = 0;
    for entry in fs::read_dir(data()).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        seen += 1;
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected: Expected =
            toml::from_str(&fs::read_to_string(folder.join("expect.toml")).unwrap()).unwrap();
        let report = report(case(&name));
        let verdict = compat(&report);
        assert_eq!(verdict.exit_code(), expected.exit_code, "{name}: {verdict:?}");
        assert_eq!(verdict.exit_code_plain(), expected.exit_code_plain, "{name}");
        assert_eq!(serde_json::to_value(verdict.outcome()).unwrap(), expected.outcome.as_str(), "{name}");
        let agent = AgentVerdict::of(&report, &requirements());
        assert_eq!(agent.reason(), expected.agent_reason.as_deref(), "{name}");
        assert_eq!(agent.entry(), expected.agent_entry.as_deref(), "{name}");
        assert_eq!(agent.accepted(), expected.agent_reason.is_none(), "{name}");
        assert!(
            rules(&report).into_iter().eq(expected.findings.iter().map(String::as_str)),
            "{name}: {:?}",
            report.findings()
        );
        assert_eq!(report.removed_entries(), expected.removed, "{name}");
    }
    assert!(seen >= 20, "only {seen} cases");
}

#[test]
fn the_drop_in_prints_the_recorded_text() {
    let nothing = TrustStore::empty("nothing");
    let jdk = Jdk::V17_0_15;
    let environment = jarsigner::Environment { jdk, ..jarsigner::Environment::new(&nothing, now()) };
    let keystore = data().join("anchors.p12");
    let mut seen = 0;
    for entry in fs::read_dir(data()).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(expected) = fs::read_to_string(folder.join("jarsigner.txt")) else { continue };
        seen += 1;
        let file = folder.join("case.jar");
        let args: Vec<String> = ["-verify", "-verbose", "-certs", "-strict", "-keystore"]
            .into_iter()
            .map(str::to_owned)
            .chain([keystore.display().to_string(), "-storepass".to_owned(), "changeit".to_owned()])
            .chain([file.display().to_string()])
            .collect();
        let output = jarsigner::run(&args, &environment);
        assert_eq!(output.stdout, expected, "{}", folder.display());
    }
    assert!(seen >= 10, "only {seen} texts");
}

#[test]
fn the_vendor_shape_is_reported_in_full() {
    let report = report(case("vendor-shape"));
    assert!(report.has_manifest() && report.abort().is_none() && report.findings().is_empty());
    assert_eq!(report.signers().len(), 1);
    let signer = &report.signers()[0];
    assert!(!signer.has_signed_attributes());
    assert!(signer.code_signing() && signer.chain_valid());
    assert_eq!(signer.organizations(), ["Jar Cases"]);
    assert_eq!(signer.subject(), "C=XX, O=Jar Cases, CN=expired");
    assert_eq!(signer.anchor_subject(), Some("C=XX, O=Jar Cases, CN=Root CA"));
    assert_eq!((signer.signature_algorithm(), signer.key_bits()), ("SHA256withRSA", Some(2048)));
    assert_eq!(signer.block(), "META-INF/SIGNER.RSA");
    assert_eq!(signer.entries(), 3);
    assert!(signer.not_after().unwrap() < now());
    let timestamp = signer.timestamp().unwrap();
    assert!(timestamp.chain_valid());
    assert_eq!(timestamp.gen_time().to_string(), "2017-06-01T00:00:00Z");
    assert_eq!(timestamp.authority_subject(), "C=XX, O=Jar Cases, CN=tsaold");
    assert_eq!(timestamp.earliest_end().unwrap().to_string(), "2044-01-01T00:00:00Z");
    assert_eq!(report.signed_at(), Some(timestamp.gen_time()));
    assert_eq!(report.signer_subject(), Some(signer.subject()));
    assert_eq!(report.unsigned_entries().count(), 0);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["signers"][0]["chain"][0]["subject"], "C=XX, O=Jar Cases, CN=expired");
}

#[test]
fn the_clock_is_an_input() {
    let anchors = anchors();
    let at = |at: &str| {
        let inputs = Inputs::new(&anchors, at.parse().unwrap());
        let report = examine(&Source::from_bytes(case("authority-expired")), &inputs).unwrap();
        compat(&report).exit_code()
    };
    assert_eq!(at("2017-12-01T00:00:00Z"), 0);
    assert_eq!(at("2018-06-01T00:00:00Z"), 0);
    assert_eq!(at("2019-06-01T00:00:00Z"), 4);
}

#[test]
fn bytes_around_the_archive_do_not_change_what_jarsigner_says_but_are_found() {
    let package = case("vendor-shape");
    let evil = case("plain-zip");
    let glue = |parts: [&[u8]; 2]| report(parts.concat());
    for (report, rule) in [
        (glue([b"#!/bin/sh\nexit 0\n", &package]), "leading-bytes"),
        (glue([&package, b"trailing bytes"]), "trailing-bytes"),
        (glue([&evil, &package]), "leading-bytes"),
    ] {
        assert_eq!(compat(&report).outcome(), Outcome::Verified, "{rule}");
        assert!(rules(&report).contains(rule), "{rule}: {:?}", report.findings());
        assert!(report.findings().iter().any(Finding::is_hazard));
    }
    // Glued behind, the evil archive is the one that counts; jarsigner ends 0 all the same.
    let report = glue([&package, &evil]);
    let verdict = compat(&report);
    assert_eq!((verdict.outcome(), verdict.exit_code()), (Outcome::Unsigned, 0));
    assert!(!AgentVerdict::of(&report, &requirements()).accepted());
    assert!(rules(&report).contains("leading-bytes"), "{:?}", report.findings());
}

#[test]
fn truststores_of_all_forms_hold_the_same_anchors() {
    let digest = anchors().digest();
    for (file, password) in
        [("anchors.p12", Some("changeit")), ("anchors.jks", Some("changeit")), ("anchors.jks", None)]
    {
        let bytes = fs::read(data().join(file)).unwrap();
        assert_eq!(TrustStore::read(file, &bytes, password).unwrap().digest(), digest, "{file}");
    }
    for file in ["anchors.p12", "anchors.jks"] {
        let bytes = fs::read(data().join(file)).unwrap();
        assert!(TrustStore::read(file, &bytes, Some("wrong")).is_err(), "{file}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::copy(data().join("anchors.pem"), folder.path().join("anchors.pem")).unwrap();
    assert_eq!(TrustStore::read_folder("folder", folder.path()).unwrap().digest(), digest);
}

#[test]
fn nothing_is_trusted_without_anchors() {
    let nothing = TrustStore::empty("nothing");
    let report = examine(&Source::from_bytes(case("vendor-shape")), &Inputs::new(&nothing, now())).unwrap();
    assert_eq!(CompatVerdict::of(&report, &CompatOptions::default()).exit_code(), 68);
    let reason = "Failed to find trust anchors from key store";
    assert_eq!(AgentVerdict::of(&report, &requirements()).reason(), Some(reason));
}

#[test]
fn another_organisation_is_refused() {
    let report = report(case("vendor-shape"));
    let verdict = AgentVerdict::of(&report, &AgentRequirements::default());
    assert_eq!(verdict.reason(), Some("Signer organization is not O=ServiceNow Inc."));
}
