//! Looking after the store: checks, repairs, garbage, statistics, a damaged index, a store of an earlier version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use midmirror_fixtures::embedded;
use serde_json::Value;

use crate::site::{Mirror, Site, flip_byte};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn damaged_and_lost_packages_are_repaired_from_the_upstream() {
    let site = Site::new().synced();
    let (core, upgrade) = (site.blob("mid-core."), site.blob("mid-upgrade."));
    let good = fs::read(&core).unwrap();
    flip_byte(&core);
    fs::remove_file(&upgrade).unwrap();
    fs::remove_dir_all(site.path("store/index")).unwrap();
    site.run(&["store", "check", "--full"]).expect(11).says("--repair");

    let run = site.run(&["store", "check", "--full", "--repair"]).expect(0);
    run.says("set aside").says("mid-core.").says("mid-upgrade.");
    assert_eq!(fs::read(&core).unwrap(), good);
    let aside = files_below(&site.path("store/damaged"));
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(&aside[0]).unwrap().len(), good.len());
    site.run(&["store", "check", "--full"]).expect(0).says("0 problems");
    site.run(&["log", "show"]).expect(0).says("repaired   1 with bad bytes set aside");
    site.run(&["log", "verify"]).expect(0);
    assert_eq!(json(&site.run(&["store", "stats", "--json"]).expect(0).stdout)["damaged"]["count"], 1);
}

#[test]
fn without_an_upstream_a_repair_says_what_to_bring() {
    let site = Site::new().synced();
    let core = site.blob("mid-core.");
    flip_byte(&core);
    let run = site.run(&["--offline", "store", "check", "--full", "--repair"]).expect(11);
    let run = run.says("missing: bring mid-core.").says("midmirror import-file");
    assert!(!core.exists(), "bad bytes are not left where they are served: {}", run.stdout);
    let package = embedded::packages()
        .iter()
        .find(|package| package.path.contains("/mid-core.") && package.path.contains(embedded::new_stamp()));
    fs::write(site.path(package.unwrap().file_name()), package.unwrap().bytes).unwrap();
    site.run(&["import-file", package.unwrap().file_name()]).expect(0);
    site.run(&["store", "check", "--full"]).expect(0).says("0 problems");
}

#[test]
fn quiet_check_of_a_sound_store_prints_nothing() {
    let site = Site::new().synced();
    let run = site.run(&["store", "check", "--full", "--quiet", "--rate", "1000"]).expect(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    flip_byte(&site.blob("mid-core."));
    let run = site.run(&["store", "check", "--full", "--quiet"]).expect(11);
    assert!(run.stderr.is_empty() && run.stdout.starts_with("DAMAGED"), "{} {}", run.stdout, run.stderr);
}

/// The file tells of a check that had read one package; the others are read, and the file goes away at the end.
#[test]
fn interrupted_full_check_goes_on_where_it_stopped() {
    let site = Site::new().synced();
    let core = site.blob("mid-core.");
    let digest = core.file_name().unwrap().to_string_lossy().into_owned();
    let id = json(&fs::read_to_string(site.path("store/midmirror-store.json")).unwrap())["id"].clone();
    let length = fs::metadata(&core).unwrap().len();
    let begun = "2026-11-30T08:00:00Z".parse::<jiff::Timestamp>().unwrap().max(jiff::Timestamp::now());
    let state = serde_json::json!({"format": 1, "store": id, "begun": begun, "good": {digest: length}});
    fs::write(site.path("check.json"), state.to_string()).unwrap();
    let run = site.run(&["store", "check", "--full", "--resume", "check.json", "--json"]).expect(0);
    assert_eq!(json(&run.stdout)["read_before"], 1);
    assert!(run.stderr.contains("going on with the check of"), "{}", run.stderr);
    assert!(!site.path("check.json").exists());
}

#[test]
fn garbage_is_shown_first_and_then_removed() {
    let site = Site::new().synced();
    let stray = site.path("store/blobs/sha256/00").join("00".repeat(32));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "never admitted").unwrap();
    fs::write(site.path("store/repository/.midmirror-tmp-1"), "half").unwrap();
    let attempt = site.path("store/quarantine/fetch-0");
    fs::create_dir(&attempt).unwrap();
    fs::write(attempt.join("package.part"), "part").unwrap();
    site.run(&["store", "gc", "--dry-run"]).expect(0).says("would remove 2 things, 18 bytes");
    assert!(stray.exists());
    let run = site.run(&["store", "gc", "--attempts-older-than", "0", "--json"]).expect(0);
    let report = json(&run.stdout);
    assert_eq!((&report["removed"], &report["bytes"]), (&true.into(), &22.into()), "{report}");
    assert!(!stray.exists() && !attempt.exists());
    site.run(&["store", "check", "--full"]).expect(0).says("0 problems");
    site.run(&["store", "gc"]).expect(0).says("removed 0 things");
}

