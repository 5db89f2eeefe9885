//! Rules of the repository that the compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file without its tests, which stand at its end.
fn without_tests(path: &Path) -> String {
    let text = read(path);
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// All Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no Rust files below {}", folder.display());
    files
}

/// Which of our crates a manifest depends on, outside dev-dependencies.
fn dependencies(package: &str) -> Vec<String> {
    let manifest: toml::Table = read(&root().join(package).join("Cargo.toml")).parse().unwrap();
    let table = manifest.get("dependencies").and_then(|table| table.as_table()).unwrap();
    table.keys().filter(|name| name.starts_with("midmirror-")).cloned().collect()
}

#[test]
fn crates_depend_in_one_direction_only() {
    assert_eq!(dependencies("verify"), Vec::<String>::new());
    assert_eq!(dependencies("fixtures"), Vec::<String>::new());
    assert_eq!(dependencies("mirror"), ["midmirror-verify"]);
    assert_eq!(dependencies("cli"), ["midmirror-fixtures", "midmirror-mirror", "midmirror-verify"]);
}

#[test]
fn fixtures_never_use_the_code_they_test_not_even_in_tests() {
    for file in rust_files(&root().join("fixtures")) {
        let text = read(&file);
        for forbidden in ["midmirror_verify", "midmirror_mirror"] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
    let manifest = read(&root().join("fixtures/Cargo.toml"));
    assert!(!manifest.contains("midmirror-verify") && !manifest.contains("midmirror-mirror"));
}

#[test]
fn the_verifier_has_no_clock_no_network_no_environment_and_no_log() {
    for file in rust_files(&root().join("verify/src")) {
        let text = without_tests(&file);
        for forbidden in [
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "Instant::now",
            "std::env",
            "std::net",
            "tracing::",
        ] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
    // Modules that exist for tests only may ask the machine.
    let only_tests = ["crashes.rs", "testing.rs", "tests.rs", "attacks.rs", "store/durable/fault.rs"];
    for file in rust_files(&root().join("mirror/src")) {
        if only_tests.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let text = without_tests(&file);
        for forbidden in ["SystemTime::now", "Timestamp::now", "Zoned::now", "std::env::"] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
}

#[test]
fn only_the_demo_uses_fixtures() {
    for file in rust_files(&root().join("cli/src")) {
        let name = file.to_string_lossy().replace('\\', "/");
        if !name.contains("/commands/demo") {
            assert!(!read(&file).contains("midmirror_fixtures"), "{name} uses fixtures");
        }
    }
}

#[test]
fn only_one_module_names_sled_and_renames() {
    for file in rust_files(&root().join("mirror/src")) {
        let name = file.to_string_lossy().replace('\\', "/");
        let text = read(&file);
        if !name.ends_with("/store/index.rs") {
            assert!(!text.contains("sled::"), "{name} uses sled");
        }
        if !name.ends_with("/store/durable/mod.rs") {
            let renames = text.contains("fs::rename(") || text.contains("renameat");
            assert!(!renames, "{name} renames files outside store/durable/mod.rs");
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let manifest: toml::Table = read(&root().join("cli/Cargo.toml")).parse().unwrap();
    let declared: Vec<&str> = manifest
        .get("test")
        .and_then(|targets| targets.as_array())
        .unwrap()
        .iter()
        .filter_map(|target| target.get("path").and_then(|path| path.as_str()))
        .collect();
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            assert!(
                folder.extension().is_none_or(|extension| extension != "rs"),
                "{} is no target",
                folder.display()
            );
            continue;
        }
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let expected = format!("../tests/{name}/main.rs");
        assert!(declared.contains(&expected.as_str()), "tests/{name} is not declared in cli/Cargo.toml");
        let main = read(&folder.join("main.rs"));
        for file in rust_files(&folder) {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            if stem != "main" && file.parent() == Some(folder.as_path()) {
                assert!(main.contains(&format!("mod {stem};")), "{} is not named in main.rs", file.display());
            }
        }
    }
}

#[test]
fn files_stay_readable() {
    for package in ["verify", "mirror", "cli", "fixtures"] {
        for file in rust_files(&root().join(package).join("src")) {
            let lines = read(&file).lines().count();
            assert!(lines <= 460, "{} has {lines} lines; one thought per file", file.display());
        }
    }
}
