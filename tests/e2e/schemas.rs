//! What the commands print as JSON keeps to the JSON Schemas that the program prints.

use std::fs;

use midmirror_fixtures::embedded;
use serde_json::Value;

use crate::site::{Run, Site};

/// Checks what was printed against the schema of that name.
fn check(site: &Site, name: &str, run: &Run) -> Value {
    let schema: Value = serde_json::from_str(&site.run(&["schema", name]).expect(0).stdout).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new(), "{name}");
    document
}

#[test]
fn every_json_output_keeps_to_its_schema() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    check(&site, "list", &site.run(&["list", "--json"]));
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    let plan = check(&site, "plan", &site.run(&["plan", "--json", embedded::new_stamp()]));
    assert!(!plan.as_array().unwrap().is_empty());
    let list = check(&site, "list", &site.run(&["list", "--json"]));
    assert!(!list.as_array().unwrap().is_empty());
    check(&site, "store-check", &site.run(&["store", "check", "--json"]));

    let log = check(&site, "log", &site.run(&["log", "show", "--json"]).expect(0));
    assert!(!log.as_array().unwrap().is_empty());
    site.run(&["keys", "rotate", "timestamp", "--reason", "drill"]).expect(0);
    let keys = check(&site, "keys", &site.run(&["keys", "status", "--json"]).expect(0));
    assert_eq!(keys["roles"].as_array().unwrap().len(), 4);
    check(&site, "log", &site.run(&["log", "show", "--json"]).expect(0));
    check(&site, "log-check", &site.run(&["log", "verify", "--json"]).expect(0));
    for arguments in
        [&["audit", "--json", "-"][..], &["audit", "--json", "-", "--at", "2040-01-01T00:00:00Z"]]
    {
        let audit = check(&site, "audit", &site.run(arguments).expect(0));
        assert_eq!(audit["verdict"], "good");
    }

    let package = embedded::packages().iter().find(|package| package.is_jar_signed()).unwrap();
    fs::write(site.path(package.file_name()), package.bytes).unwrap();
    let report = check(&site, "report", &site.run(&["verify", "--format", "json", package.file_name()]));
    assert_eq!(report["schema"], "midmirror-report-1");
    let inspection =
        check(&site, "inspection", &site.run(&["inspect", "--json", package.file_name()]).expect(0));
    assert_eq!(inspection["sha256"], report["sha256"]);
    // Of a file that carries no signature by its kind there is no report.
    let unsigned = embedded::packages().iter().find(|package| !package.is_jar_signed()).unwrap();
    fs::write(site.path(unsigned.file_name()), unsigned.bytes).unwrap();
    let report = check(&site, "report", &site.run(&["verify", "--format", "json", unsigned.file_name()]));
    assert!(report["report"].is_null());

    let agent = site.agent("linux.x86-64");
    check(&site, "host-status", &site.run(&["host", "status", &agent, "--json"]).expect(0));
    site.enrol("https://localhost:1");
    let staged =
        check(&site, "host-stage", &site.run(&["host", "stage", &agent, "--from", "store", "--json"]));
    assert!(!staged["items"].as_array().unwrap().is_empty());
    check(&site, "host-status", &site.run(&["host", "status", &agent, "--json"]).expect(0));

    // A store with damage of several kinds.
    for blob in blobs(&site) {
        fs::remove_file(blob).unwrap();
    }
    fs::write(site.path("store/blobs/sha256/stray"), "x").unwrap();
    let damage = check(&site, "store-check", &site.run(&["store", "check", "--full", "--json"]).expect(11));
    assert!(!damage["problems"].as_array().unwrap().is_empty());
    let audit = check(&site, "audit", &site.run(&["audit", "--json", "-"]).expect(11));
    assert_eq!(audit["verdict"], "damaged");
}

fn blobs(site: &Site) -> Vec<std::path::PathBuf> {
    let mut blobs = Vec::new();
    for folder in fs::read_dir(site.path("store/blobs/sha256")).unwrap() {
        blobs.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert!(!blobs.is_empty());
    blobs
}
