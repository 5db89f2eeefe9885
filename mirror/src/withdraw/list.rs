//! What a signed catalog says of withdrawn packages.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::{MAX_PATHS, MAX_REASON, Withdrawal, is_text, withdrawn};
use super::{MAX_WITHDRAWN, WithdrawError};
use crate::Sha256Digest;
use crate::package::{PackageName, PackagePath};
use crate::store::Store;

/// Bytes that nobody is to get, as the catalog names them: the list `withdrawn` of the field `midmirror` of `targets.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WithdrawnPackage {
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// The vendor paths under which the mirror had them; at most 16.
    #[serde(default)]
    pub paths: Vec<PackagePath>,
    /// When they were withdrawn.
    pub at: Timestamp,
    /// Why; at most 500 characters.
    pub reason: String,
}

/// What a catalog has to say, in the order of the digests. `text` makes a text fit for every canonical encoder.
pub(crate) fn of_records(
    withdrawn: &BTreeMap<Sha256Digest, Withdrawal>,
    text: impl Fn(&str) -> String,
) -> Vec<WithdrawnPackage> {
    withdrawn
        .values()
        .map(|withdrawal| WithdrawnPackage {
            sha256: withdrawal.sha256,
            paths: withdrawal.paths.clone(),
            at: withdrawal.at,
            reason: text(&withdrawal.reason),
        })
        .collect()
}

/// What a store has withdrawn, as its catalog says it.
///
/// # Errors
/// The records cannot be read.
pub fn listed(store: &Store) -> Result<Vec<WithdrawnPackage>, WithdrawError> {
    Ok(of_records(&withdrawn(store)?, str::to_owned))
}

/// What is wrong with a list of somebody else, if anything is: order and number of digests, lengths and characters of
/// texts, and no target may have withdrawn bytes.
pub(crate) fn check_list<'a>(
    list: &[WithdrawnPackage],
    targets: impl Iterator<Item = &'a Sha256Digest>,
) -> Result<(), &'static str> {
    if list.len() > MAX_WITHDRAWN {
        return Err("it withdraws too many packages");
    }
    if !list.is_sorted_by(|a, b| a.sha256 < b.sha256) {
        return Err("withdrawn packages are not in the order of their digests, or one is there twice");
    }
    if list.iter().any(|package| package.paths.len() > MAX_PATHS) {
        return Err("a withdrawn package has too many paths");
    }
    // Escapes make a reason longer (`portable_text`).
    if !list.iter().all(|package| is_text(&package.reason, MAX_REASON * 10)) {
        return Err("the reason of a withdrawal is empty, too long, or has characters that cannot be seen");
    }
    for target in targets {
        if list.binary_search_by(|package| package.sha256.cmp(target)).is_ok() {
            return Err("a package is listed as a target and as withdrawn");
        }
    }
    Ok(())
}

/// The newest withdrawal of a package with this name.
pub fn withdrawn_name<'a>(
    withdrawn: &'a [WithdrawnPackage],
    name: &PackageName,
) -> Option<&'a WithdrawnPackage> {
    let named = withdrawn.iter().filter(|package| package.paths.iter().any(|path| path.name() == name));
    named.max_by_key(|package| package.at)
}
