//! Carrying out a change of keys that enough root keys have signed.
//!
//! Each step leaves a catalog that every host accepts, and can be begun again: the next root metadata with old and new
//! keys side by side; the catalog signed with the new keys; the root metadata without the old ones; the log. If only root
//! keys change, the first two steps are left out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tough::schema::{self, Role as _, Root, Signed, Snapshot, Targets};
use tracing::warn;

use super::chain::{RootChange, chain};
use super::error::KeyChangeError;
use super::proposal::Proposal;
use crate::catalog::checks::{MAX_TARGETS_BYTES, parse, verify};
use crate::catalog::journal::Journal;
use crate::catalog::publish::{Publisher, TIMESTAMP_FILE, create, is_there, log_key, read};
use crate::catalog::refresh::{record, sign_anew, signed_with};
use crate::catalog::source::FolderSource;
use crate::catalog::trust::TrustedCatalog;
use crate::catalog::{CatalogError, Event, Lifetimes, Publication, Role, SigningKeys, TrustError, metadata};
use crate::store::{Store, StoreWriter};

/// What was done.
#[derive(Debug)]
pub struct CarriedOut {
    /// The catalog as it is now.
    pub publication: Publication,
    /// What changed for each role.
    pub changes: Vec<RootChange>,
    /// The roles that were signed anew.
    pub renewed: Vec<Role>,
}

/// Publishes the root metadata of a proposal, and whatever must be signed by new keys with it.
///
/// # Errors
/// The proposal is not for the newest root metadata of this store, signatures or the keys for what must be signed anew are
/// missing (nothing is written then), or files cannot be written (then it can be carried out again).
pub fn carry_out(
    writer: &mut StoreWriter,
    keys: &SigningKeys,
    proposal: &Proposal,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> Result<CarriedOut, KeyChangeError> {
    let store = writer.store();
    check_place(store, proposal, now)?;
    let expires = proposal.last().expires;
    if expires <= now {
        return Err(KeyChangeError::Expired { expires });
    }
    let missing = proposal.missing();
    if !missing.is_empty() {
        let missing: Vec<String> = missing
            .iter()
            .map(|missing| {
                format!("version {} has {} of {} signatures", missing.version, missing.have, missing.needed)
            })
            .collect();
        return Err(KeyChangeError::Incomplete { missing: missing.join(", ") });
    }
    let mut publisher = Publisher::new(store, keys, now, lifetimes)?;
    publisher.root = proposal.last().clone();
    let before = publisher.current()?.ok_or(CatalogError::NoCatalog)?;
    // The log must be ready for what it will have to tell.
    let log_key = log_key(before.store().ok_or(CatalogError::NoLogKey)?, keys)?;
    let mut journal = Journal::open(store, &log_key)?;
    let forced = unsigned_roles(store, &before, proposal.last())?;
    for role in forced.iter().flat_map(|role| signed_with(*role)) {
        publisher.check_keys(*role)?;
    }
    if let [first, _] = proposal.versions() {
        write_root(store, first)?;
    }
    let mut renewed = sign_anew(&publisher, &before, &forced)?;
    if let Some(last) = proposal.versions().last()
        && write_root(store, last)?
        && renewed.is_empty()
        && publisher.check_keys(Role::Timestamp).is_ok()
    {
        // Who looks at timestamp.json alone sees that something has changed.
        renewed = sign_anew(&publisher, &before, &[Role::Timestamp].into())?;
    }
    let changes = proposal.overall();
    let root = proposal.last().version.get();
    journal.keys_changed(&Event::keys_changed(now, root, &changes, proposal.reason()), root)?;
    let publication = record(writer, keys, &publisher, !renewed.is_empty())?;
    warn!(
        root = publication.versions.root,
        reason = proposal.reason(),
        "the keys of the catalog were changed"
    );
    Ok(CarriedOut { publication, changes, renewed })
}

/// Whether the proposal follows the root metadata of this store, or was carried out in part.
fn check_place(store: &Store, proposal: &Proposal, now: Timestamp) -> Result<(), KeyChangeError> {
    if proposal.store_id() != store.id() {
        return Err(KeyChangeError::Foreign);
    }
    let base = proposal.base_version();
    let text = read(store, &format!("{base}.root.json")).map_err(|_| KeyChangeError::Foreign)?;
    if text != proposal.current_text().as_bytes() {
        return Err(KeyChangeError::Foreign);
    }
    let chain = chain(store, now)?;
    let current = u64::try_from(chain.len()).unwrap_or(u64::MAX);
    let ours = proposal.versions().iter().map(|version| &version.signed);
    let begun = chain.iter().map(|version| &version.signed).filter(|root| root.version.get() > base);
    let (begun, ours): (Vec<&Root>, Vec<&Root>) = (begun.collect(), ours.collect());
    let same = |(one, other): (&&Root, &&Root)| matches!((one.canonical_form(), other.canonical_form()), (Ok(one), Ok(other)) if one == other);
    if begun.len() > ours.len() || !begun.iter().zip(&ours).all(same) {
        return Err(KeyChangeError::Stale { base, current });
    }
    Ok(())
}

/// The roles whose current files the keys of the last root metadata have not signed.
fn unsigned_roles(
    store: &Store,
    before: &TrustedCatalog,
    root: &Root,
) -> Result<BTreeSet<Role>, KeyChangeError> {
    let versions = before.versions();
    let mut roles = BTreeSet::new();
    if !is_signed::<Targets>(store, &format!("{}.targets.json", versions.targets), root)? {
        roles.insert(Role::Targets);
    }
    if !is_signed::<Snapshot>(store, &format!("{}.snapshot.json", versions.snapshot), root)? {
        roles.insert(Role::Snapshot);
    }
    if !is_signed::<schema::Timestamp>(store, TIMESTAMP_FILE, root)? {
        roles.insert(Role::Timestamp);
    }
    Ok(roles)
}

fn is_signed<T: schema::Role + DeserializeOwned>(
    store: &Store,
    name: &str,
    root: &Root,
) -> Result<bool, KeyChangeError> {
    let (source, place) = (FolderSource::of(store), store.repository_dir().display().to_string());
    let current = |source: TrustError| CatalogError::Current { source };
    let bytes = source.read(name, MAX_TARGETS_BYTES).map_err(|source| {
        current(TrustError::Unreachable { what: name.to_owned(), place: place.clone(), source })
    })?;
    let missing = || current(TrustError::Missing { what: name.to_owned(), place: place.clone() });
    let signed: Signed<T> = parse(&bytes.ok_or_else(missing)?, name, &place).map_err(current)?;
    Ok(verify(root, &signed).is_ok())
}

/// Writes `N.root.json`, if it is not there from an earlier attempt. Returns whether it was written.
fn write_root(store: &Store, version: &Signed<Root>) -> Result<bool, KeyChangeError> {
    let name = format!("{}.root.json", version.signed.version);
    if is_there(store, &name)? {
        return Ok(false);
    }
    create(store, &name, &metadata::encode(version)?)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
