//! Every build stamp and every package URL of the vendor that is known in public is parsed and printed byte for byte.
//!
//! `data/stamps.txt` and `data/urls.txt` hold names that were collected from public documents, one a line.

use midmirror_mirror::package::{
    Buildstamp, PackageKind, PackageName, PackagePath, Platform, Tree, split_url,
};
use midmirror_mirror::plan::PlannedPackage;
use proptest::prelude::*;

const STAMPS: &str = include_str!("data/stamps.txt");
const URLS: &str = include_str!("data/urls.txt");

#[test]
fn every_known_stamp_is_regular_and_prints_byte_for_byte() {
    let mut count = 0;
    for line in STAMPS.lines() {
        let stamp = Buildstamp::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(stamp.as_str(), line);
        let fields = stamp.fields().unwrap_or_else(|| panic!("{line} is not understood"));
        let hotfix = fields.hotfix.as_ref().map(|hotfix| format!("-hotfix{hotfix}")).unwrap_or_default();
        let printed = format!(
            "{}-{}__patch{}{hotfix}-{}_{}",
            fields.family,
            fields.family_date.strftime("%m-%d-%Y"),
            fields.patch,
            fields.tag_date.strftime("%m-%d-%Y"),
            fields.built.strftime("%m-%d-%Y_%H%M"),
        );
        assert_eq!(printed, line, "the fields do not say what the text says");
        assert!(fields.tag_date <= fields.built.date(), "{line}");
        count += 1;
    }
    assert_eq!(count, 220);
}

#[test]
fn every_known_url_is_split_and_built_again_byte_for_byte() {
    let mut count = 0;
    for line in URLS.lines() {
        let (base, path) = split_url(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(format!("{base}{path}"), line);
        assert_eq!(PackagePath::parse(path.as_str()).as_ref(), Ok(&path));
        assert_eq!(PlannedPackage::below(&base, path.clone()).unwrap().url().as_str(), line);
        let name = path.name();
        let again = PackageName::new(name.kind(), name.stamp(), name.platform(), name.extension()).unwrap();
        assert_eq!(&again, name, "{line}");
        if name.stamp().fields().is_some() {
            assert_eq!(PackagePath::new(path.tree(), &again).as_ref(), Ok(&path), "{line}");
        } else {
            assert_eq!(PackagePath::with_date(path.tree(), path.date(), &again), path, "{line}");
        }
        count += 1;
    }
    assert_eq!(count, 89);
}

proptest! {
    #[test]
    fn parsers_never_panic_and_print_what_they_took(text in near_names()) {
        if let Ok(stamp) = Buildstamp::parse(&text) {
            prop_assert_eq!(stamp.as_str(), text.as_str());
        }
        if let Ok(name) = PackageName::parse(&text) {
            prop_assert_eq!(name.as_str(), text.as_str());
            prop_assert!(!text.contains(['/', '\\', ' ', '\0']) && !text.contains(".."));
        }
        if let Ok(path) = PackagePath::parse(&text) {
            prop_assert_eq!(path.as_str(), text.strip_prefix('/').unwrap_or(&text));
        }
        let _ = Buildstamp::from_input(&text);
        let _ = split_url(&text);
        let _ = text.parse::<Platform>();
    }

    #[test]
    fn every_name_that_can_be_made_is_parsed_again(
        kind in prop::sample::select(PackageKind::ALL.to_vec()),
        platform in prop::sample::select(Platform::ALL.to_vec()),
        stamp in prop::sample::select(STAMPS.lines().collect::<Vec<_>>()),
        extension in prop::sample::select(vec![".zip", ".deb", ".rpm", ".msi", "-deb.zip", "-rpm.zip"]),
        signed in any::<bool>(),
    ) {
        let stamp = Buildstamp::parse(stamp).unwrap();
        let name = PackageName::new(kind, &stamp, platform, extension).unwrap();
        prop_assert_eq!((name.kind(), name.platform(), name.extension()), (kind, platform, extension));
        let tree = if signed { Tree::Signed } else { Tree::Unsigned };
        let path = PackagePath::new(tree, &name).unwrap();
        prop_assert_eq!(PackagePath::parse(path.as_str()), Ok(path));
    }
}

/// Arbitrary text, and real URLs, paths, names and stamps with a few characters cut out or replaced.
fn near_names() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = URLS.lines().chain(STAMPS.lines()).collect();
    let damaged = (
        prop::sample::select(lines),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop_oneof![Just(String::new()), "[-_./% a-zA-Z0-9é]{1,3}"],
        any::<bool>(),
    )
        .prop_map(|(line, from, to, insert, whole)| {
            let (from, to) = (from.index(line.len()), to.index(line.len()));
            let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 4));
            let mut text = line.to_owned();
            text.replace_range(from..to, &insert);
            if whole { text } else { text.rsplit('/').next().unwrap_or_default().to_owned() }
        });
    prop_oneof![damaged, "\\PC{0,60}", Just(String::new())]
}
