//! A report under other trust anchors is what an examination with them would have given.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use midmirror_verify::{
    AgentRequirements, AgentVerdict, CompatOptions, CompatVerdict, Inputs, Jdk, Outlook, Report, Source,
    TrustStore, examine,
};

fn archives() -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    for folder in ["data", "odd"].map(|name| tests.join(name)) {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.to_string_lossy().into_owned();
                match () {
                    () if path.is_dir() => folders.push(path),
                    () if name.ends_with(".jar") || name.ends_with(".zip") => files.push(path),
                    () => {}
                }
            }
        }
    }
    files.sort();
    files
}

/// All that is said of an archive.
fn says(report: &Report) -> String {
    let requirements = AgentRequirements::default();
    let verdicts =
        Jdk::ALL.map(|jdk| CompatVerdict::of(report, &CompatOptions { jdk, ..Default::default() }));
    let outlook = Outlook::of(report, &CompatOptions::default(), &requirements);
    let agent = AgentVerdict::of(report, &requirements);
    serde_json::to_string(&(report, verdicts, agent, outlook)).unwrap()
}

#[test]
fn report_under_other_anchors_is_that_of_an_examination_with_them() {
    let read = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/anchors.pem")).unwrap();
    let own = TrustStore::read("own", &read, None).unwrap();
    let sets =
        [own.clone(), TrustStore::empty("none"), TrustStore::bundled(), own.join(&TrustStore::bundled())];
    let at: Timestamp = "2017-01-01T00:00:00Z".parse().unwrap();
    let much_later = at + SignedDuration::from_hours(24 * 365 * 9);
    let mut differ = 0;
    for file in archives() {
        let source = Source::open(&file).unwrap();
        for at in [at, much_later] {
            let examined = |trust, timestamp_trust| {
                examine(&source, &Inputs { timestamp_trust, ..Inputs::new(trust, at) }).unwrap()
            };
            let base = examined(&sets[0], None);
            for trust in &sets {
                for timestamp_trust in [None, Some(&sets[0]), Some(&sets[1])] {
                    let expected = examined(trust, timestamp_trust);
                    let found = base.under(trust, timestamp_trust);
                    assert_eq!(says(&found), says(&expected), "{}", file.display());
                    assert_eq!(says(&found.under(&sets[0], None)), says(&base), "{}", file.display());
                    differ += usize::from(says(&found) != says(&base));
                    let later = at + SignedDuration::from_hours(24 * 365 * 15);
                    let (found, expected) = (found.at(later).unwrap(), expected.at(later).unwrap());
                    assert_eq!(says(&found), says(&expected), "{}", file.display());
                }
            }
        }
    }
    assert!(differ > 100, "the anchors made a difference {differ} times only");
}
