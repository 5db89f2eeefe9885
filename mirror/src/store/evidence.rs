//! What proves an admission, one folder each. The whole truth about what the catalog should say stands here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::durable::FileMode;

use super::statement::STATEMENT_NAME;
use super::{EVIDENCE, Store, StoreError, blob, evidence_key, to_json};
use crate::admit::{EarlierAdmission, SignerCertificate, VerifiedPackage};
use crate::catalog::CatalogEntry;
use crate::fetch::FetchRecord;
use crate::storage::{Kind, Listed, below};
use crate::{Sha256Digest, parallel};

/// One admission: these bytes were admitted under this vendor path at this time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    number: u64,
    /// Missing in evidence of early versions.
    #[serde(default)]
    signers: Vec<SignerCertificate>,
    /// Evidence only: the catalog keeps what it says under this path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    held: bool,
    /// The decision by which bytes that the store had already became the published ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<Acceptance>,
    #[serde(flatten)]
    entry: CatalogEntry,
}

/// Somebody's decision that the catalog is to name these bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Acceptance {
    /// When.
    pub at: jiff::Timestamp,
    /// Who, as far as the program was told; early versions did not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, in the words of whoever decided.
    pub reason: String,
    /// The admission whose evidence this one repeats.
    pub admission: u64,
}

impl Admission {
    /// Counts the admissions of a store, beginning with 1. Of two admissions under one path the higher number holds.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What was admitted.
    pub fn entry(&self) -> &CatalogEntry {
        &self.entry
    }

    pub(super) fn name(&self) -> AdmissionName {
        AdmissionName { number: self.number, sha256: self.entry.sha256 }
    }

    /// Whether it is evidence only and waits for a decision.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// The decision that published it, if it took one.
    pub fn accepted(&self) -> Option<&Acceptance> {
        self.accepted.as_ref()
    }

    /// The certificates of its signers.
    pub fn signers(&self) -> &[SignerCertificate] {
        &self.signers
    }

    /// What was admitted.
    pub fn into_entry(self) -> CatalogEntry {
        self.entry
    }
}

/// Names one admission without having read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AdmissionName {
    pub(super) number: u64,
    pub(super) sha256: Sha256Digest,
}

/// The folder of one admission.
pub(super) fn folder(digest: &Sha256Digest, number: u64) -> String {
    below(&evidence_key(digest), &format!("{number:08}"))
}

/// Writes the evidence of an admission, all or nothing.
pub(super) fn write(
    store: &Store,
    package: &VerifiedPackage,
    admission: &Admission,
) -> Result<(), StoreError> {
    let fetch_json = to_json("the fetch record", package.quarantined().record())?;
    let evidence = package.evidence();
    let documents: [(&str, &[u8]); 4] = [
        (REPORT_FILE, &evidence.report_json),
        ("jarsigner.txt", evidence.jarsigner_text.as_bytes()),
        ("anchors.pem", &evidence.anchors_pem),
        (FETCH_FILE, &fetch_json),
    ];
    write_folder(store, admission, &documents)
}

