//! Packages whose timestamp authority has expired, judged by the program with `--at`. What proof does in each step stands in
//! the tests of the mirror's library, where years pass.

use std::fs;
use std::path::Path;

use midmirror_mirror::Sha256Digest;

use crate::attacks::new_upgrade;
use crate::site::{Site, flip_byte};

const EXPIRED: &str = "2040-01-01T00:00:00Z";

#[test]
fn the_program_finds_the_proof_in_its_store_and_shows_it() {
    let site = Site::new();
    let name = new_upgrade().file_name();
    fs::write(site.path(name), new_upgrade().bytes).unwrap();
    let late = ["verify", name, "--at", EXPIRED];
    site.run(&late).expect(3).says("[timestamp-authority-expired]").says("no proof");
    site.run(&["init"]).expect(0);
    site.run(&late).expect(3).says("[timestamp-authority-expired]");
    site.run(&["import-file", name]).expect(0);
    site.run(&late)
        .expect(0)
        .says("[earlier-admission]")
        .says("[agent-refuses-now]")
        .says("evidence 1 of store");
    site.run(&["verify", name]).expect(0);
    let json = site.run(&[&late[..], &["--format", "json"]].concat()).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["earlier_admission"]["proof"]["sha256"], Sha256Digest::of(new_upgrade().bytes).to_hex());
    #[allow(clippy::disallowed_methods, reason = "the folder is moved away, as an operator would")]
    fs::rename(site.path("store/evidence"), site.path("elsewhere")).unwrap();
    site.run(&late).expect(3).says("no proof");
}

#[test]
fn import_file_takes_the_catalog_of_another_mirror_by_its_trust_file() {
    let site = Site::new().synced();
    site.run(&["trust", "--output", "trust.json"]).expect(0);
    let name = new_upgrade().file_name();
    fs::write(site.path(name), new_upgrade().bytes).unwrap();
    site.run(&["import-file", name, "--proof", "store", "--trust", "trust.json"]).expect(0);
    site.run(&["import-file", name, "--proof", "store/repository", "--trust", "trust.json"]).expect(0);
    site.run(&["import-file", name, "--proof", "store"]).expect(2).says("--trust");
    site.run(&["import-file", name, "--proof", "nowhere", "--trust", "trust.json"]).says("proves nothing");
    copy_files(&site.path("store/repository"), &site.path("copy"));
    let newest = fs::read_dir(site.path("copy")).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.to_string_lossy().ends_with(".targets.json")).max().unwrap();
    flip_byte(&newest);
    site.run(&["import-file", name, "--proof", "copy", "--trust", "trust.json"]).says("proves nothing");
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
