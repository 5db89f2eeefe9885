//! `midmirror audit`: a sound store, every kind of damage by name, and what the next audit has to do.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::Content;
use serde_json::Value;

use crate::attacks::new_upgrade;
use crate::attacks_archive::Zip;
use crate::changed::{package, repacked};
use crate::site::{Mirror, Run, Site, flip_byte, overwrite};

const CORE: &str = "mid-core.";

fn report(site: &Site, code: i32, arguments: &[&str]) -> Value {
    let all = [&["audit", "--json", "-"], arguments].concat();
    serde_json::from_str(&site.run(&all).expect(code).stdout).unwrap()
}

/// The classes of all admissions of a name.
fn classes(report: &Value, name: &str) -> Vec<String> {
    let packages = report["packages"].as_array().unwrap().iter();
    let named = packages.filter(|package| package["path"].as_str().unwrap().contains(name));
    named.map(|package| package["class"].as_str().unwrap().to_owned()).collect()
}

fn evidence(site: &Site, name: &str) -> PathBuf {
    let digest = site.blob(name).file_name().unwrap().to_string_lossy().into_owned();
    site.path("store/evidence").join(&digest[..2]).join(digest)
}

#[test]
fn sound_store_is_good_and_nothing_is_read_again() {
    let site = Site::new().synced();
    let first = report(&site, 0, &[]);
    assert_eq!(first["schema"], "midmirror-audit-1");
    assert_eq!((&first["verdict"], &first["counts"]["good"]), (&"good".into(), &5.into()), "{first:#}");
    assert_eq!(first["counts"]["read"], 5);
    for package in first["packages"].as_array().unwrap() {
        assert_eq!(package["then"]["jarsigner"], "jar verified.");
        assert_eq!(package["now"]["jarsigner"], "jar verified.");
        assert_eq!(package["same_anchors"], true);
    }
    let second = report(&site, 0, &[]);
    let counts = &second["counts"];
    assert_eq!(
        (&counts["good"], &counts["read"], &counts["not_read_again"]),
        (&5.into(), &0.into(), &5.into())
    );
    assert_eq!(second["changes"], Value::Array(Vec::new()));
    assert_eq!(second["log"]["grown_from"], first["log"]["entries"]);
    assert_eq!(second["previous"]["audited_at"], first["audited_at"]);
    // What the record does not speak for is read: everything, another set of anchors, another moment, a file that was touched.
    assert_eq!(report(&site, 0, &["--full"])["counts"]["read"], 5);
    assert_eq!(report(&site, 0, &["--reread-after", "0"])["counts"]["read"], 5);
    assert_eq!(report(&site, 0, &["--at", "2027-01-01T00:00:00Z"])["counts"]["read"], 5);
    assert_eq!(report(&site, 0, &["--no-record"])["counts"]["read"], 5);
    assert_eq!(
        report(&site, 0, &["--truststore", "anchors.pem", "--truststore", "bundled"])["counts"]["read"],
        5
    );
    report(&site, 0, &[]);
    let blob = site.blob(CORE);
    let bytes = fs::read(&blob).unwrap();
    overwrite(&blob, &bytes);
    assert_eq!(report(&site, 0, &[])["counts"]["read"], 1);
    // The next sync adds one build, and that is read.
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    let grown = report(&site, 0, &[]);
    assert_eq!((&grown["counts"]["read"], &grown["counts"]["not_read_again"]), (&5.into(), &5.into()));
    assert_eq!(grown["changes"].as_array().unwrap().len(), 6);
}

#[test]
fn damaged_and_missing_bytes_are_named_and_only_they() {
    let site = Site::new().synced();
    report(&site, 0, &[]);
    flip_byte(&site.blob(CORE));
    let missing = site.blob("mid-upgrade.");
    let digest = missing.file_name().unwrap().to_string_lossy().into_owned();
    fs::remove_file(&missing).unwrap();
    let shortened = site.blob("linux.x86-64");
    overwrite(&shortened, b"short");
    let found = report(&site, 11, &[]);
    assert_eq!(found["verdict"], "damaged");
    assert_eq!(classes(&found, CORE), ["bad"]);
    let class = |digest: &str| {
        let packages = found["packages"].as_array().unwrap();
        packages.iter().find(|package| package["sha256"] == digest).unwrap()["class"].clone()
    };
    assert_eq!(class(&digest), "missing");
    let counts = &found["counts"];
    assert_eq!((&counts["good"], &counts["bad"], &counts["missing"]), (&2.into(), &2.into(), &1.into()));
    assert_eq!(found["faults"], Value::Array(Vec::new()), "told once");
    let run = site.run(&["audit"]).expect(11);
    let first = run.stdout.lines().next().unwrap();
    assert!(first.starts_with("BAD "), "{}", run.stdout);
    let _said =
        run.says("MISSING").says("the bytes are others than were admitted").says("5 bytes instead of");
}

