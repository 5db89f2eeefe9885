//! Randomly changed archives, judged by us and by the JDK's own `jarsigner`. `cargo run -p midmirror-cli --example
//! differential` does the same for as many as wanted and keeps the differences.

use std::collections::BTreeMap;
use std::path::Path;

use super::judge::{Difference, Judges, is_reproduced};

const SEED: u64 = 2;
const COUNT: u64 = 150;

#[test]
fn no_changed_archive_is_good_to_us_and_bad_to_the_live_jarsigner() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/conformance");
    let mut judges = match Judges::start(None, &corpus, folder.path()) {
        Ok(judges) if is_reproduced(judges.version()) => judges,
        Ok(judges) => {
            return skip(&format!("the JDK is {}, whose texts are not reproduced", judges.version()));
        }
        Err(error) => return skip(&format!("no jarsigner in one Java machine: {error}")),
    };
    let (mut verified, mut problems, mut kinds) = (0, Vec::new(), BTreeMap::<Difference, u64>::new());
    for index in 0..COUNT {
        let outcome = judges.judge(SEED, index).unwrap();
        verified +=
            u64::from(outcome.theirs.exit_code == Some(0) && outcome.theirs.text.contains("jar verified."));
        for difference in outcome.differences {
            *kinds.entry(difference).or_default() += 1;
            if difference < Difference::ExitCode {
                problems.push(format!(
                    "{index}: {difference:?}: {} {:?}",
                    outcome.mutant.base, outcome.mutant.kinds
                ));
            }
        }
    }
    eprintln!("{verified} of {COUNT} verified; differences: {kinds:?}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(
        verified * 5 >= COUNT,
        "only {verified} of {COUNT} are verified: what is compared are error messages"
    );
    let exit_codes = kinds.get(&Difference::ExitCode).copied().unwrap_or_default();
    assert!(exit_codes * 20 <= COUNT, "{exit_codes} of {COUNT} exit codes differ");
}

/// Says in one line why the test is skipped.
fn skip(reason: &str) {
    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}
