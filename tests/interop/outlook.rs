//! What is foreseen, against the JDK's own jarsigner at that time (`faketime`): a second before and a second after.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use midmirror_fixtures::embedded;
use midmirror_verify::{AgentRequirements, CompatOptions, Inputs, Outlook, Source, TrustStore, examine};

use crate::site::Run;
use crate::tool::{command, is_there};

#[test]
fn the_real_jarsigner_changes_its_verdict_when_it_is_foreseen() {
    if !is_there("jarsigner") || !is_there("faketime") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("anchors.jks"), embedded::agent_cacerts()).unwrap();
    let trust = TrustStore::read("agent", embedded::agent_cacerts(), None).unwrap();
    let mut changes = 0;
    for stamp in [embedded::old_stamp(), embedded::new_stamp()] {
        let package = embedded::package(&format!("mid-core.{stamp}.universal.universal.zip")).unwrap();
        fs::write(folder.join("package.zip"), package.bytes).unwrap();
        let from: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let source = Source::from_bytes(package.bytes.to_vec());
        let report = examine(&source, &Inputs::new(&trust, from)).unwrap();
        let outlook = Outlook::of(&report, &CompatOptions::default(), &AgentRequirements::default());
        let mut expected = 0;
        assert_eq!(live(folder, from), expected, "{stamp} at {from}");
        for change in outlook.changes() {
            changes += 1;
            let second = SignedDuration::from_secs(1);
            for (at, expected) in [
                (change.at() - second, expected),
                (change.at() + second, change.jarsigner().exit_code().into()),
            ] {
                assert_eq!(live(folder, at), expected, "{stamp} at {at}: {change:?}");
            }
            expected = change.jarsigner().exit_code().into();
        }
    }
    assert!(changes >= 2, "{changes}");
}

/// The exit code of the real jarsigner at a moment; its clock stands still, but waiting takes its time.
fn live(folder: &Path, at: Timestamp) -> i32 {
    let verify = "jarsigner -verify -strict -keystore anchors.jks -storepass changeit package.zip";
    let mut faketime = command("faketime", folder);
    faketime.args(["-f", &at.strftime("%Y-%m-%d %H:%M:%S").to_string()]);
    Run::from(faketime.args(verify.split(' ')).env("DONT_FAKE_MONOTONIC", "1").output().unwrap()).code
}
