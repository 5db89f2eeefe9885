//! `sha256sum -c`: the names of the stored files are their digests, so a store can be checked with coreutils alone.

use std::fmt::Write as _;
use std::fs;

use crate::site::{Site, flip_byte};
use crate::tool::{is_there, run};

#[test]
fn names_of_stored_files_are_their_digests() {
    if !is_there("sha256sum") {
        return;
    }
    let site = Site::new().synced();
    let mut list = String::new();
    for folder in fs::read_dir(site.path("store/blobs/sha256")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            writeln!(list, "{}  {}", path.file_name().unwrap().to_string_lossy(), path.display()).unwrap();
        }
    }
    assert!(list.lines().count() >= 3, "{list}");
    fs::write(site.path("SHA256SUMS"), list).unwrap();
    run(&site.path(""), "sha256sum --strict -c SHA256SUMS").expect(0);
    flip_byte(&site.blob("mid-core."));
    run(&site.path(""), "sha256sum --strict -c SHA256SUMS").expect(1).says("FAILED");
}
