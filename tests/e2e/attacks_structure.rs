//! Headers that lie, and bytes around the archive.

use crate::attacks::{EVIL, EVIL_NAME, JAR, SH, evil_archive, run, run_bytes, twin, unicode_path};
use crate::attacks_archive::{Entry, end_record, zip64_end};

#[test]
fn duplicates_and_headers_that_lie_are_refused() {
    run(&[
        ("J1-duplicate-evil-last", 3, "digest error for upgrade", |zip| zip.push(SH, EVIL)),
        ("J1-duplicate-evil-first", 3, "digest error for upgrade", |zip| zip.push_first(SH, EVIL)),
        ("J1-duplicate-twice-evil", 3, "duplicate-name", |zip| {
            zip.push_first(SH, EVIL);
            zip.push(SH, EVIL);
        }),
        ("J1-duplicate-same-content", 4, "[duplicate-name]", |zip| {
            let twin = zip.entry(SH).clone();
            zip.entries.push(twin);
        }),
        ("J1-duplicate-dot-slash", 3, "[unsafe-name]", |zip| twin(zip, &format!("./{SH}"))),
        ("J1-duplicate-slash", 3, "[unsafe-name]", |zip| twin(zip, &format!("/{SH}"))),
        ("J1-duplicate-other-case", 3, "[colliding-names]", |zip| twin(zip, &SH.to_uppercase())),
        ("J1-duplicate-backslash", 3, "[unsigned-entries]", |zip| twin(zip, &SH.replace('/', "\\"))),
        ("J1-folder-other-case", 4, "[colliding-names]", |zip| zip.push("UPGRADE-WRAPPER/BIN/", b"")),
        ("J1-folder-named-like-a-file", 4, "[colliding-names]", |zip| zip.push(&format!("{SH}/"), b"")),
        ("J2-local-name-32768", 4, "differ in the name", |zip| zip.entry(SH).local.name = vec![b'a'; 0x8000]),
        ("J2-local-name-65535", 4, "differ in the name", |zip| zip.entry(SH).local.name = vec![b'a'; 0xFFFF]),
        ("J2-local-extra-65535", 4, "[extra-field]", |zip| zip.entry(SH).local.extra = vec![0xA5; 0xFFFF]),
        ("J4-local-name", 4, "differ in the name", |zip| zip.entry(SH).local.name[0] = b'U'),
        ("J4-local-name-traversal", 4, "differ in the name", |zip| {
            zip.entry(SH).local.name = b"../../x.sh".to_vec()
        }),
        ("J4-central-name", 3, "[unsigned-entries]", |zip| zip.entry(SH).central.name[0] = b'U'),
        ("J4-local-method", 3, "differ in the compression method", |zip| zip.entry(SH).local.method = 0),
        ("J4-local-flag-encrypted", 3, "differ in the flags", |zip| zip.entry(SH).local.flags |= 1),
        ("J4-local-flag-descriptor", 3, "differ in the flags", |zip| zip.entry(SH).local.flags ^= 8),
        ("J4-local-crc", 4, "differ in the CRC-32", |zip| zip.entry(SH).local.crc = 1),
        ("J4-local-size", 4, "differ in the size", |zip| zip.entry(SH).local.size = 1),
        ("J4-local-compressed-size", 4, "differ in the size", |zip| zip.entry(JAR).local.compressed = 1),
        ("J4-offset-inside-an-entry", 3, "bad signature", |zip| zip.entry(SH).offset_error = 1),
        ("J4-offset-of-another-entry", 3, "[headers-disagree]", |zip| zip.entry(SH).shares = Some(0)),
        ("J4-local-entry-without-directory", 4, "[hidden-bytes]", |zip| {
            zip.push(EVIL_NAME, EVIL);
            zip.entry(EVIL_NAME).hidden = true;
        }),
        ("J4-directory-entry-without-local", 3, "[unsigned-entries]", |zip| {
            zip.push(EVIL_NAME, EVIL);
            zip.entry(EVIL_NAME).shares = Some(0);
        }),
        ("J4-twin-on-the-same-bytes", 4, "[overlapping-entries]", |zip| {
            let shares = Some(zip.at(SH));
            let twin = Entry { shares, ..zip.entry(SH).clone() };
            zip.entries.push(twin);
        }),
        ("J4-encrypted", 3, "encrypted entry", |zip| zip.entry(SH).both(|header| header.flags |= 1)),
        ("J4-method-bzip2", 3, "bad compression method: 12", |zip| {
            zip.entry(SH).both(|header| header.method = 12)
        }),
        ("J4-count-too-low", 3, "[entry-count]", |zip| zip.spoil_end = Some(|end| end[8..12].fill(1))),
        ("J4-several-disks", 4, "[multi-disk]", |zip| zip.spoil_end = Some(|end| end[4] = 1)),
        ("J5-descriptor-missing", 3, "data descriptor", |zip| zip.entry(SH).descriptor.clear()),
        ("J5-descriptor-wrong-crc", 3, "data descriptor", |zip| zip.entry(SH).descriptor[4] ^= 1),
        ("J5-descriptor-wrong-size", 3, "data descriptor", |zip| zip.entry(SH).descriptor[12] ^= 1),
        ("J5-descriptor-64-bit", 3, "data descriptor", |zip| {
            let entry = zip.entry(SH);
            let sizes = [entry.central.compressed, entry.central.size];
            entry.descriptor.truncate(8);
            entry.descriptor.extend(sizes.iter().flat_map(|size| u64::from(*size).to_le_bytes()));
        }),
        ("J5-data-beyond-the-file", 4, "[overlapping-entries]", |zip| {
            zip.entry(SH).central.compressed = 1 << 30
        }),
        ("J5-descriptor-and-more", 4, "[hidden-bytes]", |zip| zip.entry(SH).descriptor.extend([0; 8])),
        ("J9-extra-field-too-long", 3, "Invalid CEN header", |zip| {
            zip.entry(SH).central.extra = vec![0x55, 0x54, 0xFF, 0xFF, 1];
        }),
        ("J9-zip64-field-too-short", 3, "zip64", |zip| {
            let header = &mut zip.entry(SH).central;
            (header.size, header.extra) = (u32::MAX, vec![1, 0, 0, 0]);
        }),
        ("J9-other-name-in-an-extra-field", 4, "another name", |zip| {
            zip.entry(SH).central.extra = unicode_path(SH)
        }),
        ("J9-other-name-in-a-local-extra-field", 4, "another name", |zip| {
            zip.entry(SH).local.extra = unicode_path(SH);
        }),
    ]);
}

