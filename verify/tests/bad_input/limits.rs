//! Small files that ask for much: each ends at a named limit.

use midmirror_verify::{Limits, Source};

use super::{abort, examined, is_verified, packed, report, rules, vendor_parts};

fn limited(parts: &[(String, Vec<u8>)], limits: Limits) -> midmirror_verify::Report {
    examined(&Source::from_bytes(packed(parts)), limits)
}

fn part(name: &str, content: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (name.to_owned(), content.into())
}

/// A value in definite lengths.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], length.as_slice(), content].concat()
}

/// A signature block up to its list of digest algorithms.
fn block(algorithms: &[u8]) -> Vec<u8> {
    let signed_data = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let fields = [&[2, 1, 1], der(0x31, algorithms).as_slice()].concat();
    der(0x30, &[signed_data.as_slice(), &der(0xa0, &der(0x30, &fields))].concat())
}

#[test]
fn one_block_for_many_signature_files_ends_at_the_limit_of_signatures() {
    // The block first, so that each signature file of its name is tried with it.
    let mut parts = vendor_parts();
    parts.swap(1, 2);
    let signature_file = parts[2].clone();
    assert!(is_verified(&report(packed(&parts))));
    parts.extend(std::iter::repeat_n(signature_file, 200));
    let report = report(packed(&parts));
    assert!(abort(&report).contains("limit exceeded: more than 128 signatures"), "{}", abort(&report));
    assert!(!is_verified(&report));
}

#[test]
fn one_large_signature_file_that_is_read_for_many_small_ones_ends_at_the_limit_of_work() {
    let mut parts = vendor_parts();
    parts.extend(std::iter::repeat_n(part("META-INF/OTHER.SF", "x"), 100));
    parts.push(part("META-INF/OTHER.SF", "a: b\r\n".repeat(20_000)));
    let limits = Limits { signature_work: 2_000_000, ..Limits::default() };
    let report = limited(&parts, limits);
    assert!(abort(&report).contains("limit exceeded: signatures ask for more than 2000000 bytes"));
}

#[test]
fn a_manifest_that_is_digested_many_times_ends_at_the_limit_of_work() {
    let limits = Limits { signature_work: 1000, ..Limits::default() };
    assert!(
        abort(&limited(&vendor_parts(), limits)).contains("limit exceeded: signatures ask for more than")
    );
}

#[test]
fn a_block_beyond_the_limit_ends_the_examination_because_it_may_be_a_wrong_one() {
    // jarsigner refuses the archive for its second block, which passing over the limit would hide.
    let mut parts = vendor_parts();
    let block = parts[2].1.clone();
    parts.push(part("META-INF/Z.RSA", block));
    parts.push(part("META-INF/Z.SF", "Signature-Version: 1.0\r\n\r\n"));
    assert!(abort(&report(packed(&parts))).contains("cannot verify signature block file"));
    let report = limited(&parts, Limits { signature_blocks: 1, ..Limits::default() });
    assert!(abort(&report).contains("limit exceeded: more than 1 signature blocks"), "{}", abort(&report));
    assert!(!is_verified(&report));
}

#[test]
fn more_signers_or_certificates_than_the_limit_end_the_examination() {
    let report = limited(&vendor_parts(), Limits { certificates: 1, ..Limits::default() });
    assert!(abort(&report).contains("limit exceeded: too many certificates"), "{}", abort(&report));
    let report = limited(&vendor_parts(), Limits { signer_infos: 0, ..Limits::default() });
    assert!(abort(&report).contains("limit exceeded: too many SignerInfos"), "{}", abort(&report));
}

#[test]
fn a_manifest_of_very_many_sections_or_headers_ends_at_a_limit() {
    let mut parts = vendor_parts();
    let sections: String = (0..300_001).map(|number| format!("Name: {number}\n\n")).collect();
    parts[0].1 = format!("Manifest-Version: 1.0\n\n{sections}").into_bytes();
    let found = abort(&report(packed(&parts)));
    assert!(found.contains("limit exceeded: more than 300000 sections"), "{found}");
    let headers: String = (0..600_001).map(|number| format!("h{number}: \n")).collect();
    parts[0].1 = headers.into_bytes();
    let found = abort(&report(packed(&parts)));
    assert!(found.contains("limit exceeded: more than 600000 headers"), "{found}");
}

#[test]
fn a_block_of_very_many_values_ends_at_a_limit() {
    let mut parts = vendor_parts();
    parts[2].1 = block(&[5, 0].repeat(65_537));
    let found = abort(&report(packed(&parts)));
    assert!(found.contains("limit exceeded: more than 65536 values"), "{found}");
}

#[test]
fn a_deeply_nested_block_is_ignored() {
    let mut parts = vendor_parts();
    for nested in [
        [0x30, 0x80].repeat(1_000_000),
        (0..10_000).fold(Vec::new(), |inner, _| match inner.len() {
            // Rebuilding long values ten thousand times would take the test's time, not the verifier's.
            0..2_000 => der(0x30, &inner),
            _ => inner,
        }),
    ] {
        parts[2].1 = nested;
        let report = report(packed(&parts));
        assert!(report.signers().is_empty() && !is_verified(&report));
    }
}

#[test]
fn many_end_records_are_not_shown_to_the_second_reader() {
    let mut bytes = packed(&vendor_parts());
    let end = bytes.split_off(bytes.len() - 22);
    // Records that claim a comment of another length than what follows are not the real one.
    let mut fake = end.clone();
    fake[20] = 0x37;
    let comment = fake.repeat(40);
    bytes.extend(&end[..20]);
    bytes.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
    bytes.extend(comment);
    let report = report(bytes);
    assert!(rules(&report).contains(&"readers-disagree"), "{:?}", report.findings());
    let named = report.findings().iter().any(|finding| finding.to_string().contains("limit exceeded"));
    assert!(named, "{:?}", report.findings());
}
