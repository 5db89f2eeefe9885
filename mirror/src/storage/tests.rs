//! What every place for objects has to do, and that a whole store works without a folder.

use std::io::Read as _;

use super::*;
use crate::catalog::{
    FolderSource, Lifetimes, Publication, SigningKeys, TrustInputs, TrustedCatalog, check_log, publish,
    trust_folder,
};
use crate::store::testing::{TestStore, at, path};
use crate::store::{Approval, CheckDepth, CheckOptions, Problem, Store, check};
use crate::withdraw::{Act, NewWithdrawal, record};

fn every_place(test: impl Fn(&dyn Storage, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let beside = tempfile::tempdir().unwrap();
    test(&LocalFolder::new(folder.path()), beside.path());
    test(&Memory::new(), beside.path());
}

fn object(name: &str, length: u64) -> Listed {
    Listed { name: name.to_owned(), kind: Kind::Object(length) }
}

fn folder(name: &str) -> Listed {
    Listed { name: name.to_owned(), kind: Kind::Folder }
}

#[test]
fn created_object_is_never_written_over_and_a_pointer_is() {
    every_place(|storage, _| {
        storage.create("a/b/one", b"1", FileMode::ReadOnly).unwrap();
        let refused = storage.create("a/b/one", b"2", FileMode::ReadOnly).unwrap_err();
        assert!(refused.is_already_there(), "{refused:?}");
        assert_eq!(storage.read("a/b/one", 9).unwrap().unwrap(), b"1");
        for text in [b"x", b"y"] {
            storage.replace("pointer", text, FileMode::Shared).unwrap();
            assert_eq!(storage.read("pointer", 9).unwrap().unwrap(), text);
        }
    });
}

#[test]
fn absence_is_no_error_and_too_much_is() {
    every_place(|storage, _| {
        assert_eq!(storage.read("a/none", 9).unwrap(), None);
        assert!(storage.open("a/none").unwrap().is_none());
        assert_eq!(storage.look("a/none").unwrap(), None);
        assert_eq!(storage.list("a").unwrap(), []);
        storage.remove("a/none").unwrap();
        storage.remove_folder("a").unwrap();
        storage.create("a", b"123", FileMode::Shared).unwrap();
        assert!(storage.read("a", 3).unwrap().is_some());
        assert!(storage.read("a", 2).is_err());
    });
}

#[test]
fn folder_appears_whole_and_once() {
    every_place(|storage, _| {
        let objects: [(&str, &[u8]); 2] = [("one", b"1"), ("two", b"22")];
        storage.create_folder("e/7", &objects, FileMode::ReadOnly).unwrap();
        assert_eq!(storage.list("e/7").unwrap(), [object("one", 1), object("two", 2)]);
        assert_eq!(storage.list("e").unwrap(), [folder("7")]);
        assert_eq!(storage.look("e/7").unwrap(), Some(Kind::Folder));
        let refused = storage.create_folder("e/7", &[("three", b"3")], FileMode::ReadOnly).unwrap_err();
        assert!(refused.is_already_there(), "{refused:?}");
        assert_eq!(storage.read("e/7/three", 9).unwrap(), None);
        storage.remove_folder("e/7").unwrap();
        assert_eq!(storage.look("e/7").unwrap(), None);
    });
}

#[test]
fn names_are_listed_in_order_and_only_those_directly_below() {
    every_place(|storage, _| {
        for key in ["f/b", "f/a", "f/c/d", "f/c/e/f", "fa", "g"] {
            storage.create(key, key.as_bytes(), FileMode::Shared).unwrap();
        }
        assert_eq!(storage.list("f").unwrap(), [object("a", 3), object("b", 3), folder("c")]);
        assert_eq!(storage.folders("f").unwrap(), ["c"]);
        assert_eq!(storage.folders("none").unwrap(), Vec::<String>::new());
        storage.create("f/x/file", b"", FileMode::Shared).unwrap();
        let two_deep = [("c".to_owned(), vec!["e".to_owned()]), ("x".to_owned(), Vec::new())];
        assert_eq!(storage.folders_below("f").unwrap(), two_deep);
        assert_eq!(storage.folders_below("none").unwrap(), []);
        let all: Vec<String> = storage.list("").unwrap().into_iter().map(|listed| listed.name).collect();
        assert_eq!(all, ["f", "fa", "g"]);
    });
}

#[test]
fn taken_file_is_an_object_and_no_longer_a_file() {
    every_place(|storage, beside| {
        let file = beside.join("file");
        std::fs::write(&file, b"bytes").unwrap();
        storage.take("t/one", &file, Sha256Digest::of(b"bytes"), FileMode::ReadOnly).unwrap();
        assert!(!file.exists());
        let mut bytes = Vec::new();
        storage.open("t/one").unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(
            (bytes.as_slice(), storage.look("t/one").unwrap()),
            (b"bytes".as_slice(), Some(Kind::Object(5)))
        );
        std::fs::write(&file, b"other").unwrap();
        assert!(storage.take("t/one", &file, Sha256Digest::of(b"other"), FileMode::ReadOnly).is_err());
        assert!(file.exists(), "a file that was not taken stays");
    });
}

#[test]
fn renamed_object_has_its_new_key_only() {
    every_place(|storage, _| {
        storage.create("r/old", b"1", FileMode::Shared).unwrap();
        storage.create("r/other", b"2", FileMode::Shared).unwrap();
        assert!(storage.rename("r/old", "r/other").unwrap_err().is_already_there());
        storage.rename("r/old", "s/new").unwrap();
        assert_eq!(storage.read("s/new", 9).unwrap().unwrap(), b"1");
        assert_eq!(storage.list("r").unwrap(), [object("other", 1)]);
        storage.remove("s/new").unwrap();
        assert_eq!(storage.look("s/new").unwrap(), None);
    });
}

/// A store whose objects are in no folder.
struct InMemory {
    memory: Memory,
    test: TestStore,
    keys: SigningKeys,
}

impl InMemory {
    fn new() -> Self {
        let memory = Memory::new();
        let test = TestStore::in_memory(&memory);
        let keys = SigningKeys::create(&test.beside("keys")).unwrap();
        Self { memory, test, keys }
    }

    fn publish(&self, second: i64) -> Publication {
        let mut writer = self.test.store.write().unwrap();
        publish(&mut writer, &self.keys, at(second), &Lifetimes::CONNECTED).unwrap()
    }

    fn add(&self, number: u32, bytes: &[u8]) {
        let mut writer = self.test.store.write().unwrap();
        self.test.commit(&mut writer, &path(number), bytes);
    }

    fn trust(&self) -> TrustedCatalog {
        let root = self.memory.read("repository/1.root.json", 9999).unwrap().unwrap();
        let inputs = TrustInputs { root: &root, state: None, now: at(50), allow_expired: false };
        trust_folder(&FolderSource::of(&self.test.store), &inputs).unwrap()
    }

    fn check(&self) -> Vec<Problem> {
        let mut full = CheckOptions::new(CheckDepth::Full);
        check(&self.test.store, Some(&self.trust()), &mut full, &mut |_| {}).unwrap().problems
    }
}

#[test]
fn whole_store_works_without_a_folder() {
    let site = InMemory::new();
    site.add(1, b"package 1");
    site.add(2, b"package 2");
    site.publish(10);
    let mut writer = site.test.store.write().unwrap();
    writer.hold(site.test.verified(&path(1), b"other", "{}"), at(11)).unwrap();
    writer.accept(&path(1), None, &Approval { by: None, reason: "because" }, at(12)).unwrap();
    drop(writer);
    // The index is gone, and with it nothing.
    std::fs::remove_dir_all(site.test.store.root_dir().join("index")).unwrap();
    let published = site.publish(13);
    assert_eq!((published.packages, published.versions.targets), (2, 2));
    assert_eq!(site.check(), []);
    let catalog = site.trust();
    assert_eq!(catalog.find(&path(1)).unwrap().sha256, Sha256Digest::of(b"other"));
    assert_eq!(check_log(&site.test.store, &catalog, None).unwrap().faults, []);
    assert_eq!(site.test.store.name_histories().unwrap()[0].digests.len(), 2);

    let opened = Store::open_in(site.test.store.storage().clone(), site.test.store.root_dir()).unwrap();
    assert_eq!(opened.admitted().unwrap().len(), 2);
    let mut local: Vec<_> =
        std::fs::read_dir(opened.root_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    local.sort();
    assert_eq!(local, ["index", "lock", "quarantine"]);
    assert!(site.memory.keys().iter().any(|key| key == "SHA256SUMS.minisig"));
}

#[test]
fn withdrawals_are_kept_without_a_folder() {
    let site = InMemory::new();
    site.add(1, b"package 1");
    site.publish(10);
    let new = NewWithdrawal {
        act: Act::Withdrawn,
        sha256: Sha256Digest::of(b"package 1"),
        reason: "vendor notice".to_owned(),
        by: None,
        paths: Vec::new(),
        learned_from: None,
    };
    record(&site.test.store, &new, at(11)).unwrap();
    assert_eq!(site.publish(12).packages, 0);
    assert_eq!(site.trust().withdrawn()[0].paths, [path(1)]);
    assert_eq!(site.check(), []);
    assert!(site.memory.keys().iter().any(|key| key == "withdrawals/00000001.json"));
    site.memory.remove("withdrawals/00000001.json").unwrap();
    let mut writer = site.test.store.write().unwrap();
    assert!(publish(&mut writer, &site.keys, at(13), &Lifetimes::CONNECTED).is_err());
}

#[test]
fn damage_is_found_without_a_folder() {
    let site = InMemory::new();
    site.add(1, b"package 1");
    site.publish(10);
    let keys = site.memory.keys();
    let find = |what: &str| keys.iter().find(|key| key.contains(what)).unwrap();
    site.memory.tamper(find("blobs/sha256"), b"package X");
    site.memory.tamper(find("report.json"), b"{}");
    site.memory.remove(find("anchors.pem")).unwrap();
    let problems = site.check();
    assert!(matches!(problems[0], Problem::WrongDigest { .. }), "{problems:?}");
    assert!(matches!(problems[1], Problem::MissingEvidence { .. }), "{problems:?}");
    assert!(matches!(problems[2], Problem::WrongEvidence { .. }), "{problems:?}");
    assert_eq!(problems.len(), 3);
}
