//! What is signed by the vendor, and must not be unpacked all the same: only the policy stands against it.

use crate::attacks::{Made, judge};
use crate::attacks_archive::{Entry, Zip, deflate};
use crate::attacks_vendor::{files, vendor};

/// A good package, by which the cases of all modules with this vendor are measured.
#[test]
fn a_package_of_the_forged_vendor_is_admitted() {
    let zip = vendor().sign(files());
    judge(&[("J10-control", 0, "", zip.write())], &vendor().world());
}

#[test]
fn signed_names_that_must_not_be_unpacked_are_refused() {
    let long = format!("agent/{}", "n".repeat(256));
    let cases: [(&str, &[&str], &str); 25] = [
        ("J15-signed-traversal", &["../../evil.sh"], "[unsafe-name]"),
        ("J15-signed-traversal-inside", &["agent/../../evil.sh"], "[unsafe-name]"),
        ("J15-signed-absolute", &["/etc/cron.d/evil"], "[unsafe-name]"),
        ("J15-signed-drive", &["C:/Windows/evil.dll"], "[unsafe-name]"),
        ("J15-signed-drive-relative", &["c:evil.dll"], "[unsafe-name]"),
        ("J15-signed-unc", &["//server/share/evil.dll"], "[unsafe-name]"),
        ("J15-signed-unc-backslash", &["\\\\server\\share\\evil.dll"], "[unsafe-name]"),
        ("J15-signed-traversal-backslash", &["..\\..\\evil.dll"], "[unsafe-name]"),
        ("J15-signed-empty-part", &["agent//evil.sh"], "[unsafe-name]"),
        ("J15-signed-dot-part", &["agent/./evil.sh"], "[unsafe-name]"),
        ("J15-signed-reserved", &["agent/CON"], "[unsafe-name]"),
        ("J15-signed-reserved-with-extension", &["agent/aux.txt"], "[unsafe-name]"),
        ("J15-signed-reserved-with-blank", &["agent/nul .txt"], "[unsafe-name]"),
        ("J15-signed-reserved-superscript", &["agent/com\u{b9}.log"], "[unsafe-name]"),
        ("J15-signed-alternate-stream", &["agent/start.sh::$DATA"], "[unsafe-name]"),
        ("J15-signed-trailing-dot", &["agent/start.sh."], "[unsafe-name]"),
        ("J15-signed-trailing-blank", &["agent/start.sh "], "[unsafe-name]"),
        ("J15-signed-name-too-long", &[&long], "[unsafe-name]"),
        ("J19-signed-name-with-escape", &["agent/\u{1b}[2Jstart.sh"], "\\u{1b}"),
        ("J19-signed-name-with-c1-escape", &["agent/\u{9b}2Jstart.sh"], "\\u{9b}"),
        ("J19-signed-name-with-bidi", &["agent/\u{202e}hs.trats"], "\\u{202e}"),
        ("J1-signed-other-case", &["agent/start.sh", "agent/Start.sh"], "[colliding-names]"),
        ("J1-signed-nfc-nfd", &["agent/caf\u{e9}", "agent/cafe\u{301}"], "[colliding-names]"),
        ("J1-signed-sharp-s", &["agent/stra\u{df}e", "agent/STRASSE"], "[colliding-names]"),
        ("J1-signed-file-and-folder", &["agent/x", "agent/x/y"], "[colliding-names]"),
    ];
    let made: Vec<Made> = cases
        .iter()
        .map(|(id, names, says)| {
            let mut zip = Zip::default();
            zip.entries.extend(names.iter().map(|name| Entry::deflated(name, b"echo evil\n")));
            (*id, 4, *says, vendor().sign(zip).write())
        })
        .collect();
    judge(&made, &vendor().world());
}

#[test]
fn signed_links_and_archives_in_archives() {
    let world = vendor().world();
    // The mode is no part of what is signed, so the signature stays good.
    let mut link = files();
    link.push("agent/link", b"../../../etc");
    link.push("agent/link/cron.d", b"* * * * * root evil\n");
    let mut link = vendor().sign(link);
    link.entry("agent/link").set_mode(0o120_777);
    let mut alone = files();
    alone.push("agent/link", b"/etc/passwd");
    let mut alone = vendor().sign(alone);
    alone.entry("agent/link").set_mode(0o120_777);
    // Nobody unpacks what is inside: to the verifier it is a file like others, however large it becomes.
    let mut inner = Zip::default();
    inner.entries.push(Entry::deflated("zeros", &vec![0; 20_000_000]));
    let (mut nested, inner) = (files(), inner.write());
    nested.push("agent/inner.jar", &inner);
    let mut within = vendor().sign(files());
    let itself = within.write();
    within.push("agent/itself.zip", &itself);
    // A thousand times smaller than what it unpacks to, and honest about it.
    let mut ratio = files();
    ratio.entries.push(Entry::deflated("agent/zeros.bin", &vec![0; 30_000_000]));
    // What is unpacked counts, not what is declared.
    let mut more = vendor().sign(ratio.clone());
    let entry = more.entry("agent/zeros.bin");
    entry.data = deflate(&vec![0; 60_000_000]);
    let length = entry.data.len().try_into().unwrap();
    entry.both(|header| header.compressed = length);
    let cases = [
        ("J15-signed-symlink", 4, "[symbolic-link]", alone.write()),
        ("J15-signed-symlink-and-file-through-it", 4, "[symbolic-link]", link.write()),
        ("J16-signed-archive-in-archive", 0, "", vendor().sign(nested).write()),
        ("J16-archive-within-itself", 3, "[unsigned-entries]", within.write()),
        ("J16-signed-ratio-of-1000", 0, "", vendor().sign(ratio).write()),
        ("J16-signed-more-than-declared", 3, "[wrong-size]", more.write()),
    ];
    judge(&cases, &world);
}
