//! Blocks that belong to another signature file, with more than one signer, or with far too many.

use crate::attacks::{Made, RSA, SF, judge};
use crate::attacks_archive::{Entry, Zip};
use crate::attacks_forge::{DATA, Info, signed_data};
use crate::attacks_keys::{Hash, Key, Party, Purpose, Shape};
use crate::attacks_vendor::{files, signed, vendor};

const SHA_256: &[Hash] = &[Hash::Sha256];

#[test]
fn blocks_must_fit_their_signature_file() {
    let vendor = vendor();
    let good = || vendor.sign(files());
    let other = || {
        let mut files = files();
        files.entry("agent/start.sh").replace(b"echo other\n");
        vendor.sign(files)
    };
    let with = |change: &dyn Fn(&mut Zip, &mut Zip)| {
        let (mut good, mut other) = (good(), other());
        change(&mut good, &mut other);
        good.write()
    };
    let attached = |content: &dyn Fn(&[u8]) -> Vec<u8>| {
        signed(files(), SHA_256, SHA_256, |file| {
            let stamp = vendor.stamp();
            let info = Info { token: Some(&|over| stamp.write(over)), ..Info::new(&vendor.signer, file) };
            signed_data(&DATA, Some(&content(file)), &vendor.certificates(), &[info.write()])
        })
    };
    let cases: [Made; 10] = [
        (
            "J12-block-of-another-sf",
            3,
            "cannot verify signature block",
            with(&|good, other| {
                *good.entry(RSA) = other.entry(RSA).clone();
            }),
        ),
        (
            "J12-sf-of-another-block",
            3,
            "cannot verify signature block",
            with(&|good, other| {
                *good.entry(SF) = other.entry(SF).clone();
            }),
        ),
        (
            "J12-block-copied-beside",
            3,
            "cannot verify signature block",
            with(&|good, other| {
                let (mut file, mut block) = (other.entry(SF).clone(), good.entry(RSA).clone());
                file.rename("META-INF/OTHER.SF");
                block.rename("META-INF/OTHER.RSA");
                good.entries.extend([file, block]);
            }),
        ),
        (
            "J12-signature-of-another-package-beside",
            3,
            "[jarsigner]",
            with(&|good, other| {
                for (name, new_name) in [(SF, "META-INF/OTHER.SF"), (RSA, "META-INF/OTHER.RSA")] {
                    let mut entry = other.entry(name).clone();
                    entry.rename(new_name);
                    good.entries.push(entry);
                }
            }),
        ),
        (
            "J12-block-under-two-extensions",
            0,
            "",
            with(&|good, _| {
                let mut entry = good.entry(RSA).clone();
                entry.rename("META-INF/DP_PRODS.EC");
                good.entries.push(entry);
            }),
        ),
        ("J12-content-attached", 0, "", attached(&<[u8]>::to_vec).write()),
        ("J12-content-attached-damaged", 3, "[jarsigner]", {
            attached(&|file| [file, b"\r\n"].concat()).write()
        }),
        ("J12-content-attached-sf-removed", 0, "", {
            let mut zip = attached(&<[u8]>::to_vec);
            zip.remove(SF);
            zip.write()
        }),
        ("J12-content-attached-other-sf", 0, "", {
            let mut zip = attached(&<[u8]>::to_vec);
            *zip.entry(SF) = other().entry(SF).clone();
            zip.write()
        }),
        (
            "J12-block-first",
            0,
            "",
            with(&|good, _| {
                let at = good.at(RSA);
                let block = good.entries.remove(at);
                good.entries.insert(0, block);
            }),
        ),
    ];
    judge(&cases, &vendor.world());
}

#[test]
fn one_good_signer_info_is_enough_and_needed() {
    let vendor = vendor();
    let stranger = Party::root("TEST Forge Stranger");
    let by = |infos: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| {
        signed(files(), SHA_256, SHA_256, |file| {
            let certificates = [&vendor.certificates()[..], &[&stranger.der]].concat();
            signed_data(&DATA, None, &certificates, &infos(file))
        })
        .write()
    };
    let stamp = vendor.stamp();
    let good = |file: &[u8]| {
        Info { token: Some(&|over| stamp.write(over)), ..Info::new(&vendor.signer, file) }.write()
    };
    let bad = |_: &[u8]| {
        Info { token: Some(&|over| stamp.write(over)), ..Info::new(&vendor.signer, b"something else") }
            .write()
    };
    let cases: [Made; 6] = [
        ("J12-two-signer-infos-good", 0, "", by(&|file| vec![good(file), good(file)])),
        ("J12-two-signer-infos-first-bad", 0, "", by(&|file| vec![bad(file), good(file)])),
        ("J12-two-signer-infos-last-bad", 0, "", by(&|file| vec![good(file), bad(file)])),
        (
            "J12-two-signer-infos-both-bad",
            3,
            "cannot verify signature block",
            by(&|file| vec![bad(file), bad(file)]),
        ),
        (
            "J12-two-signer-infos-one-untrusted",
            3,
            "[jarsigner]",
            by(&|file| vec![good(file), Info::new(&stranger, file).write()]),
        ),
        (
            "J12-signer-info-of-an-absent-certificate",
            3,
            "cannot verify signature block",
            by(&|file| vec![Info::new(&Party::root("TEST Forge Absent"), file).write()]),
        ),
    ];
    judge(&cases, &vendor.world());
}

#[test]
fn many_signatures_end_soon() {
    let vendor = vendor();
    let stamp = vendor.stamp();
    let info = |file: &[u8]| {
        Info { token: Some(&|over| stamp.write(over)), ..Info::new(&vendor.signer, file) }.write()
    };
    let bare = |file: &[u8]| Info::new(&vendor.signer, file).write();
    let by = |infos: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| {
        signed(files(), SHA_256, SHA_256, |file| {
            signed_data(&DATA, None, &vendor.certificates(), &infos(file))
        })
        .write()
    };
    let certificates = |count: usize| {
        signed(files(), SHA_256, SHA_256, |file| {
            let stranger =
                vendor.root.issue_with(&Key::curve(), Shape::new("TEST Forge Stranger", Purpose::Authority));
            let mut all = vendor.certificates().to_vec();
            all.extend(vec![stranger.der.as_slice(); count]);
            signed_data(&DATA, None, &all, &[info(file)])
        })
        .write()
    };
    let blocks = |count: usize| {
        let mut zip = vendor.sign(files());
        let (file, block) = (zip.entry(SF).content(), zip.entry(RSA).content());
        for number in 0..count {
            zip.entries.push(Entry::deflated(&format!("META-INF/{number}.SF"), &file));
            zip.entries.push(Entry::deflated(&format!("META-INF/{number}.RSA"), &block));
        }
        zip.write()
    };
    let cases: [Made; 8] = [
        ("J21-10000-signer-infos", 3, "limit exceeded", by(&|file| vec![bare(file); 10_000])),
        ("J21-100-signer-infos", 3, "limit exceeded", by(&|file| vec![bare(file); 100])),
        ("J21-100-signer-infos-all-bad", 3, "limit exceeded", by(&|_| vec![bare(b"other"); 100])),
        ("J21-10000-signer-infos-all-bad", 3, "limit exceeded", by(&|_| vec![bare(b"other"); 10_000])),
        ("J21-10000-certificates", 3, "limit exceeded", certificates(10_000)),
        ("J21-20-certificates", 0, "", certificates(17)),
        ("J21-100-good-signatures", 3, "limit exceeded", blocks(100)),
        ("J21-5000-good-signatures", 3, "limit exceeded", blocks(5_000)),
    ];
    judge(&cases, &vendor.world());
}