/// Repeats the evidence of an admission under a new number, with the decision that published it.
pub(super) fn repeat(
    store: &Store,
    old: &Admission,
    number: u64,
    accepted: Acceptance,
) -> Result<Admission, StoreError> {
    let from = folder(&old.entry.sha256, old.number);
    let documents = FILES
        .iter()
        .filter(|name| **name != ADMISSION_FILE)
        .map(|name| Ok((*name, read_object(store, &below(&from, name))?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let documents: Vec<(&str, &[u8])> =
        documents.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let admission = Admission { number, held: false, accepted: Some(accepted), ..old.clone() };
    write_folder(store, &admission, &documents)?;
    Ok(admission)
}

fn write_folder(store: &Store, admission: &Admission, documents: &[(&str, &[u8])]) -> Result<(), StoreError> {
    let admission_json = to_json("the admission", admission)?;
    let mut files: Vec<(&str, &[u8])> = vec![(ADMISSION_FILE, &admission_json)];
    files.extend_from_slice(documents);
    let folder = folder(&admission.entry.sha256, admission.number);
    Ok(store.storage.create_folder(&folder, &files, FileMode::ReadOnly)?)
}

/// Makes the record of an admission.
pub(super) fn admission(
    package: &VerifiedPackage,
    number: u64,
    admitted_at: jiff::Timestamp,
    held: bool,
) -> Admission {
    let quarantined = package.quarantined();
    Admission {
        number,
        held,
        accepted: None,
        signers: package.signers().to_vec(),
        entry: CatalogEntry {
            path: quarantined.path().clone(),
            sha256: quarantined.sha256(),
            length: quarantined.length(),
            label: package.label(),
            signer: package.signer().map(str::to_owned),
            signed_at: package.signed_at(),
            admitted_at,
            first_admitted_at: package.earlier_admission().map(EarlierAdmission::admitted_at),
            by_earlier_admission: package.earlier_admission().is_some(),
            report: Some(Sha256Digest::of(&package.evidence().report_json)),
        },
    }
}

/// Lists the admissions by the names of their folders, oldest first; other names are left to `check`.
pub(super) fn list(store: &Store) -> Result<Vec<AdmissionName>, StoreError> {
    let of_shard = |shard: &String| -> Result<Vec<AdmissionName>, StoreError> {
        let mut names = Vec::new();
        let folders = store.storage.folders_below(&below(EVIDENCE, shard)).map_err(StoreError::reading)?;
        for (of_digest, numbers) in folders {
            let digest = of_digest.parse::<Sha256Digest>().ok();
            // One in another shard than its own is found by nobody.
            if let Some(sha256) = digest.filter(|_| of_digest.starts_with(shard.as_str())) {
                let numbers = numbers.iter().filter_map(|name| parse_number(name));
                names.extend(numbers.map(|number| AdmissionName { number, sha256 }));
            }
        }
        Ok(names)
    };
    let mut names: Vec<AdmissionName> =
        parallel::map(&folders_in(store, EVIDENCE)?, of_shard)?.into_iter().flatten().collect();
    names.sort_unstable();
    Ok(names)
}

/// Lists the admissions of a digest, oldest first.
pub(super) fn list_of(store: &Store, sha256: &Sha256Digest) -> Result<Vec<AdmissionName>, StoreError> {
    let numbers =
        folders_in(store, &evidence_key(sha256))?.into_iter().filter_map(|name| parse_number(&name));
    let mut names: Vec<_> = numbers.map(|number| AdmissionName { number, sha256: *sha256 }).collect();
    names.sort_unstable();
    Ok(names)
}

fn folders_in(store: &Store, folder: &str) -> Result<Vec<String>, StoreError> {
    store.storage.folders(folder).map_err(StoreError::reading)
}

/// Reads a document; that it is not there is an error.
pub(super) fn read_object(store: &Store, key: &str) -> Result<Vec<u8>, StoreError> {
    read_at_most(store, key, LONGEST_DOCUMENT)
}

fn read_at_most(store: &Store, key: &str, longest: u64) -> Result<Vec<u8>, StoreError> {
    let path = store.storage.place(key);
    let read = store.storage.read(key, longest).map_err(StoreError::reading)?;
    read.ok_or_else(|| StoreError::file("read", &path)(std::io::ErrorKind::NotFound.into()))
}

/// Reads one admission and makes sure that it belongs where it stands.
pub(super) fn read(store: &Store, name: AdmissionName) -> Result<Admission, StoreError> {
    let key = below(&folder(&name.sha256, name.number), ADMISSION_FILE);
    let (bytes, path) = (read_at_most(store, &key, LONGEST_RECORD)?, store.storage.place(&key));
    let admission: Admission = serde_json::from_slice(&bytes)
        .map_err(|source| StoreError::Garbled { path: path.clone(), source })?;
    if admission.entry.sha256 != name.sha256 {
        return Err(StoreError::Misplaced { path, reason: "it names another digest" });
    }
    if admission.number != name.number {
        return Err(StoreError::Misplaced { path, reason: "it names another number" });
    }
    Ok(admission)
}

/// Reads where the bytes of an admission came from.
pub(super) fn fetch_record(store: &Store, admission: &Admission) -> Result<FetchRecord, StoreError> {
    let key = below(&folder(&admission.entry.sha256, admission.number), FETCH_FILE);
    let bytes = read_object(store, &key)?;
    let path = store.storage.place(&key);
    serde_json::from_slice(&bytes).map_err(|source| StoreError::Garbled { path, source })
}

/// The digests of the files that are there.
pub(super) fn digests(
    store: &Store,
    admission: &Admission,
) -> Result<BTreeMap<String, Sha256Digest>, StoreError> {
    let folder = folder(&admission.entry.sha256, admission.number);
    let digest = |name: &&str| -> Result<Option<Sha256Digest>, StoreError> {
        let key = below(&folder, name);
        let Some(mut bytes) = store.storage.open(&key).map_err(StoreError::reading)? else { return Ok(None) };
        let failed = |error| StoreError::file("read", &store.storage.place(&key))(error);
        blob::digest_of(&mut bytes, |_| {}).map(Some).map_err(failed)
    };
    // What jarsigner says of 50,000 entries has 65 MB, and the report is as long.
    let is_large = |listed: &Listed| matches!(listed.kind, Kind::Object(length) if length >= LARGE);
    let any_large = store.storage.list(&folder).map_err(StoreError::reading)?.iter().any(is_large);
    let found = if any_large {
        parallel::each(&FILES, digest)?
    } else {
        FILES.iter().map(digest).collect::<Result<_, _>>()?
    };
    let named = FILES.iter().zip(found).filter_map(|(name, digest)| Some(((*name).to_owned(), digest?)));
    let mut digests: BTreeMap<String, Sha256Digest> = named.collect();
    if let Some(statement) = store.statement(admission)? {
        digests.insert(STATEMENT_NAME.to_owned(), Sha256Digest::of(&statement));
    }
    Ok(digests)
}

/// Reads all admissions, oldest first.
pub(super) fn read_all(store: &Store) -> Result<Vec<Admission>, StoreError> {
    read_these(store, &list(store)?)
}

/// Reads admissions, in the order of the names.
pub(super) fn read_these(store: &Store, names: &[AdmissionName]) -> Result<Vec<Admission>, StoreError> {
    parallel::map(names, |name| read(store, *name))
}

/// The number in the name of an admission's folder.
pub(super) fn parse_number(name: &str) -> Option<u64> {
    let number = name.parse().ok()?;
    (number > 0 && format!("{number:08}") == name).then_some(number)
}

pub(super) const ADMISSION_FILE: &str = "admission.json";
pub(super) const REPORT_FILE: &str = "report.json";
pub(crate) const FETCH_FILE: &str = "fetch.json";
/// A report of 50,000 entries has some 40 MB.
const LONGEST_DOCUMENT: u64 = 1024 * 1024 * 1024;
/// Ours have some 2 KB; a hostile one is not held in memory by everybody who lists a store.
const LONGEST_RECORD: u64 = 16 << 20;
/// From here on a thread of its own is worth it.
const LARGE: u64 = 4 * 1024 * 1024;
/// Every file of an admission's folder.
pub(super) const FILES: [&str; 5] = [ADMISSION_FILE, REPORT_FILE, "jarsigner.txt", "anchors.pem", FETCH_FILE];
