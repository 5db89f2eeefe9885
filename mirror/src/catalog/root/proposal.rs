//! A proposal: what is to be signed by the holders of root keys.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use tough::schema::{Role as _, Root, Signature, Signed};

use super::chain::{RootChange, ids, threshold};
use super::change::{self, KeyChange};
use super::error::KeyChangeError;
use crate::Sha256Digest;
use crate::catalog::Distrust;
use crate::catalog::checks::{check_root, verify};
use crate::catalog::publish::expiry;
use crate::catalog::{Lifetimes, Role, RoleKey};
use crate::store::durable::{self, FileMode};

/// The next root metadata, with the signatures that it has so far.
#[derive(Debug, Clone)]
pub struct Proposal {
    document: Document,
    current: Root,
}

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u64,
    kind: String,
    store: String,
    made: Timestamp,
    reason: String,
    /// The text of the current root metadata, byte for byte.
    current: String,
    versions: Vec<Signed<Root>>,
}

/// Signatures that a version still needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The version.
    pub version: u64,
    /// How many are needed.
    pub needed: u64,
    /// How many there are.
    pub have: u64,
    /// Ids of the keys that may still sign.
    pub may_sign: Vec<String>,
}

impl Proposal {
    /// The name of the proposal in a folder of keys.
    pub const FILE: &'static str = "next-root.json";

    /// Proposes changes to the newest root metadata of a store, or to what an earlier proposal wants. Nobody has signed it.
    ///
    /// `current` is the text of the newest root metadata, `reason` is kept in the log.
    ///
    /// # Errors
    /// A key is not there or there already, a threshold could never be reached, nothing would change, or the earlier proposal
    /// does not follow the newest root metadata.
    pub fn new(
        store_id: &str,
        current: &[u8],
        earlier: Option<&Self>,
        changes: &[KeyChange],
        reason: &str,
        now: Timestamp,
        lifetimes: &Lifetimes,
    ) -> Result<Self, KeyChangeError> {
        let text =
            String::from_utf8(current.to_vec()).map_err(|_| malformed("the root is not UTF-8 text"))?;
        let root = root_of(&text)?;
        if let Some(earlier) = earlier.filter(|earlier| earlier.document.current != text) {
            return Err(KeyChangeError::Stale { base: earlier.base_version(), current: root.version.get() });
        }
        let base = earlier;
        let wanted = change::apply(base.map_or(&root, Self::last), changes)?;
        let is_renewal = changes.iter().any(|change| matches!(change, KeyChange::Renew));
        if !is_renewal && RootChange::between(&root, &wanted).is_empty() {
            return Err(KeyChangeError::NoChange);
        }
        let versions = change::versions(&root, wanted, expiry(Role::Root, now, lifetimes)?)?;
        let reasons = base.map(|base| base.document.reason.as_str()).into_iter().chain([reason]);
        let document = Document {
            format: FORMAT,
            kind: KIND.to_owned(),
            store: store_id.to_owned(),
            made: now,
            reason: reasons.filter(|reason| !reason.is_empty()).collect::<Vec<_>>().join("; "),
            current: text,
            versions: versions.into_iter().map(|signed| Signed { signed, signatures: Vec::new() }).collect(),
        };
        Ok(Self { document, current: root })
    }

