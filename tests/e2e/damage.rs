//! Every hop tampered with: nothing published, nothing staged, nothing lost, and a message that names the thing.

use std::fs;
use std::sync::Arc;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Content, Fault};

use crate::site::{Mirror, Site, flip_byte, overwrite};

const CORE: &str = "mid-core.";

#[test]
fn changed_upstream_bytes_are_refused_and_the_next_sync_recovers() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults(CORE, Fault::WrongBytes, None);
    site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()])
        .expect(3)
        .says("mid-core.")
        .says("jarsigner");
    let list = site.run(&["list", "--json"]).expect(0);
    assert!(!list.stdout.contains(CORE), "{}", list.stdout);
    site.upstream().clear_faults();
    site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]).expect(0);
    site.run(&["store", "check", "--full"]).expect(0);
}

#[test]
fn a_damaged_quarantine_is_fetched_again() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults(CORE, Fault::CutAfter { bytes: 20_000 }, None);
    site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]).expect(8);
    let mut damaged = 0;
    for file in files_below(&site.path("store/quarantine")) {
        if fs::metadata(&file).unwrap().len() > 4096 {
            flip_byte(&file);
            damaged += 1;
        }
    }
    assert!(damaged > 0, "no partial file in quarantine");
    site.upstream().clear_faults();
    // The resumed bytes do not fit: refused, and after that fetched from the start.
    let first = site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]);
    if first.code != 0 {
        assert_eq!(first.code, 3, "{}", first.stderr);
        site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]).expect(0);
    }
    site.run(&["store", "check", "--full"]).expect(0);
}

#[test]
fn a_damaged_blob_is_found_and_never_served_or_staged() {
    let site = Site::new().synced();
    let blob = site.blob(CORE);
    flip_byte(&blob);
    let digest = blob.file_name().unwrap().to_string_lossy().into_owned();
    site.run(&["store", "check", "--full"]).expect(11).says(&digest);
    let mirror = Mirror::start(&site);
    site.enrol(&mirror.url);
    for source in [mirror.url.as_str(), "store"] {
        let agent = site.agent("linux.x86-64");
        let run = site.run(&["host", "stage", &agent, "--from", source]);
        assert!([3, 8, 9].contains(&run.code), "{} {}", run.code, run.stderr);
        let run = run.says(CORE);
        assert!(!site.incoming(&agent).iter().any(|name| name.contains(CORE)), "{}", run.stderr);
    }
}

#[test]
fn a_truncated_blob_is_found_by_the_fast_check() {
    let site = Site::new().synced();
    let blob = site.blob(CORE);
    let bytes = fs::read(&blob).unwrap();
    overwrite(&blob, &bytes[..bytes.len() / 2]);
    let digest = blob.file_name().unwrap().to_string_lossy().into_owned();
    site.run(&["store", "check"]).expect(11).says(&digest);
    overwrite(&blob, b"");
    site.run(&["store", "check"]).expect(11).says(&digest);
}

#[test]
fn every_changed_metadata_file_makes_the_catalog_untrusted() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let newest = |role: &str| {
        let mut versions: Vec<u64> = fs::read_dir(site.path("store/repository"))
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                name.strip_suffix(&format!(".{role}.json"))?.parse().ok()
            })
            .collect();
        versions.sort_unstable();
        format!("{}.{role}.json", versions.last().unwrap())
    };
    for name in ["timestamp.json".to_owned(), newest("snapshot"), newest("targets")] {
        let file = site.path("store/repository").join(&name);
        let original = fs::read(&file).unwrap();
        flip_byte(&file);
        let agent = site.agent("linux.x86-64");
        site.run(&["host", "stage", &agent, "--from", "store"]).expect(5);
        assert!(site.incoming(&agent).is_empty(), "{name}");
        overwrite(&file, &original);
    }
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
}

