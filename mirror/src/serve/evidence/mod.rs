//! What the server shows of the evidence of published packages.
//!
//! ```text
//! /evidence/DIGEST/NUMBER/admission.json, report.json, jarsigner.txt, anchors.pem, statement.dsse.json
//!                                           as they stand in the store
//! /evidence/DIGEST/NUMBER/origin.json       what may be public of fetch.json, see `origin`
//! /evidence/DIGEST/NUMBER/log.tlog-proof    the proof that the log tells of the admission (C2SP tlog-proof)
//! ```
//!
//! Attacks considered: documents of packages that are not published (a digest is looked up in the catalog first, the
//! number has to be that of its admission); a report that was changed in the store (its digest stands in the signed
//! catalog and is compared before anything of it is shown); reports of 40 MB and more (read in a stream until the list of
//! entries begins, sent in pieces); addresses and names in `fetch.json` that are nobody's business.

mod documents;
mod origin;
mod report_head;

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

pub(crate) use documents::{Document, DocumentName};
pub(crate) use origin::Origin;
pub(crate) use report_head::{Agent, Certificate, Chain, Change, Head, Jarsigner, Signer};

use super::blob_check::{BlobCheck, BlobProblem};
use super::body::FromStart;
use crate::Sha256Digest;
use crate::admit::Label;
use crate::catalog::CatalogEntry;
use crate::store::{Admission, Store, StoreError};

/// Reads evidence, and remembers what lists show of it.
pub(crate) struct EvidenceReader {
    store: Store,
    reports: BlobCheck,
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
        Self { store: store.clone(), reports: BlobCheck::new(true), ends: Mutex::default() }
    }

    /// All that is shown of a package; none if there is no evidence of it.
    pub(crate) async fn of(&self, entry: &CatalogEntry) -> Option<Evidence> {
        let admission = self.admission(entry).await?;
        let head = self.head(entry, &admission).await.map(Arc::new);
        let store = self.store.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let origin = origin::of(&store, &admission);
            let documents = documents::of(&store, &admission);
            let jarsigner = documents::excerpt(&store, &admission);
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
        let file = match self.report(entry, admission).await? {
            Ok(file) => file,
            Err(problem) => {
                tracing::error!(package = %entry.path, error = %problem, "report of the evidence refused");
                return None;
            }
        };
        let reading = tokio::task::spawn_blocking(move || Head::read(BufReader::new(FromStart::of(file))));
        match reading.await.ok()? {
            Ok(head) => Some(head),
            Err(error) => {
                tracing::warn!(package = %entry.path, error = %error, "report of the evidence is not understood");
                None
            }
        }
    }

    /// The report itself; none if the catalog does not tell of one.
    async fn report(
        &self,
        entry: &CatalogEntry,
        admission: &Admission,
    ) -> Option<Result<Arc<File>, BlobProblem>> {
        let path = self.store.admission_dir(admission).join(DocumentName::Report.as_str());
        let length = std::fs::metadata(&path).ok()?.len();
        Some(self.reports.open(&path, entry.report?, length).await)
    }

    /// What may be public of where the package came from, as JSON.
    pub(crate) async fn origin_json(&self, admission: &Admission) -> Option<String> {
        let (store, admission) = (self.store.clone(), admission.clone());
        let origin = tokio::task::spawn_blocking(move || origin::of(&store, &admission)).await.ok()??;
        serde_json::to_string_pretty(&origin).ok().map(|json| json + "\n")
    }

    /// Opens a document as it stands in the store. Of a report the digest is compared.
    pub(crate) async fn open(
        &self,
        entry: &CatalogEntry,
        admission: &Admission,
        name: DocumentName,
    ) -> Option<Arc<File>> {
        if name == DocumentName::Report {
            let opened = self.report(entry, admission).await?;
            return opened.inspect_err(|problem| tracing::error!(error = %problem, "report refused")).ok();
        }
        let path = name.path(&self.store, admission)?;
        let file = File::open(path).ok()?;
        file.metadata().ok()?.is_file().then(|| Arc::new(file))
    }
}
