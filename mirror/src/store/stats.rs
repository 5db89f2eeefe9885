//! How much a store holds, of what.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::repair::DAMAGED;
use super::{BLOBS, EVIDENCE, Store, StoreError, gc};
use crate::Sha256Digest;
use crate::catalog::TrustedCatalog;
use crate::fetch::available_space;
use crate::package::{PackageKind, Platform};
use crate::storage::Kind;

/// How much a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoreStats {
    /// Id of the store.
    pub id: String,
    /// Format of the store.
    pub format: u64,
    /// When it was made.
    pub created: jiff::Timestamp,
    /// Packages that the catalog lists. Two names of the same bytes count twice.
    pub published: Amount,
    /// Bytes of packages that the catalog does not list: superseded, held, withdrawn, or never admitted.
    pub unpublished: Amount,
    /// Packages that the catalog lists and whose bytes are not there.
    pub missing: u64,
    /// Published packages by release family; `-` for stamps without one.
    pub families: BTreeMap<String, Amount>,
    /// Published packages by kind and platform.
    pub kinds: Vec<KindAmount>,
    /// Admissions, and the bytes of their evidence.
    pub evidence: Amount,
    /// Attempts in quarantine.
    pub quarantine: Amount,
    /// Bytes set aside by repairs.
    pub damaged: Amount,
    /// Entries of the log, as its checkpoint says; none if there is no log.
    pub log_entries: Option<u64>,
    /// Bytes that the disk of the local folder can still take.
    pub free_bytes: u64,
}

/// A number of things and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// How many bytes together.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Published packages of one kind for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KindAmount {
    /// The kind.
    pub kind: PackageKind,
    /// The platform.
    pub platform: Platform,
    /// How many and how large.
    #[serde(flatten)]
    pub amount: Amount,
}

/// Counts what a store holds; reads names and lengths only.
///
/// # Errors
/// The store cannot be read.
pub fn stats(store: &Store, catalog: &TrustedCatalog) -> Result<StoreStats, StoreError> {
    let mut blobs = blobs(store)?;
    let (mut published, mut missing) = (Amount::default(), 0);
    let mut families: BTreeMap<String, Amount> = BTreeMap::new();
    let mut kinds: BTreeMap<(PackageKind, Platform), Amount> = BTreeMap::new();
    for entry in catalog.entries() {
        let name = entry.path.name();
        published.add(entry.length);
        families.entry(name.stamp().family().unwrap_or("-").to_owned()).or_default().add(entry.length);
        kinds.entry((name.kind(), name.platform())).or_default().add(entry.length);
        missing += u64::from(!blobs.contains_key(&entry.sha256));
    }
    let listed: BTreeSet<_> = catalog.entries().iter().map(|entry| entry.sha256).collect();
    blobs.retain(|digest, _| !listed.contains(digest));
    let mut unpublished = Amount::default();
    blobs.values().for_each(|bytes| unpublished.add(*bytes));
    let evidence = gc::size(store, EVIDENCE, Kind::Folder)?;
    let local = |name: &str| local_amount(&store.root_dir().join(name));
    Ok(StoreStats {
        id: store.id().to_owned(),
        format: store.format(),
        created: store.created(),
        published,
        unpublished,
        missing,
        families,
        kinds: kinds
            .into_iter()
            .map(|((kind, platform), amount)| KindAmount { kind, platform, amount })
            .collect(),
        evidence: Amount { count: count(super::evidence::list(store)?.len()), bytes: evidence },
        quarantine: local("quarantine"),
        damaged: local(DAMAGED),
        log_entries: store.log().unverified_size(),
        free_bytes: available_space(store.root_dir()).unwrap_or_default(),
    })
}

fn blobs(store: &Store) -> Result<BTreeMap<Sha256Digest, u64>, StoreError> {
    let list = |folder: &str| store.storage.list(folder).map_err(StoreError::reading);
    let mut blobs = BTreeMap::new();
    for shard in list(BLOBS)? {
        for blob in list(&crate::storage::below(BLOBS, &shard.name))? {
            if let (Ok(digest), Kind::Object(length)) = (blob.name.parse(), blob.kind) {
                blobs.insert(digest, length);
            }
        }
    }
    Ok(blobs)
}

/// What is directly in a folder, with all bytes below it; what cannot be read counts as nothing.
fn local_amount(folder: &std::path::Path) -> Amount {
    let mut amount = Amount::default();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let bytes = match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => local_amount(&entry.path()).bytes,
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
        amount.add(bytes);
    }
    amount
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::TestCatalog;
    use crate::store::testing::{at, path};

    #[test]
    fn everything_is_counted_once() {
        let catalog = TestCatalog::new(2);
        let store = &catalog.test.store;
        let mut writer = store.write().unwrap();
        writer.hold(catalog.test.verified(&path(1), b"other", "{}"), at(11)).unwrap();
        drop(writer);
        std::fs::create_dir_all(store.root_dir().join("quarantine/fetch-1")).unwrap();
        std::fs::write(store.root_dir().join("quarantine/fetch-1/package.part"), b"123").unwrap();
        std::fs::remove_file(store.blob_path(&Sha256Digest::of(b"package 2"))).unwrap();
        let stats = stats(store, &catalog.trust(at(20)).unwrap()).unwrap();
        assert_eq!(stats.published, Amount { count: 2, bytes: 18 });
        assert_eq!(stats.unpublished, Amount { count: 1, bytes: 5 });
        assert_eq!((stats.missing, stats.evidence.count, stats.log_entries), (1, 3, Some(3)));
        assert_eq!(stats.families["zurich"], stats.published);
        assert_eq!((stats.kinds.len(), stats.kinds[0].amount), (1, stats.published));
        assert_eq!(stats.quarantine, Amount { count: 1, bytes: 3 });
        assert!(stats.evidence.bytes > 100 && stats.free_bytes > 0);
    }
}
