//! The MID Server's own verifier: every reason it can give, reached by other inputs alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use midmirror_verify::{
    AgentAnchors, AgentRequirements, AgentVerdict, Inputs, Report, Source, TrustStore, examine,
};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn anchors_pem() -> Vec<u8> {
    fs::read(data().join("anchors.pem")).unwrap()
}

/// One of the two roots: that of the signers, or that of the timestamp authorities.
fn one_root(index: usize) -> TrustStore {
    let text = String::from_utf8(anchors_pem()).unwrap();
    let end = "-----END CERTIFICATE-----";
    let pem = format!("{}{end}\n", text.split(end).nth(index).unwrap());
    TrustStore::read("one root", pem.as_bytes(), None).unwrap()
}

fn report(bytes: Vec<u8>, at: &str) -> Report {
    let anchors = TrustStore::read("both roots", &anchors_pem(), None).unwrap();
    let at: Timestamp = at.parse().unwrap();
    examine(&Source::from_bytes(bytes), &Inputs::new(&anchors, at)).unwrap()
}

fn case(name: &str) -> Vec<u8> {
    fs::read(data().join(name).join("case.jar")).unwrap()
}

fn requirements() -> AgentRequirements {
    AgentRequirements { organization: "Jar Cases".to_owned(), ..AgentRequirements::default() }
}

const NOW: &str = "2026-11-25T12:00:00Z";

#[test]
fn the_archive_decides_most_reasons() {
    let mut cut = case("vendor-shape");
    cut.truncate(cut.len() / 2);
    for (bytes, expected) in [
        (case("vendor-shape"), None),
        (case("plain-zip"), Some("Entry is not in manifest")),
        (case("unknown-root"), Some("Signer is not trusted by CA")),
        (case("no-code-signing"), Some("Signer is not entitled for code signing")),
        (case("no-timestamp"), Some("Signer doesn't have timestamp")),
        (case("authority-expired"), Some("Timestamp certificate is expired")),
        (case("authority-unknown"), Some("Timestamp certificate is not trusted by CA")),
        (case("signed-after-expiry"), Some("Signer certificate is not valid at the time of signing")),
        (case("tampered-content"), Some("File has been tampered")),
        (cut, Some("Error while reading data")),
        (case("sha1-digests"), Some("Entry is not signed")),
    ] {
        let verdict = AgentVerdict::of(&report(bytes, NOW), &requirements());
        assert_eq!(verdict.reason(), expected);
        assert_eq!(verdict.accepted(), expected.is_none());
    }
}

#[test]
fn requirements_decide_the_others() {
    let report = report(case("vendor-shape"), NOW);
    let with = |change: &dyn Fn(&mut AgentRequirements)| {
        let mut requirements = requirements();
        change(&mut requirements);
        AgentVerdict::of(&report, &requirements).reason().map(str::to_owned)
    };
    assert_eq!(with(&|_| {}), None);
    assert_eq!(with(&|own| own.organization.clear()).as_deref(), Some("Verification policy is missing"));
    assert_eq!(
        with(&|own| own.organization.push('.')).as_deref(),
        Some("Signer organization is not O=Jar Cases.")
    );
    let time_stamping = || "1.3.6.1.5.5.7.3.8".to_owned();
    assert_eq!(
        with(&|own| own.key_purposes.push(time_stamping())).as_deref(),
        Some("Signer is not entitled for code signing")
    );
    let given = |store: TrustStore| with(&move |own| own.anchors = AgentAnchors::Given(store.clone()));
    assert_eq!(given(TrustStore::bundled()).as_deref(), Some("Signer is not trusted by CA"));
    let (signers, authorities) = (one_root(0), one_root(1));
    assert_eq!(given(authorities.clone()).as_deref(), Some("Signer is not trusted by CA"));
    assert_eq!(given(signers.clone()).as_deref(), Some("Timestamp certificate is not trusted by CA"));
    assert_eq!(given(signers.join(&authorities)), None);
}

#[test]
fn the_key_store_of_the_agent_decides_and_is_named() {
    let report = report(case("vendor-shape"), NOW);
    let with = |bytes: &[u8], password| {
        let anchors = AgentAnchors::read("cacerts", bytes, password);
        AgentVerdict::of(&report, &AgentRequirements { anchors, ..requirements() })
    };
    let jks = fs::read(data().join("anchors.jks")).unwrap();
    let verdict = with(&jks, None);
    assert!(verdict.accepted());
    assert_eq!(verdict.anchors().unwrap().name(), "cacerts");
    assert_eq!(verdict.anchors().unwrap().sha256(), report.trust_store_digest());
    let broken = with(&jks[..jks.len() / 2], None);
    assert_eq!(broken.reason(), Some("Failed to load cacerts key store"));
    assert!(broken.anchors().is_none() && broken.anchors_error().unwrap().contains("cacerts"));
    assert_eq!(with(&jks, Some("wrong")).reason(), Some("Failed to load cacerts key store"));
    // A JKS without entries: magic, version, number of entries, digest.
    let empty = [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0][..], &[0; 20]].concat();
    let verdict = with(&empty, None);
    assert_eq!(verdict.reason(), Some("Failed to find trust anchors from key store"));
    assert_eq!(verdict.anchors().unwrap().anchors(), 0);
}

#[test]
fn signers_with_different_faults_are_merely_not_valid() {
    // Two signatures of one content: one has a timestamp, the other has none.
    let mut both = zip::ZipWriter::new(Cursor::new(Vec::new()));
    copy(&mut both, case("vendor-shape"), "META-INF/SIGNER.");
    copy(&mut both, case("no-timestamp"), "META-INF/SECOND.");
    let bytes = both.finish().unwrap().into_inner();
    let report = report(bytes, NOW);
    assert_eq!(report.signers().len(), 2);
    let requirements = AgentRequirements { organization: "Another".to_owned(), ..requirements() };
    let verdict = AgentVerdict::of(&report, &requirements);
    assert_eq!(verdict.reason(), Some("Entry doesn't have valid signer"));
}

/// Copies all entries that are not there yet, signature files under another name.
fn copy(to: &mut zip::ZipWriter<Cursor<Vec<u8>>>, from: Vec<u8>, signature_files: &str) {
    let mut from = zip::ZipArchive::new(Cursor::new(from)).unwrap();
    for index in 0..from.len() {
        let mut bytes = Vec::new();
        let mut file = from.by_index(index).unwrap();
        let name = file.name().unwrap().replace("META-INF/SIGNER.", signature_files);
        file.read_to_end(&mut bytes).unwrap();
        if to.start_file(name, zip::write::SimpleFileOptions::default()).is_ok() {
            to.write_all(&bytes).unwrap();
        }
    }
}
