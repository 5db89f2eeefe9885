//! The vendor's form of a path without a build: `latest` in place of the folder's date, a file name without stamp.
//!
//! ```text
//! glide/distribution/builds/package/[app-signed/]{KIND}/latest/{KIND}.{PLATFORM}{EXT}
//! ```
//!
//! The script includes of an instance that form addresses (`MIDPackageUriFactory`, `MIDPackage`) form this one for a package
//! whose stamp they are not given. It has not been seen in use, and what the vendor's host answers is not documented.

use std::fmt;

use jiff::civil::{Date, DateTime};

use super::kind::{PackageKind, Platform};
use super::name::EXTENSIONS;
use super::path::{PackagePath, Tree};

/// Such a path, which stands for one package of each build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LatestPath {
    tree: Tree,
    kind: PackageKind,
    platform: Platform,
    extension: &'static str,
}

/// The age of a build, see [`LatestPath::order`].
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BuildOrder<'a> {
    built: Option<DateTime>,
    folder: Date,
    family: Option<Date>,
    stamp: &'a str,
}

impl LatestPath {
    /// Parses a path without a leading slash; none if it has another form.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let below = path.strip_prefix(PackagePath::PREFIX)?;
        let (tree, below) = match below.strip_prefix(SIGNED) {
            Some(below) => (Tree::Signed, below),
            None => (Tree::Unsigned, below),
        };
        let (kind, name) = below.split_once(LATEST)?;
        let tail = name.strip_prefix(kind)?.strip_prefix('.')?;
        let kind = kind.parse().ok()?;
        let (platform, extension) = Platform::ALL
            .into_iter()
            .find_map(|platform| Some((platform, tail.strip_prefix(platform.as_str())?)))?;
        let extension = EXTENSIONS.into_iter().find(|known| *known == extension)?;
        Some(Self { tree, kind, platform, extension })
    }

    /// The path that stands for a package and for those of other builds like it.
    pub(crate) fn of(path: &PackagePath) -> Option<Self> {
        let name = path.name();
        let extension = EXTENSIONS.into_iter().find(|known| *known == name.extension())?;
        Some(Self { tree: path.tree(), kind: name.kind(), platform: name.platform(), extension })
    }

    /// Orders packages by their builds, the newest last: date and time of the build in the stamp, over all families. Builds of
    /// irregular stamps come before all others, by the date of their folder. Of two builds of the same minute the one of the
    /// newer family branch is the newer one, then the one whose stamp is later in the alphabet.
    pub(crate) fn order(path: &PackagePath) -> BuildOrder<'_> {
        let stamp = path.name().stamp();
        let fields = stamp.fields();
        BuildOrder {
            built: fields.map(|fields| fields.built),
            folder: path.date(),
            family: fields.map(|fields| fields.family_date),
            stamp: stamp.as_str(),
        }
    }
}

impl fmt::Display for LatestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tree, kind, platform, extension } = self;
        let signed = match tree {
            Tree::Signed => SIGNED,
            Tree::Unsigned => "",
        };
        write!(f, "{}{signed}{kind}{LATEST}{kind}.{platform}{extension}", PackagePath::PREFIX)
    }
}

const SIGNED: &str = "app-signed/";
const LATEST: &str = "/latest/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written_byte_for_byte_and_nothing_else_is_one() {
        let base = "glide/distribution/builds/package/";
        for good in [
            "app-signed/mid/latest/mid.linux.x86-64.zip",
            "mid/latest/mid.linux.x86-64.zip",
            "mid-core/latest/mid-core.universal.universal.zip",
            "app-signed/mid-upgrade/latest/mid-upgrade.preUpgradeCheck.zip",
            "app-signed/mid-linux-installer/latest/mid-linux-installer.linux.x86-64-deb.zip",
        ] {
            let path = format!("{base}{good}");
            assert_eq!(LatestPath::parse(&path).map(|latest| latest.to_string()), Some(path));
        }
        for bad in [
            "latest/mid.linux.x86-64.zip",
            "mid/latest/",
            "mid/latest",
            "mid/latest/mid-core.universal.universal.zip",
            "mid/latest/mid.zip",
            "mid/latest/mid.linux.x86-64.exe",
            "mid/latest/mid.osx.x86-64.zip",
            "mid/latest/x/mid.linux.x86-64.zip",
            "mid/Latest/mid.linux.x86-64.zip",
            "mid/latest//mid.linux.x86-64.zip",
            "mid/latest/mid.zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134.linux.x86-64.zip",
            "app-signed/app-signed/mid/latest/mid.linux.x86-64.zip",
            "nothing/latest/nothing.linux.x86-64.zip",
        ] {
            assert_eq!(LatestPath::parse(&format!("{base}{bad}")), None, "{bad}");
        }
        assert_eq!(LatestPath::parse("mid/latest/mid.linux.x86-64.zip"), None);
    }

    #[test]
    fn newest_is_told_by_the_time_of_the_build_and_irregular_stamps_are_old() {
        let path = |stamp: &str, folder: &str| {
            let text = format!("{}mid/{folder}/mid.{stamp}.linux.x86-64.zip", PackagePath::PREFIX);
            PackagePath::parse(&text).unwrap()
        };
        let in_order = [
            path("2012-07-18-1833", "2012/07/18"),
            path("trackdiscocopper-10-09-2020_10-14-2027_2200", "2027/10/14"),
            path("sandiego-12-22-2021__patch10-01-12-2023_01-23-2023_1901", "2023/01/23"),
            path("sandiego-12-22-2021__patch10-01-12-2023_01-26-2023_1707", "2023/01/26"),
            path("zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134", "2026/06/19"),
            // An older family, built later on the same day.
            path("yokohama-12-18-2024__patch12-hotfix2b-05-18-2026_06-19-2026_0219", "2026/06/19"),
            path("zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0219", "2026/06/19"),
            path("zurich-07-01-2025__patch8-06-18-2026_06-19-2026_0219", "2026/06/19"),
        ];
        for pair in in_order.windows(2) {
            assert!(LatestPath::order(&pair[0]) < LatestPath::order(&pair[1]), "{} {}", pair[0], pair[1]);
        }
    }
}