#[test]
fn bytes_around_the_archive_are_refused() {
    run(&[
        ("J3-bytes-before", 4, "[leading-bytes]", |zip| zip.prefix = b"dex\n035\0".to_vec()),
        ("J3-bytes-between", 4, "[hidden-bytes]", |zip| zip.entry(SH).gap = EVIL.to_vec()),
        ("J3-bytes-before-the-directory", 4, "[hidden-bytes]", |zip| zip.before_directory = EVIL.to_vec()),
        ("J3-bytes-behind-the-directory", 3, "invalid CEN header", |zip| zip.before_end = EVIL.to_vec()),
        ("J3-bytes-after", 4, "[trailing-bytes]", |zip| zip.suffix = EVIL.to_vec()),
        ("J3-one-byte-after", 4, "[trailing-bytes]", |zip| zip.suffix = vec![0]),
        ("J3-empty-archive-after", 3, "signed", |zip| zip.suffix = end_record(0, 0, 0, 0)),
        ("J3-end-record-in-the-comment", 3, "signed", |zip| zip.comment = end_record(0, 0, 0, 0)),
        ("J3-end-record-inside-the-comment", 4, "[several-end-records]", |zip| {
            zip.comment = [&end_record(0, 0, 0, 3)[..], b"abcd"].concat();
        }),
        ("J3-archive-in-the-comment", 3, "signed", |zip| zip.comment = evil_archive()),
        ("J3-comment-shorter-than-declared", 3, "EOFException", |zip| {
            zip.spoil_end = Some(|end| end[20] = 9);
        }),
        ("J4-zip64-locator-to-nowhere", 3, "invalid CEN header", |zip| {
            zip.before_end = zip64_end(u64::MAX, 0, 0, 0);
        }),
        ("J4-zip64-end-contradicts", 4, "[several-end-records]", |zip| {
            // As the comment of the last entry, so that the directory stays in one piece.
            zip.entries.last_mut().unwrap().comment = zip64_end(0, 1, 60, 0);
        }),
        ("J4-zip64-locator-without-end", 4, "[several-end-records]", |zip| {
            zip.entries.last_mut().unwrap().comment = zip64_end(1 << 40, 1, 60, 0)[56..].to_vec();
        }),
    ]);
    run_bytes(&[
        ("J3-glued-behind-a-good-one", 3, "signed", |good| [good, &evil_archive()].concat()),
        ("J3-glued-before-a-good-one", 4, "[leading-bytes]", |good| [&evil_archive(), good].concat()),
        ("J3-glued-twice-the-same", 4, "[leading-bytes]", |good| [good, good].concat()),
        ("J3-empty-file", 3, "zip file is empty", |_| Vec::new()),
        ("J3-no-archive", 3, "END header not found", |_| b"<html>please log in</html>".to_vec()),
        ("J3-only-an-end-record", 3, "signed", |_| end_record(0, 0, 0, 0)),
        ("J3-first-byte-missing", 3, "[jarsigner]", |good| good[1..].to_vec()),
    ]);
}
