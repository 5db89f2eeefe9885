//! Hostile input: whatever the bytes, an examination ends with a report, and a changed package is never taken for good.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside of test functions"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use midmirror_verify::{
    AgentRequirements, AgentVerdict, CompatOptions, CompatVerdict, Finding, Inputs, Keystore, Limits, Report,
    Source, TrustStore, examine,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn examined(bytes: Vec<u8>, limits: Limits) -> Report {
    let trust = TrustStore::read("recorded", &data("anchors.pem"), None).unwrap();
    let inputs = Inputs {
        limits,
        threads: 1,
        compare_contents: true,
        ..Inputs::new(&trust, "2026-11-25T12:00:00Z".parse().unwrap())
    };
    examine(&Source::from_bytes(bytes), &inputs).unwrap()
}

/// Whether a mirror would take the package for good, as far as facts and verdicts go.
fn is_good(report: &Report) -> bool {
    let requirements =
        AgentRequirements { organization: "Jar Cases".to_owned(), ..AgentRequirements::default() };
    CompatVerdict::of(report, &CompatOptions::default()).exit_code() == 0
        && AgentVerdict::of(report, &requirements).accepted()
        && report.removed_entries().is_empty()
        && !report.findings().iter().any(Finding::is_hazard)
}

/// Names and contents of all ordinary entries, by a reader that shares no code with ours.
fn contents(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut found = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let name = file.name().unwrap().into_owned();
        if !name.starts_with("META-INF/") {
            found.insert(name, content);
        }
    }
    found
}

#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (index(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (index(), 1usize..64).prop_map(|(at, length)| Change::Delete(at, length)),
        (index(), vec(any::<u8>(), 1..32)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), index(), 1usize..64).prop_map(|(from, to, length)| Change::Copy(from, to, length)),
        index().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Delete(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Change::Insert(at, new) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Change::Copy(from, to, length) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            let end = (to + piece.len()).min(bytes.len());
            bytes[to..end].copy_from_slice(&piece[..end - to]);
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_package_gives_a_report_and_is_good_only_with_the_same_contents(changes in vec(change(), 1..4)) {
        let original = data("vendor-shape/case.jar");
        let mut bytes = original.clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        if is_good(&examined(bytes.clone(), Limits::default())) {
            prop_assert_eq!(contents(&bytes), contents(&original));
        }
    }

    #[test]
    fn a_changed_block_or_signature_file_never_panics(
        file in 0usize..3,
        changes in vec(change(), 1..6),
    ) {
        let original = data("vendor-shape/case.jar");
        let mut archive = zip::ZipArchive::new(Cursor::new(&original)).unwrap();
        let mut output = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if index == file {
                changes.iter().for_each(|change| apply(&mut content, change));
            }
            let name = entry.name().unwrap().into_owned();
            output.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut output, &content).unwrap();
        }
        let bytes = output.finish().unwrap().into_inner();
        let report = examined(bytes.clone(), Limits::default());
        if is_good(&report) {
            prop_assert_eq!(contents(&bytes), contents(&original));
        }
    }

    #[test]
    fn arbitrary_bytes_give_a_report(bytes in vec(any::<u8>(), 0..512)) {
        prop_assert!(!is_good(&examined(bytes, Limits::default())));
    }

    #[test]
    fn a_changed_truststore_never_panics(
        file in prop::sample::select(vec!["anchors.p12", "anchors.jks", "anchors.pem"]),
        changes in vec(change(), 1..4),
    ) {
        let mut bytes = data(file);
        changes.iter().for_each(|change| apply(&mut bytes, change));
        // Without a password the slow key derivation is not reached.
        let _ = TrustStore::read(file, &bytes, None);
        let _ = Keystore::read(file, &bytes, None);
    }
}

#[test]
fn limits_are_kept() {
    let limited = |limits| examined(data("vendor-shape/case.jar"), limits);
    let report = limited(Limits { entry_size: 10, ..Limits::default() });
    assert!(
        report.abort().is_some() && report.findings().iter().any(|finding| finding.rule() == "too-large")
    );
    let report = limited(Limits { total_size: 100, ..Limits::default() });
    assert!(
        report.abort().is_some() && report.findings().iter().any(|finding| finding.rule() == "too-large")
    );
    let report = limited(Limits { entries: 3, ..Limits::default() });
    assert!(report.abort().is_some());
    let report = limited(Limits { central_directory: 50, ..Limits::default() });
    assert!(report.abort().is_some());
    let report = limited(Limits { certificates: 1, ..Limits::default() });
    assert!(report.signers().is_empty() && !is_good(&report));
    let report = limited(Limits { signature_blocks: 0, ..Limits::default() });
    assert!(report.signers().is_empty() && !is_good(&report));
    assert!(is_good(&limited(Limits::default())));
}
