//! A log as files: reading it, adding to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builder::Edge;
use super::checkpoint::Checkpoint;
use super::error::LogError;
use super::key::LogKey;
use super::note::{self, NoteKey};
use super::tile::{BUNDLE_LIMIT, BundleName, FULL, TileName, how_many, levels, partial_folder, width};
use super::tree::{self, HashSource};
use crate::Sha256Digest;
use crate::storage::{FileMode, LocalFolder, Storage, below};

/// The files of a log, read.
#[derive(Debug, Clone)]
pub struct LogFolder {
    storage: Arc<dyn Storage>,
    root: String,
}

/// A log at one of its sizes, whose hashes can be asked for.
#[derive(Debug, Clone, Copy)]
pub struct LogAt<'a> {
    folder: &'a LogFolder,
    size: u64,
}

impl LogFolder {
    /// The log in a folder; nothing is read yet.
    pub fn new(root: &Path) -> Self {
        Self { storage: Arc::new(LocalFolder::new(root)), root: String::new() }
    }

    /// The log below a key.
    pub(crate) fn in_storage(storage: &Arc<dyn Storage>, root: &str) -> Self {
        Self { storage: storage.clone(), root: root.to_owned() }
    }

    /// The signed checkpoint as it stands there; none before the first entry.
    pub fn signed_checkpoint(&self) -> Result<Option<Vec<u8>>, LogError> {
        self.read(CHECKPOINT, CHECKPOINT_LIMIT)
    }

    /// The checkpoint, if it is signed with this key.
    pub fn checkpoint(&self, key: &NoteKey) -> Result<Option<Checkpoint>, LogError> {
        let Some(note) = self.signed_checkpoint()? else { return Ok(None) };
        let checkpoint = Checkpoint::open(&note, key)
            .map_err(|source| LogError::Checkpoint { path: self.path(CHECKPOINT), source })?;
        Ok(Some(checkpoint))
    }

    /// How many entries the checkpoint states, whoever has signed it; none if it does not say.
    pub(crate) fn unverified_size(&self) -> Option<u64> {
        let note = self.signed_checkpoint().ok()??;
        std::str::from_utf8(&note).ok()?.lines().nth(1)?.parse().ok()
    }

    /// The log when it had so many entries.
    pub fn at(&self, size: u64) -> LogAt<'_> {
        LogAt { folder: self, size }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.storage.place(&self.key(name))
    }

    fn key(&self, name: &str) -> String {
        below(&self.root, name)
    }

    /// Reads a file of at most so many bytes; none if there is none.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, LogError> {
        self.storage.read(&self.key(name), limit).map_err(|error| match error.into_parts() {
            (_, path, source) if source.kind() == io::ErrorKind::FileTooLarge => {
                LogError::Damaged { path, reason: "it is longer than such a file can be" }
            }
            (_, path, source) => LogError::Read { path, source },
        })
    }

    /// Reads a tile or bundle; a partial one that gave way to the full one is found in that.
    fn read_part(&self, exact: &str, full: &str, limit: u64) -> Result<Vec<u8>, LogError> {
        if let Some(bytes) = self.read(exact, limit)? {
            return Ok(bytes);
        }
        self.read(full, limit)?.ok_or_else(|| LogError::Missing { path: self.path(exact) })
    }
}

impl LogAt<'_> {
    /// How many entries it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The entries from a bundle, which are at most 256: the first of them is the entry `256 * number`.
    pub fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let width = width(self.size, number);
        let name = |width| BundleName { number, width }.path();
        let bytes = self.folder.read_part(&name(width), &name(FULL), BUNDLE_LIMIT)?;
        let damaged = |reason| LogError::Damaged { path: self.folder.path(&name(width)), reason };
        let mut entries = Vec::new();
        let mut rest = bytes.as_slice();
        while u64::try_from(entries.len()).unwrap_or(u64::MAX) < width {
            let (length, behind) = rest.split_first_chunk().ok_or(damaged("it has too few entries"))?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (entry, behind) =
                behind.split_at_checked(length).ok_or(damaged("its last entry is cut off"))?;
            entries.push(entry.to_vec());
            rest = behind;
        }
        // A full bundle in place of a partial one has more.
        if width == FULL && !rest.is_empty() {
            return Err(damaged("bytes follow its last entry"));
        }
        Ok(entries)
    }

    /// One entry.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let none = || LogError::NoEntry { index, size: self.size };
        if index >= self.size {
            return Err(none());
        }
        let place = usize::try_from(index % FULL).unwrap_or(usize::MAX);
        self.bundle(index / FULL)?.into_iter().nth(place).ok_or_else(none)
    }

    /// The root hash, from the tiles.
    pub fn root(&self) -> Result<Sha256Digest, LogError> {
        tree::root(self, self.size)
    }

    /// The root hash of the first entries.
    pub fn root_of_first(&self, count: u64) -> Result<Sha256Digest, LogError> {
        tree::root(self, count)
    }

    /// The proof that an entry is in the log at this size.
    pub fn prove_inclusion(&self, index: u64) -> Result<Vec<Sha256Digest>, LogError> {
        if index >= self.size {
            return Err(LogError::NoEntry { index, size: self.size });
        }
        tree::inclusion_proof(self, index, self.size)
    }

    /// The proof that the log at an earlier size is the beginning of this one.
    pub fn prove_consistency(&self, old: u64) -> Result<Vec<Sha256Digest>, LogError> {
        if old > self.size {
            return Err(LogError::NoEntry { index: old, size: self.size });
        }
        tree::consistency_proof(self, old, self.size)
    }

    /// The hashes of one tile.
    pub(super) fn tile(&self, level: u8, number: u64) -> Result<Vec<Sha256Digest>, LogError> {
        let count = levels(self.size).find(|(known, _)| *known == level).map_or(0, |(_, count)| count);
        let width = width(count, number);
        let name = |width| TileName { level, number, width }.path();
        let bytes = self.folder.read_part(&name(width), &name(FULL), FULL * 32)?;
        let damaged = |reason| LogError::Damaged { path: self.folder.path(&name(width)), reason };
        let (hashes, rest) = bytes.as_chunks::<32>();
        let hashes = hashes.get(..usize::try_from(width).unwrap_or(usize::MAX));
        let hashes =
            hashes.filter(|_| rest.is_empty()).ok_or(damaged("it is not as long as it should be"))?;
        Ok(hashes.iter().map(|hash| Sha256Digest::from_bytes(*hash)).collect())
    }
}

