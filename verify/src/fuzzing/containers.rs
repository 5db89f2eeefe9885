//! The container and the text files in it.

use jiff::Timestamp;

use crate::archive::{Archive, ContentReader};
use crate::limits::Limits;
use crate::manifest::{Attributes, Manifest, RawSections};
use crate::mime_base64;
use crate::signatures::stated_digests;
use crate::source::Source;

/// The central directory and everything around it.
pub fn archive(bytes: &[u8]) {
    let source = Source::from_bytes(bytes.to_vec());
    let limits = Limits { entries: 10_000, ..Limits::default() };
    let Ok(Ok(archive)) = Archive::open(&source, &limits) else { return };
    assert!(archive.entries.len() <= limits.entries);
    // Every header takes 46 bytes of the file: no entry comes from nothing.
    assert!(archive.entries.len().saturating_mul(46) <= bytes.len());
    assert_eq!(archive.entries.len(), archive.data.len());
    let mut reader = ContentReader::default();
    for (index, entry) in archive.entries.iter().enumerate() {
        let found = archive.index_of(&entry.name);
        let last = archive.entries.iter().rposition(|other| other.name == entry.name);
        assert!(found == last && found.is_some(), "a look-up finds the last entry of a name");
        if entry.size > 1 << 20 || index >= 64 {
            continue;
        }
        let mut seen = 0u64;
        let Ok(content) = reader.read(&source, &archive, index, &mut |chunk| {
            seen += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        }) else {
            continue;
        };
        assert!(seen <= entry.size, "nothing beyond the declared size is handed on");
        assert!(content.length <= entry.size + 1, "reading stops one byte behind the declared size");
        assert_eq!(content.longer_than_declared, content.length > entry.size);
    }
}

/// A manifest.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes.to_vec()) else { return };
    let raw = RawSections::cut(&manifest);
    if let Some(main) = raw.main(&manifest) {
        assert!(bytes.starts_with(main), "the main section is the first");
    }
    check_attributes(&manifest.main());
    for (slot, name) in manifest.names() {
        let attributes = manifest.attributes(slot);
        assert!(manifest.section(&name).is_some_and(|found| found.iter().eq(attributes.iter())));
        assert!(manifest.lists(&name));
        check_attributes(&attributes);
        let (Some(with_blank), Some(without)) =
            (raw.named(&manifest, &name, true), raw.named(&manifest, &name, false))
        else {
            continue;
        };
        assert_eq!(with_blank.len(), without.len());
        for (long, short) in with_blank.iter().zip(&without) {
            assert!(long.starts_with(short), "a section is the same with and without its blank line");
        }
    }
    // Written out by the book and read again it says the same.
    let again = Manifest::parse(written(&manifest));
    assert!(again.is_ok_and(|again| facts(&again) == facts(&manifest)));
}

/// A signature file: a manifest whose digests are judged.
pub fn signature_file(bytes: &[u8]) {
    manifest(bytes);
    let Ok(file) = Manifest::parse(bytes.to_vec()) else { return };
    let sections = file.names().map(|(slot, _)| file.attributes(slot));
    for attributes in std::iter::once(file.main()).chain(sections) {
        for at in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            for suffix in ["-Digest-Manifest", "-Digest-Manifest-Main-Attributes", "-Digest"] {
                for (spelled, digest, value) in stated_digests(&attributes, suffix, at) {
                    assert!(attributes.value(&format!("{spelled}{suffix}")).is_some());
                    // No empty value passes for a digest.
                    assert!(!value.is_empty() || !digest.matches(&[b""], &value));
                }
            }
        }
    }
    let _ = mime_base64::decode(&String::from_utf8_lossy(bytes));
}

fn check_attributes(attributes: &Attributes<'_>) {
    let headers: Vec<(&str, &str)> = attributes.iter().collect();
    for (name, value) in headers.iter().take(64) {
        assert!((1..=70).contains(&name.len()) && !name.contains(['\r', '\n', ':', ' ']));
        assert_eq!(attributes.value(&name.to_ascii_uppercase()), Some(*value), "names compare without case");
    }
}

/// A manifest as the JAR File Specification has it written: lines of at most 72 bytes.
pub(crate) fn written(manifest: &Manifest) -> Vec<u8> {
    let mut output = Vec::new();
    let section = |output: &mut Vec<u8>, attributes: &Attributes<'_>| {
        for (name, value) in attributes.iter() {
            fold(output, &format!("{name}: {value}"));
        }
        output.extend(b"\r\n");
    };
    section(&mut output, &manifest.main());
    for (slot, name) in manifest.names() {
        fold(&mut output, &format!("Name: {name}"));
        section(&mut output, &manifest.attributes(slot));
    }
    output
}

fn fold(output: &mut Vec<u8>, line: &str) {
    // A header's name stays on the first line, whatever its length.
    let first = line.find(": ").map_or(70, |at| at + 2).max(70).min(line.len());
    let (head, rest) = line.as_bytes().split_at(first);
    output.extend(head);
    for chunk in rest.chunks(69) {
        output.extend(b"\r\n ");
        output.extend(chunk);
    }
    output.extend(b"\r\n");
}

/// What a manifest says: names and headers in their order, the main section without a name.
type Facts = Vec<(String, Vec<(String, String)>)>;

pub(crate) fn facts(manifest: &Manifest) -> Facts {
    let owned = |attributes: Attributes<'_>| {
        attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let main = std::iter::once((String::new(), owned(manifest.main())));
    let sections = manifest.names().map(|(slot, name)| (name.into_owned(), owned(manifest.attributes(slot))));
    main.chain(sections).collect()
}
