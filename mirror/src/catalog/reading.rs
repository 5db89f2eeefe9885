//! Reading `targets.json`, which has 6 MB when it lists 10,000 packages.
//!
//! What is signed is the canonical form of `signed` (TUF 1.0, section 4.2). Ours is written in that form, so the bytes of the
//! file are compared with the signatures first; only if they do not hold is the canonical form made, for files that another
//! program has written. In both cases what is parsed is what was verified: the bytes themselves, or a value whose canonical form
//! was signed and of which the bytes are another notation.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU64;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, VerificationAlgorithm};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tough::schema::key::Key;
use tough::schema::{Root, Signature, Signed, Targets};

use super::checks;
use super::distrust::Distrust;
use super::error::TrustError;
use super::metadata::Role;
use crate::admit::Label;
use crate::catalog::{CatalogEntry, StoreIdentity};
use crate::package::{PackageKind, PackagePath, Platform};
use crate::withdraw::{self, WithdrawnPackage};
use crate::{Sha256Digest, parallel};

/// What verified targets metadata says.
#[derive(Debug)]
pub(super) struct TargetsContent {
    pub(super) version: u64,
    pub(super) expires: Timestamp,
    /// In the order of their paths.
    pub(super) entries: Vec<CatalogEntry>,
    pub(super) withdrawn: Vec<WithdrawnPackage>,
    pub(super) store: Option<StoreIdentity>,
}

/// A file whose signatures hold, and what it says as it stands there.
#[derive(Debug)]
pub(super) struct VerifiedTargets<'a> {
    document: Document<'a>,
}

/// A file, taken apart.
#[derive(Debug)]
struct Document<'a> {
    signed: &'a [u8],
    signatures: Vec<Signature>,
}

/// A file as any encoder may write it.
#[derive(Deserialize)]
struct Parsed<'a> {
    #[serde(borrow)]
    signed: &'a RawValue,
    signatures: Vec<Signature>,
}

impl<'a> Document<'a> {
    /// Takes a file apart that [`metadata::compact`](super::metadata::compact) has written, without looking at all of it.
    ///
    /// Whether `signed` is one value and nothing else is not known yet: whoever parses it finds out.
    fn as_we_write_it(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"{\"signatures\":")?.strip_suffix(b"}\n")?;
        let mut list = serde_json::Deserializer::from_slice(bytes).into_iter();
        let signatures = list.next()?.ok()?;
        let signed = bytes.get(list.byte_offset()..)?.strip_prefix(b",\"signed\":")?;
        Some(Self { signed, signatures })
    }
}

impl<'a> VerifiedTargets<'a> {
    /// Checks the signatures as the root metadata demands.
    pub(super) fn verify(
        root: &Root,
        bytes: &'a [u8],
        what: &str,
        place: &str,
    ) -> Result<Result<Self, Distrust>, TrustError> {
        if let Some(document) = Document::as_we_write_it(bytes)
            && signatures_hold(root, document.signed, &document.signatures)
        {
            return Ok(Ok(Self { document }));
        }
        let document: Parsed<'a> = checks::parse(bytes, what, place)?;
        let document = Document { signed: document.signed.get().as_bytes(), signatures: document.signatures };
        if !signatures_hold(root, document.signed, &document.signatures) {
            let signed: Signed<Targets> = checks::parse(bytes, what, place)?;
            if let Err(reason) = checks::verify(root, &signed) {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(Self { document }))
    }

    /// Reads what it says; nothing of it is checked yet.
    pub(super) fn read(self, what: &str, place: &str) -> Result<RawTargets<'a>, TrustError> {
        checks::parse(self.document.signed, what, place)
    }
}

/// Whether as many keys of the role as needed have signed these very bytes. Keys that are listed twice count for nothing.
fn signatures_hold(root: &Root, message: &[u8], signatures: &[Signature]) -> bool {
    let Some(role) = root.roles.get(&Role::Targets.role_type()) else { return false };
    let (mut seen, mut valid) = (HashSet::new(), 0_u64);
    for signature in signatures {
        if !seen.insert(&signature.keyid) {
            return false;
        }
        let key = root.keys.get(&signature.keyid).filter(|_| role.keyids.contains(&signature.keyid));
        if key.is_some_and(|key| signs(key, message, &signature.sig)) {
            valid = valid.saturating_add(1);
        }
    }
    valid >= role.threshold.get()
}

