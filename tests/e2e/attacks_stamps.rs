//! Timestamps of something else, by somebody else, or of another time.

use jiff::{SignedDuration, Timestamp};

use crate::attacks::{Made, judge};
use crate::attacks_forge::{DATA, Info, Stamp, signed_data};
use crate::attacks_keys::{Hash, Party, Purpose, Shape};
use crate::attacks_vendor::{files, signed, vendor};

#[test]
fn timestamps_of_others_or_of_another_time_are_refused() {
    let vendor = vendor();
    let stamp = vendor.stamp();
    let token = |token: &dyn Fn(&[u8]) -> Vec<u8>| package(&vendor.signer, token);
    let issued = |shape: Shape| vendor.stamp_root.issue(shape);
    let by = |stamper: &Party, at: Timestamp| {
        let certificates = vec![stamper.der.as_slice(), &vendor.stamp_root.der];
        token(&|over| {
            Stamp { stamper, certificates: certificates.clone(), hash: Hash::Sha256, at }.write(over)
        })
    };
    let (now, year) = (stamp.at, |year: i32| format!("{year}-06-01T00:00:00Z").parse::<Timestamp>().unwrap());
    let time_stamping = || Shape::new("TEST Forge Other Timestamps", Purpose::TimeStamping);
    let nothing = issued(Shape::new("TEST Forge Timestamps", Purpose::Nothing));
    let code_signing = issued(Shape::new("TEST Forge Timestamps", Purpose::CodeSigning));
    let expired = issued(Shape { years: 2015..=2026, ..time_stamping() });
    let expired_before = issued(Shape { years: 2015..=2020, ..time_stamping() });
    let young_authority = issued(Shape { years: 2020..=2045, ..time_stamping() });
    let stranger = Party::root("TEST Forge Strange Timestamps");
    let strange = stranger.issue(time_stamping());
    let young = vendor
        .authority
        .issue(Shape { years: 2020..=2045, ..Shape::new("TEST Forge Young", Purpose::CodeSigning) });
    let old = vendor
        .authority
        .issue(Shape { years: 2015..=2020, ..Shape::new("TEST Forge Old", Purpose::CodeSigning) });
    let at =
        |party: &Party, at: Timestamp| package(party, &|over| Stamp { at, ..vendor.stamp() }.write(over));
    let cases: [Made; 17] = [
        ("J18-token-over-another-signature", 3, "[jarsigner]", token(&|_| stamp.write(b"another signature"))),
        (
            "J18-token-over-the-signature-twice",
            3,
            "[jarsigner]",
            token(&|over| stamp.write(&[over, over].concat())),
        ),
        ("J18-no-token", 3, "Signer doesn't have timestamp", {
            let zip = signed(files(), &[Hash::Sha256], &[Hash::Sha256], |file| {
                vendor.block_of(Info::new(&vendor.signer, file))
            });
            zip.write()
        }),
        ("J18-token-is-text", 3, "[jarsigner]", token(&|_| b"\x0c\x05token".to_vec())),
        (
            "J18-token-changed-after-signing",
            3,
            "[jarsigner]",
            token(&|over| {
                let mut token = stamp.write(over);
                let year = token.windows(3).position(|window| window == b"\x18\x0f2").unwrap() + 5;
                token[year] ^= 1;
                token
            }),
        ),
        (
            "J18-token-without-certificates",
            3,
            "[jarsigner]",
            token(&|over| Stamp { certificates: Vec::new(), ..vendor.stamp() }.write(over)),
        ),
        ("J18-authority-without-purpose", 3, "[jarsigner]", by(&nothing, now)),
        ("J18-authority-for-code-signing", 3, "[jarsigner]", by(&code_signing, now)),
        ("J18-authority-untrusted", 3, "[jarsigner]", {
            token(&|over| {
                let certificates = vec![strange.der.as_slice(), &stranger.der];
                Stamp { stamper: &strange, certificates, ..vendor.stamp() }.write(over)
            })
        }),
        (
            "J18-signer-stamps-itself",
            3,
            "[jarsigner]",
            token(&|over| {
                let certificates = vendor.certificates().to_vec();
                Stamp { stamper: &vendor.signer, certificates, ..vendor.stamp() }.write(over)
            }),
        ),
        ("J18-authority-expired", 3, "Timestamp certificate is expired", by(&expired, year(2025))),
        (
            "J18-authority-expired-before-it-stamped",
            3,
            "Timestamp certificate is expired",
            by(&expired_before, now),
        ),
        ("J18-stamped-before-the-signer-was-valid", 3, "[jarsigner]", at(&young, year(2018))),
        ("J18-stamped-after-the-signer-expired", 3, "[jarsigner]", at(&old, now)),
        ("J18-stamped-while-the-signer-was-valid", 4, "[signed-before-build]", at(&old, year(2018))),
        (
            "J18-stamped-before-the-authority-was-valid",
            4,
            "[signed-before-build]",
            by(&young_authority, year(2018)),
        ),
        ("J18-stamped-in-the-future", 4, "[timestamp-in-future]", {
            at(&vendor.signer, now + SignedDuration::from_hours(24 * 365))
        }),
    ];
    judge(&cases, &vendor.world());
}

/// Two files, signed, with the token that is made of the signature.
fn package(signer: &Party, token: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let vendor = vendor();
    signed(files(), &[Hash::Sha256], &[Hash::Sha256], |file| {
        let info = Info { token: Some(token), ..Info::new(signer, file) };
        signed_data(&DATA, None, &[&signer.der, &vendor.authority.der, &vendor.root.der], &[info.write()])
    })
    .write()
}
