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
    let mut random = Random(0x6d69_646d_6972_726f);
    check(400, 200, || {
        let (at, bit) = (positions[random.below(positions.len())], random.below(8));
        let mut bytes = package.to_vec();
        bytes[at] ^= 1 << bit;
        (format!("bit {bit} of byte {at}"), bytes)
    });
}

#[test]
fn exchanged_headers_and_data_are_refused_or_harmless() {
    let package = Zip::read(new_upgrade().bytes);
    let mut random = Random(0x6174_7461_636b_7321);
    check(300, 100, || {
        let mut zip = package.clone();
        let (left, right) = (random.below(zip.entries.len()), random.below(zip.entries.len()));
        let other = package.entries[right].clone();
        let what = random.below(7);
        match what {
            0 => zip.entries.swap(left, right),
            1 => zip.entries[left].data = other.data,
            2 => zip.entries[left].central = other.central,
            3 => zip.entries[left].local = other.local,
            4 => zip.entries[left].shares = (right < left).then_some(right),
            5 => zip.entries[left].descriptor = other.descriptor,
            _ => zip.entries.push(other),
        }
        (format!("change {what} of entries {left} and {right}"), zip.write())
    });
}

/// Makes many packages: what is admitted must unpack to the same; not too many may be.
fn check(count: usize, at_most: usize, mut make: impl FnMut() -> (String, Vec<u8>)) {
    let original = contents(new_upgrade().bytes).unwrap();
    let mut admitted = 0;
    for _ in 0..count {
        let (what, bytes) = make();
        if is_admitted(&bytes) {
            admitted += 1;
            assert!(contents(&bytes).as_ref() == Some(&original), "{what} changes what is unpacked");
            if admitted <= 8 {
                jarsigner_agrees(&what, &bytes);
            }
        }
    }
    assert!(admitted < at_most, "{admitted} of {count} changes are admitted");
}

/// The same numbers in each run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap() % limit
    }
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
    all.sort();
    Some(all)
}

fn is_admitted(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let trust = TrustStore::read("test", embedded::test_anchors_pem().as_bytes(), None).unwrap();
    let policy = AdmissionPolicy::default();
    let at = "2026-11-25T00:00:00Z".parse().unwrap();
    let inputs = AdmissionInputs::new(&trust, &policy, at);
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
