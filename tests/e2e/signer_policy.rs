//! Who may sign: organisation, code signing, anchor, and what is said of a new certificate of the same organisation.

use std::fs;
use std::path::{Path, PathBuf};

use midmirror_fixtures::embedded;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, Decision, judge_file};
use midmirror_verify::TrustStore;

use crate::attacks::new_upgrade;
use crate::site::Site;

fn core(stamp: &str) -> &'static embedded::EmbeddedPackage {
    embedded::package(&format!("mid-core.{stamp}.universal.universal.zip")).unwrap()
}

#[test]
fn a_new_certificate_of_the_same_organization_is_a_notice_and_no_refusal() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let [old, new] = [embedded::old_stamp(), embedded::new_stamp()].map(core);
    for package in [old, new, new_upgrade()] {
        fs::write(site.path(package.file_name()), package.bytes).unwrap();
    }
    let import = |name: &str| {
        let mut command = site.command(&["import-file", name]);
        command.env("MIDMIRROR_LOG", "info").output().map(crate::site::Run::from).unwrap()
    };
    // Nothing to compare the first one with.
    let first = import(old.file_name()).expect(0);
    assert!(!first.stderr.contains("signer-changed"), "{}", first.stderr);
    site.run(&["verify", new.file_name()]).expect(0).says("[signer-changed]");
    let changed = import(new.file_name()).expect(0);
    changed
        .says("NOTICE signer certificate changed: serial ")
        .says("same organization, same issuer, other key [signer-changed]")
        .says("rule=\"signer-changed\"");
    // Both are known from now on.
    let known = import(new_upgrade().file_name()).expect(0);
    assert!(!known.stderr.contains("signer-changed"), "{}", known.stderr);
    let again = site.run(&["verify", old.file_name()]).expect(0);
    assert!(!again.stdout.contains("signer-changed"), "{}", again.stdout);

    let digest = Sha256Digest::of(new.bytes).to_hex();
    let evidence = site.path("store/evidence").join(&digest[..2]).join(&digest).join("00000002");
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(evidence.join(name)).unwrap()).unwrap()
    };
    assert_eq!(json("report.json")["notices"][0]["rule"], "signer-changed");
    let remembered = &json("admission.json")["signers"][0];
    assert_eq!(remembered["sha256"], json("report.json")["report"]["signers"][0]["chain"][0]["sha256"]);
    assert_eq!(remembered["not_after"], "2028-08-10T00:00:00Z");
}

fn only_folder(parent: &Path) -> PathBuf {
    let paths = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    paths.into_iter().find(|path| path.is_dir()).unwrap()
}

#[test]
fn evidence_of_early_versions_names_no_signers_and_can_be_read() {
    let site = Site::new().synced();
    let blob = site.blob("mid-core.");
    let digest = blob.file_name().unwrap().to_str().unwrap();
    let folder = site.path("store/evidence").join(&digest[..2]).join(digest);
    let record = only_folder(&folder).join("admission.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    assert!(json.as_object_mut().unwrap().remove("signers").is_some());
    crate::site::overwrite(&record, &serde_json::to_vec(&json).unwrap());
    // Such a store has no statements and no log either.
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    fs::remove_dir_all(site.path("store/log")).unwrap();
    fs::remove_dir_all(site.path("store/index")).unwrap();
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    site.run(&["store", "check", "--full"]).expect(0);
}

#[test]
fn only_an_allowed_anchor_will_do_where_anchors_are_named() {
    let site = Site::new();
    let name = new_upgrade().file_name();
    fs::write(site.path(name), new_upgrade().bytes).unwrap();
    let json = site.run(&["verify", name, "--format", "json"]).expect(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let signer = &report["report"]["signers"][0];
    let anchor = |of: &serde_json::Value| of["validation"]["anchor"]["sha256"].as_str().unwrap().to_owned();
    let (right, timestamp) = (anchor(signer), anchor(&signer["timestamp"]));
    assert_ne!(right, timestamp);
    site.configure(&format!("anchors = [{right:?}]\n"));
    site.run(&["verify", name]).expect(0);
    site.configure(&format!("anchors = [\"{}\", {right:?}]\n", "0".repeat(64)));
    site.run(&["verify", name]).expect(0);
    // The anchor of the timestamp is not the signer's.
    site.configure(&format!("anchors = [{timestamp:?}]\n"));
    site.run(&["verify", name]).expect(4).says("[anchor]").says(&right);
    site.run(&["init"]).expect(0);
    site.run(&["import-file", name]).expect(4).says("[anchor]");
    site.configure("anchors = [\"abc\"]\n");
    site.run(&["verify", name]).expect(2);
}

#[test]
fn code_signing_is_a_rule_of_the_policy_besides_the_agents_verdict() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../verify/tests/data");
    let trust = TrustStore::read("cases", &fs::read(data.join("anchors.pem")).unwrap(), None).unwrap();
    let judge = |case: &str, policy: &AdmissionPolicy| -> Decision {
        let file = data.join(case).join("case.jar");
        let at = "2026-11-25T00:00:00Z".parse().unwrap();
        let digest = Sha256Digest::of_file(&file).unwrap();
        judge_file(&file, None, digest, &AdmissionInputs::new(&trust, policy, at)).unwrap()
    };
    let rules = |decision: &Decision| -> Vec<&str> { decision.refusals().iter().map(|r| r.rule).collect() };
    let strict = judge("no-code-signing", &AdmissionPolicy::default());
    assert!(rules(&strict).contains(&"code-signing"), "{:?}", strict.refusals());
    let input = AdmissionPolicy { code_signing: false, ..AdmissionPolicy::default() };
    let lax = judge("no-code-signing", &input);
    assert!(!rules(&lax).contains(&"code-signing"), "{:?}", lax.refusals());
    // The MID Server's verifier does not care what this mirror's policy is.
    assert!(rules(&lax).contains(&"agent-verifier") && !lax.is_admitted(), "{:?}", lax.refusals());
    assert!(!rules(&judge("vendor-shape", &AdmissionPolicy::default())).contains(&"code-signing"));
}