impl HashSource for LogAt<'_> {
    type Error = LogError;

    fn hashes(&self, level: u8, first: u64, count: u64) -> Result<Vec<Sha256Digest>, LogError> {
        let tile = self.tile(level, first / FULL)?;
        let narrow = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let begin = narrow(first % FULL);
        let hashes = tile.get(begin..begin.saturating_add(narrow(count)));
        hashes.map(<[_]>::to_vec).ok_or(LogError::NoEntry { index: first, size: self.size })
    }
}

/// Adds to a log. There is one at a time: it belongs to whoever holds the lock of the store.
#[derive(Debug)]
pub struct LogWriter<'a> {
    folder: LogFolder,
    key: &'a LogKey,
    edge: Edge,
    /// The entries of the last bundle, unless it is full.
    bundle: Vec<u8>,
}

impl<'a> LogWriter<'a> {
    /// Opens a log, or begins one. What lies beyond its checkpoint was left by a writer that was interrupted, and is
    /// written over.
    pub fn open(folder: &LogFolder, key: &'a LogKey) -> Result<Self, LogError> {
        let checkpoint = folder.checkpoint(key.public())?;
        Self::open_at(folder, key, checkpoint)
    }

    /// Opens a log whose checkpoint may still be signed by the key before this one.
    pub fn open_after(folder: &LogFolder, key: &'a LogKey, before: &NoteKey) -> Result<Self, LogError> {
        let checkpoint = match folder.checkpoint(key.public()) {
            Err(LogError::Checkpoint { .. }) => folder.checkpoint(before)?,
            other => other?,
        };
        Self::open_at(folder, key, checkpoint)
    }

    fn open_at(
        folder: &LogFolder,
        key: &'a LogKey,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Self, LogError> {
        let folder = folder.clone();
        let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let at = folder.at(size);
        let edge = Edge::read(&at, size)?;
        if checkpoint.is_some_and(|checkpoint| checkpoint.root != edge.root()) {
            return Err(LogError::Root { path: folder.storage.place(&folder.root), size });
        }
        let mut bundle = Vec::new();
        if !size.is_multiple_of(FULL) {
            for entry in at.bundle(size / FULL)? {
                put(&mut bundle, &entry)?;
            }
        }
        Ok(Self { folder, key, edge, bundle })
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Adds entries, each of at most 65,535 bytes, and signs a checkpoint: all of them are in the log, or none.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<Checkpoint, LogError> {
        let (mut edge, mut bundle) = (self.edge.clone(), self.bundle.clone());
        let mut full = Vec::new();
        for entry in entries {
            put(&mut bundle, entry)?;
            let number = edge.size() / FULL;
            let mut tiles = Vec::new();
            edge.push(tree::leaf_hash(entry), |tile| tiles.push(tile));
            if !tiles.is_empty() {
                let name = BundleName { number, width: FULL }.path();
                self.write(&name, &bundle)?;
                full.push(name);
                bundle.clear();
            }
            for (name, hashes) in tiles {
                self.write(&name.path(), &bytes_of(&hashes))?;
                full.push(name.path());
            }
        }
        let size = edge.size();
        if !bundle.is_empty() {
            self.write(&BundleName { number: size / FULL, width: size % FULL }.path(), &bundle)?;
        }
        for (name, hashes) in edge.partial() {
            self.write(&name.path(), &bytes_of(&hashes))?;
        }
        let checkpoint = Checkpoint { origin: self.key.name().to_owned(), size, root: edge.root() };
        let note = note::sign(&checkpoint.to_text(), self.key.name(), self.key.pair())?;
        self.folder.storage.replace(&self.folder.key(CHECKPOINT), note.as_bytes(), FileMode::Shared)?;
        (self.edge, self.bundle) = (edge, bundle);
        for name in full {
            self.remove_partial(&partial_folder(&name));
        }
        Ok(checkpoint)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LogError> {
        Ok(self.folder.storage.replace(&self.folder.key(name), bytes, FileMode::ReadOnly)?)
    }

    /// The full tile serves for its predecessors.
    fn remove_partial(&self, name: &str) {
        if let Err(error) = self.folder.storage.remove_folder(&self.folder.key(name)) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "partial tiles that are no longer needed stay");
        }
    }
}

fn put(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), LogError> {
    let length = u16::try_from(entry.len()).map_err(|_| LogError::TooLong { length: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

fn bytes_of(hashes: &[Sha256Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

pub(super) fn bundles(size: u64) -> std::ops::Range<u64> {
    0..how_many(size)
}

const CHECKPOINT: &str = "checkpoint";
const CHECKPOINT_LIMIT: u64 = 64 * 1024;
