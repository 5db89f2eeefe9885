//! Who holds what, whether thresholds can still be reached, what expires when, and which keys there ever were.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tough::schema::{Root, Signed};

use super::chain::{chain, ids, threshold};
use super::error::KeyChangeError;
use super::holders::Holders;
use super::proposal::Proposal;
use crate::catalog::publish::trusting;
use crate::catalog::trust::{TrustedCatalog, trust_folder};
use crate::catalog::{Event, ExpiryWarning, Profile, PublicKey, Role, SigningKeys, read_events};
use crate::store::Store;

/// The keys of a catalog.
#[derive(Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct KeysReport {
    /// Id of the store.
    pub store: String,
    /// How the catalog is renewed.
    pub profile: Profile,
    /// Root, targets, snapshot, timestamp.
    pub roles: Vec<RoleReport>,
    /// SHA-256 of the public key of the store, which signs the log.
    pub store_key: Option<String>,
    /// Whether its private half is here.
    pub store_key_is_here: bool,
    /// Encrypted files that could not be opened; which keys they hold is not known.
    pub locked: Vec<String>,
    /// Every key there ever was, in the order of their coming.
    pub history: Vec<KeyRecord>,
    /// The version that a change of keys under way leads to.
    pub pending_root: Option<u64>,
    /// How many signatures it still needs.
    pub pending_signatures: u64,
}

/// A role and its keys.
#[derive(Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct RoleReport {
    /// The role.
    pub role: Role,
    /// How many of its keys must sign.
    pub threshold: u64,
    /// Its keys.
    pub keys: Vec<KeyReport>,
    /// Whether as many as the threshold are here.
    pub can_sign_here: bool,
    /// The version of its metadata.
    pub version: u64,
    /// When that expires.
    pub expires: Timestamp,
    /// Days until then; negative when it is over.
    pub days_left: i64,
    /// Whether somebody should act.
    pub warning: Option<ExpiryWarning>,
}

/// A key of a role.
#[derive(Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct KeyReport {
    /// Its id.
    pub id: String,
    /// How it signs.
    pub algorithm: String,
    /// Where its private half is.
    pub place: KeyPlace,
    /// Who holds it, if anybody has noted that.
    pub holder: Option<String>,
}

/// Where a private key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPlace {
    /// In the folder of keys.
    Here,
    /// Not in the folder of keys, or in an encrypted file that was not opened.
    Elsewhere,
}

/// When a key came and went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct KeyRecord {
    /// The role.
    pub role: Role,
    /// The id of the key.
    pub id: String,
    /// The version of the root metadata that first lists it.
    pub from_version: u64,
    /// When the log first tells of that version.
    pub from: Option<Timestamp>,
    /// The first version that no longer lists it.
    pub to_version: Option<u64>,
    /// When the log first tells of that version.
    pub to: Option<Timestamp>,
}

/// Reports on the keys of a store's catalog, compared with those of a folder.
///
/// # Errors
/// The catalog cannot be trusted, or the log cannot be read.
pub fn keys_report(
    store: &Store,
    keys: &SigningKeys,
    proposal: Option<&Proposal>,
    holders: &Holders,
    now: Timestamp,
) -> Result<KeysReport, KeyChangeError> {
    let catalog = trusting(store, now, trust_folder)?;
    let chain = chain(store, now)?;
    let profile = catalog.store().map_or(Profile::default(), |store| store.profile);
    let roles = match chain.last() {
        Some(newest) => Role::ALL
            .into_iter()
            .map(|role| role_report(role, &newest.signed, &catalog, (keys, holders), now))
            .collect(),
        None => Vec::new(),
    };
    let public = catalog.store().map(|store| store.key);
    Ok(KeysReport {
        store: store.id().to_owned(),
        profile,
        roles,
        store_key: public.map(|key| crate::Sha256Digest::of(&key).to_hex()),
        store_key_is_here: keys.store().is_some_and(|ours| Some(*ours.public()) == public),
        locked: keys.locked().map(|path| path.display().to_string()).collect(),
        history: history(&chain, &dates(store, &catalog)?),
        pending_root: proposal.map(|proposal| proposal.last().version.get()),
        pending_signatures: proposal
            .map(|proposal| {
                proposal.missing().iter().map(|m| m.needed.saturating_sub(m.have)).max().unwrap_or(0)
            })
            .unwrap_or(0),
    })
}

fn role_report(
    role: Role,
    root: &Root,
    catalog: &TrustedCatalog,
    (keys, holders): (&SigningKeys, &Holders),
    now: Timestamp,
) -> RoleReport {
    let here: Vec<String> = keys.signers(role, root).iter().map(|key| key.public().id()).collect();
    let threshold = threshold(root, role);
    let expires = catalog.expiry(role);
    let left = expires.duration_since(now);
    let of_role = ids(root, role).into_iter().map(|id| {
        let key = root.keys.iter().find(|(known, _)| hex::encode(&***known) == id);
        let algorithm = key.and_then(|(_, key)| PublicKey::new(key.clone())?.algorithm());
        KeyReport {
            algorithm: algorithm.map_or_else(|| "another".to_owned(), |algorithm| algorithm.to_string()),
            holder: holders.of(&id).map(str::to_owned),
            place: if here.contains(&id) { KeyPlace::Here } else { KeyPlace::Elsewhere },
            id,
        }
    });
    RoleReport {
        role,
        threshold,
        keys: of_role.collect(),
        can_sign_here: u64::try_from(here.len()).unwrap_or(u64::MAX) >= threshold,
        version: catalog.version(role),
        expires,
        days_left: left.as_hours().div_euclid(24),
        warning: catalog.ends().into_iter().find(|end| end.role == role).and_then(|end| end.warning(now)),
    }
}

/// When the log first tells of each version of the root metadata.
fn dates(store: &Store, catalog: &TrustedCatalog) -> Result<BTreeMap<u64, Timestamp>, KeyChangeError> {
    let mut dates = BTreeMap::new();
    if catalog.store().is_none() {
        return Ok(dates);
    }
    for (_, event) in read_events(store, catalog)? {
        let version = match &event {
            Ok(Event::Published { versions, .. }) => versions.root,
            Ok(Event::KeysChanged { root, .. }) => *root,
            _ => continue,
        };
        if let Ok(event) = event {
            dates.entry(version).or_insert(event.at());
        }
    }
    Ok(dates)
}

fn history(chain: &[Signed<Root>], dates: &BTreeMap<u64, Timestamp>) -> Vec<KeyRecord> {
    // Versions that list old and new keys side by side are not logged of their own; the next one is.
    let date = |version: u64| dates.range(version..).next().map(|(_, at)| *at);
    let mut records: Vec<KeyRecord> = Vec::new();
    for root in chain.iter().map(|version| &version.signed) {
        let version = root.version.get();
        for role in Role::ALL {
            let listed = ids(root, role);
            let open = records.iter_mut().filter(|record| record.role == role && record.to_version.is_none());
            let mut known = Vec::new();
            for record in open {
                if listed.contains(&record.id) {
                    known.push(record.id.clone());
                } else {
                    (record.to_version, record.to) = (Some(version), date(version));
                }
            }
            records.extend(listed.into_iter().filter(|id| !known.contains(id)).map(|id| KeyRecord {
                role,
                id,
                from_version: version,
                from: date(version),
                to_version: None,
                to: None,
            }));
        }
    }
    records
}