/// Whether a key of the kinds that this program makes has signed a message.
fn signs(key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let (algorithm, public): (&dyn VerificationAlgorithm, &[u8]) = match key {
        Key::Ed25519 { keyval, .. } => (&ED25519, &keyval.public),
        Key::Ecdsa { keyval, .. } | Key::EcdsaOld { keyval, .. } => (&ECDSA_P256_SHA256_ASN1, &keyval.public),
        Key::Rsa { .. } => return false,
    };
    algorithm.verify_sig(public, message, signature).is_ok()
}

/// What stands in the file.
#[derive(Deserialize)]
pub(super) struct RawTargets<'a> {
    #[serde(rename = "_type")]
    kind: String,
    spec_version: String,
    version: NonZeroU64,
    expires: Timestamp,
    #[serde(borrow)]
    targets: RawList<'a>,
    #[serde(borrow, default)]
    delegations: Option<&'a RawValue>,
    /// Which store it is of, and which packages nobody is to get any more; none in catalogs of early versions.
    #[serde(borrow, default)]
    midmirror: Option<&'a RawValue>,
}

/// The targets in the order of the file, each as it stands there; a name that stands there twice is there twice.
struct RawList<'a>(Vec<(String, &'a RawValue)>);

#[derive(Deserialize)]
struct RawTarget<'a> {
    length: u64,
    hashes: RawHashes,
    #[serde(borrow)]
    custom: Custom<'a>,
}

/// What the `custom` field of a target holds. Fields that are added later are ignored by this version.
#[derive(Deserialize)]
struct Custom<'a> {
    kind: PackageKind,
    #[serde(borrow)]
    stamp: Cow<'a, str>,
    platform: Platform,
    label: Label,
    signer: Option<String>,
    signed_at: Option<Timestamp>,
    admitted_at: Timestamp,
    #[serde(default)]
    first_admitted_at: Option<Timestamp>,
    #[serde(default)]
    by_earlier_admission: bool,
    report: Option<Sha256Digest>,
}

#[derive(Deserialize)]
struct RawHashes {
    sha256: String,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for List<'a> {
            type Value = RawList<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the targets")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut list = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    list.push(entry);
                }
                Ok(RawList(list))
            }
        }
        deserializer.deserialize_map(List(PhantomData))
    }
}

impl RawTargets<'_> {
    pub(super) fn version(&self) -> u64 {
        self.version.get()
    }

    pub(super) fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Checks every package and everything else that it says.
    pub(super) fn check(self) -> Result<TargetsContent, Distrust> {
        if self.kind != Role::Targets.as_str() {
            return Err(Distrust::Signatures { text: "it is the metadata of another role".to_owned() });
        }
        checks::check_specification(&self.spec_version)?;
        // Only an empty list of delegated roles is none.
        #[derive(Deserialize)]
        struct Delegations {
            roles: Vec<IgnoredAny>,
        }
        let delegations = self.delegations.map(|raw| serde_json::from_str::<Option<Delegations>>(raw.get()));
        match delegations {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(delegations))) if delegations.roles.is_empty() => {}
            Some(_) => return Err(Distrust::Delegations),
        }
        let entries = parallel::map(&self.targets.0, |(name, target)| read_target(name, target.get()))?;
        let entries = checks::in_order(entries)?;
        Ok(TargetsContent {
            version: self.version.get(),
            expires: self.expires,
            withdrawn: withdrawn(self.midmirror, &entries)?,
            store: store(self.midmirror)?,
            entries,
        })
    }
}

