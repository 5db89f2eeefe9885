//! The single checks of an update: pure functions of metadata. Their order stands in `update`.

use std::collections::BTreeSet;

use serde::Deserialize;
use tough::schema::key::Key;
use tough::schema::{self, Root, Signed, Snapshot};

use super::distrust::Distrust;
use super::error::TrustError;
use super::metadata::Role;
use crate::catalog::CatalogEntry;

pub(super) fn parse<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    what: &str,
    place: &str,
) -> Result<T, TrustError> {
    serde_json::from_slice(bytes).map_err(|source| TrustError::Malformed {
        what: what.to_owned(),
        place: place.to_owned(),
        source,
    })
}

/// Counts the valid signatures of different keys against the threshold of the role.
pub(super) fn verify<T: schema::Role>(root: &Root, signed: &Signed<T>) -> Result<(), Distrust> {
    match root.verify_role(signed) {
        Ok(()) => Ok(()),
        Err(schema::Error::SignatureThreshold { threshold, valid, .. }) => {
            Err(Distrust::TooFewSignatures { role: Role::of::<T>(), needed: threshold, valid })
        }
        Err(other) => Err(Distrust::Signatures { text: other.to_string() }),
    }
}

/// Checks that root metadata is signed by its own keys (5.2, and the second half of 5.3.4) and has a shape that can be
/// relied on.
pub(super) fn check_root(signed: &Signed<Root>) -> Result<(), Distrust> {
    let root = &signed.signed;
    check_specification(&root.spec_version)?;
    if !root.consistent_snapshot {
        return Err(Distrust::NotConsistent);
    }
    for role in Role::ALL {
        let keys: Vec<&Key> = root.keys(role.role_type()).collect();
        let different: Option<BTreeSet<&[u8]>> = keys.iter().map(|key| secret_behind(key)).collect();
        let different = different.ok_or(Distrust::KeyForm { role })?;
        if different.len() != keys.len() {
            return Err(Distrust::KeyTwice { role });
        }
    }
    verify(root, signed)
}

pub(super) fn check_specification(version: &str) -> Result<(), Distrust> {
    if version.starts_with("1.") {
        return Ok(());
    }
    Err(Distrust::Specification { found: version.chars().take(40).collect() })
}

/// Puts entries in the order of their paths, no two of which may differ in case alone.
pub(super) fn in_order(mut entries: Vec<CatalogEntry>) -> Result<Vec<CatalogEntry>, Distrust> {
    entries.sort_unstable_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    let mut lower_case: Vec<String> =
        entries.iter().map(|entry| entry.path.as_str().to_ascii_lowercase()).collect();
    lower_case.sort_unstable();
    let next = lower_case.iter().skip(1);
    let twice = lower_case.iter().zip(next).find_map(|(one, other)| (one == other).then_some(one));
    match twice {
        Some(name) => Err(Distrust::TargetCase { name: name.clone() }),
        None => Ok(entries),
    }
}

pub(super) fn key_ids(root: &Root, role: Role) -> BTreeSet<Vec<u8>> {
    let keys = root.roles.get(&role.role_type()).map(|role| role.keyids.as_slice());
    keys.unwrap_or_default().iter().map(|id| id.to_vec()).collect()
}

/// What is the same for all public keys that one secret signs for, whatever their ids. Of a point of P-256, which can be
/// written in several ways, that is the first coordinate (SEC 1, section 2.3.3); none for other ways than two of them.
fn secret_behind(key: &Key) -> Option<&[u8]> {
    match key {
        Key::Rsa { keyval, .. } => Some(&keyval.public),
        Key::Ed25519 { keyval, .. } => Some(&keyval.public),
        Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => match keyval.public.as_ref() {
            [4, point @ ..] if point.len() == 64 => point.get(..32),
            [2 | 3, first @ ..] if first.len() == 32 => Some(first),
            _ => None,
        },
    }
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The schema types have the field but no trait for it.
pub(super) trait HasSpecification {
    /// The `spec_version` field.
    fn specification(&self) -> &str;
}

impl HasSpecification for schema::Timestamp {
    fn specification(&self) -> &str {
        &self.spec_version
    }
}

impl HasSpecification for Snapshot {
    fn specification(&self) -> &str {
        &self.spec_version
    }
}

/// A root file with a dozen keys has about 5 KB.
pub(super) const MAX_ROOT_BYTES: u64 = 512 * 1024;
/// A timestamp file has less than 1 KB.
pub(super) const MAX_TIMESTAMP_BYTES: u64 = 64 * 1024;
/// Without delegations a snapshot file has less than 1 KB.
pub(super) const MAX_SNAPSHOT_BYTES: u64 = 64 * 1024;
/// An entry has about 1 KB: enough for some 60,000 packages, and a bound for the memory of a small host.
pub(super) const MAX_TARGETS_BYTES: u64 = 64 * 1024 * 1024;
/// Root metadata changes a few times a year at most.
pub(super) const MAX_ROOTS: u64 = 1024;
