//! Keystores and truststores.

use sha1::Digest as _;

use crate::keystore::Keystore;
use crate::trust_store::TrustStore;

/// A keystore of type JKS; the seal is put right, so that changes get past it.
pub fn jks(bytes: &[u8]) {
    let mut sealed = [&[0xfe, 0xed, 0xfe, 0xed], bytes.get(4..).unwrap_or_default()].concat();
    let body = sealed.len().saturating_sub(20);
    let password = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes);
    let mut hasher = sha1::Sha1::new();
    hasher.update(password.collect::<Vec<u8>>());
    hasher.update(b"Mighty Aphrodite");
    hasher.update(sealed.get(..body).unwrap_or_default());
    sealed.truncate(body);
    sealed.extend(hasher.finalize());
    let open = Keystore::read("fuzz", &sealed, None);
    let checked = Keystore::read("fuzz", &sealed, Some(PASSWORD));
    let other = Keystore::read("fuzz", &sealed, Some("other"));
    assert!(other.is_err(), "another password opens nothing");
    match (open, checked) {
        (Ok(open), Ok(checked)) => {
            assert_eq!(digest(&open), digest(&checked), "the password changes nothing that is read");
        }
        (Err(_), Err(_)) => {}
        (open, checked) => assert_eq!(open.is_ok(), checked.is_ok()),
    }
    read(bytes);
}

/// A keystore of type PKCS12.
pub fn pkcs12(bytes: &[u8]) {
    if Keystore::is_cheap(bytes, PASSWORD, 20_000) {
        read(bytes);
    }
}

/// Reads a truststore; what can be read can be written and read again.
fn read(bytes: &[u8]) {
    for password in [None, Some(PASSWORD)] {
        let Ok(store) = TrustStore::read("fuzz", bytes, password) else { continue };
        assert!(!store.is_empty());
        let again = TrustStore::read("again", store.to_pem().as_bytes(), None);
        assert!(again.is_ok_and(|again| again.digest() == store.digest()));
    }
}

fn digest(keystore: &Keystore) -> String {
    let mut store = TrustStore::empty("fuzz");
    store.add_keystore(keystore);
    store.digest()
}

const PASSWORD: &str = "changeit";
