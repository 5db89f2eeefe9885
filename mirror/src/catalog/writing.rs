//! Writing `targets.json` in canonical form, without the detour over the maps of the schema: for 10,000 packages.
//!
//! Canonical JSON (TUF 1.0, section 4.2) has no blanks, names in their order, and no escapes but those of `"` and `\`. The
//! fields of the structures here stand in that order, and all texts come through `metadata::portable_text`, so that what
//! serde_json writes without blanks is the canonical form. A test compares it with another encoder.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::entry::is_false;
use super::error::CatalogError;
use super::metadata::{Role, SPECIFICATION};
use crate::Sha256Digest;
use crate::admit::Label;
use crate::catalog::CatalogEntry;
use crate::package::{Buildstamp, PackageKind, Platform};

/// What is signed.
pub(super) struct TargetsToSign<'a> {
    pub(super) version: NonZeroU64,
    /// In whole seconds.
    pub(super) expires: Timestamp,
    /// In the order of their paths.
    pub(super) entries: &'a [CatalogEntry],
    /// Further fields; what they hold is in canonical order by itself.
    pub(super) extra: &'a BTreeMap<String, Value>,
}

impl TargetsToSign<'_> {
    /// The canonical form.
    pub(super) fn canonical_form(&self) -> Result<Vec<u8>, CatalogError> {
        let failed = |e: serde_json::Error| CatalogError::Encode { role: Role::Targets, source: Box::new(e) };
        let mut fields: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for (name, value) in self.extra {
            fields.insert(name, serde_json::to_vec(value).map_err(failed)?);
        }
        fields.insert("_type", serde_json::to_vec(Role::Targets.as_str()).map_err(failed)?);
        fields.insert("spec_version", serde_json::to_vec(SPECIFICATION).map_err(failed)?);
        fields.insert("version", serde_json::to_vec(&self.version).map_err(failed)?);
        fields.insert("expires", serde_json::to_vec(&self.expires).map_err(failed)?);
        fields.insert("targets", serde_json::to_vec(&List(self.entries)).map_err(failed)?);
        let mut bytes = Vec::new();
        for (name, value) in fields {
            bytes.push(if bytes.is_empty() { b'{' } else { b',' });
            serde_json::to_writer(&mut bytes, name).map_err(failed)?;
            bytes.push(b':');
            bytes.extend_from_slice(&value);
        }
        bytes.push(b'}');
        Ok(bytes)
    }
}

struct List<'a>(&'a [CatalogEntry]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|entry| (entry.path.as_str(), Target::of(entry))))
    }
}

#[derive(Serialize)]
struct Target<'a> {
    custom: Custom<'a>,
    hashes: Hashes,
    length: u64,
}

#[derive(Serialize)]
struct Hashes {
    sha256: Sha256Digest,
}

/// The fields of `reading::Custom` in the order of their names.
#[derive(Serialize)]
struct Custom<'a> {
    admitted_at: Timestamp,
    #[serde(skip_serializing_if = "is_false")]
    by_earlier_admission: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_admitted_at: Option<Timestamp>,
    kind: PackageKind,
    label: Label,
    platform: Platform,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Sha256Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<&'a str>,
    stamp: &'a Buildstamp,
}

impl<'a> Target<'a> {
    fn of(entry: &'a CatalogEntry) -> Self {
        let package = entry.path.name();
        Self {
            custom: Custom {
                admitted_at: entry.admitted_at,
                by_earlier_admission: entry.by_earlier_admission,
                first_admitted_at: entry.first_admitted_at,
                kind: package.kind(),
                label: entry.label,
                platform: package.platform(),
                report: entry.report,
                signed_at: entry.signed_at,
                signer: entry.signer.as_deref(),
                stamp: package.stamp(),
            },
            hashes: Hashes { sha256: entry.sha256 },
            length: entry.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::metadata::portable_text;
    use super::*;
    use crate::store::testing::{TestStore, at, path};

    /// The canonical form by the encoder that `tough` uses.
    fn by_olpc(bytes: &[u8]) -> Vec<u8> {
        let value: Value = serde_json::from_slice(bytes).unwrap();
        let mut canonical = Vec::new();
        let formatter = olpc_cjson::CanonicalFormatter::new();
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut canonical, formatter)).unwrap();
        canonical
    }

    #[test]
    fn written_form_is_the_canonical_one() {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        for number in [12, 3, 200] {
            test.commit(&mut writer, &path(number), format!("package {number}").as_bytes());
        }
        let mut entries = test.store.admitted().unwrap();
        let signer = "CN=\"Quoted, Inc.\" \\ Zürich u\u{308} \u{1}\t\n\u{7f}, O=服务";
        entries[0].signer = Some(portable_text(signer));
        entries[1].first_admitted_at = Some(at(-5));
        entries[1].by_earlier_admission = true;
        entries[2].report = None;
        let extra = json!({"midmirror": {"key": "00", "id": "1", "withdrawn": [{"b": portable_text("\"\\\u{2}"), "a": 1}]}, "aa": null, "zz": [true]});
        let extra: BTreeMap<String, Value> = serde_json::from_value(extra).unwrap();
        let targets = TargetsToSign {
            version: NonZeroU64::new(7).unwrap(),
            expires: at(100),
            entries: &entries,
            extra: &extra,
        };
        let bytes = targets.canonical_form().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), String::from_utf8(by_olpc(&bytes)).unwrap());
        assert!(bytes.starts_with(br#"{"_type":"targets","aa":null,"expires":""#));
    }
}
