//! Names that are one file on some file system.

use midmirror_verify::Finding;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{RawZip, report};

fn collides(one: &str, other: &str) -> bool {
    let mut zip = RawZip::default();
    zip.add(one, b"1");
    zip.add(other, b"2");
    report(zip.finish())
        .findings()
        .iter()
        .any(|finding| matches!(finding, Finding::CollidingNames { .. } | Finding::DuplicateName { .. }))
}

/// The letters that package names are made of, and some with marks, each with its decomposed form.
fn letters() -> impl Strategy<Value = Vec<(String, String)>> {
    let plain = "abcXYZ019._-/ß".chars().map(|letter| (letter.to_string(), letter.to_string()));
    let marked = [
        ("é", "e\u{301}"),
        ("À", "A\u{300}"),
        ("ñ", "n\u{303}"),
        ("Ü", "U\u{308}"),
        ("ç", "c\u{327}"),
        ("å", "a\u{30a}"),
        ("ô", "o\u{302}"),
    ];
    let marked = marked.map(|(one, two)| (one.to_owned(), two.to_owned()));
    vec(prop::sample::select(plain.chain(marked).collect::<Vec<_>>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn collisions_are_symmetric(one in letters(), other in letters()) {
        let text = |letters: &[(String, String)]| letters.iter().map(|(one, _)| one.as_str()).collect::<String>();
        let (one, other) = (text(&one), text(&other));
        prop_assert_eq!(collides(&one, &other), collides(&other, &one), "{} {}", one, other);
    }

    #[test]
    fn the_same_letters_collide_in_any_case_and_unicode_form(letters in letters(), choices in vec(0..4u8, 12)) {
        let plain: String = letters.iter().map(|(composed, _)| composed.as_str()).collect();
        let varied: String = letters
            .iter()
            .zip(choices)
            .map(|((composed, decomposed), choice)| match choice {
                0 => composed.clone(),
                1 => decomposed.clone(),
                2 => composed.to_uppercase(),
                _ => decomposed.to_lowercase(),
            })
            .collect();
        prop_assert!(collides(&plain, &varied), "{plain} {varied}");
        prop_assert!(collides(&varied, &plain), "{varied} {plain}");
    }

    #[test]
    fn names_that_differ_in_a_letter_do_not_collide(letters in letters()) {
        let name: String = letters.iter().map(|(composed, _)| composed.as_str()).collect();
        let name = name.trim_matches('/');
        prop_assert!(!collides(&format!("{name}q"), &format!("{name}w")), "{name}");
    }
}
