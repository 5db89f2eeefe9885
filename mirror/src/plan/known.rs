//! The builds we know of: those named in public documents, and whatever a mirror has in its catalog.
//!
//! The list is never complete, so it is asked for names only: it turns a release name into a full stamp, and never says
//! that a stamp is wrong.

use std::collections::BTreeSet;

use crate::package::{BuildTag, Buildstamp, ReleaseName};

/// Builds that names are looked up in.
#[derive(Debug, Clone, Default)]
pub struct KnownBuilds {
    /// Regular stamps only, oldest build first, each once.
    stamps: Vec<Buildstamp>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// One known build has exactly this name.
    One(&'a Buildstamp),
    /// No known build has this name, or several have; these are the ones to choose from, oldest first.
    Choose(Vec<&'a Buildstamp>),
}

impl KnownBuilds {
    /// The shipped list.
    pub fn shipped() -> Self {
        let lines = SHIPPED.lines().filter(|line| !line.starts_with('#'));
        Self::default().and(lines.filter_map(|line| Buildstamp::parse(line).ok()))
    }

    /// Adds builds, for instance those of a catalog. Irregular stamps have no name and are left out.
    #[must_use]
    pub fn and(self, more: impl IntoIterator<Item = Buildstamp>) -> Self {
        let known: BTreeSet<(jiff::civil::DateTime, String)> = self
            .stamps
            .into_iter()
            .chain(more)
            .filter_map(|stamp| Some((stamp.fields()?.built, stamp.into())))
            .collect();
        Self { stamps: known.into_iter().filter_map(|(_, text)| Buildstamp::parse(&text).ok()).collect() }
    }

    /// All of them, oldest first.
    pub fn stamps(&self) -> &[Buildstamp] {
        &self.stamps
    }

    /// Looks a release name up. A family alone names no build, even if only one of it is known.
    pub fn by_release(&self, name: &ReleaseName) -> Lookup<'_> {
        let of = |wanted: &dyn Fn(&ReleaseName, &Buildstamp) -> bool| -> Vec<&Buildstamp> {
            self.stamps.iter().filter(|stamp| wanted(name, stamp)).collect()
        };
        let exact = of(&|name, stamp| stamp.fields().is_some_and(|fields| name.is_of(fields)));
        match exact.as_slice() {
            [one] => Lookup::One(one),
            [] => {
                Lookup::Choose(of(&|name, stamp| stamp.fields().is_some_and(|fields| name.is_near(fields))))
            }
            _ => Lookup::Choose(exact),
        }
    }

    /// Looks a build tag up: one tag may have been built twice.
    pub fn by_tag(&self, tag: &BuildTag) -> Lookup<'_> {
        let built: Vec<&Buildstamp> = self.stamps.iter().filter(|stamp| tag.is_of(stamp)).collect();
        match built.as_slice() {
            [one] => Lookup::One(one),
            _ => Lookup::Choose(built),
        }
    }

    /// Known builds whose stamp differs from an irregular text in hyphens and underscores only.
    pub fn resembling(&self, stamp: &Buildstamp) -> Vec<&Buildstamp> {
        let bare = |stamp: &Buildstamp| stamp.as_str().replace(['-', '_'], "");
        let wanted = bare(stamp);
        self.stamps.iter().filter(|known| *known != stamp && bare(known) == wanted).collect()
    }
}

const SHIPPED: &str = include_str!("known_builds.txt");

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ReleaseName {
        ReleaseName::parse(text).unwrap()
    }

    #[test]
    fn every_line_of_the_shipped_list_is_a_regular_stamp_in_order() {
        let lines: Vec<&str> = SHIPPED.lines().skip(1).collect();
        let known = KnownBuilds::shipped();
        assert_eq!(known.stamps().iter().map(Buildstamp::as_str).collect::<Vec<_>>(), lines);
        assert!(lines.len() >= 260);
    }

    #[test]
    fn every_known_build_is_found_by_its_name_unless_a_tag_was_built_twice() {
        let known = KnownBuilds::shipped();
        let mut ambiguous = Vec::new();
        for stamp in known.stamps() {
            let fields = stamp.fields().unwrap();
            let hotfix = fields.hotfix.as_ref().map(|number| format!(" hotfix {number}")).unwrap_or_default();
            match known.by_release(&name(&format!("{} patch {}{hotfix}", fields.family, fields.patch))) {
                Lookup::One(found) => assert_eq!(found, stamp),
                Lookup::Choose(found) => ambiguous.push((stamp.as_str(), found.len())),
            }
        }
        assert_eq!(
            ambiguous,
            [
                ("sandiego-12-22-2021__patch10-01-12-2023_01-23-2023_1901", 2),
                ("sandiego-12-22-2021__patch10-01-12-2023_01-26-2023_1707", 2),
            ]
        );
    }

    #[test]
    fn a_name_without_build_gives_a_list() {
        let known = KnownBuilds::shipped();
        let list = |text: &str| match known.by_release(&name(text)) {
            Lookup::One(stamp) => panic!("{text}: {stamp}"),
            Lookup::Choose(found) => found.iter().map(|stamp| stamp.to_string()).collect::<Vec<_>>(),
        };
        assert!(list("zurich").len() > 10);
        assert_eq!(list("zurich patch 9 hotfix 2").len(), 3);
        assert_eq!(list("zurich patch 99"), Vec::<String>::new());
        assert_eq!(list("atlantis patch 1"), Vec::<String>::new());
    }

    #[test]
    fn a_catalog_makes_more_builds_known() {
        let new = "brazil-08-01-2026__patch1-09-01-2026_09-03-2026_1200";
        let known =
            KnownBuilds::shipped().and([new, new, "opaque"].map(|text| Buildstamp::parse(text).unwrap()));
        assert_eq!(known.by_release(&name("brazil p1")), Lookup::One(&Buildstamp::parse(new).unwrap()));
        assert_eq!(known.stamps().len(), KnownBuilds::shipped().stamps().len() + 1);
        let tag = BuildTag::parse("glide-brazil-08-01-2026__patch1-09-01-2026").unwrap();
        assert_eq!(known.by_tag(&tag), Lookup::One(&Buildstamp::parse(new).unwrap()));
        let wrong = Buildstamp::parse("brazil-08-01-2026_patch1-09-01-2026__09-03-2026_1200").unwrap();
        assert_eq!(known.resembling(&wrong).first().unwrap().as_str(), new);
    }
}