/// Reads one target. Its name must be a vendor path, letter by letter.
fn read_target(name: &str, text: &str) -> Result<CatalogEntry, Distrust> {
    let shortened = || name.chars().take(300).collect::<String>();
    let path = PackagePath::parse(name)
        .map_err(|source| Distrust::TargetName { name: shortened(), source: Some(source) })?;
    if path.as_str() != name {
        return Err(Distrust::TargetName { name: shortened(), source: None });
    }
    let wrong = |text: String| Distrust::TargetData { name: path.as_str().to_owned(), text };
    let target: RawTarget<'_> = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let digest: [u8; 32] = hex::decode(&target.hashes.sha256)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong("the SHA-256 digest does not have 32 bytes".to_owned()))?;
    let custom = target.custom;
    let package = path.name();
    let named = (package.kind(), package.stamp().as_str(), package.platform());
    if (custom.kind, custom.stamp.as_ref(), custom.platform) != named {
        return Err(wrong("kind, stamp or platform is not that of the name".to_owned()));
    }
    Ok(CatalogEntry {
        sha256: Sha256Digest::from_bytes(digest),
        length: target.length,
        label: custom.label,
        signer: custom.signer,
        signed_at: custom.signed_at,
        admitted_at: custom.admitted_at,
        first_admitted_at: custom.first_admitted_at,
        by_earlier_admission: custom.by_earlier_admission,
        report: custom.report,
        path,
    })
}

fn store(field: Option<&RawValue>) -> Result<Option<StoreIdentity>, Distrust> {
    let identity = field.map(|raw| serde_json::from_str(raw.get())).transpose();
    identity.map_err(|error| Distrust::StoreIdentity { text: error.to_string() })
}

/// The withdrawn packages, in the order of their digests; `entries` are the targets of the same catalog.
fn withdrawn(field: Option<&RawValue>, entries: &[CatalogEntry]) -> Result<Vec<WithdrawnPackage>, Distrust> {
    #[derive(Deserialize)]
    struct Field {
        #[serde(default)]
        withdrawn: Vec<WithdrawnPackage>,
    }
    let Some(field) = field else { return Ok(Vec::new()) };
    let field: Field =
        serde_json::from_str(field.get()).map_err(|error| Distrust::Withdrawn { text: error.to_string() })?;
    withdraw::check_list(&field.withdrawn, entries.iter().map(|entry| &entry.sha256))
        .map_err(|text| Distrust::Withdrawn { text: text.to_owned() })?;
    Ok(field.withdrawn)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestCatalog;
    use super::*;

    const WHAT: &str = "1.targets.json";

    fn root_and_targets() -> (Root, Vec<u8>) {
        let catalog = TestCatalog::new(2);
        let root: Signed<Root> = serde_json::from_slice(&catalog.root()).unwrap();
        (root.signed, std::fs::read(catalog.folder().join(WHAT)).unwrap())
    }

    #[test]
    fn file_as_we_write_it_is_verified_as_it_stands() {
        let (root, bytes) = root_and_targets();
        let document = Document::as_we_write_it(&bytes).unwrap();
        assert!(signatures_hold(&root, document.signed, &document.signatures));
        let verified = VerifiedTargets::verify(&root, &bytes, WHAT, "here").unwrap().unwrap();
        assert_eq!(verified.read(WHAT, "here").unwrap().check().unwrap().entries.len(), 2);
    }

    #[test]
    fn nothing_can_stand_behind_what_was_signed() {
        let (root, bytes) = root_and_targets();
        let whole = bytes.strip_suffix(b"}\n").unwrap();
        for more in ["}}\n", ",\"signed\":{}}\n", ",\"signatures\":[]}\n", " {}}\n", "}\n{}\n"] {
            let bytes = [whole, more.as_bytes()].concat();
            let verified = VerifiedTargets::verify(&root, &bytes, WHAT, "here");
            assert!(matches!(verified, Err(TrustError::Malformed { .. })), "{more:?}");
        }
    }

    #[test]
    fn target_that_stands_there_twice_is_refused() {
        let (_, bytes) = root_and_targets();
        let signed = Document::as_we_write_it(&bytes).unwrap().signed;
        let mut targets: RawTargets<'_> = serde_json::from_slice(signed).unwrap();
        let (name, target) = targets.targets.0[0].clone();
        targets.targets.0.push((name, target));
        assert!(matches!(targets.check(), Err(Distrust::TargetCase { .. })));
    }
}
