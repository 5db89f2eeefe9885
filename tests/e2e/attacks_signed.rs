//! Signers that are not enough, with signatures by the JDK's own `jarsigner` and a throw-away vendor.
//!
//! Without the tools these steps are skipped. What the MID Server's own verifier objects to is shown on shipped packages, with other inputs.

use std::fs;

use midmirror_fixtures::embedded;
use midmirror_fixtures::pki::Authorities;
use midmirror_fixtures::signing::{JarSigner, TestVendor};
use midmirror_fixtures::timestamp_authority::TimestampAuthority;

use crate::attacks::{Change, MANIFEST, RSA, SF, SH, new_upgrade};
use crate::attacks_archive::{Entry, Zip};
use crate::attacks_random::have_tools;
use crate::site::{Run, Site};

#[test]
fn a_second_signer_must_be_good_too() {
    if !have_tools() {
        return;
    }
    let site = Site::new();
    let vendor = TestVendor::new(&site.path("vendor")).unwrap();
    // jarsigner replaces the signature and keeps the manifest: both signatures are over the same one.
    fs::write(site.path("once.zip"), new_upgrade().bytes).unwrap();
    vendor.sign(&site.path("once.zip"), &site.path("twice.zip")).unwrap();
    let (mut zip, mut other) =
        (Zip::read(new_upgrade().bytes), Zip::read(&fs::read(site.path("twice.zip")).unwrap()));
    assert_eq!(zip.entry(MANIFEST).content(), other.entry(MANIFEST).content());
    for (name, new_name) in [(SF, "META-INF/OTHER.SF"), (RSA, "META-INF/OTHER.RSA")] {
        let mut entry = other.entry(name).clone();
        entry.rename(new_name);
        zip.entries.push(entry);
    }
    fs::write(site.path(new_upgrade().file_name()), zip.write()).unwrap();
    // Nobody trusts the second signer.
    verify(&site).expect(3).says("[jarsigner]");
    // Everybody trusts it, but it is not the pinned key.
    let all = [embedded::test_anchors_pem(), &vendor.anchors_pem()].concat();
    fs::write(site.path("anchors.pem"), all).unwrap();
    verify(&site).expect(0);
    fs::write(site.path("alone.zip"), new_upgrade().bytes).unwrap();
    let json = site.run(&["verify", "alone.zip", "--format", "json"]).expect(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let key = report["report"]["signers"][0]["chain"][0]["spki_sha256"].as_str().unwrap();
    site.configure(&format!("signer_keys = [{key:?}]\n"));
    site.run(&["verify", "alone.zip"]).expect(0);
    verify(&site).expect(4).says("[signer-key]");
}

#[test]
fn a_signature_without_timestamp_or_after_expiry_is_refused() {
    if !have_tools() {
        return;
    }
    let site = Site::new();
    let (unsigned, signed) = (site.path("unsigned.zip"), site.path(new_upgrade().file_name()));
    fs::write(&unsigned, archive(&["agent/start.sh"])).unwrap();
    let authorities = Authorities::new().unwrap();
    let anchors = [authorities.signer_root.certificate_pem(), authorities.timestamp_root.certificate_pem()];
    fs::write(site.path("anchors.pem"), anchors.concat()).unwrap();

    let signer = authorities.signer((2025, 8, 11), (2045, 8, 10)).unwrap();
    let without = JarSigner::new(&site.path("without"), &authorities, &signer, None, None).unwrap();
    without.sign(&unsigned, &signed).unwrap();
    verify(&site).expect(3).says("Signer doesn't have timestamp");

    let stamper = authorities.timestamp_authority((2025, 6, 1), (2043, 12, 31)).unwrap();
    let chain = [authorities.timestamp_intermediate.certificate_pem()];
    let timestamps = TimestampAuthority::start(&site.path("tsa"), &stamper, &chain, None).unwrap();
    let expired = authorities.signer((2020, 1, 1), (2021, 1, 1)).unwrap();
    let late = JarSigner::new(&site.path("late"), &authorities, &expired, Some(timestamps), None).unwrap();
    fs::remove_file(&signed).unwrap();
    late.sign(&unsigned, &signed).unwrap();
    verify(&site).expect(3).says("Signer certificate is not valid at the time of signing");
}

#[test]
fn the_agents_own_reasons_are_given_and_refuse() {
    let site = Site::new();
    let anchors = embedded::test_anchors_pem();
    let (first, second) = anchors.split_at(anchors.rfind("-----BEGIN").unwrap());
    for (name, pem) in [("signer-only.pem", first), ("timestamp-only.pem", second)] {
        fs::write(site.path(name), pem).unwrap();
    }
    fs::write(site.path(new_upgrade().file_name()), new_upgrade().bytes).unwrap();
    let cases: [(&[&str], i32, &str); 8] = [
        (&[], 0, "accepted"),
        (&["--truststore", "timestamp-only.pem"], 3, "Signer is not trusted by CA"),
        (&["--truststore", "signer-only.pem"], 3, "Timestamp certificate is not trusted by CA"),
        (&["--at", "2045-01-01T00:00:00Z"], 3, "Timestamp certificate is expired"),
        (&["--organization", "ServiceNow"], 4, "Signer organization is not O=ServiceNow"),
        (&["--organization", "servicenow inc."], 4, "[organization]"),
        (&["--organization", "ServiceNow Inc. "], 4, "[organization]"),
        (&["--organization", ""], 3, "Verification policy is missing"),
    ];
    for (more, code, says) in cases {
        let run = site.run(&[&["verify", new_upgrade().file_name()], more].concat());
        assert_eq!(run.code, code, "{more:?}: {}{}", run.stdout, run.stderr);
        run.says(says);
    }
    let spoiled: [(Change, &str); 4] = [
        (|zip| zip.entry(SH).replace(b"evil"), "File has been tampered"),
        (|zip| zip.push("agent/evil.sh", b"evil"), "Entry is not in manifest"),
        (|zip| zip.remove(SF), "Entry is not signed"),
        (|zip| zip.before_end = vec![0], "Error while reading data"),
    ];
    for (spoil, says) in spoiled {
        let mut zip = Zip::read(new_upgrade().bytes);
        spoil(&mut zip);
        fs::write(site.path(new_upgrade().file_name()), zip.write()).unwrap();
        verify(&site).expect(3).says(says);
    }
}

#[test]
fn hazards_can_be_relaxed_for_one_digest_and_signatures_never() {
    let site = Site::new();
    let name = new_upgrade().file_name();
    let relax = |rule: &str, digest: &str| {
        format!("[[policy.relax]]\nrule = {rule:?}\nsha256 = {digest:?}\nreason = \"seen by hand\"\n")
    };
    let digest = |bytes: &[u8]| midmirror_mirror::Sha256Digest::of(bytes).to_hex();
    let mut hazard = Zip::read(new_upgrade().bytes);
    hazard.suffix = vec![0; 3];
    let mut unsigned = Zip::read(new_upgrade().bytes);
    unsigned.entries.push(Entry::stored("agent/evil.sh", b"evil"));
    for (zip, rule, other_code) in [(hazard, "trailing-bytes", 4), (unsigned, "unsigned-entries", 3)] {
        let bytes = zip.write();
        fs::write(site.path(name), &bytes).unwrap();
        site.configure(&relax(rule, &digest(b"other")));
        let other = verify(&site);
        site.configure(&relax(rule, &digest(&bytes)));
        let relaxed = verify(&site);
        if rule == "trailing-bytes" {
            other.expect(other_code);
            relaxed.expect(0).says("seen by hand");
        } else {
            // Such a configuration is wrong as a whole.
            other.expect(2).says("cannot be relaxed");
            relaxed.expect(2).says("cannot be relaxed");
        }
    }
}

fn verify(site: &Site) -> Run {
    site.run(&["verify", new_upgrade().file_name()])
}

fn archive(names: &[&str]) -> Vec<u8> {
    let mut zip = Zip::default();
    for name in names {
        zip.entries.push(Entry::deflated(name, SH.as_bytes()));
    }
    zip.write()
}
