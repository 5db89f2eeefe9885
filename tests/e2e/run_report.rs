//! What a sync says of itself: failures with their next step, a dry run, progress as lines and as events.

use std::fs;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::Fault;
use serde_json::Value;

use crate::site::Site;

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn a_sync_goes_on_after_a_failure_and_lists_it_with_its_next_step() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("mid-core.", Fault::WrongBytes, None);
    site.upstream().set_faults("mid-jre.", Fault::Status { status: 403 }, None);
    let run = site.run(&["sync", "--keep-going", embedded::new_stamp()]).expect(9);
    let (_, list) = run.stderr.split_once("not done:\n").unwrap();
    assert!(list.contains("mid-core.") && list.contains("403"), "{list}");
    assert!(list.contains("do not use the file") && list.contains("run it again"), "{list}");
    site.run(&["list"]).expect(0).says("mid-upgrade.");
}

#[test]
fn a_sync_can_be_made_to_end_at_the_first_failure() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("", Fault::Status { status: 403 }, None);
    let stamp = embedded::new_stamp();
    let run = site.run(&["sync", "--stop-at-first-failure", stamp]).expect(8).says("not tried");
    // The one after it may have been on its way already.
    assert!(site.upstream().requests().len() <= 2, "{}", run.stderr);
    site.run(&["sync", "--stop-at-first-failure", "--keep-going", stamp]).expect(2);
}

#[test]
fn a_dry_run_shows_sizes_and_changes_nothing() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let stamp = embedded::new_stamp();
    let size = |kind: &str| {
        let of_kind = |p: &&embedded::EmbeddedPackage| p.path.contains(kind) && p.path.contains(stamp);
        embedded::packages().iter().find(of_kind).unwrap().bytes.len()
    };
    let run = site
        .run(&["sync", "--dry-run", stamp])
        .expect(0)
        .says("5 to fetch")
        .says(&site.upstream().base_url());
    assert!(run.stdout.contains(&format!(
        "{}.{} KiB",
        size("mid-core.") / 1024,
        size("mid-core.") % 1024 * 10 / 1024
    )));
    assert!(site.upstream().requests().iter().all(|request| request.method == "HEAD"));
    site.run(&["list"]).expect(0).says("0 packages");
    assert_eq!(fs::read_dir(site.path("store/quarantine")).unwrap().count(), 0);

    site.run(&["--offline", "sync", "--dry-run", stamp]).expect(0).says("size unknown").says("offline");
    site.upstream().set_faults("mid-core.", Fault::NotFound, None);
    site.run(&["sync", "--dry-run", stamp]).expect(9).says("NOT FOUND");
    site.upstream().clear_faults();
    site.run(&["sync", stamp]).expect(0);
    site.run(&["sync", "--dry-run", stamp]).expect(0).says("0 to fetch").says("in store");
}

#[test]
fn events_tell_start_progress_retry_verification_end_and_sum() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("mid-core.", Fault::ServiceUnavailable { retry_after_s: None }, Some(1));
    let arguments = ["sync", "--progress", "json", embedded::new_stamp()];
    let run = site.command(&arguments).env("MIDMIRROR_LOG", "off").output().unwrap();
    assert_eq!(run.status.code(), Some(0));
    let events = events(&String::from_utf8(run.stderr).unwrap());
    for (kind, count) in [("start", 5), ("verify", 5), ("finished", 5), ("retry", 1), ("summary", 1)] {
        assert_eq!(of_kind(&events, kind).len(), count, "{kind}: {events:#?}");
    }
    assert!(!of_kind(&events, "progress").is_empty());
    let retry = of_kind(&events, "retry")[0];
    assert!(retry["cause"].as_str().unwrap().contains("503") && retry["failed"] == 1, "{retry}");
    assert!(of_kind(&events, "finished").iter().all(|event| event["outcome"] == "stored"));
    let summary = events.last().unwrap();
    assert_eq!((&summary["stored"], &summary["exit"]), (&5.into(), &0.into()));
}

#[test]
fn events_go_to_a_file_and_lines_for_people_to_stderr() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("mid-core.", Fault::NotFound, None);
    let arguments = ["sync", "--progress", "json", "--progress-file", "events.jsonl", embedded::new_stamp()];
    site.run(&arguments).expect(9).says("not done:").says("1 failed");
    let events = events(&fs::read_to_string(site.path("events.jsonl")).unwrap());
    let failed: Vec<_> =
        of_kind(&events, "finished").into_iter().filter(|event| event["success"] == false).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0]["cause"].as_str().unwrap().contains("404"), "{}", failed[0]);
    assert_eq!(events.last().unwrap()["exit"], 9);
}

#[test]
fn a_slow_fetch_says_every_few_seconds_how_far_it_is() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    // About five seconds for a file of this size.
    let length = embedded::packages().iter().find(|p| p.path.contains("mid-core.")).unwrap().bytes.len();
    let bytes_per_second = u64::try_from(length / 5).unwrap();
    site.upstream().set_faults("mid-core.", Fault::Slow { bytes_per_second }, None);
    let run = site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]).expect(0);
    let line =
        run.stderr.lines().find(|line| line.contains(" %")).unwrap_or_else(|| panic!("{}", run.stderr));
    assert!(line.contains("/s") && line.contains("left") && line.contains("packages done"), "{line}");
}
