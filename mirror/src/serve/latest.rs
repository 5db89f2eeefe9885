//! The vendor's paths with `latest` in place of a build, for sites that want them.
//!
//! A redirect to the path of the package: bytes are sent under names of the signed catalog only, a download that is cut goes on
//! at the same package even if a newer one has come, and logs, counters and caches know which one it was. 302, since clients of
//! every age follow it, with a path in `Location`, so that scheme, host and port stay those that the client has used.
//!
//! Attacks considered: bytes of the other tree, kind or platform (each path stands for one of each, and is looked up, never
//! put together from what a client sends); a cache that holds back a newer package, or gives out a withdrawn one
//! (`no-cache`, and the view is as new as the disk).

use std::collections::BTreeMap;

use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use super::response::text;
use super::site::Site;
use crate::catalog::CatalogEntry;
use crate::package::LatestPath;

/// The newest package of each tree, kind, platform and extension: places in the catalog.
#[derive(Debug, Default)]
pub(crate) struct Latest(BTreeMap<LatestPath, usize>);

impl Latest {
    /// Finds them; what was withdrawn is not among the entries.
    pub(crate) fn of(entries: &[CatalogEntry]) -> Self {
        let mut newest: BTreeMap<LatestPath, usize> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let Some(latest) = LatestPath::of(&entry.path) else { continue };
            let so_far = newest.entry(latest).or_insert(index);
            let is_newer =
                |so_far: &CatalogEntry| LatestPath::order(&so_far.path) < LatestPath::order(&entry.path);
            if entries.get(*so_far).is_some_and(is_newer) {
                *so_far = index;
            }
        }
        Self(newest)
    }

    /// The place of the newest package that a path stands for.
    pub(crate) fn index(&self, path: &LatestPath) -> Option<usize> {
        self.0.get(path).copied()
    }

    /// All of them, in the order of the paths.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&LatestPath, usize)> {
        self.0.iter().map(|(path, index)| (path, *index))
    }
}

impl Site {
    /// Answers a request for such a path.
    pub(super) async fn latest(&self, path: &LatestPath) -> Response<ResponseBody> {
        if !self.desk.resolves_latest() {
            return text(StatusCode::NOT_FOUND, SWITCHED_OFF);
        }
        let view = self.published.newest().await;
        let Some(entry) = view.latest().index(path).and_then(|index| view.entry(index)) else {
            return text(StatusCode::NOT_FOUND, "nothing of this tree, kind and platform is mirrored here");
        };
        let mut response = text(StatusCode::FOUND, entry.path.name().as_str());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(place) = HeaderValue::try_from(format!("/{}", entry.path)) {
            headers.insert(LOCATION, place);
        }
        response
    }
}

const SWITCHED_OFF: &str = "this mirror does not say which build is the latest; `latest = true` in [serve] of its \
    configuration has it do so";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Tree;
    use crate::serve::builds::tests::entry;

    #[test]
    fn one_path_never_stands_for_another_tree_kind_platform_or_extension() {
        let stamps = [
            "zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-18-2026_0134",
            "zurich-07-01-2025__patch9-hotfix3-06-13-2026_06-19-2026_0859",
        ];
        let mut entries = Vec::new();
        for stamp in stamps {
            for platform in ["linux.x86-64", "windows.x86-64"] {
                entries.extend(["mid", "mid-jre"].map(|kind| entry(kind, stamp, platform)));
            }
        }
        // Newer, but elsewhere.
        let newer = "australia-02-11-2026__patch3-06-18-2026_06-29-2026_0938";
        let mut unsigned = entry("mid", newer, "linux.x86-64");
        let path = unsigned.path.as_str().replace("app-signed/", "");
        unsigned.path = path.parse().unwrap();
        assert_eq!(unsigned.path.tree(), Tree::Unsigned);
        let mut deb = entry("mid-linux-installer", newer, "linux.x86-64");
        deb.path = deb.path.as_str().replace(".zip", ".deb").parse().unwrap();
        // The order of admission says nothing.
        entries.reverse();
        entries.extend([unsigned, deb]);
        let latest = Latest::of(&entries);
        assert_eq!(latest.all().count(), 6);
        for (path, index) in latest.all() {
            let found = &entries[index].path;
            assert_eq!(LatestPath::of(found).as_ref(), Some(path));
            let is_newest = found.as_str().contains(stamps[1]) || found.as_str().contains(newer);
            assert!(is_newest, "{found}");
        }
        let none = LatestPath::parse("glide/distribution/builds/package/mid/latest/mid.windows.x86-64.zip");
        assert_eq!(latest.index(&none.unwrap()), None);
    }
}