#[test]
fn bytes_changed_on_the_way_to_the_host_are_not_staged() {
    // A mirror in the middle: true catalog, true TLS, other bytes.
    let site = Site::new().synced();
    let mut content = Vec::new();
    for file in files_below(&site.path("store/repository")) {
        let name = file.strip_prefix(site.path("store/repository")).unwrap().to_string_lossy().into_owned();
        content.push((format!("repository/{name}"), Content::Shared(Arc::from(fs::read(&file).unwrap()))));
    }
    content.extend(crate::site::shipped());
    let options = midmirror_fixtures::upstream::Options { packages: content, ..Default::default() };
    let middle = site.block_on(midmirror_fixtures::upstream::Upstream::start(options)).unwrap();
    middle.set_faults(CORE, Fault::WrongBytes, None);
    site.run(&["trust", "--url", &middle.base_url(), "--output", "trust.json"]).expect(0);
    let text = fs::read_to_string(site.path("trust.json")).unwrap();
    let mut trust: serde_json::Value = serde_json::from_str(&text).unwrap();
    trust["tls_ca_pem"] = middle.ca_pem().into();
    fs::write(site.path("trust.json"), serde_json::to_string(&trust).unwrap()).unwrap();
    site.run(&["host", "enrol", "--trust", "trust.json", "--truststore", "anchors.pem"]).expect(0);
    let agent = site.agent("linux.x86-64");
    let run = site.run(&["host", "stage", &agent]);
    assert!([3, 9].contains(&run.code), "{} {}", run.code, run.stderr);
    let _named = run.says(CORE).says("digest");
    assert!(!site.incoming(&agent).iter().any(|name| name.contains(CORE)));
    site.block_on(middle.stop());
}

#[test]
fn a_changed_file_in_incoming_is_reported_and_not_overwritten() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    let name = site.incoming(&agent).into_iter().find(|name| name.starts_with(CORE)).unwrap();
    let file = site.path(&agent).join("package/incoming").join(&name);
    flip_byte(&file);
    let damaged = fs::read(&file).unwrap();
    let run = site.run(&["host", "stage", &agent, "--from", "store"]);
    assert!([3, 9].contains(&run.code), "{} {}", run.code, run.stderr);
    let _named = run.says(&name);
    assert_eq!(fs::read(&file).unwrap(), damaged);
}

#[test]
fn empty_and_truncated_files_brought_by_hand_are_refused() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let package = embedded::packages()
        .iter()
        .find(|package| {
            package.path.contains("/app-signed/mid-core/") && package.path.contains(embedded::new_stamp())
        })
        .unwrap();
    let name = package.path.rsplit('/').next().unwrap();
    for bytes in
        [&[][..], &package.bytes[..package.bytes.len() / 2], &package.bytes[..100], b"<html>login</html>"]
    {
        fs::write(site.path(name), bytes).unwrap();
        site.run(&["import-file", name]).expect(3).says(name);
        site.run(&["verify", name]).expect(3);
    }
    site.run(&["list", "--json"]).expect(0);
    site.run(&["store", "check", "--full"]).expect(0);
}

#[test]
fn a_package_under_another_packages_name_is_refused() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let find = |part: &str, stamp: &str| {
        embedded::packages()
            .iter()
            .find(|package| {
                package.path.contains("/app-signed/")
                    && package.path.contains(part)
                    && package.path.contains(stamp)
            })
            .unwrap()
    };
    let old = find("/mid-core.", embedded::old_stamp());
    let new = find("/mid-core.", embedded::new_stamp());
    let name = new.path.rsplit('/').next().unwrap();
    fs::write(site.path(name), old.bytes).unwrap();
    site.run(&["import-file", name]).expect(4).says("content-name");
    let linux = embedded::packages()
        .iter()
        .find(|package| {
            package.path.contains("/app-signed/mid-jre/") && package.path.ends_with("linux.x86-64.zip")
        })
        .unwrap();
    let windows = linux.path.replace("linux.x86-64", "windows.x86-64");
    let name = windows.rsplit('/').next().unwrap();
    fs::write(site.path(name), linux.bytes).unwrap();
    site.run(&["import-file", name]).expect(4).says("content-name");
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}
