//! One name, several digests: which one is published, which wait for a decision, and what was there before.
//!
//! The vendor has replaced files in place. All bytes that were ever admitted under a name stay, with their evidence;
//! the newest admission that is not held is the published one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::evidence::{self, Acceptance, Admission};
use super::{Store, StoreError, blob};
use crate::Sha256Digest;
use crate::fetch::FetchRecord;
use crate::package::PackagePath;

/// What a digest is to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DigestState {
    /// The catalog names it.
    Published,
    /// Verified, and waits for `midmirror accept`.
    Held,
    /// Another one took its place; its bytes and evidence are still there.
    Superseded,
    /// Nobody is to get these bytes any more.
    Withdrawn,
    /// The bytes were removed to make room; the evidence is still there.
    Pruned,
}

/// All that was ever admitted under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NameHistory {
    /// The vendor path.
    pub path: PackagePath,
    /// Its digests, the one that was seen first coming first.
    pub digests: Vec<DigestHistory>,
}

/// One digest of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DigestHistory {
    /// The digest.
    pub sha256: Sha256Digest,
    /// Length in bytes.
    pub length: u64,
    /// What it is now.
    pub state: DigestState,
    /// When these bytes were first admitted under this name.
    pub first_admitted_at: Timestamp,
    /// When they were held, if they ever were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_at: Option<Timestamp>,
    /// The newest decision that published them, if it took one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// The decision that withdrew them, if that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawalNote>,
    /// Where they came from first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Why and when bytes were withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WithdrawalNote {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Store {
    /// Every name with all its digests, in the order of the paths.
    ///
    /// # Errors
    /// The evidence cannot be read.
    pub fn name_histories(&self) -> Result<Vec<NameHistory>, StoreError> {
        let mut names: BTreeMap<String, Vec<Admission>> = BTreeMap::new();
        let admissions = self.admissions()?;
        for admission in &admissions {
            names.entry(admission.entry().path.as_str().to_owned()).or_default().push(admission.clone());
        }
        let withdrawn = crate::withdraw::withdrawn(self)?;
        let mut histories: Vec<_> = names.values().filter_map(|all| self.name_history(all)).collect();
        let pruned = crate::prune::Pruned::of(self)?.among(&admissions);
        for digest in histories.iter_mut().flat_map(|history| &mut history.digests) {
            if pruned.contains(&digest.sha256) {
                digest.state = DigestState::Pruned;
            }
            if let Some(withdrawal) = withdrawn.get(&digest.sha256) {
                digest.state = DigestState::Withdrawn;
                let (at, reason) = (withdrawal.at, withdrawal.reason.clone());
                digest.withdrawn = Some(WithdrawalNote { at, reason });
            }
        }
        Ok(histories)
    }

    /// Where the bytes of an admission came from.
    pub(crate) fn fetch_record(&self, admission: &Admission) -> Result<FetchRecord, StoreError> {
        evidence::fetch_record(self, admission)
    }

    /// The newest admission under a path, held or not.
    pub(crate) fn newest_admission(&self, path: &PackagePath) -> Result<Option<Admission>, StoreError> {
        Ok(self.admissions()?.into_iter().rfind(|admission| admission.entry().path == *path))
    }

    /// Hashes the bytes with a digest.
    pub(crate) fn check_blob(&self, sha256: &Sha256Digest) -> Result<(), StoreError> {
        blob::compare(&mut self.open_blob(sha256)?, &self.blob_path(sha256), *sha256)
    }

    /// The admission that would be published: the one held last, or the newest of a digest.
    pub(crate) fn acceptable(
        &self,
        path: &PackagePath,
        sha256: Option<Sha256Digest>,
    ) -> Result<Admission, StoreError> {
        to_accept(self, path, sha256)
    }

    fn name_history(&self, admissions: &[Admission]) -> Option<NameHistory> {
        let path = admissions.first()?.entry().path.clone();
        let published = admissions.iter().rfind(|admission| !admission.is_held());
        // Of bytes that were held one after the other, only the last can still be what the vendor has.
        let waiting = admissions.last().filter(|admission| admission.is_held());
        let mut digests: Vec<DigestHistory> = Vec::new();
        for admission in admissions {
            let entry = admission.entry();
            let at = match digests.iter().position(|known| known.sha256 == entry.sha256) {
                Some(at) => at,
                None => {
                    let is = |other: Option<&Admission>| {
                        other.is_some_and(|other| other.entry().sha256 == entry.sha256)
                    };
                    let state = match () {
                        () if is(published) => DigestState::Published,
                        () if is(waiting) => DigestState::Held,
                        () => DigestState::Superseded,
                    };
                    digests.push(DigestHistory {
                        sha256: entry.sha256,
                        length: entry.length,
                        state,
                        first_admitted_at: entry.admitted_at,
                        held_at: None,
                        accepted: None,
                        withdrawn: None,
                        source: self.fetch_record(admission).ok().map(|record| record.source),
                    });
                    digests.len() - 1
                }
            };
            let Some(known) = digests.get_mut(at) else { continue };
            if admission.is_held() {
                known.held_at = Some(entry.admitted_at);
            }
            if admission.accepted().is_some() {
                known.accepted = admission.accepted().cloned();
            }
        }
        Some(NameHistory { path, digests })
    }
}