/// Runs an audit while a file is damaged.
fn with_damage(site: &Site, file: &PathBuf, damage: impl FnOnce(&PathBuf)) -> Run {
    let before = fs::read(file).unwrap();
    damage(file);
    let run = site.run(&["audit"]);
    fs::remove_file(file).ok();
    fs::write(file, before).unwrap();
    run
}

#[test]
fn damaged_evidence_statement_log_list_and_catalog_are_named() {
    let site = Site::new().synced();
    site.run(&["audit"]).expect(0).says("everything is as it was recorded");
    let folder = evidence(&site, CORE);
    let admission =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    for (file, says) in
        [("report.json", "report.json"), ("anchors.pem", "anchors.pem"), ("fetch.json", "fetch.json")]
    {
        with_damage(&site, &admission.join(file), |file| flip_byte(file))
            .expect(11)
            .says("DAMAGED")
            .says(says);
    }
    // What a changed report says does not count.
    let run = with_damage(&site, &admission.join("report.json"), |file| {
        let text = fs::read_to_string(file).unwrap();
        overwrite(file, text.replacen("  ", "   ", 1).as_bytes());
    });
    run.expect(11).says("BAD").says("its report.json is not the one that was recorded").says("4 good, 1 BAD");
    let statement = PathBuf::from(format!("{}.statement.dsse.json", admission.display()));
    with_damage(&site, &statement, |file| flip_byte(file)).expect(11).says("statement");
    with_damage(&site, &statement, |file| fs::remove_file(file).unwrap()).expect(11).says("statement");
    let entries =
        fs::read_dir(site.path("store/log/tile/entries/000.p")).unwrap().map(|entry| entry.unwrap().path());
    let width = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    with_damage(&site, &entries.max_by_key(width).unwrap(), |file| flip_byte(file))
        .expect(11)
        .says("the log: ");
    with_damage(&site, &site.path("store/log/checkpoint"), |file| flip_byte(file))
        .expect(11)
        .says("the log: ");
    with_damage(&site, &site.path("store/SHA256SUMS"), |file| flip_byte(file)).expect(11).says("SHA256SUMS");
    with_damage(&site, &site.path("store/repository/timestamp.json"), |file| flip_byte(file))
        .expect(5)
        .says("CATALOG")
        .says("5 good");
    site.run(&["audit", "--full"]).expect(0);
}

#[test]
fn log_that_was_begun_anew_is_found_out_by_the_record() {
    let site = Site::new().synced();
    site.run(&["audit"]).expect(0).says("no checkpoint of an earlier audit");
    fs::remove_dir_all(site.path("store/log")).unwrap();
    site.run(&["init"]).expect(0);
    site.run(&["log", "verify"]).expect(0);
    site.run(&["audit"]).expect(11).says("DAMAGED   the log: ");
    site.run(&["audit"]).expect(11).says("DAMAGED   the log: ");
}

