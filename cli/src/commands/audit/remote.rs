//! `midmirror audit --url`: what a mirror serves, audited from afar.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use midmirror_mirror::admit::AdmissionPolicy;
use midmirror_mirror::audit::{RemoteInputs, audit_mirror};
use midmirror_mirror::enrol::TrustFile;
use midmirror_mirror::fetch::{ClientConfig, HttpClient, RetryPolicy, Roots};
use url::Url;

use super::arguments::AuditArguments;
use super::{keep, tell, whole_second, write_forms};
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::host;
use crate::proxies::{self, Configured, Environment};

/// Audits the mirror at an address.
pub(super) fn run(context: &Context, arguments: &AuditArguments, url: &str) -> anyhow::Result<Exit> {
    let url = Url::parse(url).with_context(|| format!("--url {url:?} is not a URL"))?;
    let Some(file) = &arguments.trust else {
        return Err(coded(
            Exit::Usage,
            "--url needs a trust file",
            "bring that of the mirror (midmirror trust --output trust.json there) and name it with --trust",
        ));
    };
    let trust = host::read_trust_file(file)?;
    let anchors = arguments.sources.anchors(&context.config)?;
    let policy: AdmissionPolicy = context.config.admission_policy();
    let record = arguments.record.as_deref().filter(|_| !arguments.no_record);
    let previous = record.map(|file| super::previous(file, trust.store_id())).transpose()?.flatten();
    let client = client(context, &trust, &url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the asynchronous runtime")?;
    let scratch = tempfile::tempdir().context("failed to make a folder for packages")?;
    let inputs = RemoteInputs {
        client: &client,
        runtime: runtime.handle(),
        base: &url,
        root: trust.root(),
        scratch: scratch.path(),
        trust: &anchors.signers,
        timestamp_trust: anchors.timestamps.as_ref(),
        agent_anchors: anchors.agent.as_ref(),
        policy: &policy,
        now: whole_second(context::now()),
        at: arguments.at,
        since: arguments.since,
        previous: previous.as_ref(),
    };
    let mut told = Instant::now();
    let audit = audit_mirror(&inputs, &mut |progress| tell(progress, &mut told))?;
    write_forms(&audit, arguments)?;
    if let Some(file) = record {
        keep(&audit.record, Path::new(file));
    }
    Ok(super::exit(audit.report.verdict))
}

/// A client that trusts whom the trust file names.
fn client(context: &Context, trust: &TrustFile, url: &Url) -> anyhow::Result<HttpClient> {
    let roots = match trust.tls_ca_pem() {
        Some(pem) => Roots::Only { pem: pem.as_bytes().to_vec() },
        None => Roots::System { extra_pem: Vec::new() },
    };
    let config = ClientConfig {
        roots,
        proxies: proxies::choose(&Configured::default(), &Environment::read())?,
        offline: context::offline_switch(context.is_offline()),
        // Catalog and signatures decide, as on a host.
        plain_http_hosts: (url.scheme() == "http")
            .then(|| url.host_str().map(str::to_owned))
            .flatten()
            .into_iter()
            .collect(),
        retry: RetryPolicy { attempts: 3, jitter_seed: context::jitter_seed(), ..RetryPolicy::default() },
        ..ClientConfig::default()
    };
    Ok(HttpClient::new(config)?)
}
