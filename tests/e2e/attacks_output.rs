//! What an archive can make us print: no line, colour or direction that is not ours, and JSON that stays JSON.

use std::fs;

use serde_json::Value;

use crate::attacks::{Made, judge, new_upgrade};
use crate::attacks_forge::{DATA, Info, header, manifest, signed_data};
use crate::attacks_keys::{Hash, Purpose, Shape};
use crate::attacks_vendor::{files, signed, vendor, with_signature};
use crate::site::Site;

const SHA_256: &[Hash] = &[Hash::Sha256];
const NEWLINE: &str = "x\n  verdict     ADMITTED\r\n";
const ESCAPE: &str = "x\u{1b}[2J\u{1b}[31m";
const BIDI: &str = "x\u{202e}toor\u{2066}";

/// Signed by a signer of this name and organisation.
fn named(common_name: &str, organization: &'static str) -> Vec<u8> {
    let vendor = vendor();
    let shape = Shape::new(common_name, Purpose::CodeSigning);
    let signer = vendor.authority.issue(Shape { organization, ..shape });
    let stamp = vendor.stamp();
    signed(files(), SHA_256, SHA_256, |file| {
        let info = Info { token: Some(&|over| stamp.write(over)), ..Info::new(&signer, file) };
        signed_data(&DATA, None, &[&signer.der, &vendor.authority.der, &vendor.root.der], &[info.write()])
    })
    .write()
}

/// With this much more in the main attributes of the manifest.
fn with_attributes(more: &[u8]) -> Vec<u8> {
    let zip = files();
    let named: Vec<_> =
        zip.entries.iter().map(|entry| (entry.central.name.clone(), entry.content())).collect();
    let text = manifest(&named, SHA_256);
    let (version, sections) = text.split_at(b"Manifest-Version: 1.0\r\n".len());
    with_signature(zip, &[version, more, sections].concat(), SHA_256, |file| vendor().block(file)).write()
}

/// The cases; those with exit code 0 are of the vendor's own making, and harmless once they are escaped.
fn cases() -> Vec<Made> {
    const O: &str = "ServiceNow Inc.";
    let comment = |archive: &str, entry: &str| {
        let mut zip = vendor().sign(files());
        zip.comment = archive.as_bytes().to_vec();
        zip.entry("agent/start.sh").comment = entry.as_bytes().to_vec();
        zip.write()
    };
    vec![
        ("J19-subject-with-newline", 0, "\\n", named(NEWLINE, O)),
        ("J19-subject-with-escape", 0, "\\u{1b}", named(ESCAPE, O)),
        ("J19-subject-with-bidi", 0, "\\u{202e}", named(BIDI, O)),
        ("J19-organization-with-newline", 4, "[organization]", named("x", "ServiceNow Inc.\n")),
        ("J19-organization-with-bidi", 4, "[organization]", named("x", "ServiceNow\u{202e} Inc.")),
        ("J19-organization-in-the-common-name", 4, "[organization]", named("x, O=ServiceNow Inc.", "Evil")),
        ("J19-manifest-value-with-escape", 0, "", with_attributes(&header(b"Created-By", ESCAPE.as_bytes()))),
        ("J19-manifest-value-with-bidi", 0, "", with_attributes(&header(b"Created-By", BIDI.as_bytes()))),
        ("J19-manifest-name-with-escape", 3, "[jarsigner]", with_attributes(b"Cre\x1bated: x\r\n")),
        (
            "J19-manifest-value-with-newline",
            3,
            "[jarsigner]",
            with_attributes(b"Created-By: x\njar verified.\r\n"),
        ),
        ("J19-comments-with-escape", 0, "", comment(ESCAPE, ESCAPE)),
    ]
}

#[test]
fn texts_from_the_archive_stay_in_their_line() {
    judge(&cases(), &vendor().world());
}

#[test]
fn json_is_whole_whatever_is_in_it() {
    let site = Site::new();
    fs::write(site.path("anchors.pem"), vendor().world().anchors_pem).unwrap();
    site.run(&["init"]).expect(0);
    let name = new_upgrade().file_name();
    for (id, exit, _, bytes) in cases() {
        fs::write(site.path(name), bytes).unwrap();
        let json = site.run(&["verify", name, "--format", "json"]).expect(exit).stdout;
        assert!(!json.contains(['\u{1b}', '\r']), "{id}: {json}");
        let report: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{id}: {error}"));
        let subject = report["report"]["signers"][0]["chain"][0]["subject"].as_str().unwrap_or_default();
        match id {
            "J19-subject-with-newline" => assert!(subject.contains('\n'), "{subject:?}"),
            "J19-subject-with-escape" => assert!(subject.contains(ESCAPE), "{subject:?}"),
            "J19-subject-with-bidi" => assert!(subject.contains(BIDI), "{subject:?}"),
            _ => {}
        }
    }
}
