//! Properties of manifests: however lines are folded and ended, they say the same.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::fuzzing::{facts, written};
use crate::manifest::{Manifest, RawSections};

type Headers = BTreeMap<String, String>;

fn headers() -> impl Strategy<Value = Headers> {
    // Names that differ in case are one name; small letters only keep them apart.
    btree_map("[a-z0-9_-]{1,70}", "[^\r\n\u{0}]{0,200}", 0..6)
}

/// Writes a line in pieces of at most `width` bytes (which may cut a character), with the given line end.
fn fold(output: &mut Vec<u8>, line: &str, width: usize, end: &str) {
    let first = line.find(": ").map_or(0, |at| at + 2).max(width).min(line.len());
    let (head, rest) = line.as_bytes().split_at(first);
    output.extend(head);
    for chunk in rest.chunks(width) {
        output.extend(end.as_bytes());
        output.push(b' ');
        output.extend(chunk);
    }
    output.extend(end.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folded_manifests_say_what_was_written(
        main in headers(),
        sections in btree_map("[^\r\n\u{0}]{1,300}", headers(), 0..6),
        width in 1usize..400,
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let mut text = Vec::new();
        main.iter().for_each(|(name, value)| fold(&mut text, &format!("{name}: {value}"), width, end));
        text.extend(end.as_bytes());
        for (name, headers) in &sections {
            fold(&mut text, &format!("Name: {name}"), width, end);
            headers.iter().for_each(|(name, value)| fold(&mut text, &format!("{name}: {value}"), width, end));
            text.extend(end.as_bytes());
        }
        let length = text.len();
        let read = Manifest::parse(text).unwrap();
        let pairs = |headers: &Headers| headers.clone().into_iter().collect::<Vec<_>>();
        let written = sections.iter().map(|(name, headers)| (name.clone(), pairs(headers)));
        let all: Vec<_> = std::iter::once((String::new(), pairs(&main))).chain(written).collect();
        prop_assert_eq!(facts(&read), all);
        // The pieces that signature files digest are the whole file.
        let raw = RawSections::cut(&read);
        let mut pieces = raw.main(&read).unwrap().len();
        for name in sections.keys() {
            let found = raw.named(&read, name, true).unwrap();
            prop_assert_eq!(found.len(), 1, "{}", name);
            pieces += found.iter().map(|piece| piece.len()).sum::<usize>();
        }
        prop_assert_eq!(pieces, length);
    }

    #[test]
    fn a_manifest_that_can_be_read_can_be_written_and_read_again(text in vec(any::<u8>(), 0..300)) {
        if let Ok(manifest) = Manifest::parse(text) {
            let again = Manifest::parse(written(&manifest)).unwrap();
            prop_assert_eq!(facts(&again), facts(&manifest));
        }
    }
}
