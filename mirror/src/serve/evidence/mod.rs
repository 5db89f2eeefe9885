//! What the server shows of the evidence of published packages.
//!
//! ```text
//! /evidence/DIGEST/NUMBER/admission.json, report.json, jarsigner.txt, anchors.pem, statement.dsse.json
//!                                           as they stand in the store
//! /evidence/DIGEST/NUMBER/origin.json       what may be public of fetch.json, see `origin`
//! /evidence/DIGEST/NUMBER/log.tlog-proof    the proof that the log tells of the admission (C2SP tlog-proof)
//! ```
//!
//! Each file is hashed before anything of it is sent or shown (again only when it has changed), and has to be what is recorded
//! of it: the report in the signed catalog, all others (`fetch.json` too) in the log's entry of the admission, which has to be
//! in the log as the key in the catalog has signed it. What is not recorded anywhere is sent without `Repr-Digest`: a statement
//! that was made after the entry (early versions; it carries its own signature), and everything but reports where the catalog
//! names no log.
//!
//! Attacks considered: documents of packages that are not published (a digest is looked up in the catalog first, the
//! number has to be that of its admission); documents that were changed, taken away or put in place of others in the store, or
//! a log that was changed to fit them (503, an error in the log, `/healthz` and `midmirror_bad_evidence` say so); reports of
//! 40 MB and more (read in a stream until the list of entries begins, sent in pieces); addresses and names in `fetch.json`
//! that are nobody's business.

mod documents;
mod origin;
mod recorded;
mod report_head;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

pub(crate) use documents::{Document, DocumentName};
pub(crate) use origin::Origin;
pub(crate) use recorded::Recorded;
pub(crate) use report_head::{Agent, Certificate, Chain, Change, Head, Jarsigner, Signer};

use recorded::Expected;

use super::blob_check::{Blob, BlobCheck};
use super::body::FromStart;
use crate::Sha256Digest;
use crate::admit::Label;
use crate::catalog::CatalogEntry;
use crate::regular_file::{self, Links};
use crate::store::{Admission, FETCH_FILE, Store, StoreError};

/// Reads evidence, and remembers what lists show of it.
pub(crate) struct EvidenceReader {
    store: Store,
    files: BlobCheck,
    /// What is wrong with which document, as far as is known; by the package's path and the document's name.
    bad: Mutex<BTreeMap<(String, &'static str), BadDocument>>,
    /// By the digest of the report.
    ends: Mutex<HashMap<Sha256Digest, Option<Timestamp>>>,
}

/// What is known of one admission.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) admission: Admission,
    /// None if it is not there, not what the catalog says, or not readable.
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) origin: Option<Origin>,
    documents: Vec<Document>,
    /// The end of jarsigner's text, which has the verdict.
    pub(crate) jarsigner: Option<documents::Excerpt>,
}

impl Evidence {
    /// Its documents; the proof only if the log tells of the admission.
    pub(crate) fn shown_documents(&self, is_logged: bool) -> impl Iterator<Item = &Document> {
        let shown = move |document: &&Document| is_logged || document.name != DocumentName::Proof.as_str();
        self.documents.iter().filter(shown)
    }
}

impl EvidenceReader {
    pub(crate) fn new(store: &Store) -> Self {
        let (files, bad, ends) = (BlobCheck::new(true), Mutex::default(), Mutex::default());
        Self { store: store.clone(), files, bad, ends }
    }