#[test]
fn who_approved_what_since_the_last_audit_is_told() {
    let site = Site::new().synced();
    site.run(&["audit"]).expect(0);
    site.upstream().replace(package().path, Content::Shared(Arc::from(repacked(1))));
    site.run(&["sync", "--revalidate", embedded::new_stamp()]).expect(15);
    let held = report(&site, 0, &["--no-record"]);
    assert_eq!(classes(&held, package().path), ["good", "good"]);
    let accept = ["accept", package().file_name(), "--reason", "<b>release note</b>"];
    site.run(&[&accept[..], &["--approved-by", "Jo Doe"]].concat()).expect(0).says("approved by Jo Doe");
    site.run(&["log", "show", package().file_name()]).expect(0).says("by Jo Doe");
    let run = site.run(&["audit", "--html", "audit.html", "--csv", "audit.csv"]).expect(0);
    let _said = run.says("accepted ").says("by Jo Doe: <b>release note</b>").says("in place of sha256");
    let page = fs::read_to_string(site.path("audit.html")).unwrap();
    assert!(page.contains("Jo Doe") && page.contains("&lt;b&gt;release note"), "{page}");
    assert!(!page.contains("<b>") && !page.contains("<script"));
    let table = fs::read_to_string(site.path("audit.csv")).unwrap();
    // One line for each admission (the accepted one repeats the held one), and the columns.
    assert_eq!(table.lines().count(), 8, "{table}");
    assert!(table.contains("Jo Doe") && table.contains("superseded"));
    site.run(&["audit"]).expect(0).says(": nothing");
    site.run(&["audit", "--since", "2026-01-01"]).expect(0).says("1 accepted");
    site.run(&["audit", "--since", "2126-01-01"]).expect(0).says(": nothing");
    // Without a name it is the user that runs the program.
    let list = site.run(&["list", "--history", "--json"]).expect(0).stdout;
    assert!(list.contains("\"by\": \"Jo Doe\""), "{list}");
}

#[test]
fn record_of_another_store_and_one_that_cannot_be_kept_are_said() {
    let (site, other) = (Site::new().synced(), Site::new().synced());
    other.run(&["audit", "--record", "kept/record.json"]).expect(0);
    fs::copy(other.path("kept/record.json"), site.path("record.json")).unwrap();
    site.run(&["audit", "--record", "record.json"]).expect(2).says("audit of the store").says("hint: ");
    fs::write(site.path("record.json"), "{").unwrap();
    site.run(&["audit", "--record", "record.json"]).expect(2).says("cannot be understood");
    fs::write(site.path("file"), "").unwrap();
    let run = site.run(&["audit", "--record", "file/record.json"]);
    assert!(run.code != 0 || run.stderr.contains("note: "), "{}", run.stderr);
    for forms in [["--json", "--csv"], ["--html", "--json"]] {
        site.run(&["audit", forms[0], "-", forms[1], "-"]).expect(2).says("only one of");
    }
    assert!(!site.path("store.audits").exists(), "told before anything is audited");
    let page = site.run(&["audit", "--no-record", "--html", "-"]).expect(0).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
    assert!(!site.path("-").exists());
    site.run(&["audit", "--since", "yesterday"]).expect(2).says("give a day as 2026-11-30");
}

#[test]
fn trust_file_decides_about_the_catalog() {
    let (site, other) = (Site::new().synced(), Site::new().synced());
    site.run(&["trust", "--output", "trust.json"]).expect(0);
    other.run(&["trust", "--output", "trust.json"]).expect(0);
    let own = report(&site, 0, &["--no-record", "--trust", "trust.json"]);
    assert_eq!(own["catalog"]["root_is_own"], false);
    let foreign = other.path("trust.json");
    let run = site.run(&["audit", "--no-record", "--trust", foreign.to_str().unwrap()]);
    run.expect(5).says("CATALOG");
}

#[test]
fn packages_that_other_anchors_do_not_trust_are_refused_today_and_not_bad() {
    let site = Site::new().synced();
    let found = report(&site, 4, &["--no-record", "--truststore", "bundled"]);
    assert_eq!(found["verdict"], "refused-today");
    assert_eq!(found["counts"]["refused_today"], 5);
    for package in found["packages"].as_array().unwrap() {
        assert_eq!(
            (&package["then"]["accepted"], &package["now"]["accepted"]),
            (&true.into(), &false.into())
        );
        assert_eq!(package["same_anchors"], false);
    }
}

