//! What is wanted of the next root metadata, and the versions that lead there.

use std::num::NonZeroU64;

use jiff::Timestamp;
use tough::schema::{RoleKeys, Root};

use super::chain::{ids, threshold};
use super::error::KeyChangeError;
use crate::catalog::publish::next;
use crate::catalog::{PublicKey, Role};

/// One thing to change.
#[derive(Debug, Clone)]
pub enum KeyChange {
    /// Another key for a role.
    Add {
        /// The role.
        role: Role,
        /// Its public half.
        key: PublicKey,
    },
    /// One key less for a role.
    Remove {
        /// The role.
        role: Role,
        /// The id of the key, or its beginning.
        id: String,
    },
    /// A new key in place of an old one.
    Replace {
        /// The role.
        role: Role,
        /// The public half of the new key.
        key: PublicKey,
        /// The id of the old one, or its beginning; may be left out if there is only one.
        old: Option<String>,
    },
    /// How many keys of a role must sign.
    Threshold {
        /// The role.
        role: Role,
        /// How many.
        threshold: NonZeroU64,
    },
    /// Nothing but another end of validity.
    Renew,
}

/// Makes the changes. Versions and end are left as they are.
pub(super) fn apply(root: &Root, changes: &[KeyChange]) -> Result<Root, KeyChangeError> {
    let mut root = root.clone();
    for change in changes {
        match change {
            KeyChange::Add { role, key } => add(&mut root, *role, key)?,
            KeyChange::Remove { role, id } => remove(&mut root, *role, id)?,
            KeyChange::Replace { role, key, old } => {
                let known: Vec<String> = ids(&root, *role).into_iter().collect();
                let old = match (old, known.as_slice()) {
                    (Some(old), _) => old,
                    (None, [only]) => only,
                    (None, several) => {
                        return Err(KeyChangeError::WhichKey { role: *role, ids: several.join(", ") });
                    }
                };
                add(&mut root, *role, key)?;
                remove(&mut root, *role, old)?;
            }
            KeyChange::Threshold { role, threshold } => {
                if let Some(listed) = of(&mut root, *role) {
                    listed.threshold = *threshold;
                }
            }
            KeyChange::Renew => {}
        }
    }
    for role in Role::ALL {
        let (keys, threshold) = (ids(&root, role).len(), threshold(&root, role));
        if threshold > u64::try_from(keys).unwrap_or(u64::MAX) {
            return Err(KeyChangeError::Threshold { role, threshold, keys });
        }
    }
    Ok(root)
}

fn add(root: &mut Root, role: Role, key: &PublicKey) -> Result<(), KeyChangeError> {
    if ids(root, role).contains(&key.id()) {
        return Err(KeyChangeError::AlreadyListed { role, id: key.id() });
    }
    root.keys.insert(key.raw_id().clone(), key.key().clone());
    if let Some(listed) = of(root, role) {
        listed.keyids.push(key.raw_id().clone());
    }
    Ok(())
}

fn remove(root: &mut Root, role: Role, id: &str) -> Result<(), KeyChangeError> {
    let full = find(root, role, id)?;
    if let Some(listed) = of(root, role) {
        listed.keyids.retain(|listed| hex::encode(&**listed) != full);
    }
    Ok(())
}

/// The one key of a role whose id begins so.
fn find(root: &Root, role: Role, id: &str) -> Result<String, KeyChangeError> {
    let beginning = id.to_ascii_lowercase();
    let mut fitting = ids(root, role).into_iter().filter(|known| known.starts_with(&beginning));
    match (fitting.next().filter(|_| beginning.len() >= 8), fitting.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(KeyChangeError::Ambiguous { role, id: id.to_owned() }),
        (None, _) => Err(KeyChangeError::NoSuchKey { role, id: id.to_owned() }),
    }
}

/// The one or two versions that lead from the current root metadata to the wanted one.
pub(super) fn versions(
    current: &Root,
    wanted: Root,
    expires: Timestamp,
) -> Result<Vec<Root>, KeyChangeError> {
    let mut last = wanted;
    last.expires = expires;
    last.version = next(Role::Root, current.version.get())?;
    let online = [Role::Targets, Role::Snapshot, Role::Timestamp];
    let differs = |role: &Role| {
        ids(current, *role) != ids(&last, *role) || threshold(current, *role) != threshold(&last, *role)
    };
    let mut versions = Vec::new();
    if online.iter().any(differs) {
        let mut both = last.clone();
        both.keys.extend(current.keys.clone());
        for role in online {
            let lower = threshold(current, role).min(threshold(&last, role));
            let old =
                current.roles.get(&role.role_type()).map(|keys| keys.keyids.clone()).unwrap_or_default();
            let Some(keys) = of(&mut both, role) else { continue };
            keys.keyids.extend(old);
            keys.keyids.sort();
            keys.keyids.dedup();
            keys.threshold = NonZeroU64::new(lower).unwrap_or(NonZeroU64::MIN);
        }
        drop_unused(&mut both);
        last.version = next(Role::Root, both.version.get())?;
        versions.push(both);
    }
    drop_unused(&mut last);
    versions.push(last);
    Ok(versions)
}

fn of(root: &mut Root, role: Role) -> Option<&mut RoleKeys> {
    root.roles.get_mut(&role.role_type())
}

/// Keys that no role uses say nothing.
fn drop_unused(root: &mut Root) {
    let roles = &root.roles;
    root.keys.retain(|id, _| roles.values().any(|role| role.keyids.contains(id)));
}
