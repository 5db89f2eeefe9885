//! The records of a store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use midmirror_verify::is_hidden_character;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_WITHDRAWN, WithdrawError};
use crate::Sha256Digest;
use crate::package::PackagePath;
use crate::storage::{FileMode, below};
use crate::store::{Store, durable};

/// One decision about some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Its number in this store, beginning with 1.
    pub number: u64,
    /// What was decided.
    pub act: Act,
    /// When.
    pub at: Timestamp,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// The vendor paths under which the store had them; none if it never did. At most 16.
    #[serde(default)]
    pub paths: Vec<PackagePath>,
    /// Why; at most [`MAX_REASON`] characters.
    pub reason: String,
    /// Who decided, as that person says; at most [`MAX_BY`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The id of the store whose signed catalog said so, if it was learned from another mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_from: Option<String>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Nobody is to get these bytes any more.
    Withdrawn,
    /// They may be had again.
    Lifted,
}

/// What is to be recorded.
#[derive(Debug, Clone)]
pub struct NewWithdrawal {
    /// What was decided.
    pub act: Act,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// Why; 1 to [`MAX_REASON`] visible characters.
    pub reason: String,
    /// Who decided; 1 to [`MAX_BY`] visible characters.
    pub by: Option<String>,
    /// Paths that are known from elsewhere; those of the store are added.
    pub paths: Vec<PackagePath>,
    /// The id of the store whose signed catalog said so.
    pub learned_from: Option<String>,
}

/// Records a decision, without waiting for whoever writes to the store: from now on it counts.
///
/// What is decided already is not recorded again; then the record that says so is returned, and `false`.
///
/// # Errors
/// The texts are not acceptable, there is nothing to lift, or the records cannot be read or written.
pub fn record(
    store: &Store,
    new: &NewWithdrawal,
    at: Timestamp,
) -> Result<(Withdrawal, bool), WithdrawError> {
    check_text("reason", &new.reason, MAX_REASON)?;
    if let Some(by) = &new.by {
        check_text("name of who decides", by, MAX_BY)?;
    }
    let mut paths: BTreeSet<String> = new.paths.iter().map(|path| path.as_str().to_owned()).collect();
    paths.extend(paths_of(store, new.sha256));
    let paths: Vec<PackagePath> =
        paths.iter().filter_map(|path| PackagePath::parse(path).ok()).take(MAX_PATHS).collect();
    if let Some(folder) = store.storage().file(WITHDRAWALS) {
        durable::create_folders(&folder).map_err(|source| WithdrawError::Write { source })?;
    }
    loop {
        let records = withdrawals(store)?;
        let last = records.iter().rfind(|record| record.sha256 == new.sha256);
        match (last, new.act) {
            (Some(last), act) if last.act == act => return Ok((last.clone(), false)),
            (None, Act::Lifted) => return Err(WithdrawError::NotWithdrawn),
            _ => {}
        }
        if new.act == Act::Withdrawn && newest(&records).len() >= MAX_WITHDRAWN {
            return Err(WithdrawError::TooMany { max: MAX_WITHDRAWN });
        }
        let number = records.last().map_or(1, |record| record.number.saturating_add(1));
        let record = Withdrawal {
            number,
            act: new.act,
            at,
            sha256: new.sha256,
            paths: paths.clone(),
            reason: new.reason.clone(),
            by: new.by.clone(),
            learned_from: new.learned_from.clone(),
        };
        let key = key(number);
        let mut json = serde_json::to_vec_pretty(&record)
            .map_err(|source| WithdrawError::Garbled { path: store.storage().place(&key), source })?;
        json.push(b'\n');
        match store.storage().create(&key, &json, FileMode::Shared) {
            Ok(()) => return Ok((record, true)),
            // Somebody else was faster; that one is read now.
            Err(error) if error.is_already_there() => {}
            Err(source) => return Err(WithdrawError::Write { source }),
        }
    }
}

/// All decisions of a store in their order.
///
/// # Errors
/// A record cannot be read, or one between others is gone.
pub fn withdrawals(store: &Store) -> Result<Vec<Withdrawal>, WithdrawError> {
    let listed = store.storage().list(WITHDRAWALS).map_err(|source| WithdrawError::Read { source })?;
    let mut numbers: Vec<u64> = Vec::new();
    for listed in listed {
        // Unfinished files of somebody who was interrupted have other names.
        let number = listed.name.strip_suffix(".json").and_then(|number| number.parse().ok());
        numbers.extend(number.filter(|number| key(*number) == below(WITHDRAWALS, &listed.name)));
    }
    numbers.sort_unstable();
    let mut records = Vec::new();
    for (expected, number) in (1_u64..).zip(numbers) {
        if number != expected {
            return Err(WithdrawError::Missing { path: store.storage().place(&key(expected)) });
        }
        records.push(read(store, number)?);
    }
    Ok(records)
}

/// What is withdrawn now, by digest.
///
/// # Errors
/// As [`withdrawals`].
pub fn withdrawn(store: &Store) -> Result<BTreeMap<Sha256Digest, Withdrawal>, WithdrawError> {
    Ok(newest(&withdrawals(store)?))
}

/// The digest of a record as it is on disk; none if it is not there.
pub(crate) fn record_digest(store: &Store, number: u64) -> Option<Sha256Digest> {
    let bytes = store.storage().read(&key(number), MAX_RECORD).ok().flatten();
    bytes.map(|bytes| Sha256Digest::of(&bytes))
}

fn newest(records: &[Withdrawal]) -> BTreeMap<Sha256Digest, Withdrawal> {
    let newest: BTreeMap<_, _> = records.iter().map(|record| (record.sha256, record)).collect();
    let withdrawn = newest.into_iter().filter(|(_, record)| record.act == Act::Withdrawn);
    withdrawn.map(|(sha256, record)| (sha256, record.clone())).collect()
}