#[test]
fn what_a_mirror_serves_is_audited_from_afar() {
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    site.run(&["trust", "--url", &mirror.url, "--output", "trust.json"]).expect(0);
    let remote = ["--url", &mirror.url, "--trust", "trust.json", "--record", "remote.json"];
    let first = report(&site, 0, &remote);
    assert_eq!((&first["counts"]["good"], &first["counts"]["read"]), (&5.into(), &5.into()), "{first:#}");
    assert_eq!(first["faults"], Value::Array(Vec::new()));
    assert_eq!((&first["log"]["entries"], first["changes"].as_array().unwrap().len()), (&7.into(), 7));
    assert!(first["not_checked"].to_string().contains("evidence"), "{first:#}");
    let second = report(&site, 0, &remote);
    assert_eq!(second["log"]["grown_from"], 7);
    assert_eq!(second["changes"], Value::Array(Vec::new()));
    report(&site, 4, &[&remote[..], &["--truststore", "bundled"]].concat());

    // Bytes that are not those of the catalog are not served; others are not there.
    let blob = site.blob(CORE);
    flip_byte(&blob);
    let missing = site.blob("mid-upgrade.");
    let kept = fs::read(&missing).unwrap();
    fs::remove_file(&missing).unwrap();
    let found = report(&site, 11, &remote);
    let counts = &found["counts"];
    assert_eq!(
        (&counts["good"], &counts["bad"], &counts["missing"]),
        (&3.into(), &0.into(), &2.into()),
        "{found:#}"
    );
    fs::write(&missing, kept).unwrap();
    flip_byte(&blob);
    report(&site, 0, &remote);

    // The log begins anew; who has the record sees it.
    fs::remove_dir_all(site.path("store/log")).unwrap();
    site.run(&["init"]).expect(0);
    site.run(&[&["audit"], &remote[..]].concat()).expect(11).says("DAMAGED   the log: ");
    // A mirror that has another catalog than that of the trust file, and one that is gone.
    let other = Site::new().synced();
    other.run(&["trust", "--output", "trust.json"]).expect(0);
    let foreign = other.path("trust.json");
    let with = ["audit", "--url", &mirror.url, "--no-record", "--trust", foreign.to_str().unwrap()];
    assert!([5, 8].contains(&site.run(&with).code));
    site.run(&["audit", "--url", &mirror.url]).expect(2).says("--trust");
    let url = mirror.url.clone();
    drop(mirror);
    site.run(&["audit", "--url", &url, "--no-record", "--trust", "trust.json"]).expect(8);
}

#[test]
fn statements_and_checkpoints_of_an_earlier_key_of_the_store_count() {
    let site = Site::new().synced();
    site.run(&["audit"]).expect(0);
    site.run(&["keys", "rotate-store", "--reason", "a new year"]).expect(0);
    site.run(&["log", "verify"]).expect(0);
    site.run(&["audit"]).expect(0).says("grown from the").says("1 store-key-changed");
}

#[test]
fn rules_that_were_set_aside_are_told_with_their_reason() {
    let site = Site::new();
    let upgrade = new_upgrade();
    let mut zip = Zip::read(upgrade.bytes);
    zip.suffix = vec![0; 3];
    let bytes = zip.write();
    let digest = midmirror_mirror::Sha256Digest::of(&bytes).to_hex();
    site.upstream().replace(upgrade.path, Content::Shared(Arc::from(bytes)));
    site.configure(&format!(
        "[[policy.relax]]\nrule = \"trailing-bytes\"\nsha256 = {digest:?}\nreason = \"=seen <b>by hand</b>\"\n"
    ));
    let site = site.synced();
    let found = report(&site, 0, &["--no-record"]);
    let packages = found["packages"].as_array().unwrap();
    let relaxed: Vec<&Value> =
        packages.iter().flat_map(|package| package["relaxed"].as_array().unwrap()).collect();
    assert_eq!(relaxed.len(), 1, "{found:#}");
    assert_eq!(relaxed[0]["rule"], "trailing-bytes");
    let run = site.run(&["audit", "--html", "audit.html", "--csv", "audit.csv"]).expect(0);
    let _said = run.says("set aside trailing-bytes for mid-upgrade.").says("=seen <b>by hand</b>");
    let page = fs::read_to_string(site.path("audit.html")).unwrap();
    assert!(page.contains("rule trailing-bytes was set aside: =seen &lt;b&gt;by hand"), "{page}");
    assert!(fs::read_to_string(site.path("audit.csv")).unwrap().contains("trailing-bytes: =seen"));
    // A later audit remembers it.
    site.run(&["audit"]).expect(0).says("set aside trailing-bytes");
}
