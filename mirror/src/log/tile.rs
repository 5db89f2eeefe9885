//! What the files of a log are called (C2SP tlog-tiles).

/// A tile has so many hashes, a bundle so many entries, unless it is the last one.
pub(super) const FULL: u64 = 256;

/// A tile of hashes: level 0 has those of entries, each of a higher level stands for a full tile below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TileName {
    pub(super) level: u8,
    pub(super) number: u64,
    /// 1 to 256.
    pub(super) width: u64,
}

/// A bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BundleName {
    pub(super) number: u64,
    /// 1 to 256.
    pub(super) width: u64,
}

impl TileName {
    pub(super) fn path(self) -> String {
        format!("tile/{}/{}", self.level, numbered(self.number, self.width))
    }
}

impl BundleName {
    pub(super) fn path(self) -> String {
        format!("tile/entries/{}", numbered(self.number, self.width))
    }
}

/// The folder of the partial tiles or bundles that came before a full one.
pub(super) fn partial_folder(full: &str) -> String {
    format!("{full}.p")
}

/// How wide the tile or bundle `number` is when its level has `count` hashes or entries; 0 if there is none.
pub(super) fn width(count: u64, number: u64) -> u64 {
    count.saturating_sub(number.saturating_mul(FULL)).min(FULL)
}

/// How many tiles or bundles there are for `count` hashes or entries, the last one may be partial.
pub(super) fn how_many(count: u64) -> u64 {
    count.div_ceil(FULL)
}

/// The files of a log with so many entries, and how many bytes each may have.
pub(crate) fn files(size: u64) -> Vec<(String, u64)> {
    let bundle = |number| BundleName { number, width: width(size, number) }.path();
    let mut files: Vec<_> = (0..how_many(size)).map(|number| (bundle(number), BUNDLE_LIMIT)).collect();
    for (level, count) in levels(size) {
        let tile = |number| TileName { level, number, width: width(count, number) }.path();
        files.extend(
            (0..how_many(count))
                .filter(|number| width(count, *number) > 0)
                .map(|number| (tile(number), FULL * 32)),
        );
    }
    files
}

/// 256 entries of 65,535 bytes and their lengths.
pub(super) const BUNDLE_LIMIT: u64 = FULL * (65_535 + 2);

/// How many hashes each level of a tree of `size` entries has, from level 0 on; none for an empty tree.
pub(super) fn levels(size: u64) -> impl Iterator<Item = (u8, u64)> {
    let counts = std::iter::successors(Some(size), |count| Some(count / FULL));
    (0..).zip(counts.take_while(|count| *count > 0))
}

/// Three digits an element, all but the last behind an `x`; the width unless it is full.
fn numbered(number: u64, width: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < FULL { format!("{path}.p/{width}") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        let tile = |level, number, width| TileName { level, number, width }.path();
        assert_eq!(tile(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(1, 0, 17), "tile/1/000.p/17");
        assert_eq!(BundleName { number: 273, width: 112 }.path(), "tile/entries/273.p/112");
        assert_eq!(BundleName { number: 1000, width: 256 }.path(), "tile/entries/x001/000");
    }

    #[test]
    fn tree_of_70000_has_the_tiles_that_the_specification_counts() {
        let shape: Vec<(u8, u64, u64)> = levels(70_000)
            .map(|(level, count)| (level, how_many(count), width(count, how_many(count) - 1)))
            .collect();
        assert_eq!(shape, [(0, 274, 112), (1, 2, 17), (2, 1, 1)]);
        assert_eq!(levels(0).count(), 0);
        // As many bundles as tiles of level 0.
        let names: Vec<String> = files(70_000).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 274 + 274 + 2 + 1);
        for name in ["tile/entries/273.p/112", "tile/0/000", "tile/1/001.p/17", "tile/2/000.p/1"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        assert_eq!(files(0), []);
        assert_eq!(levels(256).collect::<Vec<_>>(), [(0, 256), (1, 1)]);
    }
}
