//! Algorithms that no longer count, signatures that are none, and signatures of something else.

use jiff::Timestamp;

use crate::attacks::{Made, judge};
use crate::attacks_forge::{DATA, Info, MakeToken, Stamp, TST_INFO, manifest, signed_data};
use crate::attacks_keys::{Hash, Key, Party, Purpose, Shape, children, der};
use crate::attacks_vendor::{files, signed, vendor, with_signature};

const SHA_256: &[Hash] = &[Hash::Sha256];

#[test]
fn disabled_algorithms_are_refused() {
    let vendor = vendor();
    let digests = |in_manifest: &[Hash], in_file: &[Hash]| {
        signed(files(), in_manifest, in_file, |file| vendor.block(file)).write()
    };
    let both = [Hash::Md5, Hash::Sha256];
    let beside = [Hash::Sha, Hash::Sha256];
    // One file with a good digest, the other with a bad one only.
    let uneven = {
        let zip = files();
        let named: Vec<_> =
            zip.entries.iter().map(|entry| (entry.central.name.clone(), entry.content())).collect();
        let second = manifest(&named[1..], &[Hash::Md5]);
        let start = second.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let text = [&manifest(&named[..1], SHA_256)[..], &second[start..]].concat();
        with_signature(zip, &text, SHA_256, |file| vendor.block(file)).write()
    };
    let cases: [Made; 12] = [
        ("J7-md5-in-sf", 3, "[jarsigner]", digests(SHA_256, &[Hash::Md5])),
        ("J7-sha1-in-sf", 3, "[jarsigner]", digests(SHA_256, &[Hash::Sha1])),
        ("J7-md5-in-manifest", 3, "[jarsigner]", digests(&[Hash::Md5], SHA_256)),
        ("J7-sha1-in-manifest", 3, "[jarsigner]", digests(&[Hash::Sha1], SHA_256)),
        ("J7-md5-everywhere", 3, "[jarsigner]", digests(&[Hash::Md5], &[Hash::Md5])),
        ("J7-md5-beside-sha-256-in-sf", 0, "", digests(SHA_256, &both)),
        ("J7-md5-beside-sha-256-in-manifest", 0, "", digests(&both, SHA_256)),
        ("J7-md5-for-one-file-only", 3, "[jarsigner]", uneven),
        ("J7-sha-in-sf", 4, "[disabled-digest]", digests(SHA_256, &[Hash::Sha])),
        ("J7-sha-in-manifest", 4, "[disabled-digest]", digests(&[Hash::Sha], SHA_256)),
        ("J7-sha-everywhere", 4, "[disabled-digest]", digests(&[Hash::Sha], &[Hash::Sha])),
        ("J7-sha-beside-sha-256", 4, "[disabled-digest]", digests(&beside, &beside)),
    ];
    judge(&cases, &vendor.world());
}

#[test]
fn disabled_keys_and_signature_algorithms_are_refused() {
    let vendor = vendor();
    let with_key = |bits: u64, hash: Hash| {
        let shape = Shape::new("TEST Forge Weak Signer", Purpose::CodeSigning);
        let signer = vendor.authority.issue(Shape { key: Key::rsa(bits), ..shape });
        let stamp = vendor.stamp();
        signed(files(), SHA_256, SHA_256, |file| {
            let info = Info { hash, token: Some(&|over| stamp.write(over)), ..Info::new(&signer, file) };
            signed_data(&DATA, None, &[&signer.der, &vendor.authority.der, &vendor.root.der], &[info.write()])
        })
        .write()
    };
    let stamped_with = |bits: u64| {
        let shape = Shape::new("TEST Forge Weak Timestamps", Purpose::TimeStamping);
        let stamper = vendor.stamp_root.issue(Shape { key: Key::rsa(bits), ..shape });
        let certificates = vec![stamper.der.as_slice(), &vendor.stamp_root.der];
        stamped(&Stamp { stamper: &stamper, certificates, ..vendor.stamp() }, SHA_256)
    };
    let imprint = |hash| stamped(&Stamp { hash, ..vendor.stamp() }, SHA_256);
    let at = |time: &str| {
        let at: Timestamp = time.parse().unwrap();
        stamped(&Stamp { at, ..vendor.stamp() }, &[Hash::Sha1])
    };
    let cases: [Made; 11] = [
        ("J7-rsa-512", 3, "[jarsigner]", with_key(512, Hash::Sha256)),
        ("J7-rsa-1024", 0, "", with_key(1024, Hash::Sha256)),
        ("J7-md5-with-rsa", 3, "[jarsigner]", with_key(1024, Hash::Md5)),
        ("J7-sha1-with-rsa", 3, "[jarsigner]", with_key(1024, Hash::Sha1)),
        ("J7-timestamp-by-rsa-512", 3, "[jarsigner]", stamped_with(512)),
        ("J7-timestamp-by-rsa-1024", 0, "", stamped_with(1024)),
        ("J7-timestamp-over-md5", 3, "[jarsigner]", imprint(Hash::Md5)),
        ("J7-timestamp-over-sha1", 3, "[jarsigner]", imprint(Hash::Sha1)),
        // SHA-1 counts where the timestamp is older than 2019.
        ("J7-sha1-stamped-2018", 4, "[signed-before-build]", at("2018-12-31T23:59:59Z")),
        ("J7-sha1-stamped-2019", 3, "[jarsigner]", at("2019-01-01T00:00:00Z")),
        ("J7-sha1-stamped-2024", 3, "[jarsigner]", at("2024-06-01T00:00:00Z")),
    ];
    judge(&cases, &vendor.world());
}

