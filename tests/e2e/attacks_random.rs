//! Damage without a plan: the package cut at many places, and single bits changed where headers and signatures are.

use std::io::{Cursor, Read as _};

use midmirror_fixtures::{embedded, signing};
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, judge_file};
use midmirror_mirror::package::PackageName;
use midmirror_verify::TrustStore;

use crate::attacks::new_upgrade;
use crate::attacks_archive::Zip;

#[test]
fn a_package_cut_anywhere_is_refused() {
    let bytes = new_upgrade().bytes;
    let mut lengths: Vec<usize> = (0..16).map(|part| bytes.len() * part / 16).collect();
    lengths.extend((1..=64).map(|cut| bytes.len() - cut));
    for length in lengths {
        assert!(!is_admitted(&bytes[..length]), "cut to {length} of {} bytes", bytes.len());
    }
}

#[test]
fn a_changed_bit_is_refused_or_harmless() {
    let package = new_upgrade().bytes;
    let positions = metadata(package);
    let original = contents(package).unwrap();
    let (mut random, mut admitted) = (0x6d69_646d_6972_726f_u64, 0);
    for _ in 0..400 {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = positions[usize::try_from(random >> 8).unwrap() % positions.len()];
        let mut bytes = package.to_vec();
        bytes[at] ^= 1 << (random & 7);
        if is_admitted(&bytes) {
            admitted += 1;
            let what = format!("bit {} of byte {at}", random & 7);
            assert!(contents(&bytes).as_ref() == Some(&original), "{what} changes what is unpacked");
            if admitted <= 12 {
                jarsigner_agrees(&what, &bytes);
            }
        }
    }
    assert!(admitted < 200, "{admitted} of 400 changes are admitted");
}

/// Where no content is: all headers, the manifest, the signature file and the block, the directory.
fn metadata(package: &[u8]) -> Vec<usize> {
    let zip = Zip::read(package);
    let (mut positions, mut at) = (Vec::new(), 0);
    for entry in &zip.entries {
        let data = at + 30 + entry.local.name.len() + entry.local.extra.len();
        let end = data + entry.data.len();
        positions.extend(at..data);
        if entry.central.name.starts_with(b"META-INF/") {
            positions.extend(data..end);
        }
        at = end + entry.descriptor.len();
        positions.extend(end..at);
    }
    positions.extend(at..package.len());
    positions
}

/// Names, kinds and contents as another reader sees them.
fn contents(bytes: &[u8]) -> Option<Vec<(String, bool, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut all = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        let name = entry.name().ok()?.into_owned();
        // The bytes of signature files may change as long as they say the same.
        let content = if name.starts_with("META-INF/") { Vec::new() } else { content };
        all.push((name, entry.is_file(), content));
    }
    Some(all)
}

fn is_admitted(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let trust = TrustStore::read("test", embedded::test_anchors_pem().as_bytes(), None).unwrap();
    let policy = AdmissionPolicy::default();
    let at = "2026-11-25T00:00:00Z".parse().unwrap();
    let inputs = AdmissionInputs { trust: &trust, policy: &policy, at };
    let name = PackageName::parse(new_upgrade().file_name()).unwrap();
    judge_file(file.path(), Some(&name), Sha256Digest::of(bytes), &inputs).unwrap().is_admitted()
}

/// What we admit, the JDK's own jarsigner must verify too.
pub(crate) fn jarsigner_agrees(what: &str, bytes: &[u8]) {
    if !have_tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (package, anchors) = (folder.path().join("package.zip"), folder.path().join("anchors.jks"));
    std::fs::write(&package, bytes).unwrap();
    std::fs::write(&anchors, embedded::agent_cacerts()).unwrap();
    let answer = signing::verify(&package, &anchors).unwrap();
    assert_eq!(answer.exit_code, Some(0), "{what}: we admit, jarsigner rejects: {}", answer.text);
    assert!(answer.text.contains("\njar verified.\n"), "{what}: {}", answer.text);
}

/// Whether the JDK's tools are there; without them the step is skipped, or fails if they are demanded.
pub(crate) fn have_tools() -> bool {
    let have = signing::tools_are_installed();
    if !have {
        assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no jarsigner, keytool or openssl");
        eprintln!("skipped: no jarsigner, keytool or openssl");
    }
    have
}
