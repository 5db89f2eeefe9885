//! The README's console blocks are run, and their output is compared.
//!
//! In a block, `$ ` begins a command; the lines below it are its output (both streams). `[..]` stands for any text
//! within a line, `...` on a line of its own for any number of lines. `cd DIR` changes the folder for what follows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { line: index + 1, command: command.to_owned(), expected: Vec::new() });
                }
                None => steps.last_mut().expect("output before a command").expected.push(line.to_owned()),
            },
        }
    }
    steps
}

/// Whether a line matches a pattern with `[..]`.
fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut last_was_text = first.len() == pattern.len();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last_was_text = !part.is_empty();
    }
    !last_was_text || rest.is_empty() || pattern.ends_with("[..]")
}

/// Whether lines match patterns with `...`.
fn matches(patterns: &[String], lines: &[&str]) -> bool {
    match patterns.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        Some((first, rest)) => match lines.split_first() {
            Some((line, more)) => line_matches(first, line.trim_end()) && matches(rest, more),
            None => false,
        },
    }
}

fn run(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_midmirror"));
    let bin = program.parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("exec 2>&1\n{command}"))
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("MIDMIRROR_CONFIG")
        .env_remove("MIDMIRROR_STORE")
        .env_remove("MIDMIRROR_STATE")
        .env_remove("MIDMIRROR_TRUSTSTORE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(unix)]
#[test]
fn the_tour_in_the_readme_works_as_printed() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let steps = steps(&readme);
    assert!(steps.len() >= 8, "only {} commands in the README", steps.len());
    let place = tempfile::tempdir().unwrap();
    let mut folder: PathBuf = place.path().to_owned();
    for step in steps {
        if let Some(target) = step.command.strip_prefix("cd ") {
            folder = folder.join(target);
            continue;
        }
        // The program under test is built already.
        let command = step.command.replace("cargo run --release -- ", "midmirror ");
        let output = run(&command, &folder);
        let lines: Vec<&str> = output.lines().collect();
        assert!(
            matches(&step.expected, &lines),
            "README line {}: $ {}\nexpected:\n{}\n\nprinted:\n{output}",
            step.line,
            step.command,
            step.expected.join("\n")
        );
    }
}

#[test]
fn patterns_match_as_described() {
    assert!(line_matches("a [..] c", "a b c"));
    assert!(!line_matches("a [..] c", "a b d"));
    assert!(!line_matches("a", "ab"));
    assert!(line_matches("a[..]", "abc"));
    let patterns: Vec<String> = ["x", "...", "z"].map(str::to_owned).to_vec();
    assert!(matches(&patterns, &["x", "y", "y", "z"]));
    assert!(!matches(&patterns, &["x", "y"]));
}

#[test]
fn the_exit_codes_in_the_readme_are_the_programs() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    for exit in midmirror_cli::exit::Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "README lacks {row}");
    }
}
