//! Keystores of type PKCS12 (RFC 7292): the certificates in them, encrypted with AES (PBES2) or not at all.
//!
//! Private keys are never looked at. The ciphers of keystores from before JDK 8u301 and OpenSSL 3 (RC2, 3DES) are
//! not available; such a keystore is refused with a word on how to convert it.

use std::collections::HashMap;

use super::RawEntry;
use crate::asn1::{self, Asn1Error, Reader, Value, tag};
use crate::crypto::password::{decrypt_pbes2, mac_is_right};
use crate::digest_algorithm::DigestAlgorithm;
use crate::limits;

/// Whether the bytes are a PFX: a sequence that starts with version 3 and a content info.
pub(super) fn is_pkcs12(bytes: &[u8]) -> bool {
    let version = || {
        let mut pfx = Reader::new(bytes).expect(tag::SEQUENCE)?.inside();
        let version = pfx.expect(tag::INTEGER)?.content.to_vec();
        pfx.expect(tag::SEQUENCE)?;
        Ok::<_, Asn1Error>(version)
    };
    version().is_ok_and(|version| version == [3])
}

/// Reads the certificates with their aliases.
pub(super) fn read(bytes: &[u8], password: Option<&str>) -> Result<Vec<RawEntry>, String> {
    read_within(bytes, password, limits::KEYSTORE_ITERATIONS)
}

/// As [`read`], with at most so many rounds of key derivation in all.
pub(super) fn read_within(
    bytes: &[u8],
    password: Option<&str>,
    iterations: u32,
) -> Result<Vec<RawEntry>, String> {
    let definite = asn1::to_definite(bytes).map_err(|error| error.to_string())?;
    let mut store = Store { password, iterations, bags: Vec::new() };
    store.read(&definite).map_err(|failure| match failure {
        Failure::Malformed(error) => error.to_string(),
        Failure::Other(reason) => reason,
    })?;
    Ok(store.entries())
}

struct Store<'a> {
    password: Option<&'a str>,
    /// Rounds of key derivation that are left.
    iterations: u32,
    bags: Vec<Bag>,
}

/// A bag with the attributes that matter.
struct Bag {
    certificate: Option<Vec<u8>>,
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
    trusted: bool,
}

enum Failure {
    Malformed(Asn1Error),
    Other(String),
}

impl From<Asn1Error> for Failure {
    fn from(error: Asn1Error) -> Self {
        Self::Malformed(error)
    }
}

fn other<T>(reason: &str) -> Result<T, Failure> {
    Err(Failure::Other(reason.to_owned()))
}

