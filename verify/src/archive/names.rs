//! Names that unpack badly: traversal, collisions, links and special files.

use std::collections::HashMap;

use crate::finding::Finding;

use super::central_directory::EntryHeader;

/// Adds a finding for every name or mode that must not reach a disk.
pub(super) fn examine(entries: &[EntryHeader], findings: &mut Vec<Finding>) {
    let mut exact: HashMap<&str, ()> = HashMap::with_capacity(entries.len());
    let mut folded: HashMap<String, &str> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let name = entry.name.as_str();
        if let Some(reason) = unsafe_name(name) {
            findings.push(Finding::UnsafeName { entry: name.to_owned(), reason });
        }
        if exact.insert(name, ()).is_some() {
            findings.push(Finding::DuplicateName { entry: name.to_owned() });
        } else if !is_excessive(name)
            && let Some(other) = folded.insert(fold(name), name)
        {
            findings.push(Finding::CollidingNames { entry: name.to_owned(), other: other.to_owned() });
        }
        // Whatever system it claims to be from: some programs take these bits for a mode even of archives made on DOS.
        let mode = entry.external_attributes >> 16;
        if mode != 0 {
            let kind = mode & 0o170_000;
            let directory = entry.is_directory();
            let regular = kind == 0 || (kind == 0o100_000 && !directory) || (kind == 0o040_000 && directory);
            if kind == 0o120_000 {
                findings.push(Finding::SymbolicLink { entry: name.to_owned() });
            } else if !regular {
                findings.push(Finding::SpecialFile { entry: name.to_owned(), mode });
            }
            if mode & 0o6000 != 0 {
                findings.push(Finding::SetuidMode { entry: name.to_owned(), mode });
            }
        }
    }
    let mut last_folder = "";
    for entry in entries.iter().filter(|entry| !is_excessive(&entry.name)) {
        // A file where another entry needs a folder. Neighbours are mostly in the same one.
        let folder = entry.name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if folder == last_folder {
            continue;
        }
        let parent_is_file = entry
            .name
            .match_indices('/')
            .filter_map(|(at, _)| entry.name.get(..at))
            .find(|parent| exact.contains_key(parent));
        if let Some(parent) = parent_is_file {
            findings.push(Finding::CollidingNames { entry: entry.name.clone(), other: parent.to_owned() });
        } else {
            last_folder = folder;
        }
    }
}

/// Why a name must not be unpacked on Linux or Windows.
fn unsafe_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.starts_with('/') {
        return Some("it is absolute");
    }
    if name.contains('\\') {
        return Some("it contains a backslash");
    }
    if name.chars().any(is_hidden_character) {
        return Some("it contains a control or direction character");
    }
    if is_excessive(name) {
        return Some("it is longer than 4096 bytes or more than 100 folders deep");
    }
    let path = name.strip_suffix('/').unwrap_or(name);
    for component in path.split('/') {
        let stem = component.split('.').next().unwrap_or_default().trim_end();
        match component {
            "" => return Some("it has an empty component"),
            "." | ".." => return Some("it has a component . or .."),
            _ if component.contains(':') => return Some("it contains a colon"),
            _ if component.ends_with(['.', ' ']) => return Some("a component ends in a dot or blank"),
            _ if component.len() > 255 => return Some("a component is longer than 255 bytes"),
            _ if RESERVED.iter().any(|reserved| stem.eq_ignore_ascii_case(reserved)) => {
                return Some("a component is a device name on Windows");
            }
            _ => {}
        }
    }
    None
}

