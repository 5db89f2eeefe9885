//! TUF metadata as `tough` defines it: roles, signing, and what a target says about a package (TUF 1.0, section 4).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tough::schema::{self, RoleType, Signature, Signed};

use super::error::CatalogError;
use super::keys::RoleKey;
use crate::catalog::StoreIdentity;
use crate::withdraw::WithdrawnPackage;

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
    let signatures = signatures(&canonical, keys)?;
    match Role::of::<T>() {
        Role::Targets => compact(&signatures, &canonical),
        _ => encode(&Signed { signed, signatures }),
    }
}

/// The bytes of a metadata file that is written in the form that is signed.
pub(super) fn compact(signatures: &[Signature], canonical: &[u8]) -> Result<Vec<u8>, CatalogError> {
    let failed = |e: serde_json::Error| CatalogError::Encode { role: Role::Targets, source: Box::new(e) };
    let mut bytes = b"{\"signatures\":".to_vec();
    serde_json::to_writer(&mut bytes, signatures).map_err(failed)?;
    bytes.extend_from_slice(b",\"signed\":");
    bytes.extend_from_slice(canonical);
    bytes.extend_from_slice(b"}\n");
    // Canonical JSON is JSON only as long as no text has control characters.
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map_err(failed)?;
    Ok(bytes)
}

/// Signs what is in canonical form already.
pub(super) fn signatures(canonical: &[u8], keys: &[&RoleKey]) -> Result<Vec<Signature>, CatalogError> {
    let sign = |key: &&RoleKey| Ok(Signature { keyid: key.id().clone(), sig: key.sign(canonical)?.into() });
    keys.iter().map(sign).collect()
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

/// The field of `targets.json` that says which store it is of, and which packages nobody is to get any more.
pub(super) fn extra(
    identity: &StoreIdentity,
    withdrawn: &[WithdrawnPackage],
) -> Result<BTreeMap<String, serde_json::Value>, CatalogError> {
    #[derive(Serialize)]
    struct Extra<'a> {
        #[serde(flatten)]
        identity: &'a StoreIdentity,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        withdrawn: &'a [WithdrawnPackage],
    }
    let value = serde_json::to_value(Extra { identity, withdrawn })
        .map_err(|source| CatalogError::Encode { role: Role::Targets, source: Box::new(source) })?;
    Ok(BTreeMap::from([(STORE_FIELD.to_owned(), value)]))
}

const STORE_FIELD: &str = "midmirror";

/// Text that every canonical JSON encoder writes the same way. Some normalise Unicode (NFC) and some do not, so
/// text that would change is written with escapes.
pub(super) fn portable_text(text: &str) -> String {
    let mut canonical = Vec::new();
    let formatter = olpc_cjson::CanonicalFormatter::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut canonical, formatter);
    let plain = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    // Canonical JSON has control characters as they are, which no other JSON may.
    let plain_ascii = |c: char| c.is_ascii() && !c.is_ascii_control();
    match text.serialize(&mut serializer) {
        Ok(()) if canonical == plain.as_bytes() && !text.chars().any(char::is_control) => text.to_owned(),
        _ => text
            .chars()
            .flat_map(|c| if plain_ascii(c) { vec![c] } else { c.escape_unicode().collect() })
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
