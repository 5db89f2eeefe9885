//! The recorded cases that come with the repository, by the drop-in and, if there is one, by the real `jarsigner`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use midmirror_verify::{Jdk, TrustStore, jarsigner};

use super::material::of_version_text;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../verify/tests/data")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

fn arguments(case: &Path) -> Vec<String> {
    let keystore = data().join("anchors.p12").display().to_string();
    let file = case.join("case.jar").display().to_string();
    ["-verify", "-verbose", "-certs", "-strict", "-keystore", &keystore, "-storepass", "changeit", &file]
        .map(str::to_owned)
        .to_vec()
}

fn ours(case: &Path, at: Timestamp, jdk: Jdk) -> jarsigner::Output {
    let nothing = TrustStore::empty("nothing");
    let environment = jarsigner::Environment { jdk, ..jarsigner::Environment::new(&nothing, at) };
    jarsigner::run(&arguments(case), &environment)
}

#[test]
fn recorded_cases_give_the_recorded_exit_code_and_text() {
    let at = "2026-11-25T12:00:00Z".parse().unwrap();
    for case in cases() {
        let expected: toml::Table =
            toml::from_str(&fs::read_to_string(case.join("expect.toml")).unwrap()).unwrap();
        let output = ours(&case, at, Jdk::V17_0_15);
        assert_eq!(expected["exit_code"].as_integer(), Some(output.exit_code.into()), "{}", case.display());
        if let Ok(text) = fs::read_to_string(case.join("jarsigner.txt")) {
            assert_eq!(output.stdout, text, "{}", case.display());
        }
    }
}

#[test]
fn the_real_jarsigner_agrees_on_some_recorded_cases() {
    let version = Command::new("jarsigner").arg("-J-version").output();
    let Ok(version) = version else {
        assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "there is no jarsigner");
        eprintln!("skipped: no jarsigner");
        return;
    };
    let jdk = of_version_text(&String::from_utf8_lossy(&version.stderr));
    for name in ["vendor-shape", "tampered-content", "unsigned-entry", "authority-expired", "plain-zip"] {
        let case = data().join(name);
        let theirs = Command::new("jarsigner")
            .args([
                "-J-Dstdout.encoding=UTF-8",
                "-J-Duser.language=en",
                "-J-Duser.country=US",
                "-J-Duser.timezone=UTC",
            ])
            .args(arguments(&case))
            .env("TZ", "UTC")
            .output()
            .unwrap();
        let output = ours(&case, Timestamp::now(), jdk);
        assert_eq!(theirs.status.code(), Some(output.exit_code.into()), "{name}");
        assert_eq!(String::from_utf8_lossy(&theirs.stdout), output.stdout, "{name}");
    }
}
