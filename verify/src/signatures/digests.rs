//! Digests as manifests and signature files state them: headers `NAME-Digest`, `NAME-Digest-Manifest` and the like.

use jiff::Timestamp;

use crate::algorithm_policy::{Strength, escapes_policy, jar_digest_name};
use crate::digest_algorithm::DigestAlgorithm;
use crate::manifest::Attributes;
use crate::mime_base64;

/// The digests in a section's `NAME<suffix>` headers that are known and not disabled.
pub(super) struct Digests<'a> {
    headers: Box<dyn Iterator<Item = (&'a str, &'a str)> + 'a>,
    suffix: &'static str,
    at: Timestamp,
    present: bool,
    allowed: bool,
    known: bool,
    escapes: bool,
}

/// A digest as stated: the algorithm's name as spelled, the algorithm, the value.
pub(super) type Stated<'a> = (&'a str, DigestAlgorithm, Vec<u8>);

impl<'a> Digests<'a> {
    pub(super) fn new(attributes: &'a Attributes<'a>, suffix: &'static str, at: Timestamp) -> Self {
        Self {
            headers: Box::new(attributes.iter()),
            suffix,
            at,
            present: false,
            allowed: false,
            known: false,
            escapes: false,
        }
    }

    /// The next digest; the error is that of a value that is no Base64.
    pub(super) fn next(&mut self) -> Option<Result<Stated<'a>, String>> {
        for (key, value) in self.headers.by_ref() {
            let Some(name) = strip_suffix_ignoring_case(key, self.suffix) else { continue };
            self.present = true;
            if jar_digest_name(name, self.at) == Strength::Disabled {
                continue;
            }
            self.allowed = true;
            self.escapes |= escapes_policy(name, self.at);
            if let Some(digest) = DigestAlgorithm::from_jca(name) {
                self.known = true;
                return Some(mime_base64::decode(value).map(|value| (name, digest, value)));
            }
        }
        None
    }

    /// Whether any digest fulfils the condition; looks at all of them.
    pub(super) fn any(&mut self, condition: impl Fn(DigestAlgorithm, &[u8]) -> bool) -> Result<bool, String> {
        let mut found = false;
        while let Some(next) = self.next() {
            let (_, digest, expected) = next?;
            found |= condition(digest, &expected);
        }
        Ok(found)
    }

    /// Whether there are digests, but only by algorithms nobody knows; to be asked at the end.
    pub(super) fn only_unknown(&self) -> bool {
        self.allowed && !self.known
    }

    /// Whether one counts whose algorithm is disabled by another name; to be asked at the end.
    pub(super) fn escape(&self) -> bool {
        self.escapes
    }

    /// Whether there are digests, but only by disabled algorithms; to be asked at the end.
    pub(super) fn only_disabled(&self) -> bool {
        self.present && !self.allowed
    }
}

/// The digest algorithm by which a signature file describes itself: that of the first digest of the manifest, as spelled.
pub(crate) fn stated_digest_name(main: &Attributes<'_>) -> Option<String> {
    let name = main.iter().find_map(|(key, _)| {
        key.strip_suffix("-Digest-Manifest").or_else(|| key.strip_suffix("-Digest-Manifest-Main-Attributes"))
    });
    name.map(str::to_owned)
}

/// The part of a header name before a suffix.
pub(crate) fn strip_suffix_ignoring_case<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = name.split_at_checked(name.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::strip_suffix_ignoring_case;

    #[test]
    fn header_suffixes_compare_without_case() {
        assert_eq!(strip_suffix_ignoring_case("sha-256-DIGEST", "-Digest"), Some("sha-256"));
        assert_eq!(strip_suffix_ignoring_case("Digest", "-Digest"), None);
        assert_eq!(strip_suffix_ignoring_case("SHA-256-Digest-Manifest", "-Digest"), None);
    }
}
