//! The parts of a JAR signature for other programs.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

use std::path::Path;

use midmirror_verify::{DetachedSignature, Limits, Source, detached_signatures};

fn parts(case: &str) -> Vec<DetachedSignature> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(case).join("case.jar");
    detached_signatures(&Source::open(&file).unwrap(), &Limits::default()).unwrap()
}

#[test]
fn block_signature_file_value_and_token_are_handed_out() {
    let found = parts("vendor-shape");
    let [one] = &found[..] else { panic!("{} signatures", found.len()) };
    assert!(one.block_name.starts_with("META-INF/"), "{}", one.block_name);
    assert!(one.signature_file.starts_with(b"Signature-Version: 1.0"));
    let value = one.signature.as_ref().unwrap();
    // The value and the token stand in the block as they are.
    for part in [value, one.timestamp_token.as_ref().unwrap()] {
        assert!(one.block.windows(part.len()).any(|window| window == part.as_slice()));
    }
    assert_eq!(parts("no-timestamp")[0].timestamp_token, None);
}

#[test]
fn archive_without_signature_has_none() {
    assert_eq!(parts("plain-zip"), []);
}
