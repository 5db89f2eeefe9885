//! `serve.fetch_on_miss`: the server fetches what hosts ask for and the store does not have.

use std::sync::Arc;

use anyhow::Context as _;
use midmirror_mirror::fetch::{FetchError, HttpClient};
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::pipeline::{self, Event, Item, Outcome, SyncOptions};
use midmirror_mirror::plan::{PlannedPackage, plan_url};
use midmirror_mirror::serve::{Fetched, OnDemand};

use super::outcomes;
use super::sync::Parts;
use crate::context::Context;

/// Starts the thread that fetches. Everything it needs is read now, so that what is missing is said now.
pub(super) fn start(context: &Context) -> anyhow::Result<OnDemand> {
    let needs = "serve.fetch_on_miss needs what `midmirror sync` needs";
    let parts = Parts::load(context).context(needs)?;
    let client = context.client().context(needs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("failed to start a runtime for fetching")?;
    let context = context.clone();
    let fetch = move |path: &PackagePath| match plan(&context, path) {
        Ok(planned) => {
            let fetched = runtime.block_on(fetch(&context, &parts, &client, &planned));
            tracing::info!(package = %path, ?fetched, "fetched on demand");
            fetched
        }
        Err(error) => {
            tracing::error!(package = %path, error = format!("{error:#}"), "cannot be fetched on demand");
            Fetched::NotToBeHad
        }
    };
    OnDemand::start(Box::new(fetch)).context("failed to start the thread that fetches on demand")
}

fn plan(context: &Context, path: &PackagePath) -> anyhow::Result<PlannedPackage> {
    let base = context.config.upstream.base_uri.trim_end_matches('/');
    Ok(plan_url(&format!("{base}/{path}"))?)
}

async fn fetch(context: &Context, parts: &Parts, client: &HttpClient, planned: &PlannedPackage) -> Fetched {
    let observer = Arc::new(|_: Event<'_>| {});
    let planned = std::slice::from_ref(planned);
    let report =
        pipeline::sync(&parts.site(context), client, planned, &SyncOptions::default(), observer).await;
    match report {
        Ok(report) => report.items.first().map_or(Fetched::Failed, became),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the store cannot take what was asked for");
            Fetched::Failed
        }
    }
}

fn became(item: &Item) -> Fetched {
    match &item.outcome {
        Outcome::Stored(_) | Outcome::AlreadyThere(_) | Outcome::Unchanged(_) => Fetched::Published,
        Outcome::NotMade | Outcome::Withdrawn(_) | Outcome::Held { .. } => Fetched::NotToBeHad,
        Outcome::NotAdmitted(_) => {
            tracing::error!(package = %item.path, reason = outcomes::cause(&item.outcome), "refused");
            Fetched::NotToBeHad
        }
        Outcome::NotFetched(FetchError::NotFound { .. }) => Fetched::NotToBeHad,
        _ => {
            tracing::error!(package = %item.path, reason = outcomes::cause(&item.outcome), "not fetched");
            Fetched::Failed
        }
    }
}
