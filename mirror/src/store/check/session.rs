//! What a full check has read already, so that one that was interrupted goes on where it stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::durable::{self, FileMode};
use super::super::{Store, StoreError, to_json};
use crate::Sha256Digest;

/// A full check over several runs, kept in a file of the operator's choice. It is no proof of anything: who can write the
/// file can make a check pass over a package.
#[derive(Debug)]
pub struct CheckSession {
    file: PathBuf,
    kept: Kept,
    unsaved: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    format: u32,
    store: String,
    begun: Timestamp,
    /// Blobs that were read and found good, with their lengths.
    good: BTreeMap<Sha256Digest, u64>,
}

impl CheckSession {
    /// Goes on with the check that a file tells of, or begins one: if there is no such file, if it is of another store, or if
    /// that check began more than 30 days ago.
    ///
    /// # Errors
    /// The file cannot be read, or is none of these.
    pub fn open(file: &Path, store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        let new = || Kept { format: 1, store: store.id().to_owned(), begun: now, good: BTreeMap::new() };
        let kept = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes)
                .map_err(|source| StoreError::Garbled { path: file.to_owned(), source })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => new(),
            Err(e) => return Err(StoreError::file("read", file)(e)),
        };
        let age = now.duration_since(kept.begun);
        let goes_on =
            kept.format == 1 && kept.store == store.id() && (SignedDuration::ZERO..LONGEST).contains(&age);
        let kept = if goes_on { kept } else { new() };
        let session = Self { file: file.to_owned(), kept, unsaved: 0 };
        // Before hours of reading, not after: that it cannot be written.
        session.save()?;
        Ok(session)
    }

    /// When the check began.
    pub fn begun(&self) -> Timestamp {
        self.kept.begun
    }

    /// How many packages earlier runs have read.
    pub fn packages(&self) -> u64 {
        super::count(self.kept.good.len())
    }

    /// Ends it: the next check begins anew.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn end(self) -> Result<(), StoreError> {
        Ok(durable::remove_file(&self.file)?)
    }

    pub(super) fn knows(&self, sha256: &Sha256Digest, length: u64) -> bool {
        self.kept.good.get(sha256) == Some(&length)
    }

    /// Remembers a good blob. What is lost by an interruption is at most what fits into the reading of 256 MiB, or one blob.
    pub(super) fn found_good(&mut self, sha256: Sha256Digest, length: u64) -> Result<(), StoreError> {
        self.kept.good.insert(sha256, length);
        self.unsaved = self.unsaved.saturating_add(length);
        if self.unsaved >= SAVE_EVERY {
            self.save()?;
            self.unsaved = 0;
        }
        Ok(())
    }

    pub(super) fn save(&self) -> Result<(), StoreError> {
        let json = to_json("the state of the check", &self.kept)?;
        Ok(durable::replace(&self.file, &json, FileMode::Shared)?)
    }
}

const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);
const SAVE_EVERY: u64 = 256 << 20;