/// The newest admission of these bytes under a path.
pub(super) fn newest_of(
    store: &Store,
    path: &PackagePath,
    sha256: Sha256Digest,
) -> Result<Option<Admission>, StoreError> {
    for name in evidence::list_of(store, &sha256)?.iter().rev() {
        let admission = evidence::read(store, *name)?;
        if admission.entry().path == *path {
            return Ok(Some(admission));
        }
    }
    Ok(None)
}

/// Finds the admission that is to be published: the one held last, or the newest of a digest.
pub(super) fn to_accept(
    store: &Store,
    path: &PackagePath,
    sha256: Option<Sha256Digest>,
) -> Result<Admission, StoreError> {
    let nothing = |reason| StoreError::NothingToAccept { package: path.as_str().to_owned(), reason };
    let of_path: Vec<Admission> =
        store.admissions()?.into_iter().filter(|admission| admission.entry().path == *path).collect();
    let published = of_path.iter().rfind(|admission| !admission.is_held());
    let chosen = match sha256 {
        Some(sha256) => of_path
            .iter()
            .rfind(|admission| admission.entry().sha256 == sha256)
            .ok_or_else(|| nothing("these bytes were never admitted under this name"))?,
        None => of_path
            .last()
            .filter(|admission| admission.is_held())
            .ok_or_else(|| nothing("no bytes are held"))?,
    };
    if published.is_some_and(|published| published.entry().sha256 == chosen.entry().sha256) {
        return Err(nothing("these bytes are the published ones"));
    }
    Ok(chosen.clone())
}

#[cfg(test)]
mod tests {
    use super::super::Approval;
    use super::super::testing::{TestStore, at, path};
    use super::*;

    fn because(reason: &str) -> Approval<'_> {
        Approval { by: Some("somebody"), reason }
    }

    fn states(store: &Store) -> Vec<(Sha256Digest, DigestState)> {
        let histories = store.name_histories().unwrap();
        assert_eq!(histories.len(), 1);
        histories[0].digests.iter().map(|digest| (digest.sha256, digest.state)).collect()
    }

    #[test]
    fn held_bytes_are_evidence_and_published_only_when_accepted() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let old = test.commit(&mut writer, &path(1), b"old");
        let held = writer.hold(test.verified(&path(1), b"new", "{}"), at(2)).unwrap();
        let again = writer.hold(test.verified(&path(1), b"new", "{ }"), at(3)).unwrap();
        assert_eq!(held.admission(), again.admission());
        assert_eq!(test.store.admitted().unwrap(), [old.entry().clone()]);
        assert_eq!(writer.find(&path(1)).unwrap().as_ref(), Some(old.entry()));
        let (old, new) = (old.entry().sha256, held.entry().sha256);
        assert_eq!(states(&test.store), [(old, DigestState::Published), (new, DigestState::Held)]);

        let accepted = writer.accept(&path(1), None, &because("release note"), at(4)).unwrap();
        let decision = accepted.accepted().unwrap();
        assert_eq!((decision.by.as_deref(), decision.reason.as_str()), (Some("somebody"), "release note"));
        assert_eq!(test.store.admitted().unwrap(), [held.entry().clone()]);
        assert_eq!(writer.find(&path(1)).unwrap().as_ref(), Some(held.entry()));
        assert_eq!(states(&test.store), [(old, DigestState::Superseded), (new, DigestState::Published)]);
        for digest in [old, new] {
            test.store.open_blob(&digest).unwrap();
        }
    }

    #[test]
    fn only_what_was_admitted_under_the_name_and_is_not_published_can_be_accepted() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let one = test.commit(&mut writer, &path(1), b"one").entry().sha256;
        let other = test.commit(&mut writer, &path(2), b"other").entry().sha256;
        for sha256 in [None, Some(one), Some(other)] {
            let error = writer.accept(&path(1), sha256, &because("because"), at(2)).unwrap_err();
            assert!(matches!(error, StoreError::NothingToAccept { .. }), "{error}");
        }
        writer.hold(test.verified(&path(1), b"two", "{}"), at(2)).unwrap();
        writer.accept(&path(1), None, &because("because"), at(3)).unwrap();
        writer.accept(&path(1), Some(one), &because("back again"), at(4)).unwrap();
        assert_eq!(writer.find(&path(1)).unwrap().unwrap().sha256, one);
    }

    #[test]
    fn a_held_package_survives_a_lost_index() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        let old = test.commit(&mut writer, &path(1), b"old").entry().sha256;
        writer.hold(test.verified(&path(1), b"new", "{}"), at(2)).unwrap();
        drop(writer);
        std::fs::remove_dir_all(test.store.index_dir()).unwrap();
        let mut writer = test.store.write().unwrap();
        assert_eq!(writer.find(&path(1)).unwrap().unwrap().sha256, old);
    }
}
