//! Which algorithms the JDK refuses or warns of: `jdk.jar.disabledAlgorithms`, `jdk.security.legacyAlgorithms` and
//! `jdk.certpath.disabledAlgorithms` as JDK 17 ships them.
//!
//! ```text
//! jar:      MD2, MD5, RSA keySize < 1024, DSA keySize < 1024, SHA1 denyAfter 2019-01-01
//! legacy:   SHA1, RSA keySize < 2048, DSA keySize < 2048
//! certpath: MD2, MD5, SHA1 jdkCA & usage TLSServer, RSA keySize < 1024, DSA keySize < 1024, EC keySize < 224,
//!           SHA1 usage SignedJAR & denyAfter 2019-01-01
//! ```

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::crypto::{KeyKind, SignatureScheme};
use crate::digest_algorithm::DigestAlgorithm;

/// What the policy says of an algorithm or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// No objection.
    Fine,
    /// Still accepted, with a warning.
    Legacy,
    /// Not accepted.
    Disabled,
}

/// Judges a digest algorithm in a signed JAR; `at` is the time of signing, or now without a timestamp.
pub(crate) fn jar_digest(digest: DigestAlgorithm, at: Timestamp) -> Strength {
    match digest {
        DigestAlgorithm::Md2 | DigestAlgorithm::Md5 => Strength::Disabled,
        DigestAlgorithm::Sha1 if at >= sha1_denied_after() => Strength::Disabled,
        DigestAlgorithm::Sha1 => Strength::Legacy,
        _ => Strength::Fine,
    }
}

/// Judges a digest algorithm by the name a manifest uses; unknown names are fine, they are merely not computed.
///
/// The JDK's policy knows the names SHA1 and SHA-1, but not SHA, which is the same algorithm.
pub(crate) fn jar_digest_name(name: &str, at: Timestamp) -> Strength {
    if name.eq_ignore_ascii_case("SHA") {
        return Strength::Fine;
    }
    DigestAlgorithm::from_jca(name).map_or(Strength::Fine, |digest| jar_digest(digest, at))
}

/// Whether a name stands for a digest algorithm that is disabled, and the JDK's policy does not know it by that name.
pub(crate) fn escapes_policy(name: &str, at: Timestamp) -> bool {
    jar_digest_name(name, at) != Strength::Disabled
        && DigestAlgorithm::from_jca(name).is_some_and(|digest| jar_digest(digest, at) == Strength::Disabled)
}

/// Judges a signature algorithm in a signed JAR.
pub(crate) fn jar_scheme(scheme: &SignatureScheme, at: Timestamp) -> Strength {
    scheme.digest().map_or(Strength::Fine, |digest| jar_digest(digest, at))
}

/// Judges a key in a signed JAR.
pub(crate) fn jar_key(key: &KeyKind) -> Strength {
    match key {
        KeyKind::Rsa { bits } | KeyKind::RsaPss { bits } | KeyKind::Dsa { bits } if *bits < 1024 => {
            Strength::Disabled
        }
        KeyKind::Rsa { bits } | KeyKind::RsaPss { bits } | KeyKind::Dsa { bits } if *bits < 2048 => {
            Strength::Legacy
        }
        _ => Strength::Fine,
    }
}

/// Judges a signature algorithm in a certificate path for signed JARs.
pub(crate) fn path_scheme(scheme: &SignatureScheme, at: Timestamp) -> Strength {
    jar_scheme(scheme, at)
}

/// Judges a key in a certificate path.
pub(crate) fn path_key(key: &KeyKind) -> Strength {
    match key {
        KeyKind::Ec { bits, .. } if *bits != 0 && *bits < 224 => Strength::Disabled,
        key => jar_key(key),
    }
}

/// The moments from which the policy refuses more than before.
pub(crate) fn dates() -> [Timestamp; 1] {
    [sha1_denied_after()]
}

/// 2019-01-01T00:00:00Z; a signature at that very moment is already denied.
fn sha1_denied_after() -> Timestamp {
    Timestamp::from_second(1_546_300_800).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The value of `jdk.jar.disabledAlgorithms`, which jarsigner prints.
pub(crate) const JAR_DISABLED: &str =
    "MD2, MD5, RSA keySize < 1024, DSA keySize < 1024, SHA1 denyAfter 2019-01-01";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_is_denied_from_the_first_second_of_2019() {
        let edge: Timestamp = "2019-01-01T00:00:00Z".parse().unwrap();
        let before: Timestamp = "2018-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(jar_digest(DigestAlgorithm::Sha1, edge), Strength::Disabled);
        assert_eq!(jar_digest(DigestAlgorithm::Sha1, before), Strength::Legacy);
        assert_eq!(jar_digest(DigestAlgorithm::Sha256, edge), Strength::Fine);
        assert_eq!(jar_digest_name("sha-1", edge), Strength::Disabled);
        assert_eq!(jar_digest_name("SHA", edge), Strength::Fine, "as jarsigner has it");
        let escaping = ["SHA", "sha", "SHA1", "SHA-1", "MD5", "SHA-256", "unknown"]
            .map(|name| escapes_policy(name, edge));
        assert_eq!(escaping, [true, true, false, false, false, false, false]);
        assert!(!escapes_policy("SHA", before), "SHA-1 was not disabled then");
    }
}
