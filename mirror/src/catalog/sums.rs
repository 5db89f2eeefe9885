//! The lowest rung beside the catalog: `SHA256SUMS` of what it lists, signed so that `minisign` and `signify` verify it.
//!
//! Every package stands there twice, under its place in the store and under its vendor path: `sha256sum --check
//! --ignore-missing` finds what is there, in a copy of the store as in a copy of what it serves. A list does not expire, and an
//! older one is as well signed as this one: who needs more uses the catalog.

use jiff::Timestamp;

use super::error::CatalogError;
use super::publish::Publication;
use crate::attest::{StoreKey, sums};
use crate::catalog::CatalogEntry;
use crate::storage::{FileMode, Kind};
use crate::store::Store;

/// Writes list, signature and key, if one of them is missing or list or key are not those that are there.
pub(super) fn write(
    store: &Store,
    key: &StoreKey,
    entries: &[CatalogEntry],
    publication: &Publication,
    now: Timestamp,
) -> Result<(), CatalogError> {
    let list = list(store, entries);
    let storage = store.storage();
    let public = sums::public_key(key);
    let is_there = |name: &str, text: &str| {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        storage.read(name, length).is_ok_and(|there| there.as_deref() == Some(text.as_bytes()))
    };
    if is_there(sums::SUMS_FILE, &list)
        && is_there(sums::KEY_FILE, &public)
        && matches!(storage.look(sums::SIGNATURE_FILE), Ok(Some(Kind::Object(_))))
    {
        return Ok(());
    }
    let version = publication.versions.targets;
    let comment = format!("midmirror store {}, catalog version {version}, {now}", store.id());
    let files = [
        (sums::KEY_FILE, public),
        (sums::SIGNATURE_FILE, sums::sign(&list, &comment, key)),
        // Last: whoever is stopped before it does it again.
        (sums::SUMS_FILE, list),
    ];
    for (name, text) in files {
        storage.replace(name, text.as_bytes(), FileMode::Shared)?;
    }
    Ok(())
}

/// The list of what a catalog has.
pub(crate) fn list(store: &Store, entries: &[CatalogEntry]) -> String {
    let blobs: Vec<String> = entries.iter().map(|entry| store.blob_name(&entry.sha256)).collect();
    let in_store = blobs.iter().zip(entries).map(|(name, entry)| (name.as_str(), entry.sha256));
    let by_vendor = entries.iter().map(|entry| (entry.path.as_str(), entry.sha256));
    // Two names of the same bytes have one place.
    let mut names: Vec<_> = in_store.chain(by_vendor).collect();
    names.sort_unstable();
    names.dedup();
    sums::list(names)
}