impl Store<'_> {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut pfx = Reader::new(bytes).expect(tag::SEQUENCE)?.inside();
        pfx.expect(tag::INTEGER)?;
        let mut content = pfx.expect(tag::SEQUENCE)?.inside();
        if content.next()?.oid()? != ID_DATA {
            return other("its content is not password protected data");
        }
        let safes = asn1::octets(&content.expect(tag::CONTEXT_0)?.inside().next()?)?;
        if let (Some(password), Some(mac)) = (self.password, pfx.optional(tag::SEQUENCE)?) {
            self.check_mac(&mac, password, &safes)?;
        }
        for safe in Reader::new(&safes).expect(tag::SEQUENCE)?.inside().all()? {
            let mut parts = safe.inside();
            let kind = parts.next()?.oid()?;
            let content = parts.expect(tag::CONTEXT_0)?.inside().next()?;
            match kind.as_str() {
                ID_DATA => self.read_bags(&asn1::octets(&content)?)?,
                ID_ENCRYPTED_DATA => {
                    let plain = self.decrypt(&content)?;
                    self.read_bags(&plain)?;
                }
                _ => return other("it has content of an unknown kind"),
            }
        }
        Ok(())
    }

    /// EncryptedData (RFC 5652 section 8) with PBES2 (RFC 8018 section 6.2).
    fn decrypt(&mut self, data: &Value<'_>) -> Result<Vec<u8>, Failure> {
        let Some(password) = self.password else {
            return other("its certificates are encrypted; a password is needed");
        };
        let mut fields = data.inside();
        fields.expect(tag::INTEGER)?;
        let mut content = fields.expect(tag::SEQUENCE)?.inside();
        content.next()?;
        let mut algorithm = content.expect(tag::SEQUENCE)?.inside();
        if algorithm.next()?.oid()? != ID_PBES2 {
            return other(
                "its certificates are encrypted by an old method (RC2 or 3DES); convert it with a current keytool",
            );
        }
        let cipher_text = content.next()?;
        let mut parameters = algorithm.expect(tag::SEQUENCE)?.inside();
        let mut derivation = parameters.expect(tag::SEQUENCE)?.inside();
        if derivation.next()?.oid()? != ID_PBKDF2 {
            return other("its key derivation is not PBKDF2");
        }
        let mut pbkdf2 = derivation.expect(tag::SEQUENCE)?.inside();
        let salt = pbkdf2.expect(tag::OCTET_STRING)?.content;
        let iterations = self.take_iterations(&pbkdf2.expect(tag::INTEGER)?)?;
        pbkdf2.optional(tag::INTEGER)?;
        let digest = match pbkdf2.optional(tag::SEQUENCE)? {
            Some(function) => hmac_digest(&function.inside().next()?.oid()?),
            None => Some(DigestAlgorithm::Sha1),
        };
        let mut cipher = parameters.expect(tag::SEQUENCE)?.inside();
        let key_length = match cipher.next()?.oid()?.as_str() {
            "2.16.840.1.101.3.4.1.2" => 16,
            "2.16.840.1.101.3.4.1.42" => 32,
            _ => return other("its cipher is neither AES-128 nor AES-256"),
        };
        let iv = cipher.expect(tag::OCTET_STRING)?.content;
        let Some(digest) = digest else { return other("the digest of its key derivation is unknown") };
        decrypt_pbes2(password, salt, iterations, digest, key_length, iv, cipher_text.content)
            .ok_or_else(|| Failure::Other(WRONG_PASSWORD.to_owned()))
    }

    /// A number of rounds, of which all parts of a keystore together may have so many.
    fn take_iterations(&mut self, value: &Value<'_>) -> Result<u32, Failure> {
        let iterations = small_integer(value)?;
        let what = format_args!("the keystore asks for more than {} iterations", limits::KEYSTORE_ITERATIONS);
        self.iterations =
            self.iterations.checked_sub(iterations).ok_or_else(|| Failure::Other(limits::exceeded(what)))?;
        Ok(iterations)
    }

    /// MacData (RFC 7292 section 4).
    fn check_mac(&mut self, mac: &Value<'_>, password: &str, content: &[u8]) -> Result<(), Failure> {
        let mut fields = mac.inside();
        let mut digest_info = fields.expect(tag::SEQUENCE)?.inside();
        let oid = digest_info.expect(tag::SEQUENCE)?.inside().next()?.oid()?;
        let expected = digest_info.expect(tag::OCTET_STRING)?.content;
        let salt = fields.expect(tag::OCTET_STRING)?.content;
        let iterations = match fields.optional(tag::INTEGER)? {
            Some(iterations) => self.take_iterations(&iterations)?,
            None => 1,
        };
        let right = DigestAlgorithm::from_oid(&oid)
            .and_then(|digest| mac_is_right(password, salt, iterations, digest, content, expected));
        match right {
            Some(true) => Ok(()),
            Some(false) => other(WRONG_PASSWORD),
            None => other("its integrity code is of an unknown kind"),
        }
    }

    fn read_bags(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for bag in Reader::new(bytes).expect(tag::SEQUENCE)?.inside().all()? {
            let mut parts = bag.inside();
            let kind = parts.next()?.oid()?;
            let value = parts.expect(tag::CONTEXT_0)?;
            let mut found =
                Bag { certificate: None, friendly_name: None, local_key_id: None, trusted: false };
            if kind == ID_CERT_BAG {
                let mut certificate = value.inside().expect(tag::SEQUENCE)?.inside();
                if certificate.next()?.oid()? == ID_X509_CERTIFICATE {
                    found.certificate =
                        Some(asn1::octets(&certificate.expect(tag::CONTEXT_0)?.inside().next()?)?);
                }
            }
            if let Some(attributes) = parts.optional(tag::SET)? {
                for attribute in attributes.inside().all()? {
                    let mut pair = attribute.inside();
                    let oid = pair.next()?.oid()?;
                    let Ok(value) = pair.expect(tag::SET)?.inside().next() else { continue };
                    match oid.as_str() {
                        ID_FRIENDLY_NAME => found.friendly_name = Some(utf16(value.content)),
                        ID_LOCAL_KEY_ID => found.local_key_id = Some(value.content.to_vec()),
                        ID_TRUSTED_KEY_USAGE => found.trusted = true,
                        _ => {}
                    }
                }
            }
            self.bags.push(found);
        }
        Ok(())
    }

    /// Trusted certificates, and the certificate of each private key under the key's name. As in the JDK, a
    /// certificate that is neither is no entry.
    fn entries(self) -> Vec<RawEntry> {
        let mut entries = Vec::new();
        let mut unnamed = 0;
        // The first key of each identifier.
        let mut keys: HashMap<&[u8], &Bag> = HashMap::new();
        for key in self.bags.iter().filter(|bag| bag.certificate.is_none()) {
            if let Some(id) = &key.local_key_id {
                keys.entry(id).or_insert(key);
            }
        }
        for bag in &self.bags {
            let Some(der) = &bag.certificate else { continue };
            let key = bag.local_key_id.as_deref().and_then(|id| keys.get(id).copied());
            let name = match key {
                Some(key) => key.friendly_name.as_ref(),
                None if bag.trusted => bag.friendly_name.as_ref(),
                None => continue,
            };
            let alias = name.map_or_else(
                || {
                    unnamed += 1;
                    unnamed.to_string()
                },
                |name| name.to_lowercase(),
            );
            entries.push(RawEntry { alias, trusted: key.is_none(), der: der.clone() });
        }
        entries
    }
}

