//! `tests/ATTACKS.md` as data, and that it is true: no case without a line, no line without a case.
//!
//! What the columns say of verdicts is held against the program by whatever runs the case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use midmirror_verify::Jdk;

/// A line of the table.
pub(crate) struct Row {
    /// Class of jarsigner's text and its exit code; `-` where it is not asked.
    pub(crate) compat: &'static str,
    /// Exit code of `midmirror verify`, and what it says.
    pub(crate) admission: (i32, &'static str),
    /// File and function.
    test: &'static str,
}

/// The JDK of the column "compat".
pub(crate) const JDK: Jdk = Jdk::V17_0_15;

/// Cases that a live jarsigner is asked about only with `MIDMIRROR_ASK_ALL=1`: they take it up to some minutes.
pub(crate) const SLOW: [&str; 4] = [
    "J8-manifest-of-one-million-headers",
    "J21-10000-signer-infos",
    "J21-10000-signer-infos-all-bad",
    "J21-5000-good-signatures",
];
/// The one that takes all of its memory.
pub(crate) const UNASKED: &str = "J16-600-signature-files-of-16-mb";

/// All lines with a case, by its id.
pub(crate) fn table() -> BTreeMap<&'static str, Row> {
    let mut rows = BTreeMap::new();
    for line in TEXT.lines().filter(|line| line.starts_with("| J")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _what, compat, admission, test] = cells[..] else { panic!("not five columns: {line}") };
        let (exit, says) = admission.split_once(' ').unwrap_or((admission, ""));
        let admission = (exit.parse().unwrap_or(NO_EXIT), says.trim_matches('`'));
        let before = rows.insert(id, Row { compat, admission, test });
        assert!(before.is_none(), "{id} stands twice in ATTACKS.md");
    }
    rows
}

const TEXT: &str = include_str!("../ATTACKS.md");
/// For lines whose test does not go through `midmirror verify`.
const NO_EXIT: i32 = -1;

/// What stands between the quotation marks that begin with a case's id, with file and function.
fn cases_in_sources() -> BTreeMap<String, BTreeSet<String>> {
    let mut cases = BTreeMap::<String, BTreeSet<String>>::new();
    for file in fs::read_dir(root().join("tests/e2e")).unwrap().map(|entry| entry.unwrap().path()) {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !stem.starts_with("attacks") || stem == "attacks_table" {
            continue;
        }
        let mut function = String::new();
        for line in fs::read_to_string(&file).unwrap().lines() {
            let start = line.strip_prefix("pub(crate) ").unwrap_or(line);
            if let Some(rest) = start.strip_prefix("fn ") {
                function = rest.split(['(', '<']).next().unwrap().to_owned();
            }
            for text in line.split('"').skip(1).step_by(2).filter(|text| is_id(text)) {
                cases.entry(text.to_owned()).or_default().insert(format!("{stem}::{function}"));
            }
        }
    }
    cases
}

/// `J`, a number, a hyphen, words.
fn is_id(text: &str) -> bool {
    let number = text.strip_prefix('J').and_then(|rest| rest.split_once('-'));
    let is_word = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    number.is_some_and(|(number, rest)| number.parse::<u8>().is_ok() && !rest.is_empty() && is_word(rest))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_case_is_in_the_table_and_every_line_has_a_case() {
    let (table, cases) = (table(), cases_in_sources());
    let mut wrong = Vec::new();
    for (id, tests) in &cases {
        match table.get(id.as_str()) {
            None => wrong.push(format!("{id} of {tests:?} is not in ATTACKS.md")),
            Some(row) if !tests.contains(row.test) => {
                wrong.push(format!("{id} is in {tests:?}, ATTACKS.md says {}", row.test));
            }
            Some(_) => {}
        }
    }
    for (id, row) in table.iter().filter(|(id, _)| !cases.contains_key(**id)) {
        // Tests of other packages are functions, not lines of a list.
        let place = row.test.rsplit_once("::").filter(|(file, _)| file.ends_with(".rs"));
        let text = place.and_then(|(file, _)| fs::read_to_string(root().join(file)).ok());
        if !place.zip(text).is_some_and(|((_, function), text)| text.contains(&format!("fn {function}("))) {
            wrong.push(format!("{id} of ATTACKS.md has no test {}", row.test));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_attack_has_a_case_or_says_why_not() {
    let table = table();
    for number in 1..=22 {
        let prefix = format!("J{number}-");
        assert!(table.keys().any(|id| id.starts_with(&prefix)), "no case of J{number}");
    }
    assert!(TEXT.contains("J23 "), "a word on J23 is missing");
}

#[test]
fn what_is_measured_in_the_reference_names_its_cases() {
    let table = table();
    let measured = TEXT.split("## Measured").nth(1).unwrap();
    let mut rows = 0;
    for line in measured.lines().filter(|line| line.starts_with("| ") && line.contains("J")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_what, compat, ids] = cells[..] else { panic!("not three columns: {line}") };
        for id in ids.split(", ") {
            let row = table.get(id).unwrap_or_else(|| panic!("{id} is not in the table"));
            assert_eq!(row.compat, compat, "{id}");
        }
        rows += 1;
    }
    assert_eq!(rows, MEASURED);
}

/// Lines of section 3 of the reference, those with two cases parted.
const MEASURED: usize = 24;
