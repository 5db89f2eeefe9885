//! Growing a tree: what its right edge is, and which tiles get full.

use super::tile::{FULL, TileName, levels};
use super::tree::{self, HashSource};
use crate::Sha256Digest;

/// The right edge of a tree: for each level the hashes of its last, partial tile.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    size: u64,
    levels: Vec<Vec<Sha256Digest>>,
}

/// A tile and its hashes.
pub(super) type Tile = (TileName, Vec<Sha256Digest>);

impl Edge {
    /// Reads the edge of the tree of the first `size` entries.
    pub(super) fn read<S: HashSource>(source: &S, size: u64) -> Result<Self, S::Error> {
        let mut edge = Self { size, levels: Vec::new() };
        for (level, count) in levels(size) {
            let width = count % FULL;
            let hashes = if width == 0 { Vec::new() } else { source.hashes(level, count - width, width)? };
            edge.levels.push(hashes);
        }
        Ok(edge)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Adds an entry, and hands over each tile that has become full by it.
    pub(super) fn push(&mut self, leaf: Sha256Digest, mut full: impl FnMut(Tile)) {
        self.size += 1;
        let mut carry = Some(leaf);
        let mut index = self.size - 1;
        let mut levels = self.levels.iter_mut();
        let mut level = 0;
        while let Some(hash) = carry.take() {
            let Some(hashes) = levels.next() else {
                self.levels.push(vec![hash]);
                break;
            };
            hashes.push(hash);
            if index % FULL == FULL - 1 {
                let hashes = std::mem::take(hashes);
                full((TileName { level, number: index / FULL, width: FULL }, hashes.clone()));
                carry = Some(tree::fold(hashes));
                index /= FULL;
                level += 1;
            }
        }
    }

    /// The partial tiles.
    pub(super) fn partial(&self) -> impl Iterator<Item = Tile> {
        levels(self.size).zip(&self.levels).filter_map(|((level, count), hashes)| {
            let name = TileName { level, number: count / FULL, width: count % FULL };
            (name.width > 0).then(|| (name, hashes.clone()))
        })
    }

    /// The root hash.
    pub(super) fn root(&self) -> Sha256Digest {
        // Complete subtrees from the right, where they are smallest, to the left.
        let mut root = None;
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (left, last) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let hash = tree::fold(last.to_vec());
                root = Some(root.map_or(hash, |right| tree::node_hash(&hash, &right)));
                rest = left;
            }
        }
        root.unwrap_or_else(tree::empty_root)
    }
}
