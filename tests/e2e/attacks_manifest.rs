//! Manifests: where they stand, how many there are, and what the largest ones cost.

use crate::attacks::{EVIL, JAR, MANIFEST, Made, SH, judge, run};
use crate::attacks_archive::{Entry, Zip, deflate};
use crate::attacks_forge::{header, manifest};
use crate::attacks_keys::{Hash, base64};
use crate::attacks_vendor::{files, vendor, with_signature};

#[test]
fn manifests_in_odd_places_are_refused_or_harmless() {
    run(&[
        ("J6-manifest-lower-case", 0, "", |zip| zip.entry(MANIFEST).rename("meta-inf/manifest.mf")),
        ("J6-manifest-alone-last", 0, "", |zip| {
            let at = zip.at(MANIFEST);
            let entry = zip.entries.remove(at);
            zip.entries.push(entry);
        }),
        ("J6-two-manifests-other-first", 3, "[signed]", |zip| {
            zip.push_first(MANIFEST, b"Manifest-Version: 1.0\r\n\r\n");
        }),
        ("J6-two-manifests-case-first", 3, "[signed]", |zip| {
            zip.push_first("meta-inf/manifest.mf", b"Manifest-Version: 1.0\r\n\r\n");
        }),
        ("J6-manifest-in-a-local-header-only", 4, "[leading-bytes]", |zip| {
            zip.push_first(MANIFEST, b"Manifest-Version: 1.0\r\n\r\n");
            zip.entries[0].hidden = true;
        }),
        ("J8-manifest-inflates-to-more-than-declared", 3, "[jarsigner]", |zip| {
            let entry = zip.entry(MANIFEST);
            let content = entry.content();
            entry.replace(&content);
            entry.data = deflate(&[content, vec![b'\n'; 60_000_000]].concat());
            let length = entry.data.len().try_into().unwrap();
            entry.both(|header| header.compressed = length);
        }),
        ("J6-section-twice-with-other-digest", 3, "signature file digest", |zip| {
            let mut text = zip.entry(MANIFEST).content();
            text.extend(section(SH, EVIL));
            zip.entry(MANIFEST).replace(&text);
            zip.entry(SH).replace(EVIL);
        }),
        ("J6-section-of-another-file", 3, "digest error", |zip| {
            let content = zip.entry(JAR).content();
            zip.entry(SH).replace(&content);
        }),
    ]);
}

fn section(name: &str, content: &[u8]) -> Vec<u8> {
    let digest = base64(&Hash::Sha256.of(content));
    [header(b"Name", name.as_bytes()), header(b"SHA-256-Digest", digest.as_bytes()), b"\r\n".to_vec()]
        .concat()
}

#[test]
fn the_largest_manifests_end_soon_even_when_they_are_signed() {
    // A manifest of the files, with this much more in front of the first section.
    let padded = |length: usize| {
        let (zip, line) = (files(), header(b"P000000", &[b'x'; 58]));
        let text = manifest(&named(&zip), &[Hash::Sha256]);
        let (version, sections) = text.split_at(b"Manifest-Version: 1.0\r\n".len());
        let mut more = Vec::new();
        for number in 0..(length - text.len()) / line.len() {
            more.extend(header(format!("P{number:06}").as_bytes(), &[b'x'; 58]));
        }
        let left = length - text.len() - more.len();
        more.extend(if left > 5 { header(b"Q", &vec![b'x'; left - 5]) } else { Vec::new() });
        signed(zip, &[version, &more, sections].concat())
    };
    let sections = |count: u32| {
        let mut text = manifest(&named(&files()), &[Hash::Sha256]);
        for number in 0..count {
            text.extend(format!("Name: {number:06}\n\n").bytes());
        }
        signed(files(), &text)
    };
    // Folded after each letter: a thousand times more lines than others need.
    let folded = |length: usize| {
        let (mut zip, name) = (files(), format!("agent/{}", "n".repeat(length)));
        zip.entries.push(Entry::deflated(&name, b"long\n"));
        let text = manifest(&named(&files()), &[Hash::Sha256]);
        let digest = header(b"SHA-256-Digest", base64(&Hash::Sha256.of(b"long\n")).as_bytes());
        let lines: Vec<u8> = name.bytes().skip(1).flat_map(|byte| [b'\r', b'\n', b' ', byte]).collect();
        signed(zip, &[&text, &b"Name: a"[..], &lines, b"\r\n", &digest, b"\r\n"].concat())
    };
    let long = |length: usize| {
        let mut zip = files();
        zip.entries.push(Entry::deflated(&format!("agent/{}", "n".repeat(length)), b"long\n"));
        let text = manifest(&named(&zip), &[Hash::Sha256]);
        signed(zip, &text)
    };
    let cases: [Made; 7] = [
        ("J8-signed-manifest-as-large-as-allowed", 0, "", padded(15_999_000)),
        ("J8-signed-manifest-too-large", 3, "[jarsigner]", padded(16_000_300)),
        ("J8-signed-manifest-of-200000-sections", 0, "", sections(200_000)),
        ("J8-signed-manifest-of-one-million-sections", 3, "limit exceeded", sections(1_000_000)),
        ("J8-signed-name-of-64-kb", 4, "[unsafe-name]", long(65_000)),
        ("J8-signed-name-folded-20000-times", 4, "[unsafe-name]", folded(20_000)),
        ("J8-signed-header-without-newline", 3, "line too long", {
            let text = manifest(&named(&files()), &[Hash::Sha256]);
            let endless = [b"Name: ".to_vec(), vec![b'x'; 10_000_000]].concat();
            signed(files(), &[text, endless].concat())
        }),
    ];
    judge(&cases, &vendor().world());
}

fn signed(zip: Zip, manifest: &[u8]) -> Vec<u8> {
    with_signature(zip, manifest, &[Hash::Sha256], |file| vendor().block(file)).write()
}

fn named(zip: &Zip) -> Vec<(Vec<u8>, Vec<u8>)> {
    zip.entries.iter().map(|entry| (entry.central.name.clone(), entry.content())).collect()
}
