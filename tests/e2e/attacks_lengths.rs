//! Lengths of 16 bits that somebody may read with a sign, names in two forms, and more headers that lie.

use crate::attacks::{EVIL, SH, run, twin};
use crate::attacks_archive::{Entry, Zip, zip64_end};

#[test]
fn lengths_at_the_edge_of_the_sign_are_refused() {
    run(&[
        ("J2-local-extra-32768", 4, "[extra-field]", |zip| zip.entry(SH).local.extra = vec![0xA5; 0x8000]),
        ("J2-central-name-32768", 3, "[unsigned-entries]", |zip| {
            zip.entry(SH).central.name = vec![b'a'; 0x8000]
        }),
        ("J2-central-name-65535", 3, "[jarsigner]", |zip| zip.entry(SH).central.name = vec![b'a'; 0xFFFF]),
        ("J2-central-extra-32768", 0, "", |zip| zip.entry(SH).central.extra = field(0x8000)),
        ("J2-central-extra-65535", 3, "[jarsigner]", |zip| zip.entry(SH).central.extra = field(0xFFFF)),
        ("J2-both-extra-32768", 0, "", |zip| zip.entry(SH).both(|header| header.extra = field(0x8000))),
        ("J2-local-name-length-32768-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).local.claims = (Some(0x8000), None)
        }),
        ("J2-local-name-length-65535-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).local.claims = (Some(0xFFFF), None)
        }),
        ("J2-local-extra-length-32768-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).local.claims = (None, Some(0x8000))
        }),
        ("J2-local-extra-length-65535-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).local.claims = (None, Some(0xFFFF))
        }),
        ("J2-central-name-length-32768-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).central.claims = (Some(0x8000), None)
        }),
        ("J2-central-name-length-65535-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).central.claims = (Some(0xFFFF), None)
        }),
        ("J2-central-extra-length-32768-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).central.claims = (None, Some(0x8000))
        }),
        ("J2-central-extra-length-65535-alone", 3, "[jarsigner]", |zip| {
            zip.entry(SH).central.claims = (None, Some(0xFFFF))
        }),
        ("J9-local-extra-field-too-long", 4, "[extra-field]", |zip| {
            zip.entry(SH).local.extra = vec![0x55, 0x54, 0xFF, 0xFF, 1]
        }),
        ("J9-extra-fields-of-no-length", 0, "", |zip| {
            zip.entry(SH).central.extra = [0xFE, 0xCA, 0, 0].repeat(0x3F00)
        }),
        ("J9-zip64-field-of-no-length", 3, "zip64", |zip| {
            let header = &mut zip.entry(SH).central;
            (header.compressed, header.extra) = (u32::MAX, vec![1, 0, 0, 0, 1, 0, 0, 0]);
        }),
        ("J9-zip64-size-with-sign", 3, "[jarsigner]", |zip| {
            let header = &mut zip.entry(SH).central;
            header.size = u32::MAX;
            header.extra = [&[1, 0, 8, 0][..], &u64::MAX.to_le_bytes()].concat();
        }),
        ("J9-zip64-field-without-need", 3, "[jarsigner]", |zip| {
            let header = &mut zip.entry(SH).central;
            header.extra = [&[1, 0, 8, 0][..], &u64::from(header.size).to_le_bytes()].concat();
        }),
    ]);
}

/// An extra field of this length, that of its header included.
fn field(length: u16) -> Vec<u8> {
    [&[0xFE, 0xCA][..], &(length - 4).to_le_bytes(), &vec![0; usize::from(length) - 4]].concat()
}

