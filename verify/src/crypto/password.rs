//! Password-based cryptography of PKCS12 keystores (RFC 7292, RFC 8018), as the JDK and OpenSSL write them.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{hmac, pbkdf2};

use crate::digest_algorithm::DigestAlgorithm;

/// Decrypts AES-CBC content with a key derived by PBKDF2 (RFC 8018 section 6.2). The caller has bounded `iterations`.
/// `None` if the password is wrong.
pub(crate) fn decrypt_pbes2(
    password: &str,
    salt: &[u8],
    iterations: u32,
    digest: DigestAlgorithm,
    key_length: usize,
    iv: &[u8],
    content: &[u8],
) -> Option<Vec<u8>> {
    let algorithm = match digest {
        DigestAlgorithm::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        DigestAlgorithm::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        DigestAlgorithm::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        DigestAlgorithm::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return None,
    };
    let cipher = match key_length {
        16 => &AES_128,
        32 => &AES_256,
        _ => return None,
    };
    let mut key = vec![0; key_length];
    pbkdf2::derive(algorithm, NonZeroU32::new(iterations)?, salt, password.as_bytes(), &mut key);
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, &key).ok()?).ok()?;
    let context = DecryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(iv).ok()?));
    let mut content = content.to_vec();
    Some(key.decrypt(&mut content, context).ok()?.to_vec())
}

/// Whether the integrity code over `content` is right (RFC 7292 section 5.1 and appendix B). The caller has
/// bounded `iterations`. `None` if its algorithm is not available.
pub(crate) fn mac_is_right(
    password: &str,
    salt: &[u8],
    iterations: u32,
    digest: DigestAlgorithm,
    content: &[u8],
    expected: &[u8],
) -> Option<bool> {
    let algorithm = match digest {
        DigestAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha256 => hmac::HMAC_SHA256,
        DigestAlgorithm::Sha384 => hmac::HMAC_SHA384,
        DigestAlgorithm::Sha512 => hmac::HMAC_SHA512,
        _ => return None,
    };
    let block = match digest {
        DigestAlgorithm::Sha384 | DigestAlgorithm::Sha512 => 128,
        _ => 64,
    };
    let key = derive_mac_key(password, salt, NonZeroU32::new(iterations)?, digest, block)?;
    Some(hmac::verify(&hmac::Key::new(algorithm, &key), content, expected).is_ok())
}

/// The first block of key material for purpose 3, integrity (RFC 7292 appendix B.2); as long as the digest.
fn derive_mac_key(
    password: &str,
    salt: &[u8],
    iterations: NonZeroU32,
    digest: DigestAlgorithm,
    block: usize,
) -> Option<Vec<u8>> {
    let password: Vec<u8> = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let repeated = |bytes: &[u8]| -> Vec<u8> {
        let length = bytes.len().div_ceil(block) * block;
        bytes.iter().copied().cycle().take(length).collect()
    };
    let diversifier = vec![3; block];
    let mut key = digest.digest(&[&diversifier, &repeated(salt), &repeated(&password)])?;
    for _ in 1..iterations.get() {
        key = digest.digest(&[&key])?;
    }
    Some(key)
}
