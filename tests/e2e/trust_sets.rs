//! Sets of trust anchors of their own for signers, timestamp authorities and the MID Server: options and configuration.

use std::fs;

use midmirror_fixtures::embedded;

use crate::attacks::new_upgrade;
use crate::site::{Run, Site};

/// A site with one package, and each root in a file of its own.
fn site() -> Site {
    let site = Site::new();
    let pem = embedded::test_anchors_pem();
    let roots: Vec<&str> = pem.split_inclusive("-----END CERTIFICATE-----\n").collect();
    assert_eq!(roots.len(), 2);
    fs::write(site.path("signers.pem"), roots[0]).unwrap();
    fs::write(site.path("authorities.pem"), roots[1]).unwrap();
    fs::write(site.path("cacerts"), embedded::agent_cacerts()).unwrap();
    fs::write(site.path(new_upgrade().file_name()), new_upgrade().bytes).unwrap();
    site
}

fn verify(site: &Site, options: &[&str]) -> Run {
    site.run(&[&["verify", new_upgrade().file_name()], options].concat())
}

#[test]
fn signers_and_timestamp_authorities_have_sets_of_their_own() {
    let site = site();
    let with = |signers, authorities| {
        verify(&site, &["--truststore", signers, "--tsa-truststore", authorities, "--format", "json"])
    };
    let run = with("signers.pem", "authorities.pem").expect(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["report"]["trust_store"]["name"], "signers.pem");
    assert_eq!(json["report"]["trust_store"]["anchors"], 1);
    assert_eq!(json["report"]["timestamp_trust_store"]["name"], "authorities.pem");
    assert_ne!(json["report"]["timestamp_trust_store"]["sha256"], json["report"]["trust_store"]["sha256"]);
    // Who may sign may not state times, and the other way round.
    with("signers.pem", "signers.pem").expect(3);
    with("authorities.pem", "authorities.pem").expect(3);
    with("authorities.pem", "signers.pem").expect(3);
    verify(&site, &["--truststore", "signers.pem"]).expect(3);
    // The same by configuration.
    site.configure("timestamp_truststore = [\"authorities.pem\"]\n");
    verify(&site, &[]).expect(0).says("timestamps: ").says("authorities.pem (sha256 ");
    site.configure("timestamp_truststore = [\"signers.pem\"]\n");
    verify(&site, &[]).expect(3);
    // Anchors that are named on the command line stand for both.
    verify(&site, &["--truststore", "anchors.pem"]).expect(0);
    // Admission judges in the same way.
    site.run(&["init"]).expect(0);
    site.run(&["import-file", new_upgrade().file_name()]).expect(3);
    site.configure("timestamp_truststore = [\"authorities.pem\"]\n");
    site.run(&["import-file", new_upgrade().file_name()]).expect(0);
}

#[test]
fn the_mid_server_has_anchors_of_its_own() {
    let site = site();
    fs::create_dir_all(site.path("agent/jre/lib/security")).unwrap();
    fs::copy(site.path("cacerts"), site.path("agent/jre/lib/security/cacerts")).unwrap();
    for path in ["cacerts", "agent"] {
        verify(&site, &["--agent-cacerts", path]).expect(0).says("cacerts (sha256 ").says("accepted");
    }
    for (path, reason) in [
        ("signers.pem", "Timestamp certificate is not trusted by CA"),
        ("authorities.pem", "Signer is not trusted by CA"),
        ("absent", "Failed to load cacerts key store"),
        ("midmirror.toml", "Failed to load cacerts key store"),
    ] {
        verify(&site, &["--agent-cacerts", path])
            .expect(3)
            .says(reason)
            .says("jar verified. (JDK 17.0.21, -strict exit 0)");
    }
    site.configure("agent_cacerts = \"agent\"\n");
    verify(&site, &[]).expect(0).says("agent/jre/lib/security/cacerts (sha256 ");
    site.configure("agent_cacerts = \"signers.pem\"\n");
    verify(&site, &[]).expect(3);
    site.run(&["init"]).expect(0);
    site.run(&["import-file", new_upgrade().file_name()]).expect(3);
}

#[test]
fn anchors_are_listed_with_fingerprint_and_origin() {
    let site = site();
    let list = site.run(&["anchors", "--truststore", "bundled"]).expect(0);
    for text in [
        "13 anchors, sha256 ",
        "CN=DigiCert Trusted Root G4,",
        "552f7bdcf1a7af9e6ce672017f4f12abf77240c78e761ac203d1d9d20ac89988",
        "CN=VeriSign Universal Root Certification Authority,",
        "origin   Mozilla's list as in certifi 2019.9.11",
    ] {
        assert!(list.stdout.contains(text), "{text}: {}", list.stdout);
    }
    let options = ["--tsa-truststore", "authorities.pem", "--agent-cacerts", "cacerts", "--json"];
    let list = site.run(&[&["anchors"][..], &options].concat()).expect(0);
    let sets: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let used: Vec<&str> =
        sets.as_array().unwrap().iter().map(|set| set["used_for"].as_str().unwrap()).collect();
    assert_eq!(used, ["signers", "timestamps", "agent"]);
    assert_eq!(sets[0]["anchors"].as_array().unwrap().len(), 2);
    assert_eq!(sets[1]["anchors"].as_array().unwrap().len(), 1);
    assert!(sets[0]["anchors"][0]["origin"].is_null());
}

#[test]
fn it_is_said_until_when_the_verdicts_hold() {
    let site = site();
    let run = verify(&site, &["--format", "json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let changes = json["outlook"]["changes"].as_array().unwrap();
    assert!(!changes.is_empty() && json["outlook"]["known_until"].is_null());
    assert_eq!(changes[0]["jarsigner"]["sentence"], "jar verified, with signer errors.");
    assert!(changes[0]["because"].as_str().unwrap().contains(" ends at "), "{}", changes[0]);
    let at = changes[0]["at"].as_str().unwrap();
    verify(&site, &["--at", at]).expect(3).says("with signer errors. (JDK 17.0.21, -strict exit 4)");
    let last = changes.last().unwrap();
    let reason = last["agent"]["reason"].as_str().unwrap();
    verify(&site, &["--at", last["at"].as_str().unwrap()]).expect(3).says(reason);
    verify(&site, &[])
        .expect(0)
        .says(&format!("  until       {at}: then \"jar verified, with signer errors.\""));
}
