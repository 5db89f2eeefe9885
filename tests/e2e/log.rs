//! The log of a store: what it tells, and what is found out about somebody who changes it.

use std::fs;
use std::path::PathBuf;

use midmirror_fixtures::embedded;
use serde_json::Value;

use crate::site::{Site, overwrite};

fn events(site: &Site) -> Vec<Value> {
    serde_json::from_str(&site.run(&["log", "show", "--json"]).expect(0).stdout).unwrap()
}

fn kinds(site: &Site) -> Vec<String> {
    events(site).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

/// The only bundle of entries of a small log.
fn bundle(site: &Site) -> PathBuf {
    let folder = site.path("store/log/tile/entries/000.p");
    let widths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let width = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    widths.max_by_key(width).unwrap()
}

#[test]
fn admissions_refusals_and_publications_are_told_in_order_and_once() {
    let site = Site::new().synced();
    let packages = events(&site).iter().filter(|event| event["event"] == "admitted").count();
    assert_eq!(packages, 5);
    let all = kinds(&site);
    assert_eq!((all[0].as_str(), all[6].as_str(), all.len()), ("published", "published", 7), "{all:?}");
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    assert_eq!(kinds(&site), all, "nothing was done");

    let core = embedded::packages().iter().find(|package| package.path.contains("mid-core.")).unwrap();
    let mut tampered = core.bytes.to_vec();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    let name = core.path.rsplit('/').next().unwrap();
    fs::write(site.path(name), tampered).unwrap();
    site.run(&["import-file", name]).expect(3);
    let refused = events(&site).pop().unwrap();
    assert_eq!((refused["event"].as_str(), refused["path"].as_str()), (Some("refused"), Some(core.path)));
    assert!(!refused["rules"].as_array().unwrap().is_empty(), "{refused}");
    site.run(&["log", "show", name]).expect(0).says("REFUSED").says("[jarsigner]");
    site.run(&["log", "verify"]).expect(0).says("8 entries").says("all as signed");
}

#[test]
fn log_that_was_cut_rewritten_or_changed_is_found_out() {
    let site = Site::new().synced();
    let kept = site.run(&["log", "checkpoint"]).expect(0).stdout;
    fs::write(site.path("kept"), &kept).unwrap();
    site.run(&["log", "verify", "--against", "kept"]).expect(0).says("grown from");

    // One entry tells something else.
    let file = bundle(&site);
    let before = fs::read(&file).unwrap();
    let mut changed = before.clone();
    let place = changed.windows(12).position(|window| window == b"\"held\":false").unwrap();
    changed[place + 7..place + 12].copy_from_slice(b"true ");
    overwrite(&file, &changed);
    site.run(&["log", "verify"]).expect(11).says("DAMAGED").says("entry 1");
    site.run(&["store", "check"]).expect(11).says("DAMAGED  the log: ");
    overwrite(&file, &before);
    site.run(&["log", "verify"]).expect(0);

    // All of it begins anew, signed with the true key.
    fs::remove_dir_all(site.path("store/log")).unwrap();
    site.run(&["log", "verify"]).expect(11).says("no log");
    site.run(&["init"]).expect(0);
    site.run(&["log", "verify"]).expect(0).says("6 entries");
    site.run(&["log", "verify", "--against", "kept"]).expect(11).says("DAMAGED");
}

#[test]
fn what_is_no_checkpoint_and_what_is_not_in_the_log_is_said() {
    let site = Site::new().synced();
    fs::write(site.path("kept"), "midmirror\n7\n").unwrap();
    site.run(&["log", "verify", "--against", "kept"]).expect(2).says("not one of this log").says("hint: ");
    site.run(&["log", "prove", "nothing"]).expect(2).says("no entry of the log is about");
    site.run(&["log", "prove", "7"]).expect(2);
    site.run(&["log", "prove", "0"]).expect(0).says("c2sp.org/tlog-proof@v1");
}

#[test]
fn store_of_an_early_version_gets_its_log_from_init() {
    let site = Site::new().synced();
    fs::remove_file(site.path("store.keys/store.pem")).unwrap();
    fs::remove_dir_all(site.path("store/log")).unwrap();
    remove_statements(&site.path("store/evidence"));
    site.run(&["sync", embedded::old_stamp()]).expect(2).says("store.pem").says("midmirror init");
    site.run(&["init"]).expect(0);
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    site.run(&["log", "verify"]).expect(0);
    assert_eq!(kinds(&site).iter().filter(|kind| *kind == "admitted").count(), 10);
}

fn remove_statements(folder: &std::path::Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => remove_statements(&path),
            false if path.to_string_lossy().ends_with(".statement.dsse.json") => {
                fs::remove_file(path).unwrap()
            }
            false => {}
        }
    }
}
