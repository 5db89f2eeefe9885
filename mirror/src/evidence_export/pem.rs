//! Keys and certificates as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410).
pub(super) fn ed25519_pem(key: &[u8; 32]) -> String {
    const HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    pem_text("PUBLIC KEY", &[HEAD.as_slice(), key].concat())
}

/// PEM as RFC 7468 wants it.
pub(super) fn pem_text(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let encoded = BASE64.encode(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
