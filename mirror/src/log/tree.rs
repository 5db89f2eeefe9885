//! Merkle trees: hashes and proofs (RFC 6962, section 2.1), and how proofs are verified (RFC 9162, sections 2.1.3.2 and
//! 2.1.4.2).

use sha2::Digest as _;

use crate::Sha256Digest;

/// The hash of an entry. Entries and inner nodes hash differently, so that neither can pass for the other.
pub fn leaf_hash(entry: &[u8]) -> Sha256Digest {
    hash(&[&[0], entry])
}

/// The hash of the node above two others.
pub fn node_hash(left: &Sha256Digest, right: &Sha256Digest) -> Sha256Digest {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root hash of a tree without entries.
pub fn empty_root() -> Sha256Digest {
    Sha256Digest::of(&[])
}

fn hash(parts: &[&[u8]]) -> Sha256Digest {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Sha256Digest::from_bytes(hasher.finalize().into())
}

/// Where the hashes of a tree come from: tiles.
pub trait HashSource {
    /// Why there is none.
    type Error;

    /// Consecutive hashes of one tile level: each stands for 256 to the power of `level` entries. `count` is 1 to 256,
    /// and all are in one tile.
    fn hashes(&self, level: u8, first: u64, count: u64) -> Result<Vec<Sha256Digest>, Self::Error>;
}

/// The root hash of the tree of the first `size` entries.
pub fn root<S: HashSource>(source: &S, size: u64) -> Result<Sha256Digest, S::Error> {
    if size == 0 { Ok(empty_root()) } else { subtree(source, 0, size) }
}

/// The proof that the entry `index` is in the tree of the first `size` entries; `index` is less than `size`.
pub fn inclusion_proof<S: HashSource>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<Vec<Sha256Digest>, S::Error> {
    let (mut begin, mut end) = (0, size);
    let mut proof = Vec::new();
    while end.saturating_sub(begin) > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            proof.push(subtree(source, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(source, begin, middle)?);
            begin = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of the first `old` entries is the beginning of the tree of the first `new` entries; `old` is
/// not more than `new`.
pub fn consistency_proof<S: HashSource>(
    source: &S,
    old: u64,
    new: u64,
) -> Result<Vec<Sha256Digest>, S::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    // Whether the old tree is the whole of what is looked at: then its hash is known to whoever verifies.
    let (mut begin, mut end, mut is_known) = (0, new, true);
    while old < end {
        let middle = begin + split(end - begin);
        if old <= middle {
            proof.push(subtree(source, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(source, begin, middle)?);
            begin = middle;
            is_known = false;
        }
    }
    if !is_known {
        proof.push(subtree(source, begin, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether a proof shows that an entry is in a tree.
pub fn verify_inclusion(
    leaf: Sha256Digest,
    index: u64,
    size: u64,
    proof: &[Sha256Digest],
    root: &Sha256Digest,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether a proof shows that one tree is the beginning of another.
pub fn verify_consistency(
    old: (u64, &Sha256Digest),
    new: (u64, &Sha256Digest),
    proof: &[Sha256Digest],
) -> bool {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old > new {
        return false;
    }
    if old == 0 || old == new {
        let same = if old == 0 { *old_root == empty_root() } else { old_root == new_root };
        return same && proof.is_empty() && (new != 0 || *new_root == empty_root());
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    // A complete old tree is its own first node, and is not repeated in the proof.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        let Some((first, rest)) = proof.split_first() else { return false };
        (*first, rest)
    };
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// The hash of the entries from `begin` to `end`, which is after it; `begin` is a multiple of the power of two that is
/// not less than their number.
fn subtree<S: HashSource>(source: &S, begin: u64, end: u64) -> Result<Sha256Digest, S::Error> {
    let count = end - begin;
    if count.is_power_of_two() {
        return complete(source, begin, count);
    }
    let middle = begin + split(count);
    let left = complete(source, begin, middle - begin)?;
    Ok(node_hash(&left, &subtree(source, middle, end)?))
}

/// The hash of a complete subtree.
fn complete<S: HashSource>(source: &S, begin: u64, count: u64) -> Result<Sha256Digest, S::Error> {
    let height = count.trailing_zeros();
    let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
    let width = 1 << (height % TILE_HEIGHT);
    let first = begin >> (height - height % TILE_HEIGHT);
    Ok(fold(source.hashes(level, first, width)?))
}

/// The hash of the complete subtree above hashes, whose number is a power of two.
pub(super) fn fold(mut hashes: Vec<Sha256Digest>) -> Sha256Digest {
    while hashes.len() > 1 {
        hashes = hashes.chunks(2).filter_map(above).collect();
    }
    hashes.first().copied().unwrap_or_else(empty_root)
}

fn above(pair: &[Sha256Digest]) -> Option<Sha256Digest> {
    match pair {
        [left, right] => Some(node_hash(left, right)),
        [alone] => Some(*alone),
        _ => None,
    }
}

/// How many of `count` entries, more than one, are on the left: the largest power of two that is less.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// A tile is a subtree of this height.
const TILE_HEIGHT: u32 = 8;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A tree whose hashes are all computed from its leaves, by the book.
    struct Leaves(Vec<Sha256Digest>);

    impl Leaves {
        fn new(count: u64) -> Self {
            Self((0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect())
        }

        /// MTH of RFC 6962, section 2.1.
        fn mth(&self, begin: usize, end: usize) -> Sha256Digest {
            match end - begin {
                0 => empty_root(),
                1 => self.0[begin],
                count => {
                    let mut k = 1;
                    while k * 2 < count {
                        k *= 2;
                    }
                    node_hash(&self.mth(begin, begin + k), &self.mth(begin + k, end))
                }
            }
        }
    }

    impl HashSource for Leaves {
        type Error = Infallible;

        fn hashes(&self, level: u8, first: u64, count: u64) -> Result<Vec<Sha256Digest>, Infallible> {
            let span = 256usize.pow(level.into());
            let first = usize::try_from(first).unwrap();
            let count = usize::try_from(count).unwrap();
            assert_eq!(first / 256, (first + count - 1) / 256, "in one tile");
            Ok((first..first + count).map(|index| self.mth(index * span, (index + 1) * span)).collect())
        }
    }

    #[test]
    fn roots_are_those_of_the_book() {
        let tree = Leaves::new(700);
        for size in (0..40).chain([255, 256, 257, 511, 512, 513, 700]) {
            assert_eq!(root(&tree, size).unwrap(), tree.mth(0, size.try_into().unwrap()), "{size}");
        }
    }

    #[test]
    fn known_roots_of_certificate_transparency() {
        // Test vectors that implementations of RFC 6962 share: eight leaves.
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let tree = Leaves(inputs.iter().map(|input| leaf_hash(&hex::decode(input).unwrap())).collect());
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (size, expected) in (1..).zip(roots) {
            assert_eq!(root(&tree, size).unwrap().to_hex(), expected, "{size}");
        }
    }

    #[test]
    fn every_entry_of_every_tree_is_proven_and_nothing_else_is() {
        let tree = Leaves::new(300);
        for size in (1..35).chain([64, 255, 256, 257, 300]) {
            let root = root(&tree, size).unwrap();
            for index in 0..size {
                let proof = inclusion_proof(&tree, index, size).unwrap();
                let leaf = tree.0[usize::try_from(index).unwrap()];
                assert!(verify_inclusion(leaf, index, size, &proof, &root), "{index} of {size}");
                assert!(!verify_inclusion(empty_root(), index, size, &proof, &root));
                assert!(!verify_inclusion(leaf, size, size, &proof, &root));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_inclusion(leaf, index, size, shorter, &root));
                }
                let longer = [proof.as_slice(), &[root]].concat();
                assert!(!verify_inclusion(leaf, index, size, &longer, &root));
                for other in (0..size).filter(|other| *other != index) {
                    assert!(
                        !verify_inclusion(leaf, other, size, &proof, &root),
                        "{index} as {other} of {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_tree_is_proven_to_begin_every_larger_one() {
        let tree = Leaves::new(300);
        let sizes: Vec<u64> = (0..20).chain([64, 127, 255, 256, 257, 299, 300]).collect();
        for new in &sizes {
            for old in sizes.iter().filter(|old| *old <= new) {
                let (old_root, new_root) = (root(&tree, *old).unwrap(), root(&tree, *new).unwrap());
                let proof = consistency_proof(&tree, *old, *new).unwrap();
                assert!(verify_consistency((*old, &old_root), (*new, &new_root), &proof), "{old} {new}");
                let other = leaf_hash(b"another tree");
                assert!(!verify_consistency((*old, &other), (*new, &new_root), &proof), "{old} {new}");
                if *old > 0 {
                    assert!(!verify_consistency((*old, &old_root), (*new, &other), &proof), "{old} {new}");
                }
                let longer = [proof.as_slice(), &[other]].concat();
                assert!(!verify_consistency((*old, &old_root), (*new, &new_root), &longer), "{old} {new}");
                if old < new {
                    assert!(!verify_consistency((*new, &new_root), (*old, &old_root), &proof), "{old} {new}");
                }
            }
        }
    }
}
