//! Decisions of people, kept as numbered records: `STORE/FOLDER/NUMBER.json`, beginning with 00000001.
//!
//! A record is never changed and never removed, and numbers have no gaps: one that is lost, garbled or moved is noticed
//! and is an error, because without it the decision would silently be void.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::Store;
use crate::Sha256Digest;
use crate::storage::{FileMode, Kind, Listed, StorageError, below};

/// Records could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// A record between others is gone.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A record is not what it should be.
    #[error("{} is garbled", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A record stands under another number.
    #[error("{} does not belong where it is", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
    },
    /// A record could not be read.
    #[error("a record of the store cannot be read")]
    Read {
        /// Why.
        source: StorageError,
    },
    /// A record could not be written.
    #[error("the decision cannot be recorded")]
    Write {
        /// Why.
        source: StorageError,
    },
}

impl RecordsError {
    /// Whether somebody else has written a record with this number.
    pub(crate) fn is_already_there(&self) -> bool {
        matches!(self, Self::Write { source } if source.is_already_there())
    }
}

/// A kind of records.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// Their folder in the store.
    const FOLDER: &'static str;
    /// No record has more bytes.
    const MAX_BYTES: u64;

    /// The number of this one.
    fn number(&self) -> u64;
}

/// All records in their order.
pub(crate) fn read_all<R: Record>(store: &Store) -> Result<Vec<R>, RecordsError> {
    let listed = store.storage().list(R::FOLDER).map_err(|source| RecordsError::Read { source })?;
    let mut numbers: Vec<u64> = Vec::new();
    for Listed { name, kind } in listed {
        // Unfinished files of somebody who was interrupted have other names.
        let number = name.strip_suffix(".json").and_then(|number| number.parse().ok());
        let Some(number) = number.filter(|number| key::<R>(*number) == below(R::FOLDER, &name)) else {
            continue;
        };
        // A link, or something that would never end when it is read.
        if !matches!(kind, Kind::Object(_)) {
            return Err(RecordsError::Misplaced { path: store.storage().place(&key::<R>(number)) });
        }
        numbers.push(number);
    }
    numbers.sort_unstable();
    let mut records = Vec::new();
    for (expected, number) in (1_u64..).zip(numbers) {
        if number != expected {
            return Err(RecordsError::Missing { path: store.storage().place(&key::<R>(expected)) });
        }
        records.push(read(store, number)?);
    }
    Ok(records)
}

fn read<R: Record>(store: &Store, number: u64) -> Result<R, RecordsError> {
    let key = key::<R>(number);
    let path = store.storage().place(&key);
    let bytes = store.storage().read(&key, R::MAX_BYTES).map_err(|source| RecordsError::Read { source })?;
    let bytes = bytes.ok_or_else(|| RecordsError::Missing { path: path.clone() })?;
    let record: R = serde_json::from_slice(&bytes)
        .map_err(|source| RecordsError::Garbled { path: path.clone(), source })?;
    if record.number() != number {
        return Err(RecordsError::Misplaced { path });
    }
    Ok(record)
}

/// The number that comes next.
pub(crate) fn next_number<R: Record>(records: &[R]) -> u64 {
    records.last().map_or(1, |record| record.number().saturating_add(1))
}

/// Writes a record under its number, which must be free.
pub(crate) fn create<R: Record>(store: &Store, record: &R) -> Result<(), RecordsError> {
    let key = key::<R>(record.number());
    let mut json = serde_json::to_vec_pretty(record)
        .map_err(|source| RecordsError::Garbled { path: store.storage().place(&key), source })?;
    json.push(b'\n');
    store.storage().create(&key, &json, FileMode::ReadOnly).map_err(|source| RecordsError::Write { source })
}

/// The digest of a record as it is on disk; none if it is not there.
pub(crate) fn digest<R: Record>(store: &Store, number: u64) -> Option<Sha256Digest> {
    let bytes = store.storage().read(&key::<R>(number), R::MAX_BYTES).ok().flatten();
    bytes.map(|bytes| Sha256Digest::of(&bytes))
}

fn key<R: Record>(number: u64) -> String {
    below(R::FOLDER, &format!("{number:08}.json"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::testing::TestStore;
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Note {
        number: u64,
    }

    impl Record for Note {
        const FOLDER: &'static str = "notes";
        const MAX_BYTES: u64 = 100;

        fn number(&self) -> u64 {
            self.number
        }
    }

    #[test]
    fn lost_moved_garbled_and_long_records_are_noticed() {
        let test = TestStore::new();
        let folder = test.store.root_dir().join("notes");
        assert_eq!(read_all::<Note>(&test.store).unwrap(), []);
        std::fs::create_dir(&folder).unwrap();
        for number in 1..=3 {
            let notes = read_all::<Note>(&test.store).unwrap();
            assert_eq!(next_number(&notes), number);
            create(&test.store, &Note { number }).unwrap();
        }
        assert!(create(&test.store, &Note { number: 3 }).unwrap_err().is_already_there());
        // Of other names nothing is thought.
        for other in ["4.json", "00000004.txt", "000000004.json", ".midmirror-tmp-00000004.json"] {
            std::fs::write(folder.join(other), "x").unwrap();
        }
        assert_eq!(read_all::<Note>(&test.store).unwrap().len(), 3);
        let second = folder.join("00000002.json");
        std::fs::remove_file(&second).unwrap();
        assert!(digest::<Note>(&test.store, 2).is_none());
        assert!(
            matches!(read_all::<Note>(&test.store), Err(RecordsError::Missing { path }) if path == second)
        );
        let with = |text: &str| {
            std::fs::write(&second, text).unwrap();
            read_all::<Note>(&test.store).unwrap_err()
        };
        assert!(matches!(with("garbage"), RecordsError::Garbled { .. }));
        assert!(matches!(with("{\"number\": 1}"), RecordsError::Misplaced { .. }));
        assert!(matches!(with(&" ".repeat(101)), RecordsError::Read { .. }));
        std::fs::remove_file(&second).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("00000001.json", &second).unwrap();
            let error = read_all::<Note>(&test.store).unwrap_err();
            assert!(matches!(error, RecordsError::Misplaced { .. }), "{error:?}");
        }
    }
}
