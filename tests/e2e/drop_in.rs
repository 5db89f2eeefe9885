//! The drop-in under the name of jarsigner, in scripts that were written for jarsigner.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use midmirror_fixtures::embedded;
use midmirror_fixtures::tamper::{Tampering, tamper};
use tempfile::TempDir;

/// As sites have it: look for the three lines, in this order, whatever their case.
const SCRIPT: &str = r#"
set -eu
text=$(jarsigner -verify -verbose -certs -strict "$1") || exit 10
rest=$text
for line in '- signed by' 'o=servicenow' 'JAR VERIFIED.'; do
    number=$(printf '%s\n' "$rest" | grep -n -i -F -m 1 -e "$line" | cut -d: -f1)
    [ -n "$number" ] || exit 20
    rest=$(printf '%s\n' "$rest" | tail -n +"$number")
done
echo good
"#;

struct Host {
    folder: TempDir,
}

impl Host {
    /// A host without Java, on which `jarsigner` is our program.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("bin")).unwrap();
        for name in ["jarsigner", "JarSigner.EXE"] {
            symlink(env!("CARGO_BIN_EXE_midmirror"), path("bin").join(name)).unwrap();
        }
        fs::write(path("anchors.pem"), embedded::test_anchors_pem()).unwrap();
        fs::write(path("check.sh"), SCRIPT).unwrap();
        let core = embedded::packages().iter().find(|package| package.file_name().starts_with("mid-core."));
        let core = core.unwrap().bytes;
        fs::write(path("core.zip"), core).unwrap();
        for (word, tampering) in Tampering::ALL {
            fs::write(path(&format!("{word}.zip")), tamper(core, tampering, None).unwrap()).unwrap();
        }
        Self { folder }
    }

    fn run(&self, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let bin = self.folder.path().join("bin");
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(bin).chain(std::env::split_paths(&paths));
        let mut command = Command::new(if Path::new(program).components().count() == 1 {
            program.into()
        } else {
            self.folder.path().join(program)
        });
        command.args(arguments).current_dir(&self.folder).env("TZ", "UTC").env_remove("MIDMIRROR_JDK");
        command.env("PATH", std::env::join_paths(paths).unwrap()).env("MIDMIRROR_TRUSTSTORE", "anchors.pem");
        command.envs(variables.iter().copied()).output().unwrap()
    }
}

#[test]
fn a_script_for_jarsigner_works_unchanged() {
    let host = Host::new();
    for jdk in ["17.0.15", "17.0.21", "17", "25"] {
        let good = host.run("sh", &["check.sh", "core.zip"], &[("MIDMIRROR_JDK", jdk)]);
        assert!(good.status.success(), "{jdk}: {good:?}");
        assert_eq!(good.stdout, b"good\n");
        let bad = host.run("sh", &["check.sh", "content.zip"], &[("MIDMIRROR_JDK", jdk)]);
        assert_eq!(bad.status.code(), Some(10), "{jdk}: {bad:?}");
    }
}

#[test]
fn the_name_is_enough_and_options_of_jarsigner_are_taken() {
    let host = Host::new();
    for program in ["bin/jarsigner", "bin/JarSigner.EXE"] {
        let options =
            ["-J-Xmx64m", "-storetype", "PKCS12", "-verify", "-STRICT", "-verbose:summary", "core.zip"];
        let verified = host.run(program, &options, &[]);
        assert_eq!(verified.status.code(), Some(0), "{verified:?}");
        assert!(String::from_utf8_lossy(&verified.stdout).contains("jar verified."), "{verified:?}");
    }
}

#[test]
fn signing_and_unknown_jdks_are_refused_with_a_reason() {
    let host = Host::new();
    let signing = host.run("bin/jarsigner", &["-keystore", "anchors.pem", "core.zip", "alias"], &[]);
    assert_eq!(signing.status.code(), Some(1), "{signing:?}");
    assert!(String::from_utf8_lossy(&signing.stderr).contains("only -verify"), "{signing:?}");
    let unknown = host.run("bin/jarsigner", &["-verify", "core.zip"], &[("MIDMIRROR_JDK", "21")]);
    assert!(!unknown.status.success());
    let text = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(["\"21\"", "17.0.15", "17.0.21", "25"].iter().all(|part| text.contains(part)), "{text}");
}
