//! Attacks on admission: how each case is run, and what cases are made of.
//!
//! `tests/ATTACKS.md` lists all cases; the lists in the modules beside this one have one line per case: id, how the
//! program ends, what it says, how the package is made. Each goes through `midmirror verify` and `import-file`; none may
//! be listed or staged afterwards. What jarsigner says of it is held against the table, our drop-in and, where there is
//! a JDK, the live jarsigner. Packages start as a shipped, validly signed one, or are signed by a vendor whose keys we
//! have (`attacks_vendor`).

use std::fs;

use midmirror_fixtures::embedded;

use crate::attacks_archive::{Entry, Zip};
use crate::attacks_compat::{Jarsigners, World};
use crate::attacks_table::table;
use crate::site::Site;

/// Id, exit code, words that must be said, how it is made.
pub(crate) type Case = (&'static str, i32, &'static str, Change);
pub(crate) type Change = fn(&mut Zip);
pub(crate) type ByteCase = (&'static str, i32, &'static str, fn(&[u8]) -> Vec<u8>);
/// The same, made.
pub(crate) type Made = (&'static str, i32, &'static str, Vec<u8>);

#[test]
fn harmless_changes_are_admitted_as_the_policy_says() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let cases: [(&str, Change); 7] = [
        ("untouched", |_| {}),
        ("J3-comment", |zip| zip.comment = b"downloaded on a Tuesday".to_vec()),
        ("J3-longest-comment", |zip| zip.comment = vec![b'x'; 0xFFFF]),
        ("J6-manifest-and-signature-last", |zip| zip.entries.rotate_left(4)),
        ("J17-ordinary-mode", |zip| zip.entry(SH).set_mode(0o100_750)),
        ("J5-descriptor-without-signature", |zip| drop(zip.entry(SH).descriptor.drain(..4))),
        ("J5-no-descriptors-at-all", |zip| {
            for entry in zip.entries.iter_mut().filter(|entry| !entry.central.name.ends_with(b"/")) {
                entry.replace(&entry.content());
            }
        }),
    ];
    let (table, mut jarsigners) = (table(), Jarsigners::new(&World::embedded()));
    for (id, change) in cases {
        let mut zip = Zip::read(new_upgrade().bytes);
        change(&mut zip);
        let bytes = zip.write();
        fs::write(site.path(new_upgrade().file_name()), &bytes).unwrap();
        let run = site.run(&["verify", new_upgrade().file_name()]);
        assert_eq!(run.code, 0, "{id}: {}{}", run.stdout, run.stderr);
        // Other bytes under a known name wait for a person.
        let held = if id == "untouched" { 0 } else { 15 };
        site.run(&["import-file", new_upgrade().file_name()]).expect(held);
        if held != 0 {
            site.run(&["accept", new_upgrade().file_name(), "--reason", id]).expect(0);
            assert_eq!(table[id].admission, (0, ""), "{id}");
        }
        assert_eq!(jarsigners.objection(id, &bytes, "verified 0"), None);
    }
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]);
    assert_eq!(site.incoming(&agent), [new_upgrade().file_name()]);
}

/// Changes of a shipped package.
pub(crate) fn run(cases: &[Case]) {
    let made: Vec<_> = cases
        .iter()
        .map(|(id, exit, says, change)| {
            let mut zip = Zip::read(new_upgrade().bytes);
            change(&mut zip);
            (*id, *exit, *says, zip.write())
        })
        .collect();
    judge(&made, &World::embedded());
}

pub(crate) fn run_bytes(cases: &[ByteCase]) {
    let made: Vec<_> =
        cases.iter().map(|(id, exit, says, make)| (*id, *exit, *says, make(new_upgrade().bytes))).collect();
    judge(&made, &World::embedded());
}

/// Runs each through the program and through jarsigner; reports all that come out otherwise than said here and in the
/// table. A case with exit code 0 is only verified, all others must not get into the store either.
pub(crate) fn judge(cases: &[Made], world: &World) {
    let (table, mut jarsigners) = (table(), Jarsigners::new(world));
    let site = Site::new();
    fs::write(site.path("anchors.pem"), &world.anchors_pem).unwrap();
    site.run(&["init"]).expect(0);
    let name = new_upgrade().file_name();
    let mut wrong = Vec::new();
    for (id, exit, says, bytes) in cases {
        assert!(bytes.as_slice() != new_upgrade().bytes, "{id} changes nothing");
        let row = table.get(id);
        if row.is_none_or(|row| row.admission != (*exit, *says)) {
            wrong.push(format!("{id}: ATTACKS.md does not say {exit} `{says}`"));
        }
        wrong.extend(jarsigners.objection(id, bytes, row.map_or("", |row| row.compat)));
        fs::write(site.path(name), bytes).unwrap();
        let commands: &[&str] = if *exit == 0 { &["verify"] } else { &["verify", "import-file"] };
        for command in commands {
            let started = std::time::Instant::now();
            let run = site.run(&[command, name]);
            let text = format!("{}{}", run.stdout, run.stderr);
            let raw = text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
            // `import-file` names the first reason only.
            let silent = *command == "verify" && !text.contains(says);
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
pub(crate) fn twin(zip: &mut Zip, name: &str) {
    twin_of(zip, SH, name);
}

pub(crate) fn twin_of(zip: &mut Zip, of: &str, name: &str) {
    let mut twin = zip.entry(of).clone();
    twin.rename(name);
    zip.entries.push(twin);
}

pub(crate) fn made_on(zip: &mut Zip, system: u16) {
    let entry = zip.entry(SH);
    entry.set_mode(0o120_777);
    entry.made_by = system << 8 | 20;
}

/// Info-ZIP's field for the name in UTF-8 (APPNOTE 4.6.9); some programs unpack under this name.
pub(crate) fn unicode_path(name: &str) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let other = b"../../evil.sh";
    let mut field = vec![0x75, 0x70, u8::try_from(other.len() + 5).unwrap(), 0, 1];
    field.extend(crc.sum().to_le_bytes());
    field.extend(other);
    field
}

/// An entry that claims to be large.
pub(crate) fn zeros(name: &str, size: u32) -> Entry {
    let mut entry = Entry::deflated(name, b"0");
    entry.both(|header| header.size = size);
    entry
}

pub(crate) fn evil_archive() -> Vec<u8> {
    let mut zip = Zip::default();
    zip.push(SH, EVIL);
    zip.write()
}

pub(crate) fn new_upgrade() -> &'static embedded::EmbeddedPackage {
    embedded::package(&format!("mid-upgrade.{}.universal.universal.zip", embedded::new_stamp())).unwrap()
}

pub(crate) fn old_upgrade() -> &'static [u8] {
    embedded::package(&format!("mid-upgrade.{}.universal.universal.zip", embedded::old_stamp()))
        .unwrap()
        .bytes
}

pub(crate) const SH: &str = "upgrade-wrapper/bin/glide-dist-upgrade.sh";
pub(crate) const JAR: &str = "upgrade-wrapper/lib/dist-upgrade.jar";
pub(crate) const MANIFEST: &str = "META-INF/MANIFEST.MF";
pub(crate) const SF: &str = "META-INF/DP_PRODS.SF";
pub(crate) const RSA: &str = "META-INF/DP_PRODS.RSA";
pub(crate) const EVIL_NAME: &str = "upgrade-wrapper/bin/evil.sh";
pub(crate) const EVIL: &[u8] = b"#!/bin/sh\necho 'this was not in the package'\n";
