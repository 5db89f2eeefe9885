//! All build stamps and addresses that are named in public documents go through our types unchanged.

use super::{Buildstamp, PackageName, PackagePath, split_url};

const STAMPS: &str = include_str!("../../../fixtures/data/naming/build-stamps.txt");
const ADDRESSES: &str = include_str!("../../../fixtures/data/naming/package-urls.txt");

#[test]
fn every_public_stamp_is_regular_and_unchanged() {
    assert_eq!(STAMPS.lines().count(), 220);
    for text in STAMPS.lines() {
        let stamp = Buildstamp::from_input(text).unwrap();
        let fields = stamp.fields().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(stamp.as_str(), text);
        assert!(fields.tag_date <= fields.built.date(), "{text}");
        // Its fields are all there is to it.
        let date = |date: jiff::civil::Date| date.strftime("%m-%d-%Y").to_string();
        let hotfix = fields.hotfix.as_ref().map(|number| format!("-hotfix{number}")).unwrap_or_default();
        let again = format!(
            "{}-{}__patch{}{hotfix}-{}_{}",
            fields.family,
            date(fields.family_date),
            fields.patch,
            date(fields.tag_date),
            fields.built.strftime("%m-%d-%Y_%H%M"),
        );
        assert_eq!(again, text);
    }
}

#[test]
fn every_public_address_is_split_and_put_together_again() {
    assert_eq!(ADDRESSES.lines().count(), 89);
    for text in ADDRESSES.lines() {
        let (base, path) = split_url(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(format!("{base}{path}"), text);
        let name = path.name();
        let again = PackageName::new(name.kind(), name.stamp(), name.platform(), name.extension()).unwrap();
        assert_eq!(&again, name, "{text}");
        assert_eq!(PackagePath::with_date(path.tree(), path.date(), name), path);
        if name.stamp().fields().is_some() {
            assert_eq!(PackagePath::new(path.tree(), name).unwrap(), path);
        }
    }
}
