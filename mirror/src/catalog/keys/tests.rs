//! Folders of keys.

use super::*;

#[test]
fn keys_are_made_once_and_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let made = SigningKeys::create(&path).unwrap();
    let loaded = SigningKeys::load(&path).unwrap();
    for role in Role::ALL {
        assert_eq!(made.key(role).unwrap().id(), loaded.key(role).unwrap().id());
    }
    assert_ne!(made.key(Role::Targets).unwrap().id(), made.key(Role::Snapshot).unwrap().id());
    assert!(matches!(SigningKeys::create(&path), Err(CatalogError::KeysExist { .. })));
    for name in ["root.pem", "targets.pem"] {
        std::fs::remove_file(path.join(name)).unwrap();
    }
    let fewer = SigningKeys::load(&path).unwrap();
    assert!(fewer.key(Role::Root).is_none() && fewer.key(Role::Targets).is_none());
}

#[test]
fn several_root_keys_have_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let wanted = NewKeys { root_keys: 3, algorithm: KeyAlgorithm::EcdsaP256, ..NewKeys::default() };
    let keys = SigningKeys::create_with(&path, &wanted).unwrap();
    assert_eq!(keys.named(Role::Root).count(), 3);
    assert!(path.join("root-3.pem").exists() && !path.join("root.pem").exists());
    assert!(keys.public_keys().all(|(_, _, key)| key.algorithm() == Some(KeyAlgorithm::EcdsaP256)));
    assert_eq!(keys.first_root_threshold(), 2);
    assert_eq!(keys.with_first_root_threshold(9).first_root_threshold(), 3);
}

#[test]
fn encrypted_keys_are_locked_without_their_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    SigningKeys::create(&path).unwrap();
    let passphrase = Passphrase::new(b"secret").unwrap();
    let file = path.join("targets.pem");
    rewrite_key(&file, None, Some(&passphrase)).unwrap();
    assert!(is_encrypted_key(&file));
    let keys = SigningKeys::load(&path).unwrap();
    assert_eq!(keys.locked().collect::<Vec<_>>(), [file.as_path()]);
    let keys = SigningKeys::load_with(&path, Some(&passphrase)).unwrap();
    assert_eq!((keys.locked().count(), keys.named(Role::Targets).count()), (0, 1));
    rewrite_key(&file, Some(&passphrase), None).unwrap();
    assert!(!is_encrypted_key(&file));
}

#[test]
fn new_keys_are_encrypted_as_those_that_they_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    SigningKeys::create(&path).unwrap();
    let passphrase = Passphrase::new(b"secret").unwrap();
    rewrite_key(&path.join("root.pem"), None, Some(&passphrase)).unwrap();
    for given in [None, Some(&passphrase)] {
        let keys = SigningKeys::load_with(&path, given).unwrap();
        assert!(matches!(keys.keeping(true), Ok(Keeping::Encrypted)), "root keys are");
        assert!(matches!(keys.keeping(false), Ok(Keeping::Plain)), "keys that sign unattended are not");
    }
    // Those that sign unattended share a passphrase: without it no other key joins them.
    rewrite_key(&path.join("targets.pem"), None, Some(&passphrase)).unwrap();
    let keys = SigningKeys::load_with(&path, Some(&passphrase)).unwrap();
    assert!(matches!(keys.keeping(false), Ok(Keeping::Under(_))));
    let keys = SigningKeys::load_with(&path, Passphrase::new(b"another").as_ref()).unwrap();
    assert!(matches!(keys.keeping(false), Err(CatalogError::WrongPassphrase { .. })));
    assert!(matches!(keys.keeping(true), Ok(Keeping::Encrypted)));
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        std::fs::remove_file(path.join(format!("{role}.pem"))).unwrap();
    }
    let keys = SigningKeys::load(&path).unwrap();
    assert!(matches!(keys.keeping(false), Ok(Keeping::Encrypted)), "nothing else is known");
}

#[test]
fn key_pair_is_made_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (file, public) = (folder.path().join("a.pem"), folder.path().join("a.pem.pub"));
    std::fs::write(&public, "somebody else's").unwrap();
    let refused = write_new_key(&file, KeyAlgorithm::Ed25519, None);
    assert!(matches!(&refused, Err(CatalogError::KeysExist { path }) if *path == public), "{refused:?}");
    assert!(!file.exists());
    std::fs::remove_file(&public).unwrap();
    let made = write_new_key(&file, KeyAlgorithm::Ed25519, None).unwrap();
    assert_eq!(read_public_key(&public, None).unwrap(), made);
    assert_eq!(read_public_key(&file, None).unwrap(), made);
    assert!(matches!(write_new_key(&file, KeyAlgorithm::Ed25519, None), Err(CatalogError::KeysExist { .. })));
}

#[test]
fn key_of_the_store_is_made_where_it_is_missing_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    SigningKeys::create(&path).unwrap();
    std::fs::remove_file(path.join("store.pem")).unwrap();
    assert!(SigningKeys::load(&path).unwrap().store().is_none());
    let made = SigningKeys::complete(&path, None).unwrap().store().unwrap().id();
    assert_eq!(SigningKeys::complete(&path, None).unwrap().store().unwrap().id(), made);
}

#[cfg(unix)]
#[test]
fn keys_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    SigningKeys::create(&path).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("targets.pem"))), (0o700, 0o600));
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(path.join("targets.pem"), open).unwrap();
    assert!(matches!(SigningKeys::load(&path), Err(CatalogError::KeyMode { mode: 0o644, .. })));
    // What is written over a file that was open to others is not.
    std::fs::set_permissions(path.join("targets.pem"), std::fs::Permissions::from_mode(0o640)).unwrap();
    rewrite_key(&path.join("targets.pem"), None, Passphrase::new(b"secret").as_ref()).unwrap();
    assert_eq!(mode(&path.join("targets.pem")), 0o600);
}
