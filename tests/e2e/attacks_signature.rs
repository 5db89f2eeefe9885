//! Signatures that are spoiled, entries that nobody signed, attributes that no signature covers.

use crate::attacks::{EVIL, EVIL_NAME, MANIFEST, RSA, SF, SH, made_on, old_upgrade, run, twin_of};
use crate::attacks_archive::Zip;

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
        ("J13-content-changed", 3, "digest error for upgrade", |zip| zip.entry(SH).replace(EVIL)),
        ("J13-content-emptied", 3, "digest error for upgrade", |zip| zip.entry(SH).replace(b"")),
        ("J4-wrong-crc-right-content", 3, "[wrong-crc]", |zip| {
            let content = zip.entry(SH).content();
            zip.entry(SH).replace(&content);
            zip.entry(SH).both(|header| header.crc ^= 1);
        }),
        ("J4-deflate-stream-broken", 3, "[jarsigner]", |zip| zip.entry(SH).data[40..60].fill(0xFF)),
        ("J3-bytes-behind-the-deflate-stream", 3, "[unused-compressed-bytes]", |zip| {
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
