//! Audits of stores with packages that were withdrawn or pruned.

use std::fs;

use midmirror_fixtures::embedded;
use serde_json::Value;

use crate::site::{Site, flip_byte};

fn report(site: &Site, code: i32) -> Value {
    let run = site.run(&["audit", "--json", "-", "--no-record"]).expect(code);
    serde_json::from_str(&run.stdout).unwrap()
}

fn named<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut packages = report["packages"].as_array().unwrap().iter();
    packages.find(|package| package["path"].as_str().unwrap().contains(name)).unwrap()
}

/// The core package of the older build, by the beginning of its name.
fn old_core() -> String {
    format!("mid-core.{}", embedded::old_stamp())
}

/// Both builds, the older one pruned.
fn pruned() -> Site {
    let site = Site::new().synced();
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    let plan = ["store", "prune", "--keep", "0", "--pin", embedded::new_stamp(), "--plan", "plan.txt"];
    site.run(&plan).expect(0);
    site.run(&["store", "prune", "--apply", "plan.txt", "--by", "<b>ops</b>"]).expect(0);
    site
}

#[test]
fn pruned_packages_are_not_missing_and_who_pruned_them_is_told() {
    let site = pruned();
    let found = report(&site, 0);
    assert_eq!((&found["verdict"], &found["counts"]["good"]), (&"good".into(), &5.into()), "{found:#}");
    assert_eq!((&found["counts"]["not_checked"], &found["counts"]["unreadable"]), (&5.into(), &0.into()));
    let core = named(&found, &old_core());
    assert_eq!((&core["state"], &core["class"]), (&"pruned".into(), &"not-checked".into()), "{core:#}");
    assert_eq!(core["removed"]["by"], "<b>ops</b>");
    assert!(core["removed"]["reason"].as_str().unwrap().len() > 3);
    let run = site.run(&["audit", "--html", "audit.html", "--csv", "audit.csv"]).expect(0);
    run.says("5 of 10 admissions: the retention policy has removed the bytes");
    let page = fs::read_to_string(site.path("audit.html")).unwrap();
    assert!(page.contains("by &lt;b&gt;ops") && !page.contains("<b>"), "{page}");
    let table = fs::read_to_string(site.path("audit.csv")).unwrap();
    assert_eq!(table.lines().filter(|line| line.contains("<b>ops</b>")).count(), 5, "{table}");
    // Nothing of them is remembered, and the next audit says the same.
    site.run(&["audit"]).expect(0).says("5 good, 5 not checked");
    // A package that is wanted again comes again, and is judged again.
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    let again = report(&site, 0);
    assert_eq!(again["counts"]["good"], 15, "{again:#}");
    assert_eq!(again["counts"]["not_checked"], 0);
}

#[test]
fn pruned_bytes_whose_record_is_lost_are_missing() {
    let site = pruned();
    fs::remove_dir_all(site.path("store/prunings")).unwrap();
    let found = report(&site, 11);
    assert_eq!(found["counts"]["missing"], 5, "{found:#}");
    assert!(
        found["faults"].to_string().contains("pruning 1, whose record is lost or was changed"),
        "{found:#}"
    );
}

#[test]
fn withdrawn_package_is_verified_and_who_withdrew_it_is_told() {
    let site = Site::new().synced();
    let blob = site.blob("mid-core.");
    let digest = blob.file_name().unwrap().to_str().unwrap();
    site.run(&["withdraw", digest, "--reason", "=a bad build", "--by", "Jo Doe"]).expect(0);
    let found = report(&site, 0);
    let core = named(&found, "mid-core.");
    assert_eq!((&core["state"], &core["class"]), (&"withdrawn".into(), &"good".into()), "{core:#}");
    assert_eq!(core["removed"]["by"], "Jo Doe");
    assert_eq!(core["removed"]["reason"], "=a bad build");
    let table = site.run(&["audit", "--no-record", "--csv", "-"]).expect(0).stdout;
    assert!(table.contains(",Jo Doe,'=a bad build,"), "{table}");
    site.run(&["audit"]).expect(0).says("1 withdrawn").says("by Jo Doe: =a bad build");
    // What an earlier audit has read is remembered, and the decision of today is told.
    site.run(&["withdraw", digest, "--lift", "--reason", "a false alarm"]).expect(0);
    let run = site.run(&["audit", "--json", "-"]).expect(0);
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    let core = named(&found, "mid-core.");
    assert_eq!((&core["state"], &core["removed"]), (&"published".into(), &Value::Null), "{core:#}");
    assert_eq!(core["reading"]["kind"], "earlier");
    // Withdrawn bytes are evidence: that they were changed is damage.
    site.run(&["withdraw", digest, "--reason", "bad after all"]).expect(0);
    flip_byte(&blob);
    let run = site.run(&["audit", "--no-record"]).expect(11);
    run.says("BAD").says("withdrawn").says("bad after all");
    fs::remove_file(&blob).unwrap();
    site.run(&["audit", "--no-record"]).expect(11).says("MISSING");
}
