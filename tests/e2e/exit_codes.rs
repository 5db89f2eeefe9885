//! Every documented exit code, with the message an operator sees.

use std::fs;

use midmirror_mirror::catalog::{Lifetimes, SigningKeys, publish};
use midmirror_mirror::store::Store;

use crate::site::{Mirror, Site};

#[test]
fn wrong_usage_and_configuration_end_2() {
    let site = Site::new();
    site.run(&["frobnicate"]).expect(2);
    site.run(&["plan", "not a stamp"]).expect(2);
    site.run(&["plan", "trackdiscocopper-10-09-2020_10-14-2021_2200"]).expect(2).says("URL");
    fs::write(site.path("midmirror.toml"), "stor = \"x\"\n").unwrap();
    site.run(&["list"]).expect(2).says("stor");
}

#[test]
fn a_store_that_is_not_there_says_what_to_do() {
    let site = Site::new();
    site.run(&["list"]).expect(2).says("midmirror init");
    site.run(&["sync", midmirror_fixtures::embedded::new_stamp()]).expect(2).says("midmirror init");
}

#[test]
fn an_unreachable_upstream_ends_8() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let text = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    let closed = format!("https://localhost:{}", crate::site::free_port());
    fs::write(site.path("midmirror.toml"), text.replace(&site.upstream().base_url(), &closed)).unwrap();
    site.run(&["sync", "--kind", "mid-upgrade", midmirror_fixtures::embedded::new_stamp()]).expect(8);
}

#[test]
fn a_package_that_the_upstream_lacks_leaves_the_others_done() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let agent_stamp = midmirror_fixtures::embedded::new_stamp();
    let missing = format!("mid-core.{agent_stamp}.universal.universal.zip");
    let upstream = site.upstream();
    upstream.set_faults(&missing, midmirror_fixtures::upstream::Fault::NotFound, None);
    site.run(&["sync", agent_stamp]).expect(9).says(&missing);
    site.run(&["list"]).expect(0).says("mid-upgrade.");
}

#[test]
fn a_host_without_trust_file_ends_10_and_hears_how_to_enrol() {
    let site = Site::new().synced();
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(10).says("host enrol");
    assert!(site.incoming(&agent).is_empty());
}

#[test]
fn a_wrong_root_digest_is_not_enrolled() {
    let site = Site::new().synced();
    site.run(&["trust", "--url", "https://localhost:1", "--output", "trust.json"]).expect(0);
    let wrong = "0".repeat(64);
    site.run(&["host", "enrol", "--trust", "trust.json", "--root-sha256", &wrong]).expect(5);
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(10);
}

#[test]
fn an_expired_catalog_ends_6() {
    // Signed ten years ago by the same code, since nobody waits for a real one to expire.
    let site = Site::new();
    let then: jiff::Timestamp = "2016-01-01T00:00:00Z".parse().unwrap();
    let store = Store::create(&site.path("store"), then).unwrap();
    let keys = SigningKeys::create(&site.path("store.keys")).unwrap();
    publish(&mut store.write().unwrap(), &keys, then, &Lifetimes::CONNECTED).unwrap();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(6).says("expired");
    assert!(site.incoming(&agent).is_empty());
}

#[test]
fn a_catalog_that_went_backwards_ends_7() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let stamp = midmirror_fixtures::embedded::new_stamp();
    site.run(&["sync", "--kind", "mid-upgrade", stamp]).expect(0);
    copy_folder(&site.path("store/repository"), &site.path("old-repository"));
    site.run(&["sync", stamp]).expect(0);
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    fs::remove_dir_all(site.path("store/repository")).unwrap();
    copy_folder(&site.path("old-repository"), &site.path("store/repository"));
    let other = site.agent("windows.x86-64");
    site.run(&["host", "stage", &other, "--from", "store"]).expect(7);
    assert!(site.incoming(&other).is_empty());
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_second_writer_ends_12() {
    let site = Site::new().synced();
    let lock = fs::File::open(site.path("store/lock")).unwrap();
    lock.lock().unwrap();
    site.run(&["sync", midmirror_fixtures::embedded::old_stamp()]).expect(12);
}

#[test]
fn the_mirror_that_is_gone_ends_8() {
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    site.enrol(&mirror.url);
    drop(mirror);
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent]).expect(8);
    assert!(site.incoming(&agent).is_empty());
}
