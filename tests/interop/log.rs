//! The log, verified by a program of another language that follows the published specifications.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::site::{Mirror, Run, Site, flip_byte, overwrite};
use crate::tool::{command, is_there, new_core, run, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/verify_log.py");

/// An interpreter with the package `cryptography`: `MIDMIRROR_PYTHON`, or else `python3`.
fn python() -> Option<OsString> {
    let python = std::env::var_os("MIDMIRROR_PYTHON").unwrap_or_else(|| "python3".into());
    let probe =
        command(&python, Path::new(".")).args(["-c", "import cryptography.hazmat.primitives"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip("no python with the package cryptography (MIDMIRROR_PYTHON names one)");
    None
}

#[test]
fn log_and_proof_are_verified_without_our_code_and_tampering_is_found() {
    let Some(python) = python() else { return };
    let site = Site::new().synced();
    let key = site.run(&["log", "key"]).expect(0).stdout.trim().to_owned();
    let verify = |arguments: &[&str]| -> Run {
        command(&python, &site.path("")).args([SCRIPT, &key]).args(arguments).output().unwrap().into()
    };
    verify(&["store/log"]).expect(0).says("entries are verified");

    let core = new_core();
    fs::write(site.path("core.tlog-proof"), site.run(&["log", "prove", core.path]).expect(0).stdout).unwrap();
    let proof = fs::read_to_string(site.path("core.tlog-proof")).unwrap();
    let index = proof.lines().find_map(|line| line.strip_prefix("index ")).unwrap();
    let entry = verify(&["--entry", index, "store/log"]).expect(0).says(core.path).stdout;
    fs::write(site.path("entry.json"), &entry).unwrap();
    verify(&["--proof", "core.tlog-proof", "entry.json"]).expect(0).says("is in the log");
    fs::write(site.path("other.json"), entry.replace("false", "true")).unwrap();
    verify(&["--proof", "core.tlog-proof", "other.json"]).expect(1).says("not in the log");

    let checkpoint = fs::read(site.path("store/log/checkpoint")).unwrap();
    flip_byte(&site.path("store/log/checkpoint"));
    verify(&["store/log"]).expect(1).says("error: ");
    overwrite(&site.path("store/log/checkpoint"), &checkpoint);
    verify(&["store/log"]).expect(0);
}

#[test]
fn served_log_and_list_are_the_files_of_the_store() {
    if !is_there("curl") {
        return;
    }
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    for (name, kept) in [
        ("log/checkpoint", "no-cache"),
        ("log/tile/0/000.p/7", "immutable"),
        ("log/tile/entries/000.p/7", "immutable"),
        ("SHA256SUMS", "no-cache"),
        ("SHA256SUMS.minisig", "no-cache"),
        ("midmirror.pub", "no-cache"),
    ] {
        let curl = format!("curl -sS -f --cacert store.tls/ca.pem -D - -o got {}/{name}", mirror.url);
        run(&site.path(""), &curl).expect(0).says(kept);
        let same = fs::read(site.path("got")).unwrap() == fs::read(site.path("store").join(name)).unwrap();
        assert!(same, "{name}");
    }
    for name in ["log/tile/0/000", "log/../midmirror-store.json", "midmirror-store.json", "lock"] {
        let curl = format!("curl -sS -f --path-as-is --cacert store.tls/ca.pem {}/{name}", mirror.url);
        run(&site.path(""), &curl).expect(22).says("404");
    }
}
