//! The generated cases: exit code and text of three runs each, against what `jarsigner` answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use midmirror_verify::{Jdk, TrustStore, jarsigner};
use serde::Deserialize;

use super::material::{Corpus, RUNS, Run};

#[derive(Deserialize)]
struct Divergences {
    #[serde(default)]
    divergence: Vec<Divergence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Divergence {
    jdk: String,
    case: String,
    run: String,
    what: String,
    reason: String,
}

#[test]
fn generated_cases_give_the_exit_code_and_text_of_jarsigner() {
    for jdk in Jdk::ALL {
        let corpus = Corpus::committed(jdk);
        assert_eq!(corpus.cases().len() * RUNS.len(), 888);
        assert_eq!(corpus.jdk(), jdk);
        compare(&corpus);
    }
}

#[test]
fn cases_of_another_folder_give_the_exit_code_and_text_of_jarsigner() {
    match Corpus::of_environment() {
        Some(corpus) => compare(&corpus),
        None => eprintln!("skipped: MIDMIRROR_CORPUS does not name a folder of generated cases"),
    }
}

/// Result sentence, errors and warnings are parts of the text.
fn compare(corpus: &Corpus) {
    let trust = TrustStore::bundled();
    let jdk = corpus.jdk();
    let environment =
        jarsigner::Environment { jdk, ..jarsigner::Environment::new(&trust, corpus.recorded_at()) };
    let mut known = known_divergences(jdk);
    let mut problems = Vec::new();
    let mut count = 0;
    for case in corpus.cases() {
        let case = case.name.as_str();
        for name in RUNS {
            count += 1;
            let run = corpus.run(case, name);
            let output = jarsigner::run(&arguments(corpus.folder(), &run), &environment);
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
            let ours = masked(&output.stdout, corpus.folder());
            compare("text", ours == run.stdout, first_difference(&ours, &run.stdout));
        }
    }
    for (case, run, what) in known.keys() {
        problems.push(format!("divergences.toml names {case}.{run} ({what}), which is no case"));
    }
    assert!(problems.is_empty(), "JDK {jdk}, {} of {count} runs:\n{}", problems.len(), problems.join("\n"));
}

fn known_divergences(jdk: Jdk) -> BTreeMap<(String, String, String), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/divergences.toml");
    let file: Divergences = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let all = file.divergence.into_iter();
    all.filter(|entry| entry.jdk.parse() == Ok(jdk))
        .map(|entry| ((entry.case, entry.run, entry.what), entry.reason))
        .collect()
}

/// The recorded arguments, with the files where they are now.
fn arguments(folder: &Path, run: &Run) -> Vec<String> {
    let here = |argument: &String| match argument.split_once('/') {
        Some(("jars" | "trust", _)) => folder.join(argument).display().to_string(),
        _ => argument.clone(),
    };
    run.args.iter().map(here).collect()
}

/// Masks what the record masks: the folder, and the moment of the run.
fn masked(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "@OUT@");
    let mut masked = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("params date: ") {
        masked.push_str(before);
        masked.push_str("params date: @NOW@");
        rest = after.split_once('Z').map_or("", |(_, rest)| rest);
    }
    masked + rest
}

pub(super) fn first_difference(ours: &str, theirs: &str) -> String {
    let (mut ours, mut theirs) = (ours.lines(), theirs.lines());
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return "only in line ends".to_owned(),
            (one, other) if one == other => {}
            (one, other) => return format!("{one:?} against {other:?}"),
        }
    }
}
