//! `midmirror plan`: its texts, without a store and without a network.

use std::path::Path;
use std::process::Command;

use midmirror_fixtures::embedded;

fn plan(arguments: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("midmirror.toml"), "store = \"store\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_midmirror"));
    command.args(["--config", "midmirror.toml", "plan"]).args(arguments).env_remove("MIDMIRROR_STORE");
    let output = command.current_dir(folder.path()).output().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

/// Compares with the recorded text; `MIDMIRROR_UPDATE=1` records it anew.
fn assert_transcript(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cmd/transcripts").join(name);
    if std::env::var_os("MIDMIRROR_UPDATE").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, recorded, "{} differs (MIDMIRROR_UPDATE=1 records it anew)", file.display());
}

#[test]
fn a_release_name_and_what_its_plan_says() {
    let mut text = String::new();
    for (arguments, exit) in [
        (&["zurich patch 9 hotfix 3", "--platform", "linux.x86-64"][..], 0),
        (&["zurich patch 9 hotfix 2"], 2),
        (&["atlantis patch 1"], 2),
        (&["vancouver-07-06-2023_patch1-08-30-2023_09-07-2023_2046"], 2),
        (
            &[
                "london-06-27-2018__patch0-07-11-2018_07-14-2018_1223",
                "--kind",
                "mid-core",
                "--unsigned-tree",
            ],
            0,
        ),
        (
            &[
                "mid-core.yokohama-12-18-2024__patch3-hotfix4-06-25_2025_06-26-2025_2019.universal.universal.zip",
            ],
            2,
        ),
        (
            &[
                "https://install.service-now.com/glide/distribution/builds/package/mid/2015/03/09/mid.2015-03-09-2230.linux.x86-64.zip",
            ],
            0,
        ),
    ] {
        let (code, out, err) = plan(arguments);
        assert_eq!(code, Some(exit), "{arguments:?}\n{err}");
        text += &format!("$ midmirror plan {}\n", arguments.join(" | "));
        text += &String::from_utf8(out).unwrap();
        text += &err;
        text += "\n";
    }
    assert_transcript("plan-names.txt", &text);
}

#[test]
fn instructions_can_be_read_and_printed_anywhere() {
    let url = "https://install.service-now.com/glide/distribution/builds/package/mid/2015/03/09/mid.2015-03-09-2230.linux.x86-64.zip";
    let (code, page, _) =
        plan(&["--instructions", "--platform", "windows.x86-64", embedded::new_stamp(), url]);
    assert_eq!(code, Some(0));
    assert!(page.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')), "printable ASCII only");
    let text = String::from_utf8(page).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "CRLF throughout");
    for line in text.lines() {
        let is_name = ["https://", ".zip"].iter().any(|part| line.contains(part));
        assert!(line.len() <= 78 || is_name, "{line}");
    }
    assert!(!text.to_lowercase().contains("trust"), "the page trusts nothing that was fetched");
    assert_transcript("plan-instructions.txt", &text.replace("\r\n", "\n"));
}
