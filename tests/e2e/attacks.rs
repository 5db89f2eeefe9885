//! Attacks on admission, one line each: how the package is made, how the program ends, what it says.
//!
//! Every package starts as a shipped, validly signed one. Each goes through `midmirror verify` and `import-file`; none
//! may be listed or staged afterwards. The ids are those of the project's list of JAR and ZIP attacks: J1 duplicates, J2
//! lengths, J3 two formats, J4 headers, J5 descriptors, J6 manifests, J8 exhaustion, J9 extra fields, J12 blocks,
//! J13 removed, J14 unsigned, J15 links and names, J16 bombs, J17 attributes, J19 output. Attacks that need an entry
//! signed by the vendor stand in `attacks_signed`.

use std::fs;

use midmirror_fixtures::embedded;

use crate::attacks_archive::{Entry, Zip, deflate, end_record, zip64_end};
use crate::site::Site;

/// Id, exit code, words that must be said, how it is made.
type Case = (&'static str, i32, &'static str, fn(&mut Zip));
type ByteCase = (&'static str, i32, &'static str, fn(&[u8]) -> Vec<u8>);

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
        ("J4-local-method", 4, "differ in the compression method", |zip| zip.entry(SH).local.method = 0),
        ("J4-local-flag-encrypted", 4, "differ in the flags", |zip| zip.entry(SH).local.flags |= 1),
        ("J4-local-flag-descriptor", 4, "differ in the flags", |zip| zip.entry(SH).local.flags ^= 8),
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
        ("J4-count-too-low", 4, "[entry-count]", |zip| zip.spoil_end = Some(|end| end[8..12].fill(1))),
        ("J4-several-disks", 4, "[multi-disk]", |zip| zip.spoil_end = Some(|end| end[4] = 1)),
        ("J5-descriptor-missing", 4, "data descriptor", |zip| zip.entry(SH).descriptor.clear()),
        ("J5-descriptor-wrong-crc", 4, "data descriptor", |zip| zip.entry(SH).descriptor[4] ^= 1),
        ("J5-descriptor-wrong-size", 4, "data descriptor", |zip| zip.entry(SH).descriptor[12] ^= 1),
        ("J5-descriptor-64-bit", 4, "data descriptor", |zip| {
            let entry = zip.entry(SH);
            let sizes = [entry.central.compressed, entry.central.size];
            entry.descriptor.truncate(8);
            entry.descriptor.extend(sizes.iter().flat_map(|size| u64::from(*size).to_le_bytes()));
        }),
        ("J5-descriptor-and-more", 4, "[hidden-bytes]", |zip| zip.entry(SH).descriptor.extend([0; 8])),
        ("J9-extra-field-too-long", 3, "extra data field size too long", |zip| {
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
        ("J3-comment-shorter-than-declared", 4, "[trailing-bytes]", |zip| {
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

#[test]
fn spoiled_signatures_and_unsigned_extras_are_refused() {
    run(&[
        ("J6-two-manifests-equal", 3, "[signed]", |zip| twin_of(zip, MANIFEST, MANIFEST)),
        ("J6-two-manifests-case", 3, "[signed]", |zip| twin_of(zip, MANIFEST, "meta-inf/manifest.mf")),
        ("J6-two-manifests-different", 3, "[signed]", |zip| {
            zip.push(MANIFEST, b"Manifest-Version: 1.0\r\n\r\n")
        }),
        ("J6-manifest-removed", 3, "[signed]", |zip| zip.remove(MANIFEST)),
        ("J6-manifest-shortened", 3, "[jarsigner]", |zip| {
            let entry = zip.entry(MANIFEST);
            let content = entry.content();
            entry.replace(&content[..content.len() - 2]);
        }),
        ("J12-sf-removed", 3, "[signed]", |zip| zip.remove(SF)),
        ("J12-rsa-removed", 3, "[signed]", |zip| zip.remove(RSA)),
        ("J12-sf-changed", 3, "cannot verify signature block", |zip| {
            let mut content = zip.entry(SF).content();
            *content.last_mut().unwrap() ^= 2;
            zip.entry(SF).replace(&content);
        }),
        ("J12-rsa-of-another-package", 3, "cannot verify signature block", |zip| {
            let mut other = Zip::read(old_upgrade());
            *zip.entry(RSA) = other.entry(RSA).clone();
        }),
        ("J12-rsa-and-sf-of-another-package", 3, "[jarsigner]", |zip| {
            let mut other = Zip::read(old_upgrade());
            for name in [SF, RSA] {
                *zip.entry(name) = other.entry(name).clone();
            }
        }),
        ("J12-whole-signature-of-another-package", 3, "digest error", |zip| {
            let mut other = Zip::read(old_upgrade());
            for name in [MANIFEST, SF, RSA] {
                *zip.entry(name) = other.entry(name).clone();
            }
        }),
        ("J12-sf-under-another-name", 3, "[signed]", |zip| zip.entry(SF).rename("META-INF/OTHER.SF")),
        ("J12-rsa-is-no-block", 3, "[signed]", |zip| zip.entry(RSA).replace(EVIL)),
        ("J12-signature-in-a-subfolder", 3, "[unsigned-entries]", |zip| {
            zip.entry(SF).rename("META-INF/sub/DP_PRODS.SF");
            zip.entry(RSA).rename("META-INF/sub/DP_PRODS.RSA");
        }),
        ("J13-entry-removed", 4, "[removed-entries]", |zip| zip.remove(SH)),
        ("J13-entry-hidden", 4, "[removed-entries]", |zip| zip.entry(SH).hidden = true),
        ("J14-unsigned-file", 3, "[unsigned-entries]", |zip| zip.push(EVIL_NAME, EVIL)),
        ("J14-unsigned-empty-file", 3, "[unsigned-entries]", |zip| zip.push(EVIL_NAME, b"")),
        ("J14-unsigned-in-meta-inf", 3, "[unsigned-entries]", |zip| zip.push("META-INF/INDEX.LIST", EVIL)),
        ("J14-unsigned-service", 3, "[unsigned-entries]", |zip| {
            zip.push("META-INF/services/java.nio.file.spi.FileSystemProvider", EVIL);
        }),
        ("J14-folder-with-content", 3, "[unsigned-entries]", |zip| zip.push("upgrade-wrapper/more/", EVIL)),
        ("J14-stray-sf", 4, "[stray-signature-file]", |zip| zip.push("META-INF/EXTRA.SF", EVIL)),
        ("J14-stray-rsa", 4, "[stray-signature-file]", |zip| zip.push("META-INF/EXTRA.RSA", EVIL)),
        ("J14-stray-sig", 4, "[stray-signature-file]", |zip| zip.push("META-INF/SIG-EVIL", EVIL)),
        ("J14-stray-sig-lower-case", 4, "[stray-signature-file]", |zip| {
            zip.push("meta-inf/sig-evil.sh", EVIL)
        }),
        ("content-changed", 3, "digest error for upgrade", |zip| zip.entry(SH).replace(EVIL)),
        ("content-empty", 3, "digest error for upgrade", |zip| zip.entry(SH).replace(b"")),
        ("wrong-crc-right-content", 4, "[wrong-crc]", |zip| {
            let content = zip.entry(SH).content();
            zip.entry(SH).replace(&content);
            zip.entry(SH).both(|header| header.crc ^= 1);
        }),
        ("deflate-stream-broken", 3, "[jarsigner]", |zip| zip.entry(SH).data[40..60].fill(0xFF)),
        ("bytes-behind-the-deflate-stream", 4, "[unused-compressed-bytes]", |zip| {
            let content = zip.entry(SH).content();
            let entry = zip.entry(SH);
            entry.replace(&content);
            entry.data.extend(EVIL);
            let length = entry.data.len().try_into().unwrap();
            entry.both(|header| header.compressed = length);
        }),
    ]);
}

#[test]
fn links_devices_and_names_are_refused() {
    run(&[
        ("J17-symlink", 4, "[symbolic-link]", |zip| zip.entry(SH).set_mode(0o120_777)),
        ("J17-symlink-made-on-darwin", 4, "[symbolic-link]", |zip| made_on(zip, 19)),
        ("J17-symlink-made-on-dos", 4, "[symbolic-link]", |zip| made_on(zip, 0)),
        ("J17-symlink-made-on-unknown", 4, "[symbolic-link]", |zip| made_on(zip, 77)),
        ("J17-symlink-folder", 4, "[symbolic-link]", |zip| {
            zip.entry("upgrade-wrapper/bin/").set_mode(0o120_777)
        }),
        ("J17-setuid", 4, "[setuid-mode]", |zip| zip.entry(SH).set_mode(0o104_755)),
        ("J17-setgid", 4, "[setuid-mode]", |zip| zip.entry(SH).set_mode(0o102_755)),
        ("J17-setuid-without-kind", 4, "[setuid-mode]", |zip| zip.entry(SH).set_mode(0o004_755)),
        ("J17-character-device", 4, "[special-file]", |zip| zip.entry(SH).set_mode(0o020_666)),
        ("J17-block-device", 4, "[special-file]", |zip| zip.entry(SH).set_mode(0o060_666)),
        ("J17-pipe", 4, "[special-file]", |zip| zip.entry(SH).set_mode(0o010_666)),
        ("J17-socket", 4, "[special-file]", |zip| zip.entry(SH).set_mode(0o140_666)),
        ("J17-file-as-folder", 4, "[special-file]", |zip| zip.entry(SH).set_mode(0o040_755)),
        ("J15-folder-traversal", 4, "[unsafe-name]", |zip| zip.push("../../../etc/cron.d/", b"")),
        ("J15-folder-absolute", 4, "[unsafe-name]", |zip| zip.push("/etc/cron.d/", b"")),
        ("J15-folder-drive", 4, "[unsafe-name]", |zip| zip.push("C:/Windows/", b"")),
        ("J15-folder-reserved", 4, "[unsafe-name]", |zip| zip.push("upgrade-wrapper/CON/", b"")),
        ("J15-folder-reserved-superscript", 4, "[unsafe-name]", |zip| {
            zip.push("upgrade-wrapper/com\u{b9}/", b"")
        }),
        ("J15-folder-reserved-blank", 4, "[unsafe-name]", |zip| zip.push("upgrade-wrapper/nul .d/", b"")),
        ("J15-folder-without-a-name", 4, "[unsafe-name]", |zip| zip.push("/", b"")),
        ("J15-unsigned-traversal", 3, "unsafe-name", |zip| zip.push("../../bin/sh", EVIL)),
        ("J15-name-not-utf-8", 3, "bad entry name", |zip| {
            zip.push(EVIL_NAME, EVIL);
            zip.entry(EVIL_NAME).both(|header| header.name[3] = 0xFF);
        }),
        ("J19-name-with-escape", 3, "\\u{1b}", |zip| zip.push("a\u{1b}[2J\u{1b}[31mverified", EVIL)),
        ("J19-name-with-c1-escape", 3, "\\u{9b}", |zip| zip.push("a\u{9b}2Jverified", EVIL)),
        ("J19-name-with-bidi", 3, "\\u{202e}", |zip| zip.push("a\u{202e}gnp.exe", EVIL)),
        ("J19-name-with-newline", 3, "\\n", |zip| zip.push("a\n  verdict     verified", EVIL)),
        ("J19-folder-with-escape", 4, "\\u{1b}", |zip| zip.push("a\u{1b}]0;owned\u{7}/", b"")),
    ]);
}

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
        ("J8-240-names-of-64-kb", 4, "[unsafe-name]", |zip| {
            for number in 0..240 {
                zip.push(&format!("{number:05}/{}", "a/".repeat(32_764)), b"");
            }
        }),
        ("J16-inflates-to-more-than-declared", 3, "[jarsigner]", |zip| {
            let entry = zip.entry(SH);
            let size = entry.central.size;
            entry.replace(&vec![0; 50_000_000]);
            entry.both(|header| header.size = size);
        }),
        ("J16-same-start-and-more-than-declared", 4, "[wrong-size]", |zip| {
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
        ("J21-5000-signature-blocks", 4, "[stray-signature-file]", |zip| {
            let block = zip.entry(RSA).content();
            for number in 0..5_000 {
                zip.entries.push(Entry::deflated(&format!("META-INF/{number}.RSA"), &block));
            }
        }),
    ]);
    // The debug build in a busy test run; without the bounds some of these take hours or all memory.
    assert!(started.elapsed() < std::time::Duration::from_secs(240), "{:?}", started.elapsed());
}

#[test]
fn harmless_changes_are_admitted_as_the_policy_says() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    type Change = fn(&mut Zip);
    let cases: [(&str, Change); 7] = [
        ("untouched", |_| {}),
        ("archive comment", |zip| zip.comment = b"downloaded on a Tuesday".to_vec()),
        ("longest archive comment", |zip| zip.comment = vec![b'x'; 0xFFFF]),
        ("signature files last", |zip| zip.entries.rotate_left(4)),
        ("ordinary mode", |zip| zip.entry(SH).set_mode(0o100_750)),
        ("descriptor without its signature", |zip| drop(zip.entry(SH).descriptor.drain(..4))),
        ("written anew, without descriptors", |zip| {
            for entry in zip.entries.iter_mut().filter(|entry| !entry.central.name.ends_with(b"/")) {
                entry.replace(&entry.content());
            }
        }),
    ];
    for (id, change) in cases {
        let mut zip = Zip::read(new_upgrade().bytes);
        change(&mut zip);
        fs::write(site.path(new_upgrade().file_name()), zip.write()).unwrap();
        let run = site.run(&["verify", new_upgrade().file_name()]);
        assert_eq!(run.code, 0, "{id}: {}{}", run.stdout, run.stderr);
        site.run(&["import-file", new_upgrade().file_name()]).expect(0);
        crate::attacks_random::jarsigner_agrees(id, &zip.write());
    }
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]);
    assert_eq!(site.incoming(&agent), [new_upgrade().file_name()]);
}

