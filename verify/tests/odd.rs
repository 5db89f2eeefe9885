//! Archives that were once judged or described in another way than by `jarsigner`: what it printed, and its exit code.
//!
//! Each case is an archive named after what is odd about it. All were found by random changes (`fixtures/src/mutate`), most of
//! them signed by certificates that the trust store does not know.

use std::fs;
use std::path::Path;

use midmirror_verify::{Finding, Inputs, Jdk, Source, TrustStore, examine, jarsigner};

#[test]
fn odd_archives_are_judged_and_described_as_by_jarsigner() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd");
    let nothing = TrustStore::empty("nothing");
    let now = "2026-11-30T04:00:00Z".parse().unwrap();
    let environment =
        jarsigner::Environment { jdk: Jdk::V17_0_15, ..jarsigner::Environment::new(&nothing, now) };
    let keystore = folder.join("../data/anchors.p12");
    let codes = fs::read_to_string(folder.join("exit-codes.tsv")).unwrap();
    let mut differing = Vec::new();
    for (name, code) in codes.lines().map(|line| line.split_once('\t').unwrap()) {
        let line = format!(
            "-verify -verbose -certs -strict -storepass changeit -keystore {} {}",
            keystore.display(),
            folder.join(name).with_extension("jar").display()
        );
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let output = jarsigner::run(&arguments, &environment);
        let text = fs::read_to_string(folder.join(name).with_extension("txt")).unwrap();
        if output.exit_code.to_string() != code || output.stdout != text {
            differing.push(format!("{name}: {} {}", output.exit_code, output.stdout));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(codes.lines().count() >= 40);
}

#[test]
fn forms_that_jarsigner_alone_takes_are_hazards() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd");
    let nothing = TrustStore::empty("nothing");
    let now = "2026-11-30T04:00:00Z".parse().unwrap();
    for name in ["signer-in-a-set", "attributes-with-long-length"] {
        let source = Source::open(&folder.join(name).with_extension("jar")).unwrap();
        let report = examine(&source, &Inputs::new(&nothing, now)).unwrap();
        assert_eq!(report.signers().len(), 1, "{name}");
        assert!(report.findings().iter().any(Finding::is_hazard), "{name}");
    }
}

/// What 17.0.21 and 25 ended with, which 17.0.15 does not.
#[test]
fn odd_archives_that_newer_jdks_refuse_are_refused_in_their_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd");
    let nothing = TrustStore::empty("nothing");
    let now = "2026-11-30T08:00:00Z".parse().unwrap();
    let cases = [("name-with-surrogates", [36, 16, 16]), ("zip64-field-that-is-not-asked-for", [32, 32, 1])];
    for (name, codes) in cases {
        let ended = Jdk::ALL.map(|jdk| {
            let environment = jarsigner::Environment { jdk, ..jarsigner::Environment::new(&nothing, now) };
            let line = format!(
                "-verify -verbose -certs -strict -storepass changeit -keystore {} {}",
                folder.join("../data/anchors.p12").display(),
                folder.join(name).with_extension("jar").display()
            );
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            jarsigner::run(&arguments, &environment).exit_code
        });
        assert_eq!(ended, codes, "{name}");
    }
}
