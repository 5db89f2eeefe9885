//! What the upstream said of each package when it was last asked.
//!
//! A cache below `index/`: without it the fetch records in the evidence are asked, and at worst a file is fetched
//! once more to find that it is known.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Sha256Digest;
use crate::fetch::Seen;
use crate::package::PackagePath;
use crate::store::durable::{self, FileMode};
use crate::store::{Admission, Store, StoreError};

/// What is remembered of all packages.
#[derive(Debug, Default)]
pub(super) struct UpstreamMemory {
    file: PathBuf,
    known: BTreeMap<String, Remembered>,
    changed: bool,
    /// The newest admission of each path as it was when first asked for.
    newest: Option<HashMap<String, Admission>>,
}

/// What is remembered of one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) url: String,
    pub(super) asked_at: Timestamp,
    /// Which bytes it had then.
    pub(super) sha256: Sha256Digest,
    pub(super) seen: Seen,
}

impl UpstreamMemory {
    /// Reads it; one that cannot be read is forgotten.
    pub(super) fn load(store: &Store) -> Self {
        let file = store.root_dir().join("index").join("upstream-v1.json");
        let known = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file, known: known.unwrap_or_default(), changed: false, newest: None }
    }

    /// What is remembered of a package from this URL, else what the evidence says of it.
    pub(super) fn recall(
        &mut self,
        store: &Store,
        path: &PackagePath,
        url: &str,
    ) -> Result<Option<Remembered>, StoreError> {
        if let Some(known) = self.known.get(path.as_str()).filter(|known| known.url == url) {
            return Ok(Some(known.clone()));
        }
        let newest = match &self.newest {
            Some(newest) => newest,
            None => {
                let by_path = |admission: Admission| (admission.entry().path.as_str().to_owned(), admission);
                self.newest.insert(store.admissions()?.into_iter().map(by_path).collect())
            }
        };
        let Some(admission) = newest.get(path.as_str()) else { return Ok(None) };
        let record = store.fetch_record(admission)?;
        let mut seen = Seen::default();
        if record.source == url {
            seen = Seen::of_record(&record, admission.entry().length);
        }
        let sha256 = admission.entry().sha256;
        Ok(Some(Remembered { url: url.to_owned(), asked_at: record.fetched_at, sha256, seen }))
    }

    pub(super) fn remember(&mut self, path: &PackagePath, remembered: Remembered) {
        self.known.insert(path.as_str().to_owned(), remembered);
        self.changed = true;
    }

    /// Writes it, if there is something new. A failure costs no more than a question next time.
    pub(super) fn save(&self) {
        if !self.changed {
            return;
        }
        let written = serde_json::to_vec(&self.known)
            .map_err(std::io::Error::other)
            .map(|text| durable::replace(&self.file, &text, FileMode::Shared));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn(&error),
            Err(error) => warn(&error),
        }
    }
}

fn warn(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "cannot write down what the upstream said");
}
