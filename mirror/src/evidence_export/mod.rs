//! All that a store knows of one admission, as a folder that stock programs check.
//!
//! ```text
//! FOLDER/
//!   README.md                   what is what, and the exact commands
//!   FILES.sha256                digests of all other files, for the way
//!   glide/distribution/…        the package under its vendor path, as the signed list names it
//!   evidence/                   what was written down when it was admitted
//!   signature/                  the parts of the JAR signature: block, signature file, signature value, timestamp token
//!   anchors/                    the trust anchors that its chains end in, one a file
//!   statement.dsse.json         what the store states; statement.json, .signed and .sig are the same in parts
//!   log/                        the entry of the log, the proof that it is in it, the checkpoint in parts
//!   catalog/                    the metadata files of the catalog, what of them is signed, signatures and keys
//!   SHA256SUMS, SHA256SUMS.minisig, midmirror.pub
//!   store-key.pem               the key of the store for openssl
//! ```
//!
//! Nothing here has to be believed but two things, which are to be compared with what was noted elsewhere: the digest of
//! `catalog/1.root.json`, which the trust file of every host has, and the trust anchors.

mod catalog_files;
mod faults;
mod package;
mod pem;
mod readme;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use midmirror_verify::{DetachedSignature, Limits, Source, detached_signatures};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use thiserror::Error;

use crate::Sha256Digest;
use crate::attest::sums;
use crate::catalog::{CatalogError, LogEntry, TrustedCatalog, log_of, sound_events};
use crate::prune::Pruned;
use crate::store::durable::{self, DurableError, FileMode};
use crate::store::{Admission, STATEMENT_NAME, Store, StoreError};

use pem::{ed25519_pem, pem_text};

/// What an export depends on.
#[derive(Debug, Clone, Copy)]
pub struct ExportInputs<'a> {
    /// The store.
    pub store: &'a Store,
    /// Its catalog.
    pub catalog: &'a TrustedCatalog,
    /// The admission.
    pub admission: &'a Admission,
    /// A new or empty folder.
    pub folder: &'a Path,
    /// When this is done.
    pub now: Timestamp,
    /// The program that verifies the log (Python), which becomes part of the folder.
    pub log_verifier: &'a str,
}