#[test]
fn statistics_tell_what_is_there() {
    let site = Site::new().synced();
    let stats = json(&site.run(&["store", "stats", "--json"]).expect(0).stdout);
    let list = json(&site.run(&["list", "--json"]).expect(0).stdout);
    let packages = list.as_array().unwrap();
    assert_eq!(stats["published"]["count"], packages.len());
    let bytes: u64 = packages.iter().map(|package| package["length"].as_u64().unwrap()).sum();
    assert_eq!(stats["published"]["bytes"], bytes);
    assert_eq!(stats["evidence"]["count"], packages.len());
    site.run(&["store", "stats"]).expect(0).says("published").says("mid-core").says("free");
}

#[test]
fn old_builds_make_room_in_two_steps() {
    let site = Site::new().synced();
    let (old, new) = (embedded::old_stamp(), embedded::new_stamp());
    site.run(&["sync", old]).expect(0);
    let listed = |stamp: &str| {
        let list = json(&site.run(&["list", "--json"]).expect(0).stdout);
        let paths: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["path"].as_str().unwrap().to_owned())
            .filter(|path| path.contains(stamp))
            .collect();
        paths
    };
    let all = listed(old);
    let bytes =
        || json(&site.run(&["store", "stats", "--json"]).expect(0).stdout)["published"]["bytes"].clone();
    let before = bytes();
    site.run(&["store", "prune"]).expect(0).says("0 packages, 0 bytes").says("what hosts run is not known");
    site.run(&["store", "prune", "--keep", "0", "--pin", new, "--plan", "plan.txt"]).expect(0);
    assert_eq!(bytes(), before, "a plan changes nothing");
    site.run(&["store", "prune", "--plan", "plan.txt"]).expect(2).says("is there already");
    let plan = fs::read_to_string(site.path("plan.txt")).unwrap();
    assert!(plan.contains(&format!("# stays: {new} (pinned: {new})")), "{plan}");
    let is_core = |line: &&str| line.starts_with("remove") && line.contains("/mid-core.");
    let shorter: Vec<&str> = plan.lines().filter(|line| !is_core(line)).collect();
    assert_eq!(shorter.len() + 1, plan.lines().count());
    // A line that the policy does not propose is not followed.
    let pinned = site.blob(&format!("mid-core.{new}"));
    let digest = pinned.file_name().unwrap().to_str().unwrap();
    let added = format!("{}\nremove {digest} 1 x\n", shorter.join("\n"));
    fs::write(site.path("plan.txt"), added).unwrap();
    let run = site.run(&["store", "prune", "--apply", "plan.txt", "--by", "ops"]).expect(0);
    run.says("pruned").says("1 package of the plan not");
    assert_eq!(listed(old).len(), 1);
    assert_eq!(listed(new).len(), all.len());
    assert!(pinned.exists());
    site.run(&["store", "check", "--full"]).expect(0).says("0 problems");
    site.run(&["log", "verify"]).expect(0);
    site.run(&["log", "show"]).expect(0).says("pruned     ").says("by ops");
    site.run(&["list", "--history"]).expect(0).says("pruned ");
    site.run(&["store", "prune", "--apply", "plan.txt"]).expect(0).says("nothing to do");
    // What is wanted again comes again.
    site.run(&["sync", old]).expect(0);
    assert_eq!(listed(old), all);
    assert_eq!(bytes(), before);
    site.run(&["store", "check", "--full"]).expect(0).says("0 problems");
    fs::write(site.path("bad.txt"), "rm -rf").unwrap();
    site.run(&["store", "prune", "--apply", "bad.txt"]).expect(2).says("line 1");
    fs::write(site.path("bad.txt"), [0xff; 10]).unwrap();
    // A host whose record cannot be read may run anything.
    fs::create_dir(site.path("records")).unwrap();
    fs::write(site.path("records/2026-11.001.jsonl"), "{\"kind\":\"inst\n").unwrap();
    site.configure("[serve]\nrecords = \"records\"\n");
    site.run(&["store", "prune"]).expect(0).says("1 record of hosts could not be read").says("--pin");
    for unreadable in ["bad.txt", "none.txt", "store"] {
        let apply = site.run(&["store", "prune", "--apply", unreadable]).expect(2);
        apply.says(&format!("{unreadable}: ")).says("store prune --plan NEW makes a plan");
    }
}

