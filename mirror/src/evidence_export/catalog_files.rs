//! The catalog in parts: its files as they are, and of each role what is signed, the signatures, and the keys.

use serde::Serialize as _;
use serde_json::Value;

use super::pem::ed25519_pem;
use super::{Export, ExportError, ExportInputs, object};
use crate::Sha256Digest;
use crate::store::REPOSITORY;

/// A metadata file and the signatures of it that openssl can verify.
#[derive(Debug)]
pub(super) struct SignedRole {
    /// For instance `catalog/2.targets`, for `.json`, `.signed` and `.KEY.sig`.
    pub(super) base: String,
    /// The beginnings of key ids, which name the files.
    pub(super) keys: Vec<String>,
}

/// Writes all versions of the root metadata, and the current file of each other role.
pub(super) fn write(
    inputs: &ExportInputs<'_>,
    export: &mut Export<'_>,
) -> Result<Vec<SignedRole>, ExportError> {
    let versions = inputs.catalog.versions();
    let mut names: Vec<String> = (1..=versions.root).map(|version| format!("{version}.root")).collect();
    names.push(format!("{}.targets", versions.targets));
    names.push(format!("{}.snapshot", versions.snapshot));
    names.push("timestamp".to_owned());
    let mut keys: Vec<(String, [u8; 32])> = Vec::new();
    let mut roles = Vec::new();
    for name in names {
        let Some(bytes) = object(inputs.store, &format!("{REPOSITORY}/{name}.json"))? else { continue };
        let base = format!("catalog/{name}");
        export.put(&format!("{base}.json"), &bytes)?;
        if name == "1.root" {
            export.contents.root_sha256 = Some(Sha256Digest::of(&bytes));
        }
        let Ok(metadata) = serde_json::from_slice::<Value>(&bytes) else { continue };
        let Some(signed) = metadata.get("signed") else { continue };
        for (id, key) in signed.get("keys").and_then(Value::as_object).into_iter().flatten() {
            let public = text(key, "/keyval/public").and_then(|hex| hex::decode(hex).ok());
            let is_new = !keys.iter().any(|(known, _)| known == id);
            if let (true, Some("ed25519"), Some(Ok(public))) =
                (is_new, text(key, "/keytype"), public.map(<[u8; 32]>::try_from))
            {
                export.put(&format!("catalog/{}.pem", short(id)), ed25519_pem(&public).as_bytes())?;
                keys.push((id.clone(), public));
            }
        }
        let mut canonical = Vec::new();
        let formatter = olpc_cjson::CanonicalFormatter::new();
        if signed.serialize(&mut serde_json::Serializer::with_formatter(&mut canonical, formatter)).is_err() {
            continue;
        }
        export.put(&format!("{base}.signed"), &canonical)?;
        let mut role = SignedRole { base, keys: Vec::new() };
        for signature in metadata.get("signatures").and_then(Value::as_array).into_iter().flatten() {
            let id = text(signature, "/keyid").unwrap_or_default();
            let Some(bytes) = text(signature, "/sig").and_then(|hex| hex::decode(hex).ok()) else {
                continue;
            };
            if keys.iter().any(|(known, _)| known == id) && !role.keys.contains(&short(id)) {
                export.put(&format!("{}.{}.sig", role.base, short(id)), &bytes)?;
                role.keys.push(short(id));
            }
        }
        roles.push(role);
    }
    Ok(roles)
}

/// A string in JSON.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// Enough of a key id to tell keys of one catalog apart.
fn short(id: &str) -> String {
    id.chars().filter(char::is_ascii_hexdigit).take(16).collect()
}
