//! The ordinary path: init, plan, sync, serve, enrol, stage.

use std::fs;

use midmirror_fixtures::embedded;

use crate::site::{Mirror, Site};

#[test]
fn packages_travel_from_the_upstream_into_both_agents() {
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    site.enrol(&mirror.url);
    for (platform, other) in [("linux.x86-64", "windows.x86-64"), ("windows.x86-64", "linux.x86-64")] {
        let agent = site.agent(platform);
        site.run(&["host", "status", &agent]).expect(0).says("missing");
        site.run(&["host", "stage", &agent]).expect(0).says("staged");
        let incoming = site.incoming(&agent);
        assert!(incoming.iter().any(|name| name.starts_with("mid-core.")), "{incoming:?}");
        assert!(
            incoming.iter().any(|name| name.starts_with("mid-jre.") && name.contains(platform)),
            "{incoming:?}"
        );
        assert!(!incoming.iter().any(|name| name.contains(other)), "{incoming:?}");
        assert!(incoming.iter().all(|name| name.ends_with(".zip")), "{incoming:?}");
        for name in &incoming {
            let file = format!("{agent}/package/incoming/{name}");
            site.run(&["verify", &file]).expect(0).says("verified");
        }
        // A second run changes nothing.
        let before: Vec<_> = incoming.iter().map(|name| modified(&site, &agent, name)).collect();
        site.run(&["host", "stage", &agent]).expect(0);
        let after: Vec<_> = incoming.iter().map(|name| modified(&site, &agent, name)).collect();
        assert_eq!(before, after);
    }
}

fn modified(site: &Site, agent: &str, name: &str) -> std::time::SystemTime {
    fs::metadata(site.path(agent).join("package/incoming").join(name)).unwrap().modified().unwrap()
}

#[test]
fn a_plan_from_the_log_names_what_the_agent_misses() {
    let site = Site::new();
    let agent = site.agent("linux.x86-64");
    let log = format!("{agent}/logs/agent0.log.0");
    let plan = site.run(&["plan", "--log", &log, "--urls"]).expect(0);
    assert!(plan.stdout.lines().count() >= 2, "{}", plan.stdout);
    for line in plan.stdout.lines() {
        assert!(
            line.starts_with(&site.upstream().base_url()) && line.contains(embedded::new_stamp()),
            "{line}"
        );
        assert!(!line.contains("windows"), "{line}");
    }
}

#[test]
fn a_second_sync_fetches_nothing_and_leaves_the_catalog_alone() {
    let site = Site::new().synced();
    let requests = site.upstream().requests().len();
    let versions = repository(&site);
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    assert_eq!(site.upstream().requests().len(), requests);
    assert_eq!(repository(&site), versions);
    site.run(&["store", "check", "--full"]).expect(0);
}

fn repository(site: &Site) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(site.path("store/repository"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn staging_works_from_a_store_folder_and_from_a_package_brought_by_hand() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    fs::create_dir(site.path("usb")).unwrap();
    let mut files = Vec::new();
    for package in embedded::packages() {
        let name = package.path.rsplit('/').next().unwrap();
        let wanted = package.path.contains("/app-signed/")
            && package.path.contains(embedded::new_stamp())
            && (name.starts_with("mid-core")
                || name.starts_with("mid-jre")
                || name.starts_with("mid-upgrade"));
        if wanted {
            fs::write(site.path("usb").join(name), package.bytes).unwrap();
            files.push(format!("usb/{name}"));
        }
    }
    let mut arguments = vec!["import-file"];
    arguments.extend(files.iter().map(String::as_str));
    site.run(&arguments).expect(0);
    assert!(site.upstream().requests().is_empty());
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    assert_eq!(site.incoming(&agent).iter().filter(|name| name.starts_with("mid-")).count(), 3);
    // The same from the folder with the packages, which carries no catalog.
    let other = site.agent("windows.x86-64");
    site.run(&["host", "stage", &other, "--from", "usb"]).expect(0).says("no catalog");
}

#[test]
fn installers_without_jar_signature_need_a_pinned_digest() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let deb = embedded::packages().iter().find(|package| package.path.ends_with(".deb")).unwrap();
    let url = format!("{}/{}", site.upstream().base_url(), deb.path);
    site.run(&["fetch", &url]).expect(4).says("signature-not-checked");
    let digest = midmirror_mirror::Sha256Digest::of(deb.bytes);
    site.configure(&format!("[[policy.pin]]\nsha256 = \"{digest}\"\nreason = \"test\"\n"));
    site.run(&["fetch", &url]).expect(0);
    site.run(&["list"]).expect(0).says("signature not checked");
}

#[test]
fn the_moment_of_judgement_decides() {
    let site = Site::new();
    let package = |stamp| {
        let name = format!("mid-core.{stamp}.universal.universal.zip");
        fs::write(site.path(&name), embedded::package(&name).unwrap().bytes).unwrap();
        name
    };
    let new = package(embedded::new_stamp());
    site.run(&["verify", &new]).expect(0);
    // A clock that runs years behind, or a timestamp authority whose clock runs ahead.
    site.run(&["verify", &new, "--at", "2026-01-01T00:00:00Z"]).expect(4).says("[timestamp-in-future]");
    // The signer has expired, the timestamp still holds; decades later nothing does.
    let old = package(embedded::old_stamp());
    site.run(&["verify", &old]).expect(0);
    site.run(&["verify", &old, "--at", "2070-01-01T00:00:00Z"]).expect(3);
}