fn read(store: &Store, number: u64) -> Result<Withdrawal, WithdrawError> {
    let key = key(number);
    let path = store.storage().place(&key);
    let bytes = store.storage().read(&key, MAX_RECORD).map_err(|source| WithdrawError::Read { source })?;
    let bytes = bytes.ok_or_else(|| WithdrawError::Missing { path: path.clone() })?;
    let record: Withdrawal = serde_json::from_slice(&bytes)
        .map_err(|source| WithdrawError::Garbled { path: path.clone(), source })?;
    if record.number != number {
        return Err(WithdrawError::Misplaced { path });
    }
    Ok(record)
}

/// The paths under which a store has admitted a digest. Evidence that cannot be read does not stop a withdrawal.
fn paths_of(store: &Store, sha256: Sha256Digest) -> Vec<String> {
    let admissions = store.admissions().unwrap_or_default();
    let of_digest = admissions.iter().filter(|admission| admission.entry().sha256 == sha256);
    of_digest.map(|admission| admission.entry().path.as_str().to_owned()).collect()
}

pub(super) fn is_text(text: &str, max: usize) -> bool {
    let hidden = |c: char| is_hidden_character(c) || matches!(c, '\n' | '\t' | '\r');
    !text.trim().is_empty() && text.chars().count() <= max && !text.chars().any(hidden)
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), WithdrawError> {
    if is_text(text, max) { Ok(()) } else { Err(WithdrawError::Text { what, max }) }
}

fn key(number: u64) -> String {
    below(WITHDRAWALS, &format!("{number:08}.json"))
}

/// Where the records are in a store.
pub(crate) const WITHDRAWALS: &str = "withdrawals";
/// A record with 16 paths has some 6 KB.
const MAX_RECORD: u64 = 1 << 20;
/// The longest reason in characters.
pub const MAX_REASON: usize = 500;
/// The longest name of who decides, in characters.
pub const MAX_BY: usize = 100;
/// Bytes are seldom under more than two names.
pub(super) const MAX_PATHS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestStore, at, path};

    fn new(act: Act, bytes: &[u8]) -> NewWithdrawal {
        NewWithdrawal {
            act,
            sha256: Sha256Digest::of(bytes),
            reason: "vendor notice".to_owned(),
            by: None,
            paths: Vec::new(),
            learned_from: None,
        }
    }

    #[test]
    fn newest_record_counts_and_none_is_made_twice() {
        let test = TestStore::new();
        test.commit(&mut test.store.write().unwrap(), &path(1), b"bad");
        assert!(matches!(
            record(&test.store, &new(Act::Lifted, b"bad"), at(1)),
            Err(WithdrawError::NotWithdrawn)
        ));
        let (first, is_new) = record(&test.store, &new(Act::Withdrawn, b"bad"), at(2)).unwrap();
        assert_eq!((first.number, is_new, first.paths.as_slice()), (1, true, [path(1)].as_slice()));
        let (again, is_new) = record(&test.store, &new(Act::Withdrawn, b"bad"), at(3)).unwrap();
        assert_eq!((again.number, is_new), (1, false));
        // Also of bytes that the store never had.
        record(&test.store, &new(Act::Withdrawn, b"unknown"), at(4)).unwrap();
        assert_eq!(withdrawn(&test.store).unwrap().len(), 2);
        record(&test.store, &new(Act::Lifted, b"bad"), at(5)).unwrap();
        let left: Vec<_> = withdrawn(&test.store).unwrap().into_keys().collect();
        assert_eq!(left, [Sha256Digest::of(b"unknown")]);
        assert_eq!(record(&test.store, &new(Act::Withdrawn, b"bad"), at(6)).unwrap().0.number, 4);
    }

    #[test]
    fn writer_of_the_store_is_not_waited_for() {
        let test = TestStore::new();
        let _writer = test.store.write().unwrap();
        record(&test.store, &new(Act::Withdrawn, b"bad"), at(2)).unwrap();
    }

    #[test]
    fn lost_and_garbled_records_are_errors_and_not_liftings() {
        let test = TestStore::new();
        for bytes in [b"1", b"2", b"3"] {
            record(&test.store, &new(Act::Withdrawn, bytes), at(2)).unwrap();
        }
        let file = |number| test.store.storage().file(&key(number)).unwrap();
        let second = file(2);
        let kept = std::fs::read(&second).unwrap();
        std::fs::remove_file(&second).unwrap();
        assert!(matches!(withdrawals(&test.store), Err(WithdrawError::Missing { .. })));
        std::fs::write(&second, "garbage").unwrap();
        assert!(matches!(withdrawals(&test.store), Err(WithdrawError::Garbled { .. })));
        std::fs::write(&second, std::fs::read(file(1)).unwrap()).unwrap();
        assert!(matches!(withdrawals(&test.store), Err(WithdrawError::Misplaced { .. })));
        std::fs::write(&second, kept).unwrap();
        assert_eq!(withdrawals(&test.store).unwrap().len(), 3);
    }

    #[test]
    fn texts_are_bounded_and_visible() {
        let test = TestStore::new();
        for bad in ["", "  ", "a\nb", "a\u{1b}[2Jb", "\u{202e}", &"x".repeat(501)] {
            let new = NewWithdrawal { reason: bad.to_owned(), ..new(Act::Withdrawn, b"bad") };
            assert!(matches!(record(&test.store, &new, at(1)), Err(WithdrawError::Text { .. })), "{bad:?}");
        }
    }
}