fn hmac_digest(oid: &str) -> Option<DigestAlgorithm> {
    Some(match oid {
        "1.2.840.113549.2.7" => DigestAlgorithm::Sha1,
        "1.2.840.113549.2.9" => DigestAlgorithm::Sha256,
        "1.2.840.113549.2.10" => DigestAlgorithm::Sha384,
        "1.2.840.113549.2.11" => DigestAlgorithm::Sha512,
        _ => return None,
    })
}

fn small_integer(value: &Value<'_>) -> Result<u32, Asn1Error> {
    if value.content.len() > 4 || value.content.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(Asn1Error("integer out of range"));
    }
    Ok(value.content.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte))).collect();
    String::from_utf16_lossy(&units)
}

/// The JDK's words.
const WRONG_PASSWORD: &str = "keystore password was incorrect";
const ID_DATA: &str = "1.2.840.113549.1.7.1";
const ID_ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const ID_PBES2: &str = "1.2.840.113549.1.5.13";
const ID_PBKDF2: &str = "1.2.840.113549.1.5.12";
const ID_CERT_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const ID_X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";
const ID_FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const ID_LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
/// Oracle's attribute that marks a trusted certificate.
const ID_TRUSTED_KEY_USAGE: &str = "2.16.840.1.113894.746875.1.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_derivation_is_bounded_for_all_parts_together() {
        // 10,000 rounds for the integrity of the keystore, 10,000 for its one encrypted part.
        let store = include_bytes!("../../tests/data/anchors.p12");
        let read = |iterations| read_within(store, Some("changeit"), iterations);
        assert_eq!(read(20_000).map(|entries| entries.len()), Ok(2));
        for iterations in [0, 9_999, 19_999] {
            assert!(limits::is_exceeded(&read(iterations).err().unwrap()), "{iterations}");
        }
        // Without a password nothing is derived.
        assert!(!limits::is_exceeded(&read_within(store, None, 0).err().unwrap_or_default()));
    }

    #[test]
    fn two_thousand_million_rounds_are_refused() {
        let mut store = Store { password: None, iterations: limits::KEYSTORE_ITERATIONS, bags: Vec::new() };
        let rounds = [2, 4, 0x7f, 0xff, 0xff, 0xff];
        let Err(Failure::Other(reason)) = store.take_iterations(&Reader::new(&rounds).next().unwrap()) else {
            panic!("taken")
        };
        assert_eq!(reason, "limit exceeded: the keystore asks for more than 5000000 iterations");
        let negative = [2, 4, 0xff, 0xff, 0xff, 0xff];
        assert!(store.take_iterations(&Reader::new(&negative).next().unwrap()).is_err());
    }
}
