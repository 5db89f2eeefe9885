//! `midmirror inspect`: its text on a shipped package, on hostile names, and on files that are hardly archives.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use midmirror_fixtures::embedded;
use zip::write::SimpleFileOptions;

const AT: &str = "2026-11-25T12:00:00Z";

fn inspect(file: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_midmirror"));
    command.arg("inspect").arg(file.file_name().unwrap()).args(["--at", AT]).args(more);
    let output = command.current_dir(file.parent().unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn shipped_core() -> &'static [u8] {
    let name = format!("mid-core.{}.universal.universal.zip", embedded::new_stamp());
    embedded::package(&name).unwrap().bytes
}

/// Compares with the recorded text; `MIDMIRROR_UPDATE=1` records it anew.
fn assert_transcript(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cmd/transcripts").join(name);
    if std::env::var_os("MIDMIRROR_UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, recorded, "{} differs (MIDMIRROR_UPDATE=1 records it anew)", file.display());
}

#[test]
fn a_shipped_package_is_shown_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mid-core.zip");
    std::fs::write(&file, shipped_core()).unwrap();
    let (code, text) = inspect(&file, &["--entries"]);
    assert_eq!(code, Some(0));
    assert_transcript("inspect-package.txt", &text);
    assert!(!text.to_lowercase().contains("verified"), "inspect verifies nothing");
    // Nothing is odd about it.
    let (_, odd) = inspect(&file, &["--entries=odd"]);
    assert!(odd.contains("entries: 0 of 41"), "{odd}");
}

#[test]
fn hostile_names_neither_fake_nor_hide_nor_move_anything() {
    let names = [
        "a\nverdict     verified",
        "\u{1b}[2J\u{1b}[1;31mred",
        "photo\u{202e}gnp.exe",
        "mark\u{61c}ed\u{200b}",
        "../../etc/cron.d/x",
        "漢字の名前.txt",
        "tab\there",
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hostile.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&file).unwrap());
    for name in names.iter().map(|name| (*name).to_owned()).chain(["long".repeat(5_000)]) {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(b"content").unwrap();
    }
    archive.set_comment("comment\u{1b}]0;title\u{7}").unwrap();
    archive.finish().unwrap();
    let (code, text) = inspect(&file, &["--entries"]);
    assert_eq!(code, Some(0));
    for character in text.chars().filter(|character| *character != '\n') {
        assert!(!midmirror_verify::is_hidden_character(character), "{character:?} in\n{text}");
    }
    assert!(text.lines().all(|line| !line.trim_start().starts_with("verdict")), "{text}");
    assert!(text.contains("(20000 bytes)"), "{text}");
    assert_transcript("inspect-hostile.txt", &text);
}

#[test]
fn what_is_no_archive_is_named_and_ends_14() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("page.zip", b"<!DOCTYPE html><html>Sign in</html>".to_vec(), "error or login page"),
        ("empty.zip", Vec::new(), "empty file"),
        ("cut.zip", shipped_core()[..20_000].to_vec(), "fetch the file again"),
        ("head.zip", shipped_core()[1_000..].to_vec(), "1000 bytes before the directory are missing"),
    ];
    let mut texts = String::new();
    for (name, bytes, says) in cases {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let (code, text) = inspect(&file, &[]);
        assert_eq!(code, Some(14), "{name}");
        assert!(text.contains(says), "{says:?} is missing in\n{text}");
        texts.push_str(&text);
        texts.push('\n');
    }
    assert_transcript("inspect-damaged.txt", &texts);
}

#[test]
fn a_cut_package_that_ends_in_an_archive_of_its_own_is_not_taken_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.zip");
    std::fs::write(&file, &shipped_core()[..60_000]).unwrap();
    let (code, text) = inspect(&file, &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("lies inside the file"), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_no_archive_question() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_midmirror")).args(["inspect", "nowhere.zip"]).output().unwrap();
    assert!(!matches!(output.status.code(), Some(0 | 14)), "{:?}", output.status);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.zip"));
}
