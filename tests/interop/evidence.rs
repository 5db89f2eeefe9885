//! The folder of `evidence export`: every command of its README is run as it stands, and finds what was changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::site::{Run, Site, flip_byte, overwrite};
use crate::tool::{command, is_there, new_core};

/// The commands of a README: the lines of its blocks `sh`.
fn commands(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("README.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("\n```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// Runs a command in a shell, with the interpreter that has what the README asks for as `python3`.
fn shell(folder: &Path, line: &str) -> Run {
    let mut shell = command("sh", folder);
    if let Some(python) = std::env::var_os("MIDMIRROR_PYTHON") {
        let mut folders = vec![PathBuf::from(python).parent().unwrap().to_owned()];
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        shell.env("PATH", std::env::join_paths(folders).unwrap());
    }
    shell.args(["-c", line]).output().unwrap().into()
}

fn program(line: &str) -> &str {
    line.split(' ').next().unwrap()
}

fn has_cryptography(folder: &Path) -> bool {
    let there = shell(folder, "python3 -c 'import cryptography.hazmat.primitives'").code == 0;
    if !there {
        crate::tool::skip("no python3 with the package cryptography (MIDMIRROR_PYTHON names one)");
    }
    there
}

/// The commands whose program is there.
fn possible(folder: &Path) -> Vec<String> {
    let lines = commands(folder);
    let cryptography = has_cryptography(folder);
    let can = |line: &String| is_there(program(line)) && (cryptography || !line.contains("verify_log.py"));
    lines.into_iter().filter(can).collect()
}

#[test]
fn every_command_of_the_readme_ends_well_and_finds_what_was_changed() {
    let site = Site::new().synced();
    let core = new_core();
    site.run(&["evidence", "export", core.file_name(), "--output", "out"]).expect(0).says("README.md");
    let folder = site.path("out");
    let lines = possible(&folder);
    for program in ["sha256sum", "keytool", "jarsigner", "openssl", "python3", "minisign", "signify-openbsd"]
    {
        let there = commands(&folder).iter().any(|line| line.starts_with(program));
        assert!(there, "{program} is not in the README");
    }
    for line in &lines {
        let run = shell(&folder, line);
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
    }
    // What each of them is about, changed: it ends badly.
    let digest = core.path;
    for (part, file) in [
        ("FILES.sha256", "evidence/fetch.json"),
        ("jarsigner ", digest),
        ("cms -verify", ".SF"),
        ("ts -verify", ".signature"),
        ("statement.signed -sigfile", "statement.signed"),
        ("statement.dsse.json", "statement.json"),
        ("\"subject\"", "evidence/anchors.pem"),
        ("checkpoint.sig", "log/checkpoint.signed"),
        ("verify_log.py", "log/entry.json"),
        ("minisign ", "SHA256SUMS"),
        ("signify-openbsd ", "SHA256SUMS"),
        ("--ignore-missing", digest),
        ("catalog/1.root.signed", "catalog/1.root.signed"),
        ("timestamp.signed", "catalog/timestamp.signed"),
    ] {
        let file = match file.strip_prefix('.') {
            None => folder.join(file),
            Some(extension) => with_extension(&folder.join("signature"), extension),
        };
        let before = fs::read(&file).unwrap();
        let about: Vec<&String> = lines.iter().filter(|line| line.contains(part)).collect();
        flip_byte(&file);
        for line in &about {
            assert_ne!(
                shell(&folder, line).code,
                0,
                "{line} does not see that {} was changed",
                file.display()
            );
        }
        overwrite(&file, &before);
        assert!(!about.is_empty() || !commands(&folder).iter().all(|line| is_there(program(line))), "{part}");
    }
}

fn with_extension(folder: &Path, extension: &str) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|file| file.extension().is_some_and(|found| found == extension)).unwrap()
}

#[test]
fn package_that_is_not_published_says_so_and_a_damaged_one_is_not_exported() {
    let site = Site::new().synced();
    site.run(&["evidence", "export", "nothing.zip", "--output", "out"])
        .expect(2)
        .says("nothing under the name");
    let core = new_core().file_name();
    site.run(&["evidence", "export", core, "--admission", "99", "--output", "out"])
        .expect(2)
        .says("no admission 99");
    fs::create_dir_all(site.path("full/of/something")).unwrap();
    site.run(&["evidence", "export", core, "--output", "full"]).expect(2).says("not empty");
    flip_byte(&site.blob("mid-core."));
    let run = site.run(&["evidence", "export", core, "--output", "damaged"]);
    assert_ne!(run.code, 0);
    let _said = run.says("another digest");
}

#[test]
fn pruned_package_leaves_evidence_that_can_be_checked() {
    let site = Site::new().synced();
    let old = midmirror_fixtures::embedded::old_stamp();
    site.run(&["sync", old]).expect(0);
    let pin = midmirror_fixtures::embedded::new_stamp();
    site.run(&["store", "prune", "--keep", "0", "--pin", pin, "--plan", "plan.txt"]).expect(0);
    site.run(&["store", "prune", "--apply", "plan.txt"]).expect(0);
    let name = format!("mid-core.{old}.universal.universal.zip");
    let run = site.run(&["evidence", "export", &name, "--output", "out"]).expect(0);
    let _said = run.says("the retention policy has removed its bytes");
    let folder = site.path("out");
    assert!(!folder.join("glide").exists());
    let text = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(text.contains("The package itself is not here") && !text.contains("jarsigner -verify"), "{text}");
    assert!(folder.join("log/entry.tlog-proof").is_file() && folder.join("statement.sig").is_file());
    for line in possible(&folder) {
        let run = shell(&folder, &line);
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
    }
    // Bytes that are only lost are no such package.
    fs::remove_file(site.blob("mid-core.")).unwrap();
    let run = site.run(&["evidence", "export", new_core().file_name(), "--output", "lost"]);
    assert_ne!(run.code, 0);
    let _said = run.says("has no package with digest");
}

#[test]
fn damaged_evidence_is_exported_and_said_to_be_damaged() {
    let site = Site::new().synced();
    let digest = site.blob("mid-core.").file_name().unwrap().to_string_lossy().into_owned();
    let folder = site.path("store/evidence").join(&digest[..2]).join(digest);
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let admission = entries.find(|path| path.is_dir()).unwrap();
    let statement = PathBuf::from(format!("{}.statement.dsse.json", admission.display()));
    let export = |folder: &str| site.run(&["evidence", "export", new_core().file_name(), "--output", folder]);
    for (number, file) in
        [admission.join("report.json"), admission.join("fetch.json"), statement].iter().enumerate()
    {
        let name = file
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let kept = fs::read(file).unwrap();
        flip_byte(file);
        let folder = format!("damaged-{number}");
        let run = export(&folder).expect(11);
        let _said = run.says(&format!("DAMAGED: {name} is not the one that the log tells of"));
        let text = fs::read_to_string(site.path(&folder).join("README.md")).unwrap();
        assert!(text.contains(&format!("- {name} is not the one")), "{text}");
        overwrite(file, &kept);
    }
    let checkpoint = site.path("store/log/checkpoint");
    let kept = fs::read(&checkpoint).unwrap();
    fs::remove_file(&checkpoint).unwrap();
    let _said = export("no-log").expect(11).says("the log is not there");
    fs::write(&checkpoint, kept).unwrap();
    export("sound").expect(0);
}

#[test]
fn held_package_is_exported_with_what_there_is_of_it() {
    use midmirror_fixtures::upstream::Content;
    let site = Site::new().synced();
    let core = new_core();
    // The same signed content with another time of the first entry, in both of its headers.
    let mut bytes = core.bytes.to_vec();
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let offset: [u8; 4] = bytes[end + 16..end + 20].try_into().unwrap();
    for at in [10, usize::try_from(u32::from_le_bytes(offset)).unwrap() + 12] {
        bytes[at] = bytes[at] & 0xE0 | 1;
    }
    site.upstream().replace(core.path, Content::Shared(std::sync::Arc::from(bytes)));
    site.run(&["sync", "--revalidate", midmirror_fixtures::embedded::new_stamp()]).expect(15);
    let list: serde_json::Value =
        serde_json::from_str(&site.run(&["list", "--history", "--json"]).expect(0).stdout).unwrap();
    let held = list
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|name| name["digests"].as_array().unwrap())
        .find(|digest| digest["state"] == "held")
        .unwrap()["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    site.run(&["evidence", "export", &held, "--output", "held"]).expect(0);
    let folder = site.path("held");
    let text = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(text.contains("held or were superseded") && !text.contains("--ignore-missing"), "{text}");
    for line in possible(&folder) {
        let run = shell(&folder, &line);
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
    }
}