#[test]
fn names_in_two_forms_and_headers_of_the_directory_are_refused() {
    run(&[
        ("J1-unsigned-nfc-nfd", 3, "[unsigned-entries]", |zip| {
            zip.push("upgrade-wrapper/caf\u{e9}", EVIL);
            zip.push("upgrade-wrapper/cafe\u{301}", EVIL);
        }),
        ("J1-folders-nfc-nfd", 4, "[colliding-names]", |zip| {
            zip.push("upgrade-wrapper/caf\u{e9}/", b"");
            zip.push("upgrade-wrapper/cafe\u{301}/", b"");
        }),
        ("J1-duplicate-other-case-evil", 3, "[unsigned-entries]", |zip| zip.push(&SH.to_uppercase(), EVIL)),
        ("J1-duplicate-backslash-first", 3, "[unsigned-entries]", |zip| {
            twin(zip, &SH.replace('/', "\\"));
            zip.entries.rotate_right(1);
        }),
        ("J4-central-method", 3, "differ in the compression method", |zip| zip.entry(SH).central.method = 0),
        ("J4-central-flag-encrypted", 3, "encrypted entry", |zip| zip.entry(SH).central.flags |= 1),
        ("J4-central-flag-descriptor", 4, "differ in the flags", |zip| zip.entry(SH).central.flags ^= 8),
        ("J4-central-flag-utf-8", 0, "", |zip| zip.entry(SH).central.flags ^= 0x800),
        ("J4-central-crc", 4, "[wrong-crc]", |zip| zip.entry(SH).central.crc ^= 1),
        ("J4-central-size", 4, "[wrong-size]", |zip| zip.entry(SH).central.size += 1),
        ("J4-central-size-0", 3, "[wrong-size]", |zip| zip.entry(SH).central.size = 0),
        ("J4-central-compressed-size", 4, "[wrong-size]", |zip| zip.entry(SH).central.compressed -= 1),
        ("J4-offset-beyond-the-file", 3, "[jarsigner]", |zip| zip.entry(SH).offset_error = 1 << 30),
        ("J4-offset-of-the-directory", 3, "[jarsigner]", |zip| zip.spoil_end = Some(|end| end[16] ^= 1)),
        ("J4-length-of-the-directory", 3, "[jarsigner]", |zip| zip.spoil_end = Some(|end| end[12] ^= 1)),
        ("J4-zip64-locator-one-off", 3, "[jarsigner]", |zip| zip64(zip, 1)),
        ("J4-zip64-locator-before-the-file", 3, "[jarsigner]", |zip| zip64(zip, 1 << 63)),
        ("J5-without-signature-wrong-crc", 3, "data descriptor", |zip| {
            let descriptor = &mut zip.entry(SH).descriptor;
            descriptor.drain(..4);
            descriptor[0] ^= 1;
        }),
        ("J5-without-signature-64-bit", 3, "data descriptor", |zip| {
            let entry = zip.entry(SH);
            entry.descriptor = [&entry.descriptor[4..8], &wide_sizes(entry)].concat();
        }),
        ("J5-64-bit-beside-a-zip64-field", 3, "invalid entry size", |zip| {
            let entry = zip.entry(SH);
            let sizes = wide_sizes(entry);
            entry.descriptor = [&entry.descriptor[..8], &sizes].concat();
            entry.local.extra = [&[1, 0, 16, 0][..], &[0; 16]].concat();
        }),
        ("J5-32-bit-beside-a-zip64-field", 4, "data descriptor", |zip| {
            zip.entry(SH).local.extra = [&[1, 0, 16, 0][..], &[0; 16]].concat();
        }),
        ("J5-signature-alone", 3, "data descriptor", |zip| zip.entry(SH).descriptor.truncate(4)),
        ("J5-descriptor-of-a-stored-entry", 3, "[stored-with-descriptor]", |zip| {
            let entry = zip.entry(SH);
            let content = entry.content();
            *entry = Entry { descriptor: entry.descriptor.clone(), ..Entry::stored(SH, &content) };
            entry.both(|header| header.flags |= 8);
            let length = u32::try_from(content.len()).unwrap();
            entry.descriptor[8..12].copy_from_slice(&length.to_le_bytes());
        }),
        ("J16-many-entries-on-the-same-bytes", 3, "[unsigned-entries]", |zip| {
            let shares = Some(zip.at(SH));
            let entry = zip.entry(SH).clone();
            for number in 0..2000 {
                let mut twin = Entry { shares, ..entry.clone() };
                twin.rename(&format!("upgrade-wrapper/{number}"));
                zip.entries.push(twin);
            }
        }),
    ]);
}

/// Compressed and plain size in eight bytes each.
fn wide_sizes(entry: &Entry) -> Vec<u8> {
    [entry.central.compressed, entry.central.size]
        .iter()
        .flat_map(|size| u64::from(*size).to_le_bytes())
        .collect()
}

/// Puts a true ZIP64 end record in, and a locator that is wrong by so much.
fn zip64(zip: &mut Zip, wrong_by: u64) {
    let plain = zip.write();
    let end = plain.len() - 22;
    let number = |at: usize| u64::from(u32::from_le_bytes(plain[at..at + 4].try_into().unwrap()));
    let (length, offset) = (number(end + 12), number(end + 16));
    let count = u64::try_from(zip.entries.len()).unwrap();
    let position = u64::try_from(end).unwrap().wrapping_add(wrong_by);
    zip.before_end = zip64_end(position, count, length, offset);
    zip.spoil_end = Some(|end| end[8..20].fill(0xFF));
}
