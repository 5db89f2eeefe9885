//! Digest algorithms by the names that manifests and signature files use.

use sha2::Digest as _;

/// A digest algorithm that the JDK knows in `NAME-Digest` headers and that we compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DigestAlgorithm {
    /// Known by name only, to tell it from unknown ones: it is disabled everywhere and never computed.
    Md2,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
    /// SHAKE256 with 64 bytes of output, the digest that goes with Ed448 (RFC 8419).
    Shake256,
}

impl DigestAlgorithm {
    /// Finds an algorithm by a JCA name or alias, any case.
    pub(crate) fn from_jca(name: &str) -> Option<Self> {
        // Nearly always it is this one, once for every entry.
        if name == "SHA-256" {
            return Some(Self::Sha256);
        }
        Some(match name.to_ascii_uppercase().as_str() {
            "MD2" => Self::Md2,
            "MD5" => Self::Md5,
            "SHA" | "SHA1" | "SHA-1" => Self::Sha1,
            "SHA-224" | "SHA224" => Self::Sha224,
            "SHA-256" | "SHA256" => Self::Sha256,
            "SHA-384" | "SHA384" => Self::Sha384,
            "SHA-512" | "SHA512" => Self::Sha512,
            "SHA3-224" => Self::Sha3_224,
            "SHA3-256" => Self::Sha3_256,
            "SHA3-384" => Self::Sha3_384,
            "SHA3-512" => Self::Sha3_512,
            _ => return None,
        })
    }

    /// Finds an algorithm by its object identifier in dotted form.
    pub(crate) fn from_oid(oid: &str) -> Option<Self> {
        Some(match oid {
            "1.2.840.113549.2.2" => Self::Md2,
            "1.2.840.113549.2.5" => Self::Md5,
            "1.3.14.3.2.26" => Self::Sha1,
            "2.16.840.1.101.3.4.2.4" => Self::Sha224,
            "2.16.840.1.101.3.4.2.1" => Self::Sha256,
            "2.16.840.1.101.3.4.2.2" => Self::Sha384,
            "2.16.840.1.101.3.4.2.3" => Self::Sha512,
            "2.16.840.1.101.3.4.2.7" => Self::Sha3_224,
            "2.16.840.1.101.3.4.2.8" => Self::Sha3_256,
            "2.16.840.1.101.3.4.2.9" => Self::Sha3_384,
            "2.16.840.1.101.3.4.2.10" => Self::Sha3_512,
            "2.16.840.1.101.3.4.2.12" | "2.16.840.1.101.3.4.2.18" => Self::Shake256,
            _ => return None,
        })
    }

    /// The JDK's name of the algorithm.
    pub(crate) fn jca_name(self) -> &'static str {
        match self {
            Self::Md2 => "MD2",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Sha3_224 => "SHA3-224",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_384 => "SHA3-384",
            Self::Sha3_512 => "SHA3-512",
            Self::Shake256 => "SHAKE256",
        }
    }

    /// The name as part of a signature algorithm, for instance `SHA256` in `SHA256withRSA`.
    pub(crate) fn signature_prefix(self) -> &'static str {
        match self {
            Self::Md2 => "MD2",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha224 => "SHA224",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
            other => other.jca_name(),
        }
    }

    /// Whether the digest is computed at all.
    pub(crate) fn is_computed(self) -> bool {
        self != Self::Md2
    }

    /// Starts a computation.
    pub(crate) fn hasher(self) -> Option<Hasher> {
        Some(match self {
            Self::Md2 => return None,
            Self::Md5 => Hasher::Md5(Default::default()),
            Self::Sha1 => Hasher::Sha1(Default::default()),
            Self::Sha224 => Hasher::Sha224(Default::default()),
            Self::Sha256 => Hasher::Sha256(Default::default()),
            Self::Sha384 => Hasher::Sha384(Default::default()),
            Self::Sha512 => Hasher::Sha512(Default::default()),
            Self::Sha3_224 => Hasher::Sha3_224(Default::default()),
            Self::Sha3_256 => Hasher::Sha3_256(Default::default()),
            Self::Sha3_384 => Hasher::Sha3_384(Default::default()),
            Self::Sha3_512 => Hasher::Sha3_512(Default::default()),
            Self::Shake256 => Hasher::Shake256(Default::default()),
        })
    }

    /// Computes the digest of several slices in a row; `None` for algorithms that are not computed.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        let mut hasher = self.hasher()?;
        for part in parts {
            hasher.update(part);
        }
        Some(hasher.finish())
    }

    /// Whether the digest of several slices in a row is the expected one.
    pub(crate) fn matches(self, parts: &[&[u8]], expected: &[u8]) -> bool {
        self.digest(parts).is_some_and(|digest| digest == expected)
    }
}

/// A digest being computed.
pub(crate) enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha224(sha2::Sha224),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Sha3_224(sha3::Sha3_224),
    Sha3_256(sha3::Sha3_256),
    Sha3_384(sha3::Sha3_384),
    Sha3_512(sha3::Sha3_512),
    Shake256(sha3::Shake256),
}

impl Hasher {
    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha224(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Sha3_224(hasher) => hasher.update(bytes),
            Self::Sha3_256(hasher) => hasher.update(bytes),
            Self::Sha3_384(hasher) => hasher.update(bytes),
            Self::Sha3_512(hasher) => hasher.update(bytes),
            Self::Shake256(hasher) => sha3::digest::Update::update(hasher, bytes),
        }
    }

    /// Ends the computation.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha224(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
            Self::Sha3_224(hasher) => hasher.finalize().to_vec(),
            Self::Sha3_256(hasher) => hasher.finalize().to_vec(),
            Self::Sha3_384(hasher) => hasher.finalize().to_vec(),
            Self::Sha3_512(hasher) => hasher.finalize().to_vec(),
            Self::Shake256(hasher) => {
                let mut output = vec![0; 64];
                sha3::digest::ExtendableOutput::finalize_xof_into(hasher, &mut output);
                output
            }
        }
    }
}
