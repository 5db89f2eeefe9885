//! What the page and the API are made from besides the catalog: evidence, log, and how the server is called.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::api::openapi;
use super::evidence::{Evidence, EvidenceReader, Recorded};
use super::log_state::LogState;
use super::view::View;
use crate::catalog::{CatalogEntry, ExpiryWarning};
use crate::log::Checkpoint;
use crate::store::{Admission, Store};

/// Shared by all requests for pages and for the API.
pub(crate) struct Desk {
    evidence: EvidenceReader,
    log: Arc<LogState>,
    public_url: Option<String>,
    resolves_latest: bool,
    /// Of the API.
    description: Vec<u8>,
    turns: Arc<Semaphore>,
}

/// How the server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// What is wrong.
    pub(crate) problem: Option<String>,
    /// What will be wrong unless somebody acts.
    pub(crate) warnings: Vec<String>,
}

impl Condition {
    /// From what the server knows of its catalog.
    pub(crate) fn of(view: &View, problem: Option<String>, now: jiff::Timestamp) -> Self {
        let mut warnings = Vec::new();
        for end in view.ends() {
            // That something has expired is the problem already, if it is known as one.
            let is_told = problem.is_some() && end.warning(now) == Some(ExpiryWarning::Expired);
            warnings.extend(end.warning_text(now).filter(|_| !is_told));
        }
        Self { problem, warnings }
    }
}

impl Desk {
    pub(crate) fn new(store: &Store, public_url: Option<String>, resolves_latest: bool) -> Self {
        Self {
            evidence: EvidenceReader::new(store),
            log: Arc::new(LogState::new(store.log())),
            public_url,
            resolves_latest,
            description: openapi::description(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Does the work of one request away from the threads that send packages, a few at a time. None if it has failed.
    pub(crate) async fn make<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        let runtime = Handle::current();
        let working = tokio::task::spawn_blocking(move || {
            let made = runtime.block_on(work);
            // The turn is over only now, also if the client has gone.
            drop(turn);
            made
        });
        working.await.inspect_err(|error| tracing::error!(error = %error, "an answer could not be made")).ok()
    }

    pub(crate) fn evidence(&self) -> &EvidenceReader {
        &self.evidence
    }

    /// All that is shown of a package; none if there is no evidence of it.
    pub(crate) async fn evidence_of(&self, view: &View, entry: &CatalogEntry) -> Option<Evidence> {
        let admission = self.evidence.admission(entry).await?;
        let recorded = self.recorded(view, &admission).await;
        self.evidence.of(entry, admission, &recorded).await
    }

    /// What the documents of an admission have to be.
    pub(crate) async fn recorded(&self, view: &View, admission: &Admission) -> Recorded {
        let Some(identity) = view.identity().cloned() else { return Recorded::NoLog };
        let (log, number, sha256) = (self.log.clone(), admission.number(), admission.entry().sha256);
        let reading = tokio::task::spawn_blocking(move || log.evidence(number, &sha256, &identity));
        reading.await.ok().flatten().map_or(Recorded::Broken, Recorded::Digests)
    }

    /// What `/api/v1/openapi.json` says.
    pub(crate) fn description(&self) -> &[u8] {
        &self.description
    }

    /// Whether paths with `latest` lead to packages here.
    pub(crate) fn resolves_latest(&self) -> bool {
        self.resolves_latest
    }

    /// The address of this server for commands: as configured, else as the reader knows it.
    pub(crate) fn base_url(&self, host: Option<&str>) -> String {
        match (&self.public_url, host) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(host)) => format!("https://{host}"),
            (None, None) => "https://THIS-SERVER".to_owned(),
        }
    }

    /// The signed state of the log.
    pub(crate) async fn checkpoint(&self, view: &View) -> Option<Checkpoint> {
        let (log, identity) = (self.log.clone(), view.identity()?.clone());
        tokio::task::spawn_blocking(move || log.checkpoint(&identity)).await.ok().flatten()
    }

    /// Where the log tells of an admission, and the state of the log.
    pub(crate) async fn place(&self, view: &View, admission: u64) -> Option<(u64, Checkpoint)> {
        let (log, identity) = (self.log.clone(), view.identity()?.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let checkpoint = log.checkpoint(&identity)?;
            Some((log.place(admission, checkpoint.size)?, checkpoint))
        });
        reading.await.ok().flatten()
    }

    /// The proof that the log tells of an admission.
    pub(crate) async fn proof(&self, view: &View, admission: u64) -> Option<String> {
        let (place, _) = self.place(view, admission).await?;
        let (log, identity) = (self.log.clone(), view.identity()?.clone());
        tokio::task::spawn_blocking(move || log.proof(place, &identity)).await.ok().flatten()
    }

    /// The ends of the verdicts of some packages, in their order.
    pub(crate) async fn ends_of_verdicts(&self, entries: &[&CatalogEntry]) -> Vec<Option<jiff::Timestamp>> {
        let mut ends = Vec::with_capacity(entries.len());
        for entry in entries {
            ends.push(self.evidence.end_of_verdict(entry).await);
        }
        ends
    }
}

/// Reading evidence takes processor and disk away from sending packages.
const AT_A_TIME: usize = 4;
