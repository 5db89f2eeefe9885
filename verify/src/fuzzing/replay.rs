//! The kept corpora, as ordinary tests.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Runs a target over the inputs in `verify/fuzz/kept/NAME.zip`.
fn replay(name: &str, target: impl Fn(&[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/kept/{name}.zip"));
    let mut kept = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    assert!(kept.len() >= 10, "only {} inputs", kept.len());
    for index in 0..kept.len() {
        let mut bytes = Vec::new();
        kept.by_index(index).unwrap().read_to_end(&mut bytes).unwrap();
        target(&bytes);
    }
}

macro_rules! replays {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name), |bytes| {
                super::$name(bytes);
            });
        })*
    };
}

replays!(archive, manifest, signature_file, signature_block, timestamp_token, jks, pkcs12, arguments);

#[test]
fn verifier() {
    replay("verifier", |bytes| drop(serde_json::to_vec(&super::verifier(bytes)).unwrap()));
}

#[test]
fn parts() {
    replay("parts", |bytes| drop(serde_json::to_vec(&super::parts(bytes)).unwrap()));
}
