//! `midmirror audit --url`: what a mirror serves, audited from afar.

use std::time::Duration;

use anyhow::Context as _;
use midmirror_mirror::audit::{RemoteInputs, audit_mirror};
use midmirror_mirror::fetch::RetryPolicy;
use url::Url;

use super::arguments::AuditArguments;
use super::{Told, basis, finish, previous};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::host;

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
    let policy = context.config.admission_policy();
    let record = arguments.record.as_deref().filter(|_| !arguments.no_record);
    let previous = record.map(|file| previous(file, trust.store_id())).transpose()?.flatten();
    // A mirror says of every damaged package that it may be back in a minute; an audit reports it now.
    let retry = RetryPolicy { longest_pause: Duration::from_secs(2), ..RetryPolicy::default() };
    let client = host::client_of(&trust, &url, context.is_offline(), retry, None)?;
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
        basis: basis(arguments, &anchors, &policy, previous.as_ref()),
    };
    let mut told = Told::new();
    let audit = audit_mirror(&inputs, &mut |progress| told.tell(progress))?;
    finish(&audit, arguments, record)
}
