//! A true package under a false name: nobody's signature is wrong, and yet it is not what was asked for.

use std::fs;

use midmirror_fixtures::embedded::{self, EmbeddedPackage};

use crate::site::Site;

/// The package that is served, the name it is served under, the rule, and what is said.
type Case = (String, String, &'static str, &'static str);

#[test]
fn every_package_under_every_false_name_is_refused() {
    let (old, new) = (embedded::old_stamp(), embedded::new_stamp());
    let core = |stamp| format!("mid-core.{stamp}.universal.universal.zip");
    let jre = |stamp, platform| format!("mid-jre.{stamp}.{platform}.zip");
    let mid = |stamp, platform| format!("mid.{stamp}.{platform}.zip");
    let upgrade = |stamp| format!("mid-upgrade.{stamp}.universal.universal.zip");
    let recipe = |stamp| format!("mid-linux-container-recipe.{stamp}.linux.x86-64.zip");
    let (linux, windows) = ("linux.x86-64", "windows.x86-64");
    let cases: [Case; 17] = [
        // An older build as a newer one.
        (core(old), core(new), "content-name", "says it is"),
        (core(old), core(new), "content-name", "says it is build \"07-23-2025_1759\""),
        (jre(old, linux), jre(new, linux), "content-name", "says it is"),
        (mid(old, linux), mid(new, linux), "content-name", "says it is"),
        (upgrade(old), upgrade(new), "signed-before-build", "2025-07-23"),
        (recipe(old), recipe(new), "content-name", "Dockerfile"),
        (recipe(old), recipe(new), "signed-before-build", "2025-07-23"),
        // A newer build as an older one.
        (core(new), core(old), "content-name", "says it is"),
        (mid(new, windows), mid(old, windows), "content-name", "says it is"),
        (recipe(new), recipe(old), "content-name", "Dockerfile"),
        // Another platform.
        (jre(new, linux), jre(new, windows), "content-name", "Java for Linux"),
        (jre(new, windows), jre(new, linux), "content-name", "Java for Windows"),
        (mid(new, windows), mid(new, linux), "content-name", "Java for Windows"),
        // Another kind.
        (core(new), upgrade(new), "content-name", "holds the application"),
        (jre(new, linux), upgrade(new), "content-name", "holds a Java runtime"),
        (mid(new, linux), core(new), "content-name", "holds a Java runtime"),
        (core(new), jre(new, linux), "content-name", "holds the application"),
    ];
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for (content, name, rule, says) in &cases {
        fs::write(site.path(name), embedded::package(content).unwrap().bytes).unwrap();
        let run = site.run(&["verify", name]);
        assert_eq!(run.code, 4, "{content} as {name}: {}{}", run.stdout, run.stderr);
        run.says(rule).says(says);
        site.run(&["import-file", name]).expect(4).says(rule);
    }
    assert_eq!(site.run(&["list", "--json"]).expect(0).stdout.trim(), "[]");
}

#[test]
fn every_package_under_its_own_name_is_admitted() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    for package in embedded::packages().iter().filter(|package| package.is_jar_signed()) {
        fs::write(site.path(package.file_name()), package.bytes).unwrap();
        site.run(&["verify", package.file_name()]).expect(0);
    }
}

#[test]
fn a_false_name_is_refused_by_sync_and_by_a_host_without_catalog_too() {
    let package = |stamp: &str| -> &EmbeddedPackage {
        embedded::package(&format!("mid-upgrade.{stamp}.universal.universal.zip")).unwrap()
    };
    let (old, new) = (package(embedded::old_stamp()), package(embedded::new_stamp()));
    let packages = crate::site::shipped().into_iter().map(|(path, content)| {
        let false_bytes = midmirror_fixtures::upstream::Content::Bytes(old.bytes);
        if path == new.path { (path, false_bytes) } else { (path, content) }
    });
    let site = Site::with_packages(packages.collect());
    site.run(&["init"]).expect(0);
    site.run(&["sync", "--kind", "mid-upgrade", embedded::new_stamp()]).says("signed-before-build");
    assert!(!site.run(&["list", "--json"]).expect(0).stdout.contains(new.file_name()));
    fs::create_dir(site.path("medium")).unwrap();
    fs::write(site.path("medium").join(new.file_name()), old.bytes).unwrap();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "medium"]).says("signed-before-build");
    assert!(site.incoming(&agent).is_empty());
}
