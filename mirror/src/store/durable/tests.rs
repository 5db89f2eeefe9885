//! Unit tests.

use super::*;

#[test]
fn new_file_never_replaces_and_pointer_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    write_new(&path, b"one", FileMode::Shared).unwrap();
    let refused = write_new(&path, b"two", FileMode::Shared).unwrap_err();
    assert!(refused.is_already_there(), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), b"one");
    replace(&path, b"two", FileMode::Shared).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn refused_move_keeps_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, b"new").unwrap();
    std::fs::write(&to, b"old").unwrap();
    assert!(move_in(&from, &to, FileMode::ReadOnly).unwrap_err().is_already_there());
    assert_eq!(std::fs::read(&from).unwrap(), b"new");
    assert_eq!(std::fs::read(&to).unwrap(), b"old");
}

#[cfg(unix)]
#[test]
fn rename_in_an_open_folder_never_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let open = File::open(folder.path()).unwrap();
    std::fs::write(folder.path().join("from"), b"new").unwrap();
    std::fs::write(folder.path().join("to"), b"old").unwrap();
    assert!(rename_in(&open, folder.path(), "from", "to").unwrap_err().is_already_there());
    assert_eq!(std::fs::read(folder.path().join("to")).unwrap(), b"old");
    rename_in(&open, folder.path(), "from", "free").unwrap();
    assert_eq!(std::fs::read(folder.path().join("free")).unwrap(), b"new");
    assert!(!folder.path().join("from").exists());
}

#[cfg(unix)]
#[test]
fn moved_file_is_read_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, b"new").unwrap();
    move_in(&from, &to, FileMode::ReadOnly).unwrap();
    assert!(!from.exists());
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o444);
}

#[test]
fn copy_with_another_digest_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, b"bytes").unwrap();
    assert!(copy_in(&from, &to, FileMode::ReadOnly, Sha256Digest::of(b"other")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    copy_in(&from, &to, FileMode::ReadOnly, Sha256Digest::of(b"bytes")).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"bytes");
}

#[test]
fn folder_appears_complete_or_not_at_all() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("evidence");
    fault::stop_after(Some(0));
    assert!(new_folder(&path, &[("a", b"1")], FileMode::ReadOnly).is_err());
    fault::stop_after(None);
    assert!(!path.exists());
    new_folder(&path, &[("a", b"1"), ("b", b"2")], FileMode::ReadOnly).unwrap();
    assert_eq!(std::fs::read(path.join("b")).unwrap(), b"2");
    assert!(new_folder(&path, &[], FileMode::ReadOnly).unwrap_err().is_already_there());
}
