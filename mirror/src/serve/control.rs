//! What can be done to a server while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::access_log::Reopener;
use super::config::TlsSettings;
use super::error::ServeError;
use super::tls::TlsState;
use super::view::Published;

/// What can be done to a server while it runs; clones are for the same server.
#[derive(Clone)]
pub struct ServerControl {
    pub(super) tls: Arc<TlsState>,
    pub(super) published: Arc<Published>,
    pub(super) log: Option<Reopener>,
    /// Each is answered by the loop of one listener.
    pub(super) probes: Vec<mpsc::Sender<oneshot::Sender<()>>>,
}

impl std::fmt::Debug for ServerControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerControl").finish_non_exhaustive()
    }
}

impl ServerControl {
    /// Uses another certificate and what goes with it for connections from now on; those that are open keep theirs. Says
    /// whether anything has changed.
    ///
    /// # Errors
    /// The new settings cannot be used; those before stay.
    pub fn replace_tls(&self, settings: &TlsSettings) -> Result<bool, ServeError> {
        self.tls.replace(settings)
    }

    /// Opens the access log again, after it was moved away.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Looks whether the catalog has changed, as every request does.
    pub async fn look_at_catalog(&self) {
        self.published.newest().await;
    }

    /// Whether all listeners take connections and the catalog can be looked at, within some time.
    pub async fn is_alive(&self, patience: Duration) -> bool {
        let asked = async {
            for probe in &self.probes {
                let (answer, answered) = oneshot::channel();
                if probe.send(answer).await.is_err() || answered.await.is_err() {
                    return false;
                }
            }
            self.look_at_catalog().await;
            true
        };
        tokio::time::timeout(patience, asked).await.unwrap_or(false)
    }

    /// When the first certificate of the server's chain ends; for warnings.
    pub fn certificate_end(&self) -> jiff::Timestamp {
        self.tls.current().ends()
    }

    /// What people should know about certificate and revocation lists at a moment: that one ends soon, or has ended.
    pub fn certificate_warning(&self, now: jiff::Timestamp) -> Option<String> {
        self.tls.warning(now)
    }

    /// Why clients with certificates are refused at a moment, all those of some authority: its revocation list has ended.
    pub fn clients_problem(&self, now: jiff::Timestamp) -> Option<String> {
        self.tls.problem(now)
    }
}
