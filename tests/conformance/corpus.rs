//! The generated cases: exit code and text of three runs each, against what `jarsigner` answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use midmirror_verify::{TrustStore, jarsigner};
use serde::Deserialize;

#[derive(Deserialize)]
struct Divergences {
    #[serde(default)]
    divergence: Vec<Divergence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Divergence {
    case: String,
    run: String,
    what: String,
    reason: String,
}

/// What was asked and answered in one run of one case.
struct Run {
    args: Vec<String>,
    stdout: String,
    exit_code: u8,
}

#[test]
fn generated_cases_give_the_exit_code_and_text_of_jarsigner() {
    let Some(corpus) = std::env::var_os("MIDMIRROR_CORPUS") else {
        eprintln!("skipped: MIDMIRROR_CORPUS does not name a folder of generated cases");
        return;
    };
    let corpus = Path::new(&corpus);
    let expected = corpus.join("expected");
    let jdk = fs::read_to_string(expected.join("JDK")).expect("the folder is complete");
    // Some cases depend on the day: what counts as now is the time of the recording.
    let recorded = fs::metadata(expected.join("JDK")).unwrap().modified().unwrap();
    let trust = TrustStore::bundled();
    let environment = jarsigner::Environment::new(&trust, Timestamp::try_from(recorded).unwrap());
    let mut known = known_divergences();
    let mut problems = Vec::new();
    let mut count = 0;
    for line in fs::read_to_string(corpus.join("cases.tsv")).unwrap().lines() {
        let case = line.split('\t').next().unwrap_or_default();
        for name in ["plain", "strict", "full"] {
            count += 1;
            let run = read_run(corpus, &expected, case, name);
            let output = jarsigner::run(&run.args, &environment);
            if output.exit_code == 0 && run.exit_code != 0 {
                problems.push(format!("{case}.{name}: we accept (0), jarsigner rejects ({})", run.exit_code));
            }
            let mut compare = |what: &str, equal: bool, detail: String| {
                let key = (case.to_owned(), name.to_owned(), what.to_owned());
                match (equal, known.remove(&key)) {
                    (true, Some(reason)) => {
                        problems.push(format!("{case}.{name}: no longer differs in {what} ({reason})"))
                    }
                    (false, None) => problems.push(format!("{case}.{name}: differs in {what}: {detail}")),
                    _ => {}
                }
            };
            let codes = format!("{} against {}", output.exit_code, run.exit_code);
            compare("exit", output.exit_code == run.exit_code, codes);
            if jdk.contains("17.0.15") {
                let ours = masked(&output.stdout, corpus);
                compare("text", ours == run.stdout, first_difference(&ours, &run.stdout));
            }
        }
    }
    for (case, run, what) in known.keys() {
        problems.push(format!("divergences.toml names {case}.{run} ({what}), which is no case"));
    }
    assert!(problems.is_empty(), "{} of {count} runs:\n{}", problems.len(), problems.join("\n"));
    assert!(count >= 888, "only {count} runs");
}

fn known_divergences() -> BTreeMap<(String, String, String), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/divergences.toml");
    let file: Divergences = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file.divergence.into_iter().map(|entry| ((entry.case, entry.run, entry.what), entry.reason)).collect()
}

fn read_run(corpus: &Path, expected: &Path, case: &str, run: &str) -> Run {
    let read = |what: &str| fs::read_to_string(expected.join(format!("{case}.{run}.{what}"))).unwrap();
    let in_corpus = |argument: &str| match argument.split_once('/') {
        Some(("jars" | "trust", _)) => corpus.join(argument).display().to_string(),
        _ => argument.to_owned(),
    };
    Run {
        args: read("args").lines().map(in_corpus).collect(),
        stdout: read("stdout"),
        exit_code: read("exit").trim().parse().unwrap(),
    }
}

/// Masks what the record masks: the folder, and the moment of the run.
fn masked(text: &str, corpus: &Path) -> String {
    let text = text.replace(&corpus.display().to_string(), "@OUT@");
    let mut masked = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("params date: ") {
        masked.push_str(before);
        masked.push_str("params date: @NOW@");
        rest = after.split_once('Z').map_or("", |(_, rest)| rest);
    }
    masked + rest
}

fn first_difference(ours: &str, theirs: &str) -> String {
    let (mut ours, mut theirs) = (ours.lines(), theirs.lines());
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return "only in line ends".to_owned(),
            (one, other) if one == other => {}
            (one, other) => return format!("{one:?} against {other:?}"),
        }
    }
}