/// A folder could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is something in the folder.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Something of the store cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of catalog or list cannot be read.
    #[error("failed to read a file of the store")]
    Object {
        /// Which, and why.
        source: DurableError,
    },
    /// The evidence cannot be read.
    #[error("failed to read the evidence")]
    Store(#[from] StoreError),
    /// Catalog or log cannot be read.
    #[error("failed to read catalog or log")]
    Catalog(#[from] CatalogError),
    /// A file could not be written. The bytes of a damaged package are not copied.
    #[error("failed to write the folder")]
    Write(#[from] DurableError),
}

/// A folder that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// How many files there are in it.
    pub files: usize,
    /// Whether the package is among them: what was pruned is not.
    pub has_package: bool,
    /// What is wrong with the evidence, as the README says too.
    pub faults: Vec<String>,
}

/// What is in a folder, as far as its README tells of it.
#[derive(Debug, Default)]
struct Contents {
    /// The files so far, with their digests.
    files: BTreeMap<String, Sha256Digest>,
    /// Where the package is.
    package: String,
    has_package: bool,
    /// What is wrong with the evidence.
    faults: Vec<String>,
    /// The catalog and `SHA256SUMS` name exactly these bytes.
    is_published: bool,
    signatures: Vec<Signature>,
    anchors: usize,
    /// The moment of admission, and that as of which it was judged.
    judged_at: Option<Timestamp>,
    has_statement: bool,
    /// Of the log.
    log: Option<LogPart>,
    roles: Vec<catalog_files::SignedRole>,
    root_sha256: Option<Sha256Digest>,
}

#[derive(Debug)]
struct Signature {
    /// For instance `signature/VENDOR`.
    base: String,
    /// Of the block.
    extension: String,
    has_token: bool,
}

#[derive(Debug)]
struct LogPart {
    index: u64,
    key: String,
}

/// Makes the folder.
///
/// # Errors
/// The folder is not empty, the bytes are lost or damaged, or something cannot be read or written. What was written until then
/// stays there.
pub fn export(inputs: &ExportInputs<'_>) -> Result<Exported, ExportError> {
    let ExportInputs { store, catalog, admission, folder, .. } = *inputs;
    durable::create_folders(folder)?;
    if read(folder, |path| std::fs::read_dir(path)?.next().transpose())?.is_some() {
        return Err(ExportError::NotEmpty { path: folder.to_owned() });
    }
    let entry = admission.entry();
    let events = sound_events(store, catalog);
    let pruned = match &events {
        Some(events) => Pruned::logged(store, events),
        None => Pruned::of(store),
    };
    // 1. The bytes.
    let place = folder.join(entry.path.as_str());
    let mut contents = Contents { package: entry.path.as_str().to_owned(), ..Contents::default() };
    contents.is_published = catalog.find(&entry.path).is_some_and(|found| found.sha256 == entry.sha256);
    contents.has_package = package::copy(inputs, &pruned.map_err(StoreError::from)?, &place)?;
    if contents.has_package {
        contents.files.insert(contents.package.clone(), entry.sha256);
    }
    let mut export = Export { folder, contents };
    // 2. What was written down when it was admitted.
    let digests = store.evidence_digests(admission)?;
    export.contents.faults = faults::faults(inputs, &digests, events.as_deref());
    for name in digests.keys().filter(|name| *name != STATEMENT_NAME) {
        let bytes = store.document(admission, name)?;
        if name == "report.json" && digests.contains_key("anchors.pem") {
            export.anchors(&bytes, &store.document(admission, "anchors.pem")?)?;
        }
        export.put(&format!("evidence/{name}"), &bytes)?;
    }
    // 3. The JAR signature in parts.
    if export.contents.has_package && entry.path.name().is_jar_signed() {
        let source = read(&place, Source::open)?;
        let found = read(&place, |_| detached_signatures(&source, &Limits::default()))?;
        found.iter().try_for_each(|signature| export.signature(signature))?;
    }
    // 4. What the store states.
    if let Some(statement) = store.statement(admission)? {
        export.statement(&statement)?;
    }
    // 5. The log.
    export.log(inputs, events.as_deref().unwrap_or_default())?;
    // 6. The catalog.
    let roles = catalog_files::write(inputs, &mut export)?;
    export.contents.roles = roles;
    // 7. The lowest rung.
    for name in [sums::SUMS_FILE, sums::SIGNATURE_FILE, sums::KEY_FILE] {
        if let Some(bytes) = object(store, name)? {
            export.put(name, &bytes)?;
        }
    }
    if let Some(identity) = catalog.store() {
        export.put("store-key.pem", ed25519_pem(&identity.key).as_bytes())?;
    }
    export.finish(inputs)
}

/// A folder that grows.
struct Export<'a> {
    folder: &'a Path,
    contents: Contents,
}

