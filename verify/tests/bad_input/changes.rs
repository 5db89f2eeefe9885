//! Every byte of a small signed package, changed one at a time.
//!
//! What is asserted:
//!
//! - a changed byte of a signed entry's content, of the manifest or of the signature file: never verified;
//! - a changed byte of the signature block: not verified, or the same signer (leaf certificate), time and entries as
//!   before. Bytes of a block that are not signed and mean nothing to a verifier are: version numbers, the list of
//!   digest algorithms, unused certificates, fields that nobody reads, bytes behind the end;
//! - a changed byte of the archive itself: not good for admission, or all names and contents as before.

use midmirror_verify::{AgentRequirements, AgentVerdict, Finding, Report};

use super::{data, is_verified, packed, raw_zip, report, vendor_parts};

/// Changes one byte in several ways: one bit, the sign bit, all bits.
const MASKS: [u8; 3] = [1, 0x80, 0xff];

/// Who signed what, and when.
#[derive(Debug, PartialEq)]
struct Statement {
    leaf: String,
    gen_time: Option<String>,
    anchor: Option<String>,
    entries: Vec<(String, bool)>,
}

fn statements(report: &Report) -> Vec<Statement> {
    let entries: Vec<(String, bool)> =
        report.entries().iter().map(|entry| (entry.name().to_owned(), entry.is_signed())).collect();
    report
        .signers()
        .iter()
        .map(|signer| Statement {
            leaf: signer.chain().first().map(|leaf| leaf.sha256().to_owned()).unwrap_or_default(),
            gen_time: signer.timestamp().map(|timestamp| timestamp.gen_time().to_string()),
            anchor: signer.anchor_subject().map(str::to_owned),
            entries: entries.clone(),
        })
        .collect()
}

#[test]
fn no_changed_byte_of_contents_manifest_or_signature_file_is_verified() {
    let parts = vendor_parts();
    assert!(is_verified(&report(packed(&parts))));
    let mut changed = 0;
    for (index, (name, content)) in parts.iter().enumerate() {
        if name.ends_with(".RSA") {
            continue;
        }
        for at in 0..content.len() {
            for mask in MASKS {
                let mut parts = parts.clone();
                parts[index].1[at] ^= mask;
                assert!(!is_verified(&report(packed(&parts))), "{name} byte {at} with {mask:#x}");
                changed += 1;
            }
        }
    }
    assert_eq!(changed, (287 + 426 + 6 + 5 + 64) * MASKS.len());
}

#[test]
fn a_changed_byte_of_the_block_never_changes_who_signed_what() {
    let parts = vendor_parts();
    let original = statements(&report(packed(&parts)));
    assert_eq!(original.len(), 1);
    let block = parts.iter().position(|(name, _)| name.ends_with(".RSA")).unwrap();
    let length = parts[block].1.len();
    let mut meaningless = 0;
    for at in 0..length {
        let mut parts = parts.clone();
        // One mask for each byte keeps the test short; over the bytes all of them occur.
        parts[block].1[at] ^= MASKS[at % MASKS.len()];
        let report = report(packed(&parts));
        if is_verified(&report) {
            assert_eq!(statements(&report), original, "byte {at}");
            meaningless += 1;
        }
    }
    // Most bytes are signed by somebody; if they were not, this test would show nothing.
    assert!(meaningless * 3 < length, "{meaningless} of {length} bytes change nothing");
}

#[test]
fn a_changed_byte_of_the_archive_is_no_good_or_leaves_the_contents() {
    let original = data("vendor-shape/case.jar");
    let requirements =
        AgentRequirements { organization: "Jar Cases".to_owned(), ..AgentRequirements::default() };
    let is_good = |report: &Report| {
        is_verified(report)
            && AgentVerdict::of(report, &requirements).accepted()
            && report.removed_entries().is_empty()
            && !report.findings().iter().any(Finding::is_hazard)
    };
    assert!(is_good(&report(original.clone())));
    let ordinary = |bytes: &[u8]| {
        let mut parts = raw_zip::parts(bytes);
        parts.retain(|(name, _)| !name.starts_with("META-INF/"));
        parts
    };
    let contents = ordinary(&original);
    for at in 0..original.len() {
        let mut bytes = original.clone();
        bytes[at] ^= MASKS[at % MASKS.len()];
        if is_good(&report(bytes.clone())) {
            assert_eq!(ordinary(&bytes), contents, "byte {at}");
        }
    }
}