    /// All that is shown of an admission; none if its own record is not there or was changed.
    pub(crate) async fn of(
        &self,
        entry: &CatalogEntry,
        admission: Admission,
        recorded: &Recorded,
    ) -> Option<Evidence> {
        self.open(entry, &admission, recorded, DocumentName::Admission).await.file()?;
        let head = self.head(entry, &admission).await.map(Arc::new);
        let origin = self.origin(entry, &admission, recorded).await.ok().flatten();
        let jarsigner = self.open(entry, &admission, recorded, DocumentName::Jarsigner).await.file();
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let documents = documents::of(&store, &admission);
            let jarsigner = jarsigner.and_then(|file| documents::excerpt(&file));
            Evidence { admission, head, origin, documents, jarsigner }
        });
        reading.await.ok()
    }

    /// The admission of a package in the catalog.
    pub(crate) async fn admission(&self, entry: &CatalogEntry) -> Option<Admission> {
        let (store, entry) = (self.store.clone(), entry.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let found: Result<Option<Admission>, StoreError> = store.admission_of(&entry);
            found.unwrap_or_else(|error| {
                tracing::error!(package = %entry.path, error = %error, "evidence cannot be read");
                None
            })
        });
        reading.await.ok().flatten()
    }

    /// When the verdict on a package will change: the first moment from which `jarsigner -strict` or the MID Server's own
    /// verifier refuses it. None if that is not known, or if nothing ends.
    pub(crate) async fn end_of_verdict(&self, entry: &CatalogEntry) -> Option<Timestamp> {
        let report = entry.report.filter(|_| entry.label == Label::Verified)?;
        if let Some(end) = self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(&report) {
            return *end;
        }
        let admission = self.admission(entry).await?;
        let end = self.head(entry, &admission).await?.end_of_verdict();
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(report, end);
        end
    }

    /// The beginning of the report, once its digest was found to be that of the catalog.
    async fn head(&self, entry: &CatalogEntry, admission: &Admission) -> Option<Head> {
        entry.report?;
        let file = self.open(entry, admission, &Recorded::NoLog, DocumentName::Report).await.file()?;
        let reading = tokio::task::spawn_blocking(move || Head::read(BufReader::new(FromStart::of(file))));
        match reading.await.ok()? {
            Ok(head) => Some(head),
            Err(error) => {
                tracing::warn!(package = %entry.path, error = %error, "report of the evidence is not understood");
                None
            }
        }
    }

    /// Where the package came from; none if that is not there, an error if it was changed.
    async fn origin(
        &self,
        entry: &CatalogEntry,
        admission: &Admission,
        recorded: &Recorded,
    ) -> Result<Option<Origin>, Damaged> {
        let path = self.store.admission_dir(admission).join(FETCH_FILE);
        match self.open_file(entry, admission, recorded, FETCH_FILE, path).await {
            Opened::File(file, _) => {
                Ok(tokio::task::spawn_blocking(move || origin::read(FromStart::of(file)))
                    .await
                    .ok()
                    .flatten())
            }
            Opened::Missing => Ok(None),
            Opened::Bad => Err(Damaged),
        }
    }

    /// What may be public of where the package came from, as JSON.
    pub(crate) async fn origin_json(
        &self,
        entry: &CatalogEntry,
        admission: &Admission,
        recorded: &Recorded,
    ) -> Result<Option<String>, Damaged> {
        let origin = self.origin(entry, admission, recorded).await?;
        let json = origin.and_then(|origin| serde_json::to_string_pretty(&origin).ok());
        Ok(json.map(|json| json + "\n"))
    }

    /// Opens a document that is a file, if it is what is recorded of it.
    pub(crate) async fn open(
        &self,
        entry: &CatalogEntry,
        admission: &Admission,
        recorded: &Recorded,
        name: DocumentName,
    ) -> Opened {
        match name.path(&self.store, admission) {
            Some(path) => self.open_file(entry, admission, recorded, name.as_str(), path).await,
            None => Opened::Missing,
        }
    }

    async fn open_file(
        &self,
        entry: &CatalogEntry,
        admission: &Admission,
        recorded: &Recorded,
        name: &'static str,
        path: PathBuf,
    ) -> Opened {
        let key = (entry.path.as_str().to_owned(), name);
        let (said, opened) = match recorded.expected(entry, name) {
            Expected::Digest(digest) => {
                let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                match self.files.open(Blob { path: &path, sha256: digest, length }).await {
                    Ok(file) => (None, Opened::File(file, Some(digest))),
                    Err(problem) => {
                        let error: &dyn std::error::Error = &problem;
                        tracing::error!(
                            package = %entry.path,
                            admission = admission.number(),
                            document = name,
                            error,
                            "document of the evidence refused, nothing of it was sent"
                        );
                        (Some(problem.for_everybody()), Opened::Bad)
                    }
                }
            }
            Expected::NotRecorded => {
                let file = regular_file::open(&path, Links::Followed).ok();
                (None, file.map_or(Opened::Missing, |file| Opened::File(Arc::new(file), None)))
            }
            Expected::Unknown => {
                tracing::error!(
                    package = %entry.path,
                    admission = admission.number(),
                    document = name,
                    "document of the evidence refused: the log does not say what it has to be"
                );
                (Some("is not vouched for by the log".to_owned()), Opened::Bad)
            }
        };
        let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        match said {
            Some(said) => {
                let (sha256, number) = (entry.sha256, admission.number());
                let digest = match recorded.expected(entry, name) {
                    Expected::Digest(digest) => Some((path, digest)),
                    _ => None,
                };
                bad.insert(key, BadDocument { sha256, number, said, digest });
            }
            None => drop(bad.remove(&key)),
        }
        opened
    }

    /// Looks again at the documents that were bad: they may have been put right.
    pub(crate) async fn look_again(&self) {
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, document) in bad {
            let Some((path, sha256)) = &document.digest else { continue };
            let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            if self.files.open(Blob { path, sha256: *sha256, length }).await.is_ok() {
                self.bad.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
        }
    }

    /// What is wrong with documents, by the digest of their package and in words for everybody.
    pub(crate) fn bad(&self) -> Vec<(Sha256Digest, String)> {
        let bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |((_, name), document): (&(String, &'static str), &BadDocument)| {
            let BadDocument { sha256, number, said, .. } = document;
            (*sha256, format!("evidence/{sha256}/{number}/{name} {said}"))
        };
        bad.iter().map(text).collect()
    }
}

/// A document that is not what is recorded.
#[derive(Debug, Clone)]
struct BadDocument {
    /// Of the package.
    sha256: Sha256Digest,
    number: u64,
    /// For everybody to read.
    said: String,
    /// The file and its recorded digest, if that can be told.
    digest: Option<(PathBuf, Sha256Digest)>,
}

/// A document that was asked for.
#[derive(Debug)]
pub(crate) enum Opened {
    /// With its digest, if one is recorded.
    File(Arc<File>, Option<Sha256Digest>),
    Missing,
    /// It is not what is recorded; the log of the server says it.
    Bad,
}

impl Opened {
    fn file(self) -> Option<Arc<File>> {
        match self {
            Self::File(file, _) => Some(file),
            Self::Missing | Self::Bad => None,
        }
    }
}

/// A document is not what is recorded of it.
#[derive(Debug)]
pub(crate) struct Damaged;
