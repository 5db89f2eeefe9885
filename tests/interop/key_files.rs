//! openssl: it reads our key files, encrypted or not, and we read its.

use std::fs;

use crate::site::Site;
use crate::tool::{is_there, run};

/// A site with a passphrase in a file.
fn site() -> Site {
    let site = Site::with_packages(Vec::new());
    fs::write(site.path("passphrase"), "correct horse\n").unwrap();
    fs::write(site.path("other"), "battery staple\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(site.path("passphrase"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    site
}

#[test]
fn openssl_reads_our_keys() {
    if !is_there("openssl") {
        return;
    }
    let site = site();
    let openssl = |line: &str| run(&site.path(""), &format!("openssl {line}"));
    site.run(&["--passphrase-file", "passphrase", "init", "--encrypt-keys"]).expect(0);
    for name in ["root-1", "targets", "store"] {
        let read = format!("pkey -in store.keys/{name}.pem -noout -text -passin file:");
        openssl(&format!("{read}passphrase")).expect(0).says("ED25519 Private-Key");
        assert_ne!(openssl(&format!("{read}other")).code, 0);
    }
    site.run(&["keys", "new", "p256.pem", "--algorithm", "ecdsa-p256"]).expect(0);
    openssl("pkey -in p256.pem -noout -text").expect(0).says("NIST CURVE: P-256");
    let public = openssl("pkey -in p256.pem -pubout").expect(0).stdout;
    assert_eq!(public, fs::read_to_string(site.path("p256.pem.pub")).unwrap());
}

#[test]
fn keys_of_openssl_sign_our_catalog() {
    if !is_there("openssl") {
        return;
    }
    let site = site();
    let openssl = |line: &str| run(&site.path(""), &format!("openssl {line}")).expect(0);
    site.run(&["init"]).expect(0);
    let rotate = |role: &str, file: &str| {
        let rotate = ["--passphrase-file", "passphrase", "keys", "rotate", role, "--new-key", file];
        site.run(&[&rotate[..], &["--reason", "drill"]].concat())
    };
    openssl("genpkey -algorithm ed25519 -out plain.pem");
    openssl(
        "pkcs8 -topk8 -in plain.pem -out store.keys/timestamp-scrypt.pem -scrypt -passout file:passphrase",
    );
    rotate("timestamp", "store.keys/timestamp-scrypt.pem").expect(0).says("renewed  timestamp");
    openssl(
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass file:passphrase -out store.keys/snapshot-ec.pem",
    );
    rotate("snapshot", "store.keys/snapshot-ec.pem").expect(0).says("renewed  snapshot, timestamp");
    // A private key that stays elsewhere cannot sign the catalog here.
    openssl("genpkey -algorithm ed25519 -out elsewhere.pem");
    rotate("targets", "elsewhere.pem").expect(2).says("put the private key there");
    openssl(
        "pkcs8 -topk8 -in plain.pem -out store.keys/targets-old.pem -v1 PBE-SHA1-3DES -passout file:passphrase",
    );
    rotate("targets", "store.keys/targets-old.pem").expect(2).says("openssl pkcs8 -topk8");
    fs::remove_file(site.path("store.keys/targets-old.pem")).unwrap();
    // Of root keys the public half will do.
    openssl("pkey -in elsewhere.pem -pubout -out root.pub");
    site.run(&["keys", "add-root", "root.pub", "--reason", "fourth holder"]).expect(0).says("is published");
    site.run(&["--passphrase-file", "passphrase", "catalog", "refresh"]).expect(0);
    site.run(&["list"]).expect(0);
}
