//! The whole verifier, as a program calls it.

use jiff::Timestamp;

use crate::agent::{AgentRequirements, AgentVerdict};
use crate::compat::{CompatOptions, CompatVerdict, Outcome};
use crate::examine::{Inputs, examine};
use crate::finding::Finding;
use crate::jarsigner::{self, TextOptions};
use crate::limits::Limits;
use crate::report::Report;
use crate::source::Source;
use crate::trust_store::TrustStore;

/// An archive, from its bytes to the text of jarsigner; the caller serialises the report.
pub fn verifier(bytes: &[u8]) -> Report {
    let trust = TrustStore::read("recorded", ANCHORS, None).unwrap_or_default();
    assert!(!trust.is_empty());
    let at: Timestamp = AT.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    // Small limits keep bombs from being mistaken for hangs.
    let limits = Limits { entry_size: 4 << 20, total_size: 16 << 20, ..Limits::default() };
    let inputs = Inputs { limits, threads: 1, ..Inputs::new(&trust, at) };
    // From memory every byte can be read, so whatever is wrong must be in a report.
    #[expect(clippy::expect_used, reason = "a fuzz target asserts")]
    let report = examine(&Source::from_bytes(bytes.to_vec()), &inputs).expect("bytes in memory can be read");
    check(&report);
    report
}

/// The parts of an archive, each behind a mark: `00 FF FE FF`, name, `00`. They are packed here, with right lengths and
/// checksums, so that changes reach what is inside.
pub fn parts(bytes: &[u8]) -> Report {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    let mut count = 0u16;
    for part in split(bytes, MARK) {
        let Some(end) = part.iter().position(|byte| *byte == 0) else { continue };
        let Some((name, content)) = part.split_at_checked(end) else { continue };
        if count >= 200 || name.len() > 255 {
            continue;
        }
        pack(&mut archive, &mut directory, name, content.get(1..).unwrap_or_default());
        count += 1;
    }
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
    let end = [
        b"PK\x05\x06\0\0\0\0".as_slice(),
        &count.to_le_bytes(),
        &count.to_le_bytes(),
        &length(&directory),
        &length(&archive),
        &[0, 0],
    ];
    let end = end.concat();
    verifier(&[archive, directory, end].concat())
}

/// The arguments of the drop-in, one a line.
pub fn arguments(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let args: Vec<String> = text.split('\n').map(str::to_owned).collect();
    // As for the JDK, what stands behind a colon modifies an option, also one that knows no modifiers.
    let is_verify = |option: &str| option.eq_ignore_ascii_case("-verify");
    let said_verify = args.iter().filter_map(|argument| argument.split(':').next()).any(is_verify);
    if let Some((file, aliases)) = jarsigner::parsed_arguments(&args) {
        assert!(said_verify, "nothing but verification is obeyed");
        assert!(args.contains(&file) && aliases.iter().all(|alias| args.contains(alias)));
    }
}

fn check(report: &Report) {
    let options = CompatOptions::default();
    let verdict = CompatVerdict::of(report, &options);
    let verified = verdict.outcome() == Outcome::Verified;
    let exit_code = verdict.exit_code();
    assert_eq!(verdict, CompatVerdict::of(report, &options));
    if verified {
        assert!(report.has_manifest() && report.abort().is_none() && !report.signers().is_empty());
        assert!(report.entries().iter().any(|entry| entry.is_signed()));
    }
    if verified && exit_code == 0 {
        assert_eq!(report.unsigned_entries().count(), 0, "strict means every entry");
        assert!(report.signers().iter().all(|signer| signer.chain_valid()));
    }
    for entry in report.entries() {
        assert!(entry.signers().iter().all(|index| *index < report.signers().len()));
    }
    let agent = AgentVerdict::of(
        report,
        &AgentRequirements { organization: "Jar Cases".to_owned(), ..AgentRequirements::default() },
    );
    if agent.accepted() {
        assert!(report.has_manifest() && !report.signers().is_empty() && agent.reason().is_none());
    }
    // Without -strict, faults of signers are warnings only.
    let plain = verified || verdict.outcome() == Outcome::VerifiedWithSignerErrors;
    for (options, verified) in [(TextOptions::default(), plain), (TextOptions::full(), verified)] {
        let text = jarsigner::text(report, &options);
        assert_eq!(text.contains("\njar verified.\n"), verified, "{text}");
        let _ = jarsigner::breaks_off(report, &options);
    }
    for finding in report.findings() {
        assert!(!finding.to_string().is_empty() && !finding.rule().is_empty());
    }
    let _ = report.findings().iter().any(Finding::is_hazard);
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        rest = rest.get(at + mark.len()..).unwrap_or_default();
        let end = rest.windows(mark.len()).position(|window| window == mark).unwrap_or(rest.len());
        parts.push(rest.get(..end).unwrap_or_default());
    }
    parts
}

/// Adds a stored entry (APPNOTE 4.3.7, 4.3.12).
fn pack(archive: &mut Vec<u8>, directory: &mut Vec<u8>, name: &[u8], content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
    let name_length = u16::try_from(name.len()).unwrap_or(0).to_le_bytes();
    let offset = u32::try_from(archive.len()).unwrap_or(0).to_le_bytes();
    let crc = zlib_rs::crc32::crc32(0, content).to_le_bytes();
    // Version, flags, method, time, date, checksum, sizes, lengths of name and extra field.
    let common: Vec<u8> =
        [&[10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &crc, &length, &length, &name_length, &[0, 0]].concat();
    directory.extend(b"PK\x01\x02\x0a\0");
    directory.extend(&common);
    directory.extend([0; 10]);
    directory.extend(offset);
    directory.extend(name);
    archive.extend(b"PK\x03\x04");
    archive.extend(common);
    archive.extend(name);
    archive.extend(content);
}

const ANCHORS: &[u8] = include_bytes!("../../tests/data/anchors.pem");
const AT: &str = "2026-11-25T12:46:24Z";
const MARK: &[u8] = &[0, 0xff, 0xfe, 0xff];
