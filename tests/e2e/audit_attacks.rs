//! Whoever can write to a store, and has no keys, tries to have an audit pass, hang or tell lies.

use std::fs;
use std::path::{Path, PathBuf};

use crate::site::{Site, overwrite};

const CORE: &str = "mid-core.";

/// The folder of the only admission of a package.
fn admission(site: &Site, name: &str) -> PathBuf {
    let digest = site.blob(name).file_name().unwrap().to_string_lossy().into_owned();
    let folder = site.path("store/evidence").join(&digest[..2]).join(digest);
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.is_dir()).unwrap()
}

fn statement(admission: &Path) -> PathBuf {
    PathBuf::from(format!("{}.statement.dsse.json", admission.display()))
}

#[test]
fn forged_record_of_a_pruning_does_not_excuse_lost_bytes() {
    let site = Site::new().synced();
    site.run(&["audit"]).expect(0);
    let blob = site.blob(CORE);
    let record = serde_json::json!({
        "number": 1,
        "at": "2026-07-01T00:00:00Z",
        "packages": [{
            "sha256": blob.file_name().unwrap().to_str().unwrap(),
            "length": blob.metadata().unwrap().len(),
            "admission": 9,
            "path": format!("{}", packages_path(&site)),
            "reason": "made room",
        }],
    });
    fs::create_dir(site.path("store/prunings")).unwrap();
    fs::write(site.path("store/prunings/00000001.json"), record.to_string()).unwrap();
    fs::remove_file(&blob).unwrap();
    let run = site.run(&["audit"]).expect(11);
    let _said = run.says("MISSING").says("pruning 1 is not in the log");
    site.run(&["store", "check"]).expect(11).says("are not in the store");
}

fn packages_path(site: &Site) -> String {
    let list = site.run(&["list", "--json"]).expect(0).stdout;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let paths = list.as_array().unwrap().iter().map(|package| package["path"].as_str().unwrap());
    paths.into_iter().find(|path| path.contains(CORE)).unwrap().to_owned()
}

#[test]
fn old_catalog_in_place_of_the_current_one_is_found() {
    let site = Site::new().synced();
    let timestamp = site.path("store/repository/timestamp.json");
    let old = fs::read(&timestamp).unwrap();
    site.run(&["withdraw", &packages_path(&site), "--reason", "a bad build"]).expect(0);
    site.run(&["audit", "--no-record"]).expect(0);
    overwrite(&timestamp, &old);
    let run = site.run(&["audit", "--no-record"]).expect(11);
    let _said = run.says("an old timestamp.json was put in its place");
    site.run(&["store", "check"]).expect(11).says("an old timestamp.json");
}

#[test]
fn forged_entries_of_the_log_are_not_told_as_changes() {
    let site = Site::new().synced();
    let folder = fs::read_dir(site.path("store/log/tile/entries/000.p")).unwrap();
    for entry in folder.map(|entry| entry.unwrap().path()) {
        let text = fs::read(&entry).unwrap();
        let text = String::from_utf8_lossy(&text).replace("\"admitted\"", "\"accepted\"");
        overwrite(&entry, text.as_bytes());
    }
    let run = site.run(&["audit", "--html", "audit.html"]).expect(11);
    assert!(!run.stdout.contains("accepted"), "{}", run.stdout);
    run.says("unchecked what changed since the last audit");
    let page = fs::read_to_string(site.path("audit.html")).unwrap();
    assert!(!page.contains("accepted</td>") && page.contains("Not known"), "{page}");
}

/// Pipes wait for somebody who writes, devices never end.
#[cfg(unix)]
#[test]
fn pipes_and_devices_in_the_store_neither_stop_an_audit_nor_pass_it() {
    let site = Site::new().synced();
    let core = admission(&site, CORE);
    let mut files = vec![statement(&core), site.blob(CORE)];
    for name in ["admission.json", "report.json", "jarsigner.txt", "anchors.pem", "fetch.json"] {
        files.push(core.join(name));
    }
    for name in ["SHA256SUMS", "log/checkpoint", "repository/timestamp.json", "repository/1.root.json"] {
        files.push(site.path("store").join(name));
    }
    for file in files {
        let kept = fs::read(&file).unwrap();
        for device in [false, true] {
            fs::remove_file(&file).unwrap();
            if device {
                std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
            } else {
                let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
                assert!(made.success());
            }
            let run = site.run(&["audit", "--no-record"]);
            assert!([5, 11].contains(&run.code), "{}: {}{}", file.display(), run.stdout, run.stderr);
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(run.stdout.contains(name), "{name}: {}", run.stdout);
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, kept).unwrap();
    }
    site.run(&["audit", "--no-record"]).expect(0);
}

#[test]
fn damage_of_one_admission_does_not_hide_that_of_another() {
    let site = Site::new().synced();
    let (core, upgrade) = (admission(&site, CORE), admission(&site, "mid-upgrade."));
    let number =
        |folder: &Path| folder.file_name().unwrap().to_str().unwrap().trim_start_matches('0').to_owned();
    // A file that is gone, and a statement.
    let kept = fs::read(core.join("jarsigner.txt")).unwrap();
    fs::remove_file(core.join("jarsigner.txt")).unwrap();
    overwrite(&upgrade.join("fetch.json"), b"{}");
    let run = site.run(&["audit", "--no-record"]).expect(11);
    let said = format!("fetch.json in the evidence of admission {} was changed", number(&upgrade));
    run.says("jarsigner.txt is missing").says(&said);
    fs::write(core.join("jarsigner.txt"), kept).unwrap();
    // A record that cannot be read, and evidence that is gone as a whole.
    overwrite(&core.join("admission.json"), b"{");
    fs::remove_dir_all(upgrade.parent().unwrap()).unwrap();
    let run = site.run(&["audit", "--no-record"]).expect(11);
    let said = format!("tells of admission {}, whose evidence is not in the store", number(&upgrade));
    run.says("admission.json is wrong").says(&said);
}

#[test]
fn endless_record_of_an_admission_is_not_read_to_its_end() {
    let site = Site::new().synced();
    overwrite(&admission(&site, CORE).join("admission.json"), &vec![b'['; 17 << 20]);
    site.run(&["audit", "--no-record"]).expect(11).says("admission.json: file too large");
}

#[test]
fn records_of_withdrawals_and_prunings_that_cannot_be_read_do_not_end_an_audit() {
    let site = Site::new().synced();
    for folder in ["withdrawals", "prunings"] {
        let folder = site.path("store").join(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("00000001.json"), "{").unwrap();
        let run = site.run(&["audit", "--no-record"]).expect(11);
        run.says("DAMAGED").says("00000001.json is garbled").says("5 good");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn catalog_without_its_first_root_is_named() {
    let site = Site::new().synced();
    fs::remove_file(site.path("store/repository/1.root.json")).unwrap();
    let run = site.run(&["audit", "--no-record"]).expect(5);
    run.says("CATALOG   1.root.json is not in its folder").says("5 good");
}

#[test]
fn verdicts_as_of_another_moment_are_told() {
    let site = Site::new().synced();
    let run = site.run(&["audit", "--no-record", "--at", "2020-01-01", "--csv", "audit.csv"]).expect(0);
    run.says("as of     2020-01-01T00:00:00Z: this mirror would admit 0 of 5").says("not mid-core.");
    let table = fs::read_to_string(site.path("audit.csv")).unwrap();
    assert!(table.lines().nth(1).unwrap().contains("with signer errors"), "{table}");
    let run = site.run(&["audit", "--no-record", "--at", "2027-01-01T00:00:00Z"]).expect(0);
    run.says("would admit 5 of 5");
}