impl Export<'_> {
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            durable::create_folders(parent)?;
        }
        durable::write_new(&path, bytes, FileMode::Shared)?;
        self.contents.files.insert(name.to_owned(), Sha256Digest::of(bytes));
        Ok(())
    }

    /// The anchors that the chains of the report end in.
    fn anchors(&mut self, report: &[u8], pem: &[u8]) -> Result<(), ExportError> {
        let report: Value = serde_json::from_slice(report).unwrap_or_default();
        let text = |value: &Value, pointer: &str| Some(value.pointer(pointer)?.as_str()?.to_owned());
        self.contents.judged_at = text(&report, "/earlier_admission/proof/admitted_at")
            .or_else(|| text(&report, "/report/examined_at"))
            .and_then(|at| at.parse().ok());
        let mut used = Vec::new();
        for signer in report.pointer("/report/signers").and_then(Value::as_array).into_iter().flatten() {
            used.extend(text(signer, "/validation/anchor/sha256"));
            used.extend(text(signer, "/timestamp/validation/anchor/sha256"));
        }
        let mut written = Vec::new();
        for anchor in CertificateDer::pem_slice_iter(pem).flatten() {
            let sha256 = Sha256Digest::of(&anchor).to_hex();
            if used.contains(&sha256) && !written.contains(&sha256) {
                written.push(sha256);
                let name = format!("anchors/{}.pem", written.len());
                self.put(&name, pem_text("CERTIFICATE", &anchor).as_bytes())?;
            }
        }
        self.contents.anchors = written.len();
        Ok(())
    }

    fn signature(&mut self, found: &DetachedSignature) -> Result<(), ExportError> {
        let name = found.block_name.rsplit('/').next().unwrap_or_default();
        let Some((base, extension)) = name.rsplit_once('.') else { return Ok(()) };
        // Names in a package are not names of files.
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let base = match plain(base) && plain(extension) {
            true => format!("signature/{base}"),
            false => format!("signature/{}", self.contents.signatures.len() + 1),
        };
        let extension = if plain(extension) { extension } else { "BLOCK" };
        if self.contents.files.contains_key(&format!("{base}.SF")) {
            return Ok(());
        }
        self.put(&format!("{base}.{extension}"), &found.block)?;
        self.put(&format!("{base}.SF"), &found.signature_file)?;
        if let (Some(token), Some(value)) = (&found.timestamp_token, &found.signature) {
            self.put(&format!("{base}.token"), token)?;
            self.put(&format!("{base}.signature"), value)?;
        }
        self.contents.signatures.push(Signature {
            base,
            extension: extension.to_owned(),
            has_token: found.timestamp_token.is_some() && found.signature.is_some(),
        });
        Ok(())
    }

    /// The envelope, and its parts: the statement, what is signed, the signature.
    fn statement(&mut self, envelope: &[u8]) -> Result<(), ExportError> {
        self.put(STATEMENT_NAME, envelope)?;
        let parsed: Value = serde_json::from_slice(envelope).unwrap_or_default();
        let decoded = |pointer: &str| BASE64.decode(parsed.pointer(pointer)?.as_str()?).ok();
        let kind = parsed.pointer("/payloadType").and_then(Value::as_str).unwrap_or_default();
        if let (Some(payload), Some(signature)) = (decoded("/payload"), decoded("/signatures/0/sig")) {
            let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
            self.put("statement.signed", &[head.as_bytes(), &payload].concat())?;
            self.put("statement.sig", &signature)?;
            self.put("statement.json", &payload)?;
            self.contents.has_statement = true;
        }
        Ok(())
    }

    fn log(&mut self, inputs: &ExportInputs<'_>, events: &[LogEntry]) -> Result<(), ExportError> {
        let Ok((log, key)) = log_of(inputs.store, inputs.catalog) else { return Ok(()) };
        let number = Some(inputs.admission.number());
        let told =
            events.iter().find(|(_, event)| event.as_ref().is_ok_and(|event| event.admission() == number));
        let Some((index, _)) = told else { return Ok(()) };
        let checkpoint = log.signed_checkpoint().map_err(CatalogError::from)?.unwrap_or_default();
        let size = log.checkpoint(&key).map_err(CatalogError::from)?.map_or(0, |checkpoint| checkpoint.size);
        let entry = log.at(size).entry(*index).map_err(CatalogError::from)?;
        let proof = log.proof_file(*index, &key).map_err(CatalogError::from)?;
        self.put("log/entry.json", &entry)?;
        self.put("log/entry.tlog-proof", proof.as_bytes())?;
        self.put("log/checkpoint", &checkpoint)?;
        let text = String::from_utf8_lossy(&checkpoint).into_owned();
        if let Some((signed, signatures)) = text.split_once("\n\n") {
            // A line of a signed note: a dash, the name, and in base64 four bytes of a key's digest and the signature.
            let line = signatures.lines().find(|line| line.starts_with(&format!("\u{2014} {} ", key.name())));
            let bytes = line.and_then(|line| BASE64.decode(line.rsplit(' ').next()?).ok());
            if let Some(signature) = bytes.as_deref().and_then(|bytes| bytes.get(4..)) {
                self.put("log/checkpoint.signed", format!("{signed}\n").as_bytes())?;
                self.put("log/checkpoint.sig", signature)?;
            }
        }
        self.put("log/verify_log.py", inputs.log_verifier.as_bytes())?;
        self.contents.log = Some(LogPart { index: *index, key: key.to_string() });
        Ok(())
    }

    /// README and digests come last.
    fn finish(mut self, inputs: &ExportInputs<'_>) -> Result<Exported, ExportError> {
        let text = readme::readme(inputs, &self.contents);
        self.put("README.md", text.as_bytes())?;
        let files = self.contents.files.iter().map(|(name, digest)| (name.as_str(), *digest));
        let list = sums::list(files);
        self.put(FILES, list.as_bytes())?;
        let Contents { files, has_package, faults, .. } = self.contents;
        // And the list itself.
        Ok(Exported { files: files.len(), has_package, faults })
    }
}

/// A file of the store; none if there is none.
fn object(store: &Store, key: &str) -> Result<Option<Vec<u8>>, ExportError> {
    store.storage().read(key, LONGEST_FILE).map_err(|source| ExportError::Object { source })
}

fn read<T>(path: &Path, how: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T, ExportError> {
    how(path).map_err(|source| ExportError::Read { path: path.to_owned(), source })
}

const FILES: &str = "FILES.sha256";
/// A catalog of 100,000 packages has 100 MB.
const LONGEST_FILE: u64 = 256 << 20;