fn run(cases: &[Case]) {
    let made: Vec<_> = cases
        .iter()
        .map(|(id, exit, says, change)| {
            let mut zip = Zip::read(new_upgrade().bytes);
            change(&mut zip);
            (*id, *exit, *says, zip.write())
        })
        .collect();
    refused(&made);
}

fn run_bytes(cases: &[ByteCase]) {
    let made: Vec<_> =
        cases.iter().map(|(id, exit, says, make)| (*id, *exit, *says, make(new_upgrade().bytes))).collect();
    refused(&made);
}

/// Runs each through the program; reports all that come out otherwise.
fn refused(cases: &[(&str, i32, &str, Vec<u8>)]) {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let name = new_upgrade().file_name();
    let mut wrong = Vec::new();
    for (id, exit, says, bytes) in cases {
        assert!(bytes.as_slice() != new_upgrade().bytes, "{id} changes nothing");
        fs::write(site.path(name), bytes).unwrap();
        for command in ["verify", "import-file"] {
            let started = std::time::Instant::now();
            let run = site.run(&[command, name]);
            let text = format!("{}{}", run.stdout, run.stderr);
            let raw = text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
            // `import-file` names the first reason only.
            let silent = command == "verify" && !text.contains(says);
            if run.code != *exit || silent || raw || started.elapsed().as_secs() > 30 {
                let reasons = ["refused", "REFUSED", "error", "caused by", "verdict"];
                let lines: Vec<&str> =
                    text.lines().filter(|line| reasons.iter().any(|reason| line.contains(reason))).collect();
                let took = started.elapsed();
                wrong.push(format!("{id}, {command}: {} in {took:?}\n{}", run.code, lines.join("\n")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(site.run(&["list", "--json"]).expect(0).stdout.trim(), "[]");
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]);
    assert!(site.incoming(&agent).is_empty());
}

/// A second entry with the content of `SH`.
fn twin(zip: &mut Zip, name: &str) {
    twin_of(zip, SH, name);
}

fn twin_of(zip: &mut Zip, of: &str, name: &str) {
    let mut twin = zip.entry(of).clone();
    twin.rename(name);
    zip.entries.push(twin);
}

fn made_on(zip: &mut Zip, system: u16) {
    let entry = zip.entry(SH);
    entry.set_mode(0o120_777);
    entry.made_by = system << 8 | 20;
}

/// Info-ZIP's field for the name in UTF-8 (APPNOTE 4.6.9); some programs unpack under this name.
fn unicode_path(name: &str) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let other = b"../../evil.sh";
    let mut field = vec![0x75, 0x70, u8::try_from(other.len() + 5).unwrap(), 0, 1];
    field.extend(crc.sum().to_le_bytes());
    field.extend(other);
    field
}

/// An entry that claims to be large.
fn zeros(name: &str, size: u32) -> Entry {
    let mut entry = Entry::deflated(name, b"0");
    entry.both(|header| header.size = size);
    entry
}

fn evil_archive() -> Vec<u8> {
    let mut zip = Zip::default();
    zip.push(SH, EVIL);
    zip.write()
}

pub(crate) fn new_upgrade() -> &'static embedded::EmbeddedPackage {
    embedded::package(&format!("mid-upgrade.{}.universal.universal.zip", embedded::new_stamp())).unwrap()
}

fn old_upgrade() -> &'static [u8] {
    embedded::package(&format!("mid-upgrade.{}.universal.universal.zip", embedded::old_stamp()))
        .unwrap()
        .bytes
}

const SH: &str = "upgrade-wrapper/bin/glide-dist-upgrade.sh";
const JAR: &str = "upgrade-wrapper/lib/dist-upgrade.jar";
const MANIFEST: &str = "META-INF/MANIFEST.MF";
const SF: &str = "META-INF/DP_PRODS.SF";
const RSA: &str = "META-INF/DP_PRODS.RSA";
const EVIL_NAME: &str = "upgrade-wrapper/bin/evil.sh";
const EVIL: &[u8] = b"#!/bin/sh\necho 'this was not in the package'\n";