    /// Reads a proposal. Nothing in it is trusted but by whoever compares digest and changes.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyChangeError> {
        let document: Document = serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        if document.format != FORMAT || document.kind != KIND {
            return Err(malformed("it has another format"));
        }
        let current = root_of(&document.current)?;
        let mut before = &current;
        if document.versions.is_empty() || document.versions.len() > 2 {
            return Err(malformed("it has not one or two versions"));
        }
        for version in document.versions.iter().map(|version| &version.signed) {
            if Some(version.version.get()) != before.version.get().checked_add(1) {
                return Err(malformed("its versions do not follow one another"));
            }
            let unreachable = |role: &Role| {
                let keys = u64::try_from(ids(version, *role).len()).unwrap_or(u64::MAX);
                threshold(version, *role) == 0 || threshold(version, *role) > keys
            };
            if Role::ALL.iter().any(unreachable) {
                return Err(malformed("a role in it could never be signed for"));
            }
            if !shows_all(before, version) {
                return Err(malformed("it changes more than keys, thresholds and the end of validity"));
            }
            before = version;
        }
        Ok(Self { document, current })
    }

    /// The bytes of the file.
    pub fn to_json(&self) -> Result<Vec<u8>, KeyChangeError> {
        // Through a `Value`, whose maps are sorted.
        let value = serde_json::to_value(&self.document).map_err(|e| malformed(e.to_string()))?;
        let mut bytes = serde_json::to_vec_pretty(&value).map_err(|e| malformed(e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a file, as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, KeyChangeError> {
        Self::parse(&read_limited(path)?).map_err(KeyChangeError::in_file(path))
    }

    /// The proposal in a folder of keys; none if no change is under way.
    pub fn load(folder: &Path) -> Result<Option<Self>, KeyChangeError> {
        match Self::read(&folder.join(Self::FILE)) {
            Ok(proposal) => Ok(Some(proposal)),
            Err(KeyChangeError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps the proposal in a folder of keys.
    pub fn save(&self, folder: &Path) -> Result<(), KeyChangeError> {
        let path = folder.join(Self::FILE);
        durable::replace(&path, &self.to_json()?, FileMode::Secret)
            .map_err(|e| KeyChangeError::Catalog(e.into()))
    }

    /// Forgets the proposal in a folder of keys.
    pub fn discard(folder: &Path) -> Result<(), KeyChangeError> {
        let path = folder.join(Self::FILE);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(KeyChangeError::NoProposal { folder: folder.to_owned() })
            }
            Err(source) => Err(KeyChangeError::Read { path, source }),
            Ok(()) => Ok(()),
        }
    }

    /// Digest of everything that holders are shown and sign, for comparing by eye.
    pub fn digest(&self) -> Result<Sha256Digest, KeyChangeError> {
        let mut hasher = sha2::Sha256::new();
        for text in [&self.document.store, &self.document.reason, &self.document.current] {
            hasher.update(Sha256Digest::of(text.as_bytes()).as_bytes());
        }
        for version in &self.document.versions {
            hasher.update(canonical(&version.signed)?);
        }
        Ok(Sha256Digest::from_bytes(hasher.finalize().into()))
    }

    /// What each version changes, computed from what is signed.
    pub fn changes(&self) -> Vec<(u64, Timestamp, Vec<RootChange>)> {
        let befores = std::iter::once(&self.current).chain(self.roots());
        let pairs = befores.zip(self.roots());
        pairs
            .map(|(before, after)| (after.version.get(), after.expires, RootChange::between(before, after)))
            .collect()
    }

    /// What the whole of it changes.
    pub fn overall(&self) -> Vec<RootChange> {
        RootChange::between(&self.current, self.last())
    }

    /// What the last version says of each role: threshold and ids of its keys.
    pub fn outcome(&self) -> Vec<(Role, u64, Vec<String>)> {
        let last = self.last();
        let of = |role| (role, threshold(last, role), ids(last, role).into_iter().collect());
        Role::ALL.into_iter().map(of).collect()
    }

    /// The id of the store it is for.
    pub fn store_id(&self) -> &str {
        &self.document.store
    }

    /// Why, as those said who proposed it.
    pub fn reason(&self) -> &str {
        &self.document.reason
    }

    /// The version of the root metadata that it follows.
    pub fn base_version(&self) -> u64 {
        self.current.version.get()
    }

    /// What is not signed by enough root keys yet, of the version before it and of its own (5.3.4).
    pub fn missing(&self) -> Vec<Missing> {
        let befores = std::iter::once(&self.current).chain(self.roots());
        let mut missing = Vec::new();
        for (before, version) in befores.zip(&self.document.versions) {
            for demanding in [before, &version.signed] {
                let Err(reason) = verify(demanding, version) else { continue };
                let (needed, have) = match reason {
                    Distrust::TooFewSignatures { needed, valid, .. } => (needed, valid),
                    _ => (threshold(demanding, Role::Root), 0),
                };
                let mut may_sign: Vec<String> = ids(demanding, Role::Root).into_iter().collect();
                may_sign.retain(|id| !version.signatures.iter().any(|s| hex::encode(&*s.keyid) == *id));
                let found = Missing { version: version.signed.version.get(), needed, have, may_sign };
                if !missing.contains(&found) {
                    missing.push(found);
                }
            }
        }
        missing
    }

    /// Signs with the keys that are root keys before or after. Returns their ids.
    pub fn sign(&mut self, keys: &[&RoleKey]) -> Result<Vec<String>, KeyChangeError> {
        let mut signed = Vec::new();
        for (index, signatures) in self.signatures_of(keys)?.into_iter().enumerate() {
            for signature in signatures {
                let id = hex::encode(&*signature.keyid);
                if !signed.contains(&id) {
                    signed.push(id);
                }
                self.put(index, signature);
            }
        }
        Ok(signed)
    }

    /// What these keys sign, version by version.
    pub(super) fn signatures_of(&self, keys: &[&RoleKey]) -> Result<Vec<Vec<Signature>>, KeyChangeError> {
        let mut all = Vec::new();
        for (index, root) in self.roots().enumerate() {
            let message = canonical(root)?;
            let mut signatures = Vec::new();
            for key in keys.iter().filter(|key| self.counts(index, &key.public().id())) {
                let is_same = |known: &Signature| known.keyid == *key.id();
                if signatures.iter().any(is_same) {
                    continue;
                }
                let sig = key.sign(&message)?.into();
                signatures.push(Signature { keyid: key.id().clone(), sig });
            }
            all.push(signatures);
        }
        Ok(all)
    }

    /// Takes a signature of one version that was made elsewhere, if it holds.
    pub(super) fn take(&mut self, index: usize, signature: Signature) -> Result<(), KeyChangeError> {
        let id = hex::encode(&*signature.keyid);
        let (Some(before), Some(version)) = (self.before(index), self.document.versions.get(index)) else {
            return Err(KeyChangeError::OtherProposal);
        };
        let key = version.signed.keys.get(&signature.keyid).or_else(|| before.keys.get(&signature.keyid));
        let Some(key) = key.filter(|_| self.counts(index, &id)) else {
            return Err(KeyChangeError::NoRootKey { id });
        };
        // Judged by root metadata that knows this key alone.
        let mut judge = version.signed.clone();
        judge.keys = [(signature.keyid.clone(), key.clone())].into();
        if let Some(role) = judge.roles.get_mut(&Role::Root.role_type()) {
            role.keyids = vec![signature.keyid.clone()];
            role.threshold = std::num::NonZeroU64::MIN;
        }
        let alone = Signed { signed: version.signed.clone(), signatures: vec![signature.clone()] };
        verify(&judge, &alone).map_err(|_| KeyChangeError::BadSignature { id })?;
        self.put(index, signature);
        Ok(())
    }

    /// The versions in order, each with its signatures.
    pub(super) fn versions(&self) -> &[Signed<Root>] {
        &self.document.versions
    }

    /// The text of the root metadata that it follows.
    pub(super) fn current_text(&self) -> &str {
        &self.document.current
    }

    /// The root metadata that it leads to.
    pub(super) fn last(&self) -> &Root {
        self.document.versions.last().map_or(&self.current, |version| &version.signed)
    }

    fn roots(&self) -> impl Iterator<Item = &Root> {
        self.document.versions.iter().map(|version| &version.signed)
    }

    fn before(&self, index: usize) -> Option<&Root> {
        match index.checked_sub(1) {
            None => Some(&self.current),
            Some(before) => self.document.versions.get(before).map(|version| &version.signed),
        }
    }

    /// Whether a key may sign a version: as a root key of the version before it or of its own.
    fn counts(&self, index: usize, id: &str) -> bool {
        let own = self.document.versions.get(index).map(|version| &version.signed);
        [self.before(index), own].into_iter().flatten().any(|root| ids(root, Role::Root).contains(id))
    }

    fn put(&mut self, index: usize, signature: Signature) {
        if let Some(version) = self.document.versions.get_mut(index) {
            version.signatures.retain(|known| known.keyid != signature.keyid);
            version.signatures.push(signature);
        }
    }
}

fn root_of(text: &str) -> Result<Root, KeyChangeError> {
    let signed: Signed<Root> = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
    check_root(&signed).map_err(|reason| malformed(reason.to_string()))?;
    Ok(signed.signed)
}

/// Whether a version differs from the one before in nothing but what [`Proposal::changes`] shows.
fn shows_all(before: &Root, version: &Root) -> bool {
    let mut same = version.clone();
    (same.version, same.expires) = (before.version, before.expires);
    same.keys.clone_from(&before.keys);
    for (role, listed) in &mut same.roles {
        let Some(old) = before.roles.get(role) else { return false };
        // Ids that stand there twice count once, here as everywhere.
        (listed.keyids, listed.threshold) = (old.keyids.clone(), old.threshold);
    }
    same == *before
}

fn canonical(root: &Root) -> Result<Vec<u8>, KeyChangeError> {
    root.canonical_form().map_err(|e| malformed(e.to_string()))
}

fn malformed(reason: impl Into<String>) -> KeyChangeError {
    KeyChangeError::Malformed { what: "proposal", reason: reason.into() }
}

/// Reads a proposal or signatures from a file.
pub(super) fn read_limited(path: &Path) -> Result<Vec<u8>, KeyChangeError> {
    let failed = |source| KeyChangeError::Read { path: PathBuf::from(path), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

const FORMAT: u64 = 1;
const KIND: &str = "midmirror root proposal";
/// A proposal with three root metadata files of a dozen keys has about 15 KB.
const LIMIT: u64 = 1024 * 1024;
