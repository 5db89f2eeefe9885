//! `midmirror trust`: the trust file with which hosts are enrolled.

use anyhow::Context as _;
use midmirror_mirror::enrol::TrustFile;

use crate::arguments::TrustArguments;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output;

/// Writes the trust file.
pub(crate) fn run(context: &Context, arguments: &TrustArguments) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let config = &context.config;
    let ca = super::serve::ca_file(config);
    let tls_ca_pem = if ca.exists() {
        Some(
            std::fs::read_to_string(&ca)
                .with_context(|| format!("failed to read serve.ca {}", ca.display()))?,
        )
    } else {
        None
    };
    let url = arguments.url.clone().or_else(|| config.serve.public_url.clone());
    let root = super::list::catalog(&store)?.root_bytes().to_vec();
    let trust = TrustFile::new(store.id(), &root, tls_ca_pem, url.as_deref(), context::now())?;
    match &arguments.output {
        None => output::raw(trust.to_json()?.as_bytes()),
        Some(file) => {
            trust.write(file).with_context(|| format!("failed to write {}", file.display()))?;
            output::data(format!("trust file   {}", file.display()));
            output::data(format!("root sha256  {}", trust.root_sha256()));
            output::note("bring the file to each host; there: midmirror-import enrol --trust FILE");
            output::note("read the digest out over another channel: enrol --root-sha256 compares it");
        }
    }
    Ok(Exit::Done)
}
