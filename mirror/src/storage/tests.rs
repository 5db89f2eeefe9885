//! What every place for objects has to do, and that a whole store works without a folder.

use std::io::Read as _;

use super::*;

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
        assert_eq!((bytes.as_slice(), storage.look("t/one").unwrap()), (b"bytes".as_slice(), Some(Kind::Object(5))));
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
