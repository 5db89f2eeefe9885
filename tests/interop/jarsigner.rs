//! The JDK's own jarsigner, as an auditor runs it, on what we staged; and our drop-in against it.

use std::fs;
use std::path::Path;

use midmirror_fixtures::embedded;
use midmirror_fixtures::tamper::{Tampering, tamper};
use midmirror_verify::Jdk;

use crate::site::{Mirror, Run, Site};
use crate::tool::{command, is_there, run};

const KEYSTORE: &str = "-keystore anchors.p12 -storepass changeit";
const VERIFY: &str = "-verify -verbose -certs -strict";

/// Makes the auditor's key store out of the anchors; false without a JDK.
fn with_keystore(folder: &Path) -> bool {
    if !is_there("jarsigner") || !is_there("keytool") {
        return false;
    }
    let pem = embedded::test_anchors_pem();
    let certificates: Vec<&str> = pem.split_inclusive("-----END CERTIFICATE-----\n").collect();
    assert!(certificates.len() >= 2, "signer root and timestamp root");
    for (number, certificate) in certificates.iter().enumerate() {
        fs::write(folder.join("anchor.pem"), certificate).unwrap();
        let import =
            format!("keytool -importcert -noprompt -alias anchor{number} -file anchor.pem {KEYSTORE}");
        run(folder, &import).expect(0);
    }
    true
}

/// The profile of the JDK that is there. An unknown one fails the test: nobody has compared it.
fn jdk(folder: &Path) -> Jdk {
    let text = run(folder, "jarsigner -J-version").stderr;
    let version = text.split('"').nth(1).unwrap_or(&text);
    let known = Jdk::ALL.map(Jdk::name).join(", ");
    Jdk::of_version(version)
        .unwrap_or_else(|| panic!("there is no profile of JDK {version}; known are {known}"))
}

fn live(folder: &Path, file: &str) -> Run {
    run(folder, &format!("jarsigner -J-Dstdout.encoding=UTF-8 {KEYSTORE} {VERIFY} {file}"))
}

fn ours(folder: &Path, file: &str, jdk: Jdk) -> Run {
    let line = format!("jarsigner {KEYSTORE} {VERIFY} {file}");
    command(env!("CARGO_BIN_EXE_midmirror"), folder)
        .env("MIDMIRROR_JDK", jdk.name())
        .args(line.split(' '))
        .output()
        .unwrap()
        .into()
}

#[test]
fn every_staged_package_satisfies_the_real_jarsigner() {
    let site = Site::new();
    if !with_keystore(&site.path("")) {
        return;
    }
    let site = site.synced();
    let mirror = Mirror::start(&site);
    site.enrol(&mirror.url);
    for platform in ["linux.x86-64", "windows.x86-64"] {
        let agent = site.agent(platform);
        site.run(&["host", "stage", &agent]).expect(0);
        let incoming = site.incoming(&agent);
        assert!(incoming.len() >= 2, "{incoming:?}");
        for name in incoming {
            live(&site.path(""), &format!("{agent}/package/incoming/{name}")).expect(0).says("jar verified.");
        }
    }
}

#[test]
fn drop_in_prints_the_text_of_the_real_jarsigner_for_all_shipped_packages() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if !with_keystore(folder) {
        return;
    }
    let jdk = jdk(folder);
    for package in embedded::packages().iter().filter(|package| package.file_name().ends_with(".zip")) {
        fs::write(folder.join(package.file_name()), package.bytes).unwrap();
        let (live, ours) = (live(folder, package.file_name()), ours(folder, package.file_name(), jdk));
        assert_eq!(ours.stdout, live.stdout, "{}", package.file_name());
        assert_eq!(ours.stderr, live.stderr, "{}", package.file_name());
        assert_eq!(ours.code, live.code, "{}", package.file_name());
    }
}

#[test]
fn drop_in_ends_as_the_real_jarsigner_does_for_tampered_packages() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if !with_keystore(folder) {
        return;
    }
    let jdk = jdk(folder);
    let mut refused = 0;
    let cores = embedded::packages().iter().filter(|package| package.file_name().starts_with("mid-core."));
    for package in cores {
        for (word, tampering) in Tampering::ALL {
            let name = format!("{word}.zip");
            fs::write(folder.join(&name), tamper(package.bytes, tampering, None).unwrap()).unwrap();
            let (live, ours) = (live(folder, &name), ours(folder, &name, jdk));
            assert_eq!(
                ours.code, live.code,
                "{word} of {}\nlive:\n{}{}\nours:\n{}{}",
                package.path, live.stdout, live.stderr, ours.stdout, ours.stderr
            );
            refused += usize::from(live.code != 0);
        }
    }
    assert!(refused > 4, "{refused}");
}