/// Whether a character can hide text or fake lines where it is shown: control and direction characters
/// (CVE-2018-12020). The same set decides which names are unsafe and what reports and terminals escape.
pub fn is_hidden_character(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Brings names together that are one file on some file system: case, and the decomposed form of Latin letters.
fn fold(name: &str) -> String {
    let trimmed = name.strip_suffix('/').unwrap_or(name);
    if trimmed.is_ascii() {
        return trimmed.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(trimmed.len());
    for character in trimmed.chars() {
        match decompose_latin(character) {
            Some((base, mark)) => {
                folded.extend(one_case(base));
                folded.push(mark);
            }
            None => folded.extend(one_case(character)),
        }
    }
    folded
}

/// File systems compare by capitals (NTFS) or by small letters; what is equal in either is equal here.
fn one_case(character: char) -> impl Iterator<Item = char> {
    character.to_uppercase().flat_map(char::to_lowercase)
}

/// Canonical decomposition of the Latin-1 letters, the only ones seen in package names.
fn decompose_latin(character: char) -> Option<(char, char)> {
    const TABLE: [(&str, &str, char); 6] = [
        ("ÀÈÌÒÙàèìòù", "AEIOUaeiou", '\u{300}'),
        ("ÁÉÍÓÚÝáéíóúý", "AEIOUYaeiouy", '\u{301}'),
        ("ÂÊÎÔÛâêîôû", "AEIOUaeiou", '\u{302}'),
        ("ÃÑÕãñõ", "ANOano", '\u{303}'),
        ("ÄËÏÖÜäëïöüÿ", "AEIOUaeiouy", '\u{308}'),
        ("ÅåÇç", "AaCc", '\u{30a}'),
    ];
    TABLE.iter().find_map(|(composed, bases, mark)| {
        let at = composed.chars().position(|other| other == character)?;
        let mark = if matches!(character, 'Ç' | 'ç') { '\u{327}' } else { *mark };
        Some((bases.chars().nth(at)?, mark))
    })
}

/// Such names are not compared with others: that would take hours for thousands of names of 64 KB.
fn is_excessive(name: &str) -> bool {
    name.len() > MAX_NAME || name.bytes().filter(|byte| *byte == b'/').count() > MAX_DEPTH
}

/// The longest path that Linux takes.
const MAX_NAME: usize = 4096;
const MAX_DEPTH: usize = 100;

const RESERVED: [&str; 31] = [
    "CONIN$",
    "CONOUT$",
    "CLOCK$",
    "COM\u{b9}",
    "COM\u{b2}",
    "COM\u{b3}",
    "LPT\u{b9}",
    "LPT\u{b2}",
    "LPT\u{b3}",
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "COM1",
    "COM2",
    "COM3",
    "COM4",
    "COM5",
    "COM6",
    "COM7",
    "COM8",
    "COM9",
    "LPT1",
    "LPT2",
    "LPT3",
    "LPT4",
    "LPT5",
    "LPT6",
    "LPT7",
    "LPT8",
    "LPT9",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_names_are_named_with_a_reason() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a\\b",
            "C:x",
            "a//b",
            "./a",
            "a/nul.txt",
            "a/nul .txt",
            "com\u{b9}.log",
            "a.",
            "x\u{202e}y",
            "a\nb",
        ] {
            assert!(unsafe_name(bad).is_some(), "{bad:?}");
        }
        for good in ["agent/", "META-INF/MANIFEST.MF", "agent/.hidden file", "a..b/c", "agent/lib/x-1.0.jar"]
        {
            assert_eq!(unsafe_name(good), None, "{good:?}");
        }
    }

    #[test]
    fn files_where_other_entries_need_folders_collide() {
        let entry = |name: &&str| EntryHeader { name: (*name).to_owned(), ..EntryHeader::for_tests() };
        let names = ["a", "b/c", "b/d", "a/x", "a/y", "b/c/", "b/e", "b/c/d/e", "b/f", "a/z"];
        let entries: Vec<EntryHeader> = names.iter().map(entry).collect();
        let mut findings = Vec::new();
        examine(&entries, &mut findings);
        let collides = |name: &&&str| {
            findings
                .iter()
                .any(|finding| matches!(finding, Finding::CollidingNames { entry, .. } if entry == **name))
        };
        let colliding: Vec<&&str> = names.iter().filter(collides).collect();
        assert_eq!(colliding, [&"a/x", &"a/y", &"b/c/", &"b/c/d/e", &"a/z"]);
    }

    #[test]
    fn endless_paths_are_unsafe() {
        assert_eq!(
            unsafe_name(&"a/".repeat(101)),
            Some("it is longer than 4096 bytes or more than 100 folders deep")
        );
        assert_eq!(unsafe_name(&"a/".repeat(100)), None);
    }

    #[test]
    fn case_and_unicode_forms_fold_together() {
        assert_eq!(fold("Agent/X"), fold("agent/x"));
        assert_eq!(fold("stra\u{df}e"), fold("STRASSE"));
        assert_eq!(fold("caf\u{e9}"), fold("cafe\u{301}"));
        assert_ne!(fold("cafe"), fold("caf\u{e9}"));
    }
}
