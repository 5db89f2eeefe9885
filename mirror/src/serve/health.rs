//! How the server is, for monitoring and for people.
//!
//! Attacks considered: who looks here learns which package is bad, and nothing of where files are on this machine; that is in
//! the server's own log.

use http::{Request, Response, StatusCode};

use super::body::ResponseBody;
use super::metrics::State;
use super::response::{PLAIN_TEXT, document, text, unavailable};
use super::site::Site;
use super::view::View;

impl Site {
    /// Why somebody should act, if so.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.published.problem().or_else(|| self.tls.problem(self.now()));
        problem.or_else(|| {
            let view = self.view();
            let bad = self.blobs.bad().into_iter().filter_map(|(sha256, said)| {
                let path = &view.with_digest(&sha256).next()?.path;
                Some(format!("{path} (sha256 {sha256}) {said}"))
            });
            told("stored packages", &bad.collect::<Vec<_>>(), REPAIRED)
                .or_else(|| told("documents of evidence", &self.bad_evidence(&view), BROUGHT_BACK))
        })
    }

    /// What is wrong with the evidence of published packages, as far as somebody has asked for it.
    fn bad_evidence(&self, view: &View) -> Vec<String> {
        let bad = self.desk.evidence().bad().into_iter().filter(|(sha256, _)| view.names(sha256));
        bad.map(|(_, said)| said).collect()
    }

    /// Whether packages can be had here: for those who distribute requests.
    pub(super) fn ready<B>(&self, request: &Request<B>) -> Response<ResponseBody> {
        match self.view().is_published() {
            true => document(request, "ready\n".into(), PLAIN_TEXT, "no-store", &[]),
            false => unavailable("nothing has been published yet"),
        }
    }

    pub(super) async fn metrics_text(&self) -> String {
        let view = self.published.newest().await;
        self.desk.evidence().look_again().await;
        let bad = self.blobs.bad().into_keys().filter(|sha256| view.names(sha256)).count();
        self.metrics.bad_files.set(i64::try_from(bad).unwrap_or(i64::MAX));
        let bad = self.bad_evidence(&view).len();
        self.metrics.bad_evidence.set(i64::try_from(bad).unwrap_or(i64::MAX));
        self.metrics.text(&State {
            packages: view.packages().len(),
            problem: self.problem().is_some(),
            published: self.published.published_at(),
            ends: view.ends(),
            certificate_end: self.tls.current().ends(),
            client_lists_end: self.tls.client_lists_end(),
        })
    }

    pub(super) async fn health<B>(&self, request: &Request<B>) -> Response<ResponseBody> {
        self.published.newest().await;
        self.desk.evidence().look_again().await;
        match self.problem() {
            None => {
                let warning = self.tls.warning(self.now());
                let warning = warning.map(|warning| format!("warning: {warning}\n")).unwrap_or_default();
                document(request, format!("ok\n{warning}").into(), PLAIN_TEXT, "no-store", &[])
            }
            Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, &problem),
        }
    }
}

/// A text about what is bad, if anything is.
fn told(what: &str, said: &[String], help: &str) -> Option<String> {
    let first = said.first()?;
    let more = if said.len() > 1 { "; …" } else { "" };
    Some(format!("{} of the {what} cannot be served: {first}{more}; {help}", said.len()))
}

const REPAIRED: &str = "`midmirror store check --full --repair` puts it right";
const BROUGHT_BACK: &str = "`midmirror store check --full` says more; it has to come back from a backup";
