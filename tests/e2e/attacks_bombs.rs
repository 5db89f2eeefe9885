//! Archives that cost more than they are worth: time, memory, disk, or the patience of a reader.

use crate::attacks::{MANIFEST, RSA, SH, run, zeros};
use crate::attacks_archive::{Entry, deflate};

#[test]
fn bombs_end_soon() {
    let started = std::time::Instant::now();
    run(&[
        ("J8-manifest-of-1-gb-declared", 3, "[jarsigner]", |zip| {
            zip.entry(MANIFEST).both(|header| header.size = 1 << 30);
        }),
        ("J8-manifest-header-without-end", 3, "line too long", |zip| {
            zip.entry(MANIFEST).replace(&vec![b'A'; 15_000_000]);
        }),
        ("J8-manifest-of-200000-sections", 3, "[jarsigner]", |zip| {
            let sections: String =
                (0..200_000).map(|number| format!("Name: {number}\r\nX: y\r\n\r\n")).collect();
            zip.entry(MANIFEST).replace(format!("Manifest-Version: 1.0\r\n\r\n{sections}").as_bytes());
        }),
        ("J8-manifest-of-one-million-headers", 3, "[jarsigner]", |zip| {
            let headers: String = (0..1_000_000).map(|number| format!("h{number}: \r\n")).collect();
            zip.entry(MANIFEST).replace(format!("Manifest-Version: 1.0\r\n{headers}\r\n").as_bytes());
        }),
        ("J8-manifest-name-folded-100000-times", 3, "[jarsigner]", |zip| {
            let text =
                format!("Manifest-Version: 1.0\r\n\r\nName: a{}\r\nX: y\r\n\r\n", "\r\n a".repeat(100_000));
            zip.entry(MANIFEST).replace(text.as_bytes());
        }),
        ("J8-240-names-of-64-kb", 3, "[unsafe-name]", |zip| {
            for number in 0..240 {
                zip.push(&format!("{number:05}/{}", "a/".repeat(32_764)), b"");
            }
        }),
        ("J8-4000-names-of-2000-folders", 4, "[unsafe-name]", |zip| {
            for number in 0..4000 {
                zip.push(&format!("{number:05}/{}", "a/".repeat(2000)), b"");
            }
        }),
        ("J16-inflates-to-more-than-declared", 3, "[jarsigner]", |zip| {
            let entry = zip.entry(SH);
            let size = entry.central.size;
            entry.replace(&vec![0; 50_000_000]);
            entry.both(|header| header.size = size);
        }),
        ("J16-same-start-and-more-than-declared", 3, "[wrong-size]", |zip| {
            let entry = zip.entry(SH);
            let content = entry.content();
            entry.replace(&content);
            entry.data = deflate(&[content, vec![0; 50_000_000]].concat());
            let length = entry.data.len().try_into().unwrap();
            entry.both(|header| header.compressed = length);
        }),
        ("J16-24-gib-declared", 3, "too-large", |zip| {
            for number in 0..6 {
                zip.entries.push(zeros(&format!("upgrade-wrapper/{number}"), u32::MAX - 1));
            }
        }),
        ("J16-600-signature-files-of-16-mb", 3, "too-large", |zip| {
            let data = deflate(&vec![b'\n'; 15_900_000]);
            for number in 0..600 {
                let mut entry = zeros(&format!("META-INF/{number}.SF"), 15_900_000);
                entry.data.clone_from(&data);
                let length = entry.data.len().try_into().unwrap();
                entry.both(|header| header.compressed = length);
                zip.entries.push(entry);
            }
        }),
        ("J21-5000-signature-blocks", 3, "limit exceeded: more than 64 signature blocks", |zip| {
            let block = zip.entry(RSA).content();
            for number in 0..5_000 {
                zip.entries.push(Entry::deflated(&format!("META-INF/{number}.RSA"), &block));
            }
        }),
    ]);
    // The debug build in a busy test run; without the bounds some of these take hours or all memory.
    assert!(started.elapsed() < std::time::Duration::from_secs(240), "{:?}", started.elapsed());
}
