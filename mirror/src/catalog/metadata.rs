//! TUF metadata as `tough` defines it: roles, signing, and what a target says about a package (TUF 1.0, section 4).

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tough::TargetName;
use tough::schema::{self, Hashes, RoleType, Signature, Signed, Target, Targets};

use super::entry::is_false;
use super::error::{CatalogError, Distrust};
use super::keys::RoleKey;
use crate::Sha256Digest;
use crate::admit::Label;
use crate::catalog::{CatalogEntry, StoreIdentity};
use crate::package::{Buildstamp, PackageKind, PackagePath, Platform};
use crate::withdraw::{self, WithdrawnPackage};

/// A role of the catalog (TUF 1.0, section 2.1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Says which keys may sign for which role.
    Root,
    /// Lists the packages.
    Targets,
    /// Says which targets metadata belongs to a state.
    Snapshot,
    /// Says which snapshot is the current one.
    Timestamp,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// The role's name in metadata and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    pub(super) fn of<T: schema::Role>() -> Self {
        match T::TYPE {
            RoleType::Root => Self::Root,
            RoleType::Snapshot => Self::Snapshot,
            RoleType::Timestamp => Self::Timestamp,
            RoleType::Targets | RoleType::DelegatedTargets => Self::Targets,
        }
    }

    pub(super) fn role_type(self) -> RoleType {
        match self {
            Self::Root => RoleType::Root,
            Self::Targets => RoleType::Targets,
            Self::Snapshot => RoleType::Snapshot,
            Self::Timestamp => RoleType::Timestamp,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Signs metadata with some keys and returns the file's bytes: indented JSON with sorted names, so that the same
/// content always gives the same bytes.
pub(super) fn sign<T: schema::Role>(signed: T, keys: &[&RoleKey]) -> Result<Vec<u8>, CatalogError> {
    let failed = |e| CatalogError::Encode { role: Role::of::<T>(), source: Box::new(e) };
    let canonical = signed.canonical_form().map_err(failed)?;
    let mut signatures = Vec::new();
    for key in keys {
        signatures.push(Signature { keyid: key.id().clone(), sig: key.sign(&canonical)?.into() });
    }
    encode(&Signed { signed, signatures })
}

/// The bytes of a metadata file.
pub(super) fn encode<T: schema::Role>(document: &Signed<T>) -> Result<Vec<u8>, CatalogError> {
    let failed = |e: serde_json::Error| CatalogError::Encode { role: Role::of::<T>(), source: Box::new(e) };
    // Through a `Value`, whose maps are sorted; the hash maps of the schema are not.
    let value = serde_json::to_value(document).map_err(failed)?;
    let mut bytes = serde_json::to_vec_pretty(&value).map_err(failed)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What the `custom` field of a target holds. Fields that are added later are ignored by this version.
#[derive(Debug, Serialize, Deserialize)]
struct Custom {
    kind: PackageKind,
    stamp: Buildstamp,
    platform: Platform,
    label: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_at: Option<jiff::Timestamp>,
    admitted_at: jiff::Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_admitted_at: Option<jiff::Timestamp>,
    #[serde(default, skip_serializing_if = "is_false")]
    by_earlier_admission: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Sha256Digest>,
}

/// Turns a catalog entry into a target.
pub(super) fn to_target(entry: &CatalogEntry) -> Result<(TargetName, Target), CatalogError> {
    let name = entry.path.as_str();
    let target_name =
        TargetName::new(name).map_err(|_| CatalogError::TargetName { name: name.to_owned() })?;
    let package = entry.path.name();
    let custom = Custom {
        kind: package.kind(),
        stamp: package.stamp().clone(),
        platform: package.platform(),
        label: entry.label,
        signer: entry.signer.clone(),
        signed_at: entry.signed_at,
        admitted_at: entry.admitted_at,
        first_admitted_at: entry.first_admitted_at,
        by_earlier_admission: entry.by_earlier_admission,
        report: entry.report,
    };
    let failed =
        |source: serde_json::Error| CatalogError::Encode { role: Role::Targets, source: Box::new(source) };
    let custom = serde_json::to_value(custom).and_then(serde_json::from_value).map_err(failed)?;
    let hashes = Hashes { sha256: entry.sha256.as_bytes().to_vec().into(), _extra: HashMap::new() };
    Ok((target_name, Target { length: entry.length, hashes, custom, _extra: HashMap::new() }))
}

/// Reads a target; its name must be a vendor path, letter by letter.
pub(super) fn from_target(name: &TargetName, target: &Target) -> Result<CatalogEntry, Distrust> {
    let text = name.raw();
    let shortened = || text.chars().take(300).collect::<String>();
    let path = PackagePath::parse(text)
        .map_err(|source| Distrust::TargetName { name: shortened(), source: Some(source) })?;
    if path.as_str() != text {
        return Err(Distrust::TargetName { name: shortened(), source: None });
    }
    let wrong = |text: String| Distrust::TargetData { name: path.as_str().to_owned(), text };
    let digest: [u8; 32] = target
        .hashes
        .sha256
        .as_ref()
        .try_into()
        .map_err(|_| wrong("the SHA-256 digest does not have 32 bytes".to_owned()))?;
    let custom = serde_json::to_value(&target.custom).and_then(serde_json::from_value);
    let custom: Custom = custom.map_err(|e| wrong(e.to_string()))?;
    let package = path.name();
    if (custom.kind, &custom.stamp, custom.platform) != (package.kind(), package.stamp(), package.platform())
    {
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

/// The field of `targets.json` that says which store it is of, and which packages nobody is to get any more.
pub(super) fn extra(
    identity: &StoreIdentity,
    withdrawn: &[WithdrawnPackage],
) -> Result<HashMap<String, serde_json::Value>, CatalogError> {
    #[derive(Serialize)]
    struct Extra<'a> {
        #[serde(flatten)]
        identity: &'a StoreIdentity,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        withdrawn: &'a [WithdrawnPackage],
    }
    let value = serde_json::to_value(Extra { identity, withdrawn })
        .map_err(|source| CatalogError::Encode { role: Role::Targets, source: Box::new(source) })?;
    Ok(HashMap::from([(STORE_FIELD.to_owned(), value)]))
}

/// Reads it; none in catalogs of early versions.
pub(super) fn store_identity(targets: &Targets) -> Result<Option<StoreIdentity>, Distrust> {
    let Some(value) = targets._extra.get(STORE_FIELD) else { return Ok(None) };
    let identity: StoreIdentity = serde_json::from_value(value.clone())
        .map_err(|error| Distrust::StoreIdentity { text: error.to_string() })?;
    Ok(Some(identity))
}

/// Reads the withdrawn packages, in the order of their digests; `entries` are the targets of the same catalog.
pub(super) fn withdrawn_packages(
    targets: &Targets,
    entries: &[CatalogEntry],
) -> Result<Vec<WithdrawnPackage>, Distrust> {
    let list = targets._extra.get(STORE_FIELD).and_then(|field| field.get("withdrawn"));
    let Some(value) = list else { return Ok(Vec::new()) };
    let list: Vec<WithdrawnPackage> = serde_json::from_value(value.clone())
        .map_err(|error| Distrust::Withdrawn { text: error.to_string() })?;
    withdraw::check_list(&list, entries.iter().map(|entry| &entry.sha256))
        .map_err(|text| Distrust::Withdrawn { text: text.to_owned() })?;
    Ok(list)
}

const STORE_FIELD: &str = "midmirror";

/// Text that every canonical JSON encoder writes the same way. Some normalise Unicode (NFC) and some do not, so
/// text that would change is written with escapes.
pub(super) fn portable_text(text: &str) -> String {
    let mut canonical = Vec::new();
    let formatter = olpc_cjson::CanonicalFormatter::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut canonical, formatter);
    let plain = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match text.serialize(&mut serializer) {
        Ok(()) if canonical == plain.as_bytes() => text.to_owned(),
        _ => text
            .chars()
            .flat_map(|c| if c.is_ascii() { vec![c] } else { c.escape_unicode().collect() })
            .collect(),
    }
}

/// The version of the TUF specification that is followed.
pub(super) const SPECIFICATION: &str = "1.0.31";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_only_where_encoders_differ() {
        for same in ["CN=\"A, B\" \\ C", "CN=Zürich", ""] {
            assert_eq!(portable_text(same), same);
        }
        assert_eq!(portable_text("u\u{308}"), "u\\u{308}");
    }
}
