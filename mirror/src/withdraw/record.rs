//! The records of a store.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use midmirror_verify::is_hidden_character;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_WITHDRAWN, WithdrawError};
use crate::Sha256Digest;
use crate::package::PackagePath;
use crate::store::records::{Record, create, next_number, read_all};
use crate::store::{RecordsError, Store, durable};

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

impl Record for Withdrawal {
    const FOLDER: &'static str = WITHDRAWALS;
    /// A record with 16 paths has some 6 KB.
    const MAX_BYTES: u64 = 1 << 20;

    fn number(&self) -> u64 {
        self.number
    }
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
        durable::create_folders(&folder).map_err(|source| RecordsError::Write { source })?;
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
        let record = Withdrawal {
            number: next_number(&records),
            act: new.act,
            at,
            sha256: new.sha256,
            paths: paths.clone(),
            reason: new.reason.clone(),
            by: new.by.clone(),
            learned_from: new.learned_from.clone(),
        };
        match create(store, &record) {
            // Somebody else was faster; that one is read now.
            Err(error) if error.is_already_there() => {}
            created => return Ok(created.map(|()| (record, true))?),
        }
    }
}

/// All decisions of a store in their order.
///
/// # Errors
/// A record cannot be read, or one between others is gone.
pub fn withdrawals(store: &Store) -> Result<Vec<Withdrawal>, WithdrawError> {
    Ok(read_all(store)?)
}

/// What is withdrawn now, by digest.
///
/// # Errors
/// As [`withdrawals`].
pub fn withdrawn(store: &Store) -> Result<BTreeMap<Sha256Digest, Withdrawal>, WithdrawError> {
    Ok(newest(&withdrawals(store)?))
}

fn newest(records: &[Withdrawal]) -> BTreeMap<Sha256Digest, Withdrawal> {
    let newest: BTreeMap<_, _> = records.iter().map(|record| (record.sha256, record)).collect();
    let withdrawn = newest.into_iter().filter(|(_, record)| record.act == Act::Withdrawn);
    withdrawn.map(|(sha256, record)| (sha256, record.clone())).collect()
}

/// The paths under which a store has admitted a digest. Evidence that cannot be read does not stop a withdrawal.
fn paths_of(store: &Store, sha256: Sha256Digest) -> Vec<String> {
    let admissions = store.admissions().unwrap_or_default();
    let of_digest = admissions.iter().filter(|admission| admission.entry().sha256 == sha256);
    of_digest.map(|admission| admission.entry().path.as_str().to_owned()).collect()
}

pub(crate) fn is_text(text: &str, max: usize) -> bool {
    let hidden = |c: char| is_hidden_character(c) || matches!(c, '\n' | '\t' | '\r');
    !text.trim().is_empty() && text.chars().count() <= max && !text.chars().any(hidden)
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), WithdrawError> {
    if is_text(text, max) { Ok(()) } else { Err(WithdrawError::Text { what, max }) }
}

/// Where the records are in a store.
pub(crate) const WITHDRAWALS: &str = "withdrawals";
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
    fn lost_record_is_an_error_and_no_lifting() {
        let test = TestStore::new();
        for bytes in [b"1", b"2", b"3"] {
            record(&test.store, &new(Act::Withdrawn, bytes), at(2)).unwrap();
        }
        std::fs::remove_file(test.store.root_dir().join("withdrawals/00000002.json")).unwrap();
        let missing = withdrawals(&test.store);
        assert!(matches!(missing, Err(WithdrawError::Records(RecordsError::Missing { .. }))), "{missing:?}");
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