/// sled is only an index: whatever happens to it while a mirror runs, everything still answers.
#[test]
fn index_deleted_cut_and_garbled_under_a_running_mirror_changes_no_answer() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["sync", "--kind", "mid-upgrade", embedded::new_stamp()]).expect(0);
    let mirror = Mirror::start(&site);
    let watch = |kind: &str| {
        site.command(&["sync", "--watch", "--every", "1", "--kind", kind, embedded::new_stamp()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut watching = watch("mid-core");
    let wait_for = |name: &str| {
        let patience = Instant::now() + Duration::from_secs(60);
        while !site.run(&["list"]).stdout.contains(name) {
            assert!(Instant::now() < patience, "{name} does not come");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    wait_for("mid-core.");
    let index = site.path("store/index");
    let damages: [fn(&Path); 3] = [
        |index| drop(fs::remove_dir_all(index)),
        |index| {
            for file in files_below(index) {
                drop(fs::OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(100)));
            }
        },
        |index| files_below(index).iter().for_each(|file| drop(fs::write(file, [0x5a; 4096]))),
    ];
    for damage in damages {
        for _ in 0..3 {
            damage(&index);
            std::thread::sleep(Duration::from_millis(300));
        }
        site.run(&["list"]).expect(0).says("mid-core.").says("mid-upgrade.");
        site.run(&["store", "check", "--full"]).expect(0);
        match is_healthy(&site, &mirror) {
            Some(is_healthy) => assert!(is_healthy, "the mirror does not answer"),
            None => {
                assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "curl is missing");
                eprintln!("skipped: asking the mirror needs curl");
            }
        }
        assert!(watching.try_wait().unwrap().is_none(), "the watching sync has ended");
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
    damages[2](&index);
    site.run(&["sync", "--kind", "mid-jre", embedded::new_stamp()]).expect(0);
    site.run(&["list"]).expect(0).says("mid-jre.");
    site.run(&["store", "check", "--full"]).expect(0).says("0 problems");
}

/// Whether the mirror says that it is healthy; none without curl.
fn is_healthy(site: &Site, mirror: &Mirror) -> Option<bool> {
    let (ca, url) = (site.path("store.tls/ca.pem"), format!("{}/healthz", mirror.url));
    let output = Command::new("curl").args(["-sf", "--cacert"]).arg(ca).arg(url).output().ok()?;
    Some(output.status.success())
}

/// The store that midmirror 0.1 has made in November 2026, with one package.
#[test]
fn store_of_the_first_format_is_read_and_upgraded() {
    let site = Site::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/store-format-1");
    assert!(Command::new("cp").arg("-r").arg(data).arg(site.path("store")).status().unwrap().success());
    let package = embedded::packages()
        .iter()
        .find(|package| package.path.contains("/mid-core.") && package.path.contains(embedded::old_stamp()))
        .unwrap();
    let list = json(&site.run(&["list", "--json"]).expect(0).stdout);
    assert_eq!(list[0]["path"], package.path);
    let digest = list[0]["sha256"].as_str().unwrap();
    let blob = site.path("store/blobs/sha256").join(&digest[..2]).join(digest);
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    fs::write(blob, package.bytes).unwrap();
    site.run(&["store", "check", "--full"]).expect(0).says("1 admissions");
    site.run(&["log", "verify"]).expect(0);
    let format = || json(&site.run(&["store", "stats", "--json"]).expect(0).stdout)["format"].clone();
    assert_eq!(format(), 1, "reading changes nothing");
    site.run(&["store", "gc"]).expect(0).says("the store has a new format");
    assert_eq!(format(), 2);
    site.run(&["store", "check", "--full"]).expect(0);
    site.run(&["log", "verify"]).expect(0);
}
