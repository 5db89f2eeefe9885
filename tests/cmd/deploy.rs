//! The files of `deploy/`: they are read by the programs that they are for, and the services are started as written.

mod host;
mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use midmirror_fixtures::embedded;

fn folder() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")).unwrap()
}

fn read(name: &str) -> String {
    let path = folder().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files in `deploy/` whose names end so.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

/// Says in one line why a test is skipped.
fn skip(reason: &str) {
    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}

#[track_caller]
fn expect(output: Output, code: i32) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
    stdout + &stderr
}

/// Runs the program with a configuration text in a folder of its own.
fn plan_with(configuration: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("midmirror.toml");
    fs::write(&file, configuration).unwrap();
    Command::new(env!("CARGO_BIN_EXE_midmirror"))
        .args(["--config".as_ref(), file.as_os_str()])
        .args(["plan", embedded::new_stamp(), "--urls"])
        .env_remove("MIDMIRROR_STORE")
        .output()
        .unwrap()
}

#[test]
fn shipped_configuration_can_be_read_as_it_is_and_with_every_line_in_use() {
    let shipped = read("midmirror.toml");
    let plan = expect(plan_with(&shipped), 0);
    assert!(plan.starts_with("https://install.service-now.com/glide/"), "{plan}");
    let (mut all, mut count) = (String::new(), 0);
    for line in shipped.lines() {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty());
        count += usize::from(setting.is_some());
        all += setting.unwrap_or(line);
        all += "\n";
    }
    assert!(count >= 20, "{count}");
    expect(plan_with(&all), 0);
    // The test can fail: an unknown key is an error.
    expect(plan_with(&all.replace("plain_listen", "plain_lisen")), 2);
}

#[test]
fn container_file_names_programs_profile_and_folders_that_exist() {
    let text = read("Containerfile");
    let root: toml::Table = fs::read_to_string(folder().join("../Cargo.toml")).unwrap().parse().unwrap();
    assert!(text.contains("--profile dist") && root["profile"].get("dist").is_some());
    for program in ["midmirror", "midmirror-import"] {
        assert!(
            text.contains(&format!("--bin {program}"))
                && text.contains(&format!("/src/target/dist/{program} "))
        );
    }
}

#[test]
fn every_file_is_named_in_the_guide() {
    let guide = read("README.md");
    for path in files("") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "README.md" || guide.contains(&name), "{name} is not in deploy/README.md");
    }
}

#[test]
fn exit_codes_of_the_guide_are_the_real_ones() {
    let help = expect(Command::new(env!("CARGO_BIN_EXE_midmirror")).arg("--help").output().unwrap(), 0);
    let guide = read("README.md");
    let table: Vec<(&str, &str)> = help
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .filter_map(|line| line.trim().split_once("  "))
        .collect();
    assert_eq!(table.len(), midmirror_cli::exit::Exit::ALL.len(), "{help}");
    for (code, meaning) in table {
        let row = format!("| {code} | {meaning} |");
        assert!(guide.contains(&row), "deploy/README.md lacks {row:?}");
    }
}
