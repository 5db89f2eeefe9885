//! Randomly changed archives, judged by us and by the JDK's own `jarsigner`. `cargo run -p midmirror-cli --example
//! differential` does the same for as many as wanted and keeps the differences.

use std::collections::BTreeMap;
use std::path::Path;

use super::explained;
use super::judge::{Difference, Judges, is_reproduced};

/// Seeds that nothing was fixed against.
const SEEDS: [u64; 2] = [20_011, 20_012];
const COUNT: u64 = 300;

#[test]
fn no_changed_archive_is_good_to_us_and_bad_to_the_live_jarsigner() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/conformance");
    let mut judges = match Judges::start(None, &corpus, folder.path()) {
        Ok(judges) => judges,
        Err(error) => return skip(&format!("no jarsigner in one Java machine: {error}")),
    };
    assert!(is_reproduced(judges.version()), "the JDK is {}, which nobody has compared", judges.version());
    let classes = explained::read(explained::TABLE).unwrap();
    let (mut verified, mut problems, mut kinds) = (0, Vec::new(), BTreeMap::<Difference, u64>::new());
    for (seed, index) in SEEDS.into_iter().flat_map(|seed| (0..COUNT).map(move |index| (seed, index))) {
        let outcome = judges.judge(seed, index).unwrap();
        verified +=
            u64::from(outcome.theirs.exit_code == Some(0) && outcome.theirs.text.contains("jar verified."));
        if explained::explain(&classes, &outcome).is_some() {
            continue;
        }
        for difference in &outcome.differences {
            *kinds.entry(*difference).or_default() += 1;
        }
        if outcome.differences.iter().any(|difference| *difference <= Difference::ExitCode) {
            problems.push(format!(
                "{seed}-{index}: {:?}: {} {:?}",
                outcome.differences, outcome.mutant.base, outcome.mutant.kinds
            ));
        }
    }
    let count = COUNT * 2;
    eprintln!("{verified} of {count} verified; unexplained differences: {kinds:?}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(
        verified * 5 >= count,
        "only {verified} of {count} are verified: what is compared are error messages"
    );
}

#[test]
fn what_only_we_accept_is_never_explained() {
    let classes = explained::read(explained::TABLE).unwrap();
    assert!(!classes.is_empty());
    assert!(explained::read("name\taccept\tx\ty\treason").is_err());
    assert!(classes.iter().all(|class| class.worst() >= Difference::ExitCode));
}

/// Says in one line why the test is skipped.
fn skip(reason: &str) {
    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}
