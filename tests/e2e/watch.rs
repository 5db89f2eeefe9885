//! `sync --watch` and what it follows.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::Arc;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Content, Fault};

use crate::site::{Site, shipped};

struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Watch {
    fn start(site: &Site) -> Self {
        let mut command = site.command(&["sync", "--watch", "--every", "1"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until a line that contains a text; returns everything up to it.
    #[track_caller]
    fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            seen += &format!("{line}\n");
            if line.contains(text) {
                return seen;
            }
        }
        panic!("{text:?} never came:\n{seen}");
    }

    #[cfg(unix)]
    #[track_caller]
    fn end(mut self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).unwrap();
        self.until("told to end");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _has_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn a_watch_survives_a_failing_round_and_ends_on_a_signal() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.configure("[[follow]]\nlog = \"agent-linux.x86-64/logs/agent0.log.0\"\n");
    let mut watch = Watch::start(&site);
    watch.until("round 1: FAILED (9");
    // The share comes back.
    site.agent("linux.x86-64");
    let seen = watch.until(": done");
    assert!(seen.contains(" stored, 0 already there, 0 failed"), "{seen}");
    watch.until(": done");
    watch.end(rustix::process::Signal::TERM);
    site.run(&["list"]).expect(0).says(embedded::new_stamp());
    site.run(&["store", "check", "--full"]).expect(0);
}

#[cfg(unix)]
#[test]
fn a_signal_during_a_download_ends_the_watch_and_the_next_run_goes_on() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.configure(&format!("[[follow]]\nstamp = {:?}\n", embedded::new_stamp()));
    site.upstream().set_faults("mid-core", Fault::StallAfter { bytes: 60_000 }, None);
    let mut watch = Watch::start(&site);
    watch.until("mid-core");
    watch.end(rustix::process::Signal::INT);
    site.upstream().clear_faults();
    site.run(&["sync"]).expect(0).says("already there");
    site.run(&["store", "check", "--full"]).expect(0);
}

#[test]
fn stamps_logs_and_instances_are_followed_and_one_that_is_away_is_said() {
    let page = format!("MID buildstamp: {}", embedded::old_stamp());
    let mut packages = shipped();
    packages.push(("stats.do".to_owned(), Content::Shared(Arc::from(page.as_bytes()))));
    let site = Site::with_packages(packages);
    site.run(&["init"]).expect(0);
    let follow = format!(
        "[[follow]]\ninstance = \"https://localhost:1\"\n[[follow]]\ninstance = {:?}\n[[follow]]\nstamp = \"australia p3h1\"\n",
        site.upstream().base_url()
    );
    site.configure(&follow);
    let text = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    fs::write(site.path("midmirror.toml"), text.replace("[upstream]\n", "[upstream]\ntries = 1\n")).unwrap();
    let run = site.run(&["sync", "--kind", "mid-core"]).expect(9).says("localhost:1").says("2 stored");
    assert!(run.stderr.contains("was skipped"), "{}", run.stderr);
}

#[test]
fn a_table_follows_one_thing() {
    let site = Site::new();
    for (table, says) in [
        ("", "either stamp, log or instance"),
        ("stamp = \"a\"\ninstance = \"https://a\"", "either stamp, log or instance"),
        ("stamp = \"a\"\ncredentials_file = \"b\"", "belongs to an instance"),
    ] {
        site.configure(&format!("[[follow]]\n{table}\n"));
        site.run(&["sync"]).expect(2).says(says);
    }
    site.configure("[watch]\nevery_seconds = 0\n");
    site.run(&["sync", "--watch"]).expect(2).says("every_seconds");
}
