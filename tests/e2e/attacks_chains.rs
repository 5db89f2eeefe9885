//! Certificates that look like a chain, because their names fit (the "Fake ID" of bug 13678484).

use crate::attacks::{Made, judge};
use crate::attacks_forge::{DATA, Info, signed_data};
use crate::attacks_keys::{Hash, Key, Party, Purpose, Shape};
use crate::attacks_vendor::{files, signed, vendor};

#[test]
fn names_alone_make_no_chain() {
    let vendor = vendor();
    let attacker = Key::curve();
    let signer = |common_name| Shape::new(common_name, Purpose::CodeSigning);
    let authority = || Shape::new("TEST Forge CA", Purpose::Authority);

    // Each with the names of the vendor's, and keys of the attacker's.
    let false_root = Party::root("TEST Forge Root");
    let below_false_root = false_root.issue(authority());
    let below_all_false = below_false_root.issue(signer("TEST Forge Signer"));
    let false_authority = vendor.root.issue_with(&attacker, authority());
    let below_false_authority = false_authority.issue(signer("TEST Forge Signer"));
    let below_nobody = vendor.authority.issue_with(&attacker, signer("TEST Forge Signer"));
    let below_signer = vendor.signer.issue(signer("TEST Forge Second Signer"));
    let alone = Party::root("TEST Forge Signer");
    let stranger = Party::root("TEST Forge Stranger");

    let [true_signer, true_authority, true_root] = vendor.certificates();
    let by = |party: &Party, certificates: &[&[u8]]| {
        let stamp = vendor.stamp();
        signed(files(), &[Hash::Sha256], &[Hash::Sha256], |file| {
            let info = Info { token: Some(&|over| stamp.write(over)), ..Info::new(party, file) };
            signed_data(&DATA, None, certificates, &[info.write()])
        })
        .write()
    };
    let impostor = signed(files(), &[Hash::Sha256], &[Hash::Sha256], |file| {
        vendor.block_of(Info { key: &attacker, ..Info::new(&vendor.signer, file) })
    });
    let cases: [Made; 15] = [
        ("J11-authority-right-subject-wrong-key", 3, "[jarsigner]", {
            by(&below_false_authority, &[&below_false_authority.der, &false_authority.der, true_root])
        }),
        ("J11-authority-right-subject-wrong-key-true-one-beside", 3, "[jarsigner]", {
            by(&below_false_authority, &[&below_false_authority.der, true_authority, true_root])
        }),
        ("J11-root-right-subject-wrong-key", 3, "[jarsigner]", {
            by(&below_all_false, &[&below_all_false.der, &below_false_root.der, &false_root.der])
        }),
        ("J11-all-right-subjects-wrong-keys", 3, "[jarsigner]", {
            by(&below_all_false, &[&below_all_false.der, &below_false_root.der, true_root])
        }),
        ("J11-signer-not-signed-by-its-issuer", 3, "[jarsigner]", {
            by(&below_nobody, &[&below_nobody.der, true_authority, true_root])
        }),
        ("J11-signer-certified-by-a-signer", 3, "[jarsigner]", {
            by(&below_signer, &[&below_signer.der, true_signer, true_authority, true_root])
        }),
        ("J11-signer-alone", 3, "[jarsigner]", by(&alone, &[&alone.der])),
        ("J11-true-chain-beside-a-strange-signer", 3, "[jarsigner]", {
            by(&stranger, &[true_signer, true_authority, true_root, &stranger.der])
        }),
        ("J11-true-certificate-strange-key", 3, "cannot verify", impostor.write()),
        ("J11-unrelated-certificates-first", 0, "", {
            by(&vendor.signer, &[&stranger.der, &vendor.stamper.der, true_signer, true_authority, true_root])
        }),
        ("J11-unrelated-certificates-last", 0, "", {
            by(&vendor.signer, &[true_signer, true_authority, true_root, &stranger.der, &vendor.stamper.der])
        }),
        ("J11-duplicate-subject-false-one-last", 0, "", {
            by(&vendor.signer, &[true_signer, true_authority, &false_authority.der, true_root])
        }),
        ("J11-duplicate-subject-false-one-first", 3, "[jarsigner]", {
            by(&vendor.signer, &[true_signer, &false_authority.der, true_authority, true_root])
        }),
        ("J11-duplicate-root-false-one-first", 3, "[jarsigner]", {
            by(&vendor.signer, &[true_signer, true_authority, &false_root.der, true_root])
        }),
        ("J11-no-authority-in-the-block", 3, "[jarsigner]", by(&vendor.signer, &[true_signer])),
    ];
    judge(&cases, &vendor.world());
}