/// An ordinary package with this timestamp, and these digests everywhere.
fn stamped(stamp: &Stamp<'_>, hashes: &[Hash]) -> Vec<u8> {
    let vendor = vendor();
    signed(files(), hashes, hashes, |file| {
        vendor.block_of(Info { token: Some(&|over| stamp.write(over)), ..Info::new(&vendor.signer, file) })
    })
    .write()
}

/// The order of the curve P-256 (SEC 2, section 2.4.2).
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

#[test]
fn signatures_of_zeros_are_refused() {
    let vendor = vendor();
    let zeros = pair(&[0], &[0]);
    let order = [&[0][..], &hex::decode(ORDER).unwrap()].concat();
    let with = |signature: Vec<u8>| {
        let stamp = vendor.stamp();
        signed(files(), SHA_256, SHA_256, |file| {
            let (signature, token): (_, MakeToken<'_>) = (Some(signature), &|over| stamp.write(over));
            vendor.block_of(Info { signature, token: Some(token), ..Info::new(&vendor.signer, file) })
        })
        .write()
    };
    // A signer of the attacker's, whose certificate the vendor's authority has "signed" with zeros.
    let signer = zeroed(
        vendor
            .authority
            .issue_with(&Key::curve(), Shape::new("TEST Forge Other Signer", Purpose::CodeSigning)),
    );
    let stamp = vendor.stamp();
    let by_certificate = signed(files(), SHA_256, SHA_256, |file| {
        let info = Info { token: Some(&|over| stamp.write(over)), ..Info::new(&signer, file) };
        signed_data(&DATA, None, &[&signer.der, &vendor.authority.der, &vendor.root.der], &[info.write()])
    });
    let token = |over: &[u8]| {
        let imprint = der(0x30, &[&Hash::Sha256.algorithm(), &der(4, &[&Hash::Sha256.of(over)])]);
        let time = Timestamp::now().strftime("%Y%m%d%H%M%SZ").to_string();
        let info = der(0x30, &[&[2, 1, 1, 6, 1, 0x2a], &imprint, &[2, 1, 1], &der(0x18, &[time.as_bytes()])]);
        let signature = Some(zeros.clone());
        let signer = Info { attributes: Some(&TST_INFO), signature, ..Info::new(&vendor.stamper, &info) };
        signed_data(&TST_INFO, Some(&info), &[&vendor.stamper.der, &vendor.stamp_root.der], &[signer.write()])
    };
    let by_token = signed(files(), SHA_256, SHA_256, |file| {
        vendor.block_of(Info { token: Some(&token), ..Info::new(&vendor.signer, file) })
    });
    let cases: [Made; 8] = [
        ("J10-zeros", 3, "[jarsigner]", with(zeros.clone())),
        ("J10-r-zero", 3, "[jarsigner]", with(pair(&[0], &[1]))),
        ("J10-s-zero", 3, "[jarsigner]", with(pair(&[1], &[0]))),
        ("J10-order-of-the-curve", 3, "[jarsigner]", with(pair(&order, &order))),
        ("J10-no-numbers", 3, "[jarsigner]", with(der(0x30, &[]))),
        ("J10-empty", 3, "[jarsigner]", with(Vec::new())),
        ("J10-certificate-signed-with-zeros", 3, "[jarsigner]", by_certificate.write()),
        ("J10-timestamp-signed-with-zeros", 3, "[jarsigner]", by_token.write()),
    ];
    judge(&cases, &vendor.world());
}

fn pair(r: &[u8], s: &[u8]) -> Vec<u8> {
    der(0x30, &[&der(2, &[r]), &der(2, &[s])])
}

/// The certificate with a signature of zeros.
fn zeroed(mut party: Party) -> Party {
    let parts: Vec<Vec<u8>> = children(&party.der).into_iter().map(<[u8]>::to_vec).collect();
    party.der = der(0x30, &[&parts[0], &parts[1], &der(3, &[&[0], &pair(&[0], &[0])])]);
    party
}

#[test]
fn signatures_of_something_else_are_refused() {
    let vendor = vendor();
    let certificates = vendor.certificates();
    let by = |block: &dyn Fn(&[u8]) -> Vec<u8>| signed(files(), SHA_256, SHA_256, |file| block(file)).write();
    let stamp = vendor.stamp();
    let over = |message: &[u8]| {
        Info { token: Some(&|over| stamp.write(over)), ..Info::new(&vendor.signer, message) }.write()
    };
    let named: Vec<_> =
        files().entries.iter().map(|entry| (entry.central.name.clone(), entry.content())).collect();
    let manifest = manifest(&named, SHA_256);
    let mut bare = files();
    bare.push_first("META-INF/MANIFEST.MF", &manifest);
    let cases: [Made; 11] = [
        ("J20-plain-archive", 3, "[signed]", files().write()),
        ("J20-manifest-alone", 3, "[signed]", bare.write()),
        (
            "J20-no-signer-info",
            3,
            "cannot verify signature block",
            by(&|_| signed_data(&DATA, None, &certificates, &[])),
        ),
        (
            "J20-no-signer-info-content-attached",
            3,
            "cannot verify signature block",
            by(&|file| signed_data(&DATA, Some(file), &certificates, &[])),
        ),
        (
            "J20-signs-itself",
            3,
            "[jarsigner]",
            by(&|_| signed_data(&DATA, Some(b"approved"), &certificates, &[over(b"approved")])),
        ),
        (
            "J20-signs-the-manifest",
            3,
            "cannot verify",
            by(&|_| signed_data(&DATA, None, &certificates, &[over(&manifest)])),
        ),
        (
            "J20-signs-nothing",
            3,
            "cannot verify",
            by(&|_| signed_data(&DATA, None, &certificates, &[over(b"")])),
        ),
        // The signed attributes name no digest, so they say nothing of the content.
        (
            "J20-attributes-without-digest",
            3,
            "[jarsigner]",
            by(&|file| {
                let content_type = der(0x30, &[&CONTENT_TYPE, &der(0x31, &[&DATA])]);
                let set = der(0x31, &[&content_type]);
                let info = Info { attributes: Some(&DATA), ..Info::new(&vendor.signer, &set) }.write();
                // Replace the attributes by those that were signed as if they were the message.
                let parts = children(&info);
                let true_signature = Info::new(&vendor.signer, &set).write();
                let signature = children(&true_signature)[4].to_vec();
                let attributes = der(0xa0, &[&content_type]);
                assert!(!file.is_empty());
                let info = der(0x30, &[parts[0], parts[1], parts[2], &attributes, parts[4], &signature]);
                signed_data(&DATA, None, &certificates, &[info])
            }),
        ),
        ("J20-timestamp-token-as-block", 3, "[jarsigner]", by(&|file| stamp.write(file))),
        ("J20-plain-data", 3, "[signed]", by(&|file| der(0x30, &[&DATA, &der(0xa0, &[&der(4, &[file])])]))),
        ("J20-certificate-alone", 3, "[signed]", by(&|_| vendor.signer.der.clone())),
    ];
    judge(&cases, &vendor.world());
}

/// The attribute type `contentType` in DER.
const CONTENT_TYPE: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
