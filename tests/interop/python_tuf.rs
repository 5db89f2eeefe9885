//! python-tuf: an implementation of TUF that shares no code with ours reads our catalog.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::site::{Mirror, Run, Site, flip_byte};
use crate::tool::{command, new_core, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/verify_catalog.py");
const ROOT: &str = "store/repository/1.root.json";

/// An interpreter with python-tuf: `MIDMIRROR_PYTHON`, or else `python3`.
fn python() -> Option<OsString> {
    let python = std::env::var_os("MIDMIRROR_PYTHON").unwrap_or_else(|| "python3".into());
    let probe = command(&python, Path::new(".")).args(["-c", "import tuf.ngclient"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip("no python with the package tuf (MIDMIRROR_PYTHON names one)");
    None
}

fn verify(python: &OsString, site: &Site, arguments: &[&str]) -> Run {
    command(python, &site.path(""))
        .arg(SCRIPT)
        .args(arguments)
        .env("SSL_CERT_FILE", "store.tls/ca.pem")
        .env("REQUESTS_CA_BUNDLE", "store.tls/ca.pem")
        .output()
        .unwrap()
        .into()
}

#[test]
fn folder_of_a_store_is_verified_and_tampering_is_found() {
    let Some(python) = python() else { return };
    let site = Site::new().synced();
    let core = new_core();
    let digest = site.blob(core.path).file_name().unwrap().to_string_lossy().into_owned();
    verify(&python, &site, &[ROOT, "store/repository", core.path]).expect(0).says(&digest);
    verify(&python, &site, &[ROOT, "store/repository", "no/such/target"])
        .expect(1)
        .says("not in the catalog");

    // A package in a plain folder, under the vendor's path; then another file in its place.
    let file = site.path("usb").join(core.path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, core.bytes).unwrap();
    let download = [ROOT, "store/repository", "--targets", "usb", core.path];
    verify(&python, &site, &download).expect(0).says("\"downloaded\": true");
    flip_byte(&file);
    verify(&python, &site, &download).expect(1).says("LengthOrHashMismatchError");

    // Another site's root does not vouch for this catalog.
    let other = Site::with_packages(Vec::new());
    other.run(&["init"]).expect(0);
    let other_root = other.path(ROOT);
    let foreign = [other_root.to_str().unwrap(), "store/repository"];
    verify(&python, &site, &foreign).expect(1).says("UnsignedMetadataError");

    for name in ["targets.json", "snapshot.json", "timestamp.json"] {
        let file = newest(&site.path("store/repository"), name);
        let before = fs::read(&file).unwrap();
        flip_byte(&file);
        verify(&python, &site, &[ROOT, "store/repository", core.path]).expect(1).says("error: ");
        crate::site::overwrite(&file, &before);
    }
    verify(&python, &site, &[ROOT, "store/repository", core.path]).expect(0);
}

/// The newest version of a metadata file.
fn newest(repository: &Path, name: &str) -> std::path::PathBuf {
    let version = |path: &Path| -> Option<u64> {
        path.file_name()?.to_str()?.strip_suffix(name)?.strip_suffix('.')?.parse().ok()
    };
    let files = fs::read_dir(repository).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| version(path).is_some())
        .max_by_key(|path| version(path))
        .unwrap_or_else(|| repository.join(name))
}

#[test]
fn running_mirror_is_verified_and_its_packages_are_downloaded() {
    let Some(python) = python() else { return };
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    let core = new_core();
    let metadata = format!("{}/repository/", mirror.url);
    // As any TUF client asks by default: the digest stands before the name.
    let targets = format!("{}/repository/targets/", mirror.url);
    let consistent = [ROOT, &metadata, "--consistent", "--targets", &targets, core.path];
    verify(&python, &site, &consistent).expect(0).says("\"downloaded\": true");
    // Under the vendor's path.
    let vendor = [ROOT, &metadata, "--targets", &mirror.url, core.path];
    verify(&python, &site, &vendor).expect(0).says("\"downloaded\": true");
    // The catalog moves on, and the client follows.
    site.run(&["sync", midmirror_fixtures::embedded::old_stamp()]).expect(0);
    verify(&python, &site, &consistent).expect(0).says("\"targets\": 3");

    flip_byte(&site.blob(core.path));
    verify(&python, &site, &consistent).expect(1).says("error: ");
    flip_byte(&newest(&site.path("store/repository"), "targets.json"));
    verify(&python, &site, &[ROOT, &metadata, core.path]).expect(1).says("error: ");
}

/// ECDSA keys, two of three root keys, and every kind of change of keys, from the first root metadata on.
#[test]
fn rotated_ecdsa_catalog_with_several_root_keys_is_verified() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let core = new_core();
    site.run(&["init", "--algorithm", "ecdsa-p256"]).expect(0);
    site.run(&["sync", midmirror_fixtures::embedded::new_stamp()]).expect(0);
    let verified = [ROOT, "store/repository", core.path];
    verify(&python, &site, &verified).expect(0).says("\"root\": 1");
    let change = |arguments: &[&str]| {
        site.run(&[&["keys"], arguments, &["--reason", "drill"]].concat()).expect(0).says("is published");
    };
    change(&["rotate", "timestamp", "--algorithm", "ecdsa-p256"]);
    verify(&python, &site, &verified).expect(0).says("\"root\": 3");
    change(&["rotate", "targets"]);
    change(&["rotate", "snapshot"]);
    site.run(&["keys", "new", "fourth.pem"]).expect(0);
    change(&["add-root", "fourth.pem.pub"]);
    change(&["threshold", "root", "3"]);
    fs::remove_file(site.path("store.keys/root-1.pem")).unwrap();
    fs::copy(site.path("fourth.pem"), site.path("store.keys/root-4.pem")).unwrap();
    site.run(&["keys", "renew-root"]).expect(0).says("is published");
    verify(&python, &site, &verified).expect(0).says("\"root\": 10");

    // One signature less than the threshold.
    let last = site.path("store/repository/10.root.json");
    let mut root: serde_json::Value = serde_json::from_slice(&fs::read(&last).unwrap()).unwrap();
    root["signatures"].as_array_mut().unwrap().pop();
    fs::write(&last, root.to_string()).unwrap();
    verify(&python, &site, &verified).expect(1).says("UnsignedMetadataError");
    site.run(&["list"]).expect(5);
}

#[test]
fn exported_folder_is_verified_as_plain_files_and_behind_any_web_server() {
    let Some(python) = python() else { return };
    let site = Site::new().synced();
    let core = new_core();
    site.run(&["store", "export-tuf", "export"]).expect(0).says("5 packages").says("catalog version 2");
    let consistent = |place: &str| {
        let targets = format!("{place}/targets");
        verify(&python, &site, &[ROOT, place, "--consistent", "--targets", &targets, core.path])
    };
    consistent("export").expect(0).says("\"downloaded\": true");
    if let Some(files) = crate::tool::Files::serve(&site.path("export")) {
        consistent(&files.url).expect(0).says("\"downloaded\": true");
    }

    // It grows with the store, and takes nothing away unless that is asked for.
    site.run(&["sync", midmirror_fixtures::embedded::old_stamp()]).expect(0);
    site.run(&["store", "export-tuf", "export"]).expect(0).says("10 packages").says("0 removed");
    consistent("export").expect(0).says("\"targets\": 3");
    assert!(site.path("export/2.targets.json").exists());
    site.run(&["store", "export-tuf", "export", "--prune"]).expect(0).says("2 removed");
    assert!(!site.path("export/2.targets.json").exists());
    consistent("export").expect(0);

    site.run(&["store", "export-tuf", "store.keys"]).expect(2).says("is no export of this store");
    let folder = site.path("export/targets").join(core.path);
    let package = fs::read_dir(folder.parent().unwrap()).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&package).unwrap();
    fs::write(&package, core.bytes).unwrap();
    flip_byte(&package);
    consistent("export").expect(1).says("LengthOrHashMismatchError");
}
