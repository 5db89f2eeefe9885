//! The lowest rung: `SHA256SUMS`, a plain list of digests, and one signature of it.
//!
//! The list has the lines that BSD's `sha256` prints, which GNU's `sha256sum --check` and `signify -C` read as well:
//!
//! ```text
//! SHA256 (glide/distribution/…/mid-core.….zip) = 1f38931b…
//! ```
//!
//! The signature is minisign's first form (`Ed`, not prehashed), which is signify's too; signify does not read the lines
//! with the trusted comment:
//!
//! ```text
//! untrusted comment: …
//! base64("Ed", key number, 8 bytes; Ed25519 signature of the list, 64 bytes)
//! trusted comment: …
//! base64(Ed25519 signature of the signature and the trusted comment)
//! ```

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::key::StoreKey;
use crate::Sha256Digest;

/// The name of the list.
pub const SUMS_FILE: &str = "SHA256SUMS";
/// The name of its signature.
pub const SIGNATURE_FILE: &str = "SHA256SUMS.minisig";
/// The name of the file with the public key.
pub const KEY_FILE: &str = "midmirror.pub";

/// The list of these files, in the order of their names.
pub fn list<'a>(files: impl IntoIterator<Item = (&'a str, Sha256Digest)>) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable();
    files.iter().map(|(name, digest)| format!("SHA256 ({name}) = {digest}\n")).collect()
}

/// The signature file of a list. The comment is signed along; it is one line.
pub fn sign(list: &str, comment: &str, key: &StoreKey) -> String {
    let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let signature = key.sign(list.as_bytes());
    let trusted = key.sign(&[signature.as_slice(), comment.as_bytes()].concat());
    format!(
        "untrusted comment: signature of {SUMS_FILE}, verify with {KEY_FILE}\n{}\ntrusted comment: {comment}\n{}\n",
        BASE64.encode([ALGORITHM, &key_number(key), &signature].concat()),
        BASE64.encode(trusted),
    )
}

/// Whether a signature file is of this list and by this key (Ed25519, RFC 8032), its comment included.
pub fn verify(list: &str, signature_file: &str, public: &[u8; 32]) -> bool {
    let lines: Vec<&str> = signature_file.lines().collect();
    let [_, signature, comment, trusted] = lines[..] else { return false };
    let decode = |text| BASE64.decode(text).unwrap_or_default();
    let (signature, trusted) = (decode(signature), decode(trusted));
    let Some(signature) = signature.strip_prefix(ALGORITHM).and_then(|rest| rest.get(8..)) else {
        return false;
    };
    let Some(comment) = comment.strip_prefix("trusted comment: ") else { return false };
    let key = UnparsedPublicKey::new(&ED25519, public);
    key.verify(list.as_bytes(), signature).is_ok()
        && key.verify(&[signature, comment.as_bytes()].concat(), &trusted).is_ok()
}

/// The public key as `minisign -p` and `signify -p` take it.
pub fn public_key(key: &StoreKey) -> String {
    format!(
        "untrusted comment: midmirror store key {}\n{}\n",
        key.id(),
        BASE64.encode([ALGORITHM, &key_number(key), key.public()].concat())
    )
}

/// Tells keys apart before they are tried.
fn key_number(key: &StoreKey) -> [u8; 8] {
    let [one, two, three, four, five, six, seven, eight, ..] = *key.id().as_bytes();
    [one, two, three, four, five, six, seven, eight]
}

const ALGORITHM: &[u8] = b"Ed";

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::Ed25519KeyPair;

    use super::*;

    #[test]
    fn list_is_sorted_and_signed_with_its_comment() {
        let key = StoreKey::new(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
        let digest = Sha256Digest::of(b"x");
        let list = list([("b/two.zip", digest), ("a/one.zip", digest)]);
        assert_eq!(list, format!("SHA256 (a/one.zip) = {digest}\nSHA256 (b/two.zip) = {digest}\n"));
        let file = sign(&list, "store 1\ncatalog 2", &key);
        let lines: Vec<&str> = file.lines().collect();
        let [_, signature, comment, trusted] = lines[..] else { panic!("{file}") };
        assert_eq!(comment, "trusted comment: store 1 catalog 2");
        let signature = BASE64.decode(signature).unwrap();
        let public = BASE64.decode(public_key(&key).lines().nth(1).unwrap()).unwrap();
        assert_eq!((signature.len(), public.len()), (74, 42));
        assert_eq!(signature[..10], public[..10]);
        let verifier = UnparsedPublicKey::new(&ED25519, &public[10..]);
        verifier.verify(list.as_bytes(), &signature[10..]).unwrap();
        let with_comment = [&signature[10..], b"store 1 catalog 2".as_slice()].concat();
        verifier.verify(&with_comment, &BASE64.decode(trusted).unwrap()).unwrap();
        assert!(verify(&list, &file, key.public()));
        assert!(!verify(&list, &file, &[7; 32]) && !verify(&list, "", key.public()));
        assert!(!verify(&list.replace('x', "y").replace("one", "two"), &file, key.public()));
        assert!(!verify(&list, &file.replace("catalog 2", "catalog 3"), key.public()));
    }
}
