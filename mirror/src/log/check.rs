//! Checking a whole log: every entry, every tile, and what was seen of it earlier.

use super::builder::{Edge, Tile};
use super::checkpoint::Checkpoint;
use super::error::LogError;
use super::folder::{LogFolder, bundles};
use super::tile::FULL;
use super::tree;
use crate::{Sha256Digest, error_text};

/// Something is wrong with a log.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogProblem {
    /// A file is missing, damaged or cannot be read.
    File(LogError),
    /// An entry is not the one whose hash the tiles have.
    Entry {
        /// Which; the first is 0.
        index: u64,
    },
    /// A hash in a tile is not that of what is below it.
    Tile {
        /// The level of the tile; 0 is above the entries.
        level: u8,
        /// The number of the tile in its level.
        number: u64,
        /// Which of its hashes.
        place: usize,
    },
    /// The entries do not have the root hash that was signed.
    Root {
        /// What was signed.
        checkpoint: Checkpoint,
        /// What the entries have.
        found: Sha256Digest,
    },
    /// The log has fewer entries than an earlier checkpoint.
    Truncated {
        /// The earlier checkpoint.
        earlier: Checkpoint,
        /// How many entries there are.
        size: u64,
    },
    /// The log does not begin with what an earlier checkpoint had signed.
    Forked {
        /// The earlier checkpoint.
        earlier: Checkpoint,
        /// The root hash of so many entries now.
        found: Sha256Digest,
    },
    /// A checkpoint of another log.
    OtherLog {
        /// The earlier checkpoint.
        earlier: Checkpoint,
    },
}

impl std::fmt::Display for LogProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(error) => f.write_str(&error_text(error)),
            Self::Entry { index } => {
                write!(f, "entry {index} was changed: its hash is not the one in the log")
            }
            Self::Tile { level, number, place } => {
                write!(
                    f,
                    "tile {number} of level {level} was changed: hash {place} is not that of what is below it"
                )
            }
            Self::Root { checkpoint, found } => write!(
                f,
                "the {} entries have the root hash {found}, the checkpoint signs {}",
                checkpoint.size, checkpoint.root
            ),
            Self::Truncated { earlier, size } => {
                write!(f, "the log was cut: it had {} entries, now it has {size}", earlier.size)
            }
            Self::Forked { earlier, found } => write!(
                f,
                "the history was changed: the first {} entries had the root hash {}, now they have {found}",
                earlier.size, earlier.root
            ),
            Self::OtherLog { earlier } => {
                write!(f, "the earlier checkpoint is of another log, {}", earlier.origin)
            }
        }
    }
}

/// Reads every entry and tile up to a checkpoint, and compares. One problem for each file at most.
pub fn check(folder: &LogFolder, checkpoint: &Checkpoint) -> Vec<LogProblem> {
    let mut problems = Vec::new();
    let at = folder.at(checkpoint.size);
    let mut edge = Edge::default();
    let mut tiles: Vec<Tile> = Vec::new();
    let mut complete = true;
    for number in bundles(checkpoint.size) {
        match at.bundle(number) {
            Ok(entries) => {
                let stored = at.tile(0, number).ok();
                let hashes: Vec<_> = entries.iter().map(|entry| tree::leaf_hash(entry)).collect();
                let differs = |stored: Vec<Sha256Digest>| {
                    (0..).zip(&hashes).zip(stored).find(|((_, one), two)| *one != two)
                };
                if let Some(((place, _), _)) = stored.and_then(differs) {
                    let place: u64 = place;
                    problems.push(LogProblem::Entry { index: number * FULL + place });
                    // The tile may be right all the same; what is above tells.
                }
                for hash in hashes {
                    edge.push(hash, |tile| tiles.push(tile));
                }
            }
            Err(error) => {
                problems.push(LogProblem::File(error));
                complete = false;
                break;
            }
        }
        for tile in tiles.drain(..) {
            problems.extend(compare(folder, checkpoint.size, tile));
        }
    }
    if !complete {
        return problems;
    }
    for tile in edge.partial() {
        problems.extend(compare(folder, checkpoint.size, tile));
    }
    let found = edge.root();
    if found != checkpoint.root {
        problems.push(LogProblem::Root { checkpoint: checkpoint.clone(), found });
    }
    problems
}

fn compare(folder: &LogFolder, size: u64, (name, hashes): Tile) -> Option<LogProblem> {
    match folder.at(size).tile(name.level, name.number) {
        Ok(stored) => {
            let place = stored.iter().zip(&hashes).position(|(one, two)| one != two)?;
            // Level 0 is told as the entry that differs.
            (name.level > 0).then_some(LogProblem::Tile { level: name.level, number: name.number, place })
        }
        Err(error) => Some(LogProblem::File(error)),
    }
}

/// Compares a log with what a checkpoint had said of it earlier.
pub fn check_against(
    folder: &LogFolder,
    checkpoint: &Checkpoint,
    earlier: &Checkpoint,
) -> Result<Option<LogProblem>, LogError> {
    if earlier.origin != checkpoint.origin {
        return Ok(Some(LogProblem::OtherLog { earlier: earlier.clone() }));
    }
    if earlier.size > checkpoint.size {
        return Ok(Some(LogProblem::Truncated { earlier: earlier.clone(), size: checkpoint.size }));
    }
    let found = folder.at(checkpoint.size).root_of_first(earlier.size)?;
    let proof = folder.at(checkpoint.size).prove_consistency(earlier.size)?;
    let holds =
        tree::verify_consistency((earlier.size, &earlier.root), (checkpoint.size, &checkpoint.root), &proof);
    Ok((!holds).then(|| LogProblem::Forked { earlier: earlier.clone(), found }))
}
