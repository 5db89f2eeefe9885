//! The statement about an admission, verified by `securesystemslib` of another language.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::site::{Run, Site, flip_byte, overwrite};
use crate::tool::{command, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/verify_statement.py");

/// An interpreter with the package `securesystemslib`: `MIDMIRROR_PYTHON`, or else `python3`.
pub(crate) fn python() -> Option<OsString> {
    let python = std::env::var_os("MIDMIRROR_PYTHON").unwrap_or_else(|| "python3".into());
    let probe = command(&python, Path::new("."))
        .args(["-c", "import securesystemslib.dsse, cryptography.hazmat.primitives"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip("no python with the package securesystemslib (MIDMIRROR_PYTHON names one)");
    None
}

/// The key in the signed catalog.
fn key(site: &Site) -> String {
    let newest = fs::read_dir(site.path("store/repository")).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.to_string_lossy().ends_with(".targets.json")).max().unwrap();
    let targets: serde_json::Value = serde_json::from_slice(&fs::read(newest).unwrap()).unwrap();
    targets["signed"]["midmirror"]["key"].as_str().unwrap().to_owned()
}

#[test]
fn statement_is_verified_without_our_code_and_tampering_is_found() {
    let Some(python) = python() else { return };
    let site = Site::new().synced();
    let blob = site.blob("mid-core.");
    let digest = blob.file_name().unwrap().to_string_lossy().into_owned();
    let folder = site.path("store/evidence").join(&digest[..2]).join(&digest);
    let numbers = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let evidence: PathBuf = numbers.into_iter().find(|path| path.is_dir()).unwrap();
    let statement = PathBuf::from(format!("{}.statement.dsse.json", evidence.display()));
    let key = key(&site);
    let verify = |key: &str| -> Run {
        let mut python = command(&python, &site.path(""));
        python.args([SCRIPT, key]).args([&statement, &blob, &evidence]).output().unwrap().into()
    };
    verify(&key).expect(0).says("mid-core.").says("as verified");
    verify(&"ab".repeat(32)).expect(1);

    let before = fs::read(&statement).unwrap();
    let mut envelope: serde_json::Value = serde_json::from_slice(&before).unwrap();
    let payload = envelope["payload"].as_str().unwrap().to_owned();
    envelope["payload"] = payload.replacen('e', "f", 1).into();
    overwrite(&statement, envelope.to_string().as_bytes());
    verify(&key).expect(1);
    site.run(&["log", "verify"]).expect(11).says("statement");
    site.run(&["store", "check"]).expect(11).says("statement");
    overwrite(&statement, &before);
    verify(&key).expect(0);

    for file in [evidence.join("anchors.pem"), blob.clone()] {
        let before = fs::read(&file).unwrap();
        flip_byte(&file);
        verify(&key).expect(1).says("is not the file");
        overwrite(&file, &before);
    }
    verify(&key).expect(0);
    site.run(&["log", "verify"]).expect(0);
}
