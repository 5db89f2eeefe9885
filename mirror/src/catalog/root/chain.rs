//! What one version of root metadata changes, and all versions of a catalog.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tough::schema::{Root, Signed};

use super::error::KeyChangeError;
use crate::catalog::checks::{self, MAX_ROOT_BYTES};
use crate::catalog::publish::{FIRST_ROOT_FILE, trusting};
use crate::catalog::source::FolderSource;
use crate::catalog::trust::trust_root;
use crate::catalog::{CatalogError, Role, TrustError, short};
use crate::store::Store;

/// What changes for one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RootChange {
    /// The role.
    pub role: Role,
    /// Ids of the keys that it gets.
    pub added: Vec<String>,
    /// Ids of the keys that it loses.
    pub removed: Vec<String>,
    /// How many of its keys must sign from then on.
    pub threshold: u64,
}

impl RootChange {
    /// What differs between two versions, role by role.
    pub(super) fn between(old: &Root, new: &Root) -> Vec<Self> {
        let mut changes = Vec::new();
        for role in Role::ALL {
            let (before, after) = (ids(old, role), ids(new, role));
            let change = Self {
                role,
                added: after.difference(&before).cloned().collect(),
                removed: before.difference(&after).cloned().collect(),
                threshold: threshold(new, role),
            };
            if before != after || threshold(old, role) != change.threshold {
                changes.push(change);
            }
        }
        changes
    }

    /// In words, with the beginnings of the ids.
    pub fn in_words(&self) -> String {
        let list = |ids: &[String]| ids.iter().map(|id| short(id)).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.added.is_empty() {
            parts.push(format!("gets {}", list(&self.added)));
        }
        if !self.removed.is_empty() {
            parts.push(format!("loses {}", list(&self.removed)));
        }
        parts.push(format!("needs {} of its keys", self.threshold));
        format!("{}: {}", self.role, parts.join(", "))
    }
}

/// The ids of a role's keys.
pub(super) fn ids(root: &Root, role: Role) -> BTreeSet<String> {
    checks::key_ids(root, role).into_iter().map(hex::encode).collect()
}

pub(super) fn threshold(root: &Root, role: Role) -> u64 {
    root.roles.get(&role.role_type()).map_or(0, |keys| keys.threshold.get())
}

/// All versions of the root metadata of a catalog from the first to the newest, each as its predecessor demands.
pub(super) fn chain(store: &Store, now: Timestamp) -> Result<Vec<Signed<Root>>, KeyChangeError> {
    let newest = trusting(store, now, trust_root)?;
    let (source, place) = (FolderSource::of(store), store.repository_dir().display().to_string());
    let mut chain = Vec::new();
    for version in 1..=newest.version.get() {
        let name = if version == 1 { FIRST_ROOT_FILE.to_owned() } else { format!("{version}.root.json") };
        let current = |source| KeyChangeError::Catalog(CatalogError::Current { source });
        let bytes = source.read(&name, MAX_ROOT_BYTES).map_err(|source| {
            current(TrustError::Unreachable { what: name.clone(), place: place.clone(), source })
        })?;
        let bytes =
            bytes.ok_or_else(|| current(TrustError::Missing { what: name.clone(), place: place.clone() }))?;
        chain.push(checks::parse(&bytes, &name, &place).map_err(current)?);
    }
    Ok(chain)
}
