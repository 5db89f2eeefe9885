use super::*;

fn shipped(case: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
    std::fs::read(format!("{folder}{case}/case.jar")).unwrap()
}

fn inspection(bytes: Vec<u8>) -> Inspection {
    inspect(&Source::from_bytes(bytes), &Limits::default()).unwrap()
}

#[test]
fn a_block_with_a_wrong_signature_is_described_all_the_same() {
    let found = inspection(shipped("wrong-signature"));
    let [block] = found.blocks.as_slice() else { panic!("{} blocks", found.blocks.len()) };
    let [signer] = block.signers.as_slice() else { panic!("{} signers", block.signers.len()) };
    assert_eq!(block.unreadable, None);
    let leaf = &block.certificates[signer.chain[0]];
    assert!(leaf.subject.contains("O=Jar Cases"), "{}", leaf.subject);
    assert_eq!(leaf.extended_key_usage.as_deref(), Some(["codeSigning".to_owned()].as_slice()));
}

#[test]
fn a_timestamp_is_described_with_its_chain() {
    let found = inspection(shipped("vendor-shape"));
    let token = found.blocks[0].signers[0].timestamp.as_ref().unwrap();
    assert!(token.gen_time.is_some() && !token.chain.is_empty());
}

#[test]
fn an_imprint_of_another_signature_is_seen() {
    let fits = |case| inspection(shipped(case)).blocks[0].signers[0].timestamp.as_ref().unwrap().imprint_fits;
    assert_eq!(fits("vendor-shape"), Some(true));
    assert_eq!(fits("foreign-timestamp"), Some(false));
}

#[test]
fn sections_and_entries_are_compared_both_ways() {
    let removed = inspection(shipped("removed-entry"));
    assert_eq!(removed.manifests[0].sections_without_entry.len(), 1);
    let unsigned = inspection(shipped("unsigned-entry"));
    assert_eq!(unsigned.signature_files[0].entries_without_section.len(), 1);
    let lengths: Vec<u64> =
        inspection(shipped("two-manifests")).manifests.iter().map(|file| file.length).collect();
    assert_eq!(lengths, [287, 48], "each is read from its own place");
}

#[test]
fn the_time_line_is_in_order_and_has_each_moment_once() {
    let line = inspection(shipped("vendor-shape")).time_line;
    assert!(line.iter().any(|moment| moment.event == MomentEvent::Timestamp));
    assert!(line.windows(2).all(|pair| pair[0] < pair[1]), "{line:?}");
}

#[test]
fn a_file_that_was_cut_shows_what_is_left() {
    let mut bytes = shipped("vendor-shape");
    let whole = u64::try_from(bytes.len()).unwrap();
    bytes.truncate(bytes.len() / 2);
    let found = inspection(bytes);
    assert_eq!(
        found.container.unreadable.as_deref(),
        Some("java.util.zip.ZipException: zip END header not found")
    );
    let search = found.container.search.unwrap();
    assert_eq!((search.first_local_headers[0].offset, search.end_records), (0, 0));
    let last = search.last_local_header.as_ref().or(search.first_local_headers.last()).unwrap();
    assert!(last.missing_bytes > 0 && last.missing_bytes < whole, "{last:?}");
}

#[test]
fn bytes_lost_before_the_directory_are_seen_in_the_end_record() {
    let mut bytes = shipped("plain-zip");
    bytes.drain(..10);
    let found = inspection(bytes).container.search.unwrap();
    let [end] = found.last_end_records.as_slice() else { panic!("{found:?}") };
    assert_eq!(end.expected_directory_offset, Some(end.directory_offset - 10));
    assert!(end.directory_there);
    assert_eq!(end.bytes_after, 0);
}

#[test]
fn records_across_a_buffers_border_are_found_once() {
    for shift in 0..8 {
        let mut bytes = vec![0; 64 * 1024 - shift];
        bytes.extend_from_slice(b"PK\x03\x04");
        bytes.extend_from_slice(&[0; 70_000]);
        let search = inspection(bytes).container.search.unwrap();
        assert_eq!(search.local_headers, 1, "{shift}");
    }
}

#[test]
fn other_kinds_of_files_are_named() {
    let looks = |bytes: &[u8]| inspection(bytes.to_vec()).container.looks_like;
    assert_eq!(looks(b""), Some("empty file"));
    assert!(looks(b"\xef\xbb\xbf  <!DOCTYPE html><html>").unwrap().starts_with("HTML page"));
    assert_eq!(looks(b"\x1f\x8b\x08"), Some("gzip file"));
    assert!(looks(&[0; 100]).unwrap().starts_with("zeros"));
    assert_eq!(looks(b"hello"), None);
}
