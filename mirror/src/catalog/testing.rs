//! A published catalog and means to forge it, for the unit tests of this crate.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize as _;
use serde_json::{Value, json};

use super::keys::RoleKey;
use super::{
    Distrust, FolderSource, Lifetimes, Publication, Role, SigningKeys, TrustError, TrustInputs,
    TrustedCatalog, publish, trust_folder,
};
use crate::Sha256Digest;
use crate::store::testing::{TestStore, at, path};

/// A store with keys and a published catalog.
pub(crate) struct TestCatalog {
    pub(crate) test: TestStore,
    pub(crate) keys: SigningKeys,
}

impl TestCatalog {
    /// A catalog with `packages` packages, published at second 10.
    pub(crate) fn new(packages: u32) -> Self {
        let test = TestStore::new();
        let keys = SigningKeys::create(&test.beside("keys")).unwrap();
        let catalog = Self { test, keys };
        for number in 1..=packages {
            catalog.add(number);
        }
        catalog.publish(at(10));
        catalog
    }

    pub(crate) fn add(&self, number: u32) {
        let mut writer = self.test.store.write().unwrap();
        self.test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
    }

    pub(crate) fn publish(&self, now: Timestamp) -> Publication {
        let mut writer = self.test.store.write().unwrap();
        publish(&mut writer, &self.keys, now, &Lifetimes::CONNECTED).unwrap()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.test.store.repository_dir()
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        std::fs::read(self.folder().join("1.root.json")).unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.test.beside("state/trust.json")
    }

    /// Trusts the catalog without memory.
    pub(crate) fn trust(&self, now: Timestamp) -> Result<TrustedCatalog, TrustError> {
        self.trust_with(&self.root(), None, now)
    }

    /// Trusts the catalog and remembers.
    pub(crate) fn trust_remembering(&self, now: Timestamp) -> Result<TrustedCatalog, TrustError> {
        self.trust_with(&self.root(), Some(&self.state()), now)
    }

    pub(crate) fn trust_with(
        &self,
        root: &[u8],
        state: Option<&Path>,
        now: Timestamp,
    ) -> Result<TrustedCatalog, TrustError> {
        let inputs = TrustInputs { root, state, now, allow_expired: false };
        trust_folder(&FolderSource::new(self.folder()), &inputs)
    }

    /// The files of the catalog as they are now, to be put back later.
    pub(super) fn save(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
    }

    pub(super) fn put_back(&self, files: &[(PathBuf, Vec<u8>)]) {
        std::fs::remove_dir_all(self.folder()).unwrap();
        std::fs::create_dir(self.folder()).unwrap();
        for (file, bytes) in files {
            std::fs::write(file, bytes).unwrap();
        }
    }

    /// Changes what a role has signed and signs it again, as someone who has its key could.
    pub(super) fn resign(&self, name: &str, keys: &[&RoleKey], change: impl FnOnce(&mut Value)) {
        let file = self.folder().join(name);
        let mut signed =
            serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).unwrap()["signed"].take();
        change(&mut signed);
        std::fs::write(file, sign(&signed, keys)).unwrap();
    }

    pub(super) fn key(&self, role: Role) -> &RoleKey {
        self.keys.key(role).unwrap()
    }

    /// Changes the targets metadata and lets snapshot and timestamp refer to it, as someone with all three keys could.
    pub(super) fn forge_targets(&self, change: impl FnOnce(&mut Value)) {
        self.resign("1.targets.json", &[self.key(Role::Targets)], change);
        self.relink("1.snapshot.json", "targets.json", "1.targets.json", Role::Snapshot);
        self.relink("timestamp.json", "snapshot.json", "1.snapshot.json", Role::Timestamp);
    }

    fn relink(&self, file: &str, name: &str, target: &str, role: Role) {
        let bytes = std::fs::read(self.folder().join(target)).unwrap();
        self.resign(file, &[self.key(role)], |signed| {
            signed["meta"][name]["length"] = json!(bytes.len());
            signed["meta"][name]["hashes"]["sha256"] = json!(Sha256Digest::of(&bytes).to_hex());
        });
    }
}

/// Why a catalog was not trusted.
pub(super) fn reason(result: Result<TrustedCatalog, TrustError>) -> Distrust {
    match result {
        Err(TrustError::NotTrusted { reason, .. }) => reason,
        other => panic!("not refused as expected: {other:?}"),
    }
}

/// Signs any JSON with some keys.
pub(super) fn sign(signed: &Value, keys: &[&RoleKey]) -> Vec<u8> {
    let mut canonical = Vec::new();
    let formatter = olpc_cjson::CanonicalFormatter::new();
    signed.serialize(&mut serde_json::Serializer::with_formatter(&mut canonical, formatter)).unwrap();
    let signature = |key: &&RoleKey| json!({"keyid": hex::encode(&**key.id()), "sig": hex::encode(key.sign(&canonical).unwrap())});
    let signatures: Vec<Value> = keys.iter().map(signature).collect();
    serde_json::to_vec_pretty(&json!({"signed": signed, "signatures": signatures})).unwrap()
}

/// A key that belongs to nobody.
pub(crate) fn foreign_keys(test: &TestStore, name: &str) -> SigningKeys {
    SigningKeys::create(&test.beside(name)).unwrap()
}
