//! `midmirror trust`: the trust file with which hosts are enrolled.

use anyhow::Context as _;
use midmirror_mirror::enrol::TrustFile;

use crate::arguments::TrustArguments;
use crate::config::Config;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output;

/// Writes the trust file.
pub(crate) fn run(context: &Context, arguments: &TrustArguments) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let config = &context.config;
    let tls_ca_pem = tls_ca(config)?;
    let url = arguments.url.clone().or_else(|| config.serve.public_url.clone());
    let root = super::list::catalog(&store)?.root_bytes().to_vec();
    let trust = TrustFile::new(store.id(), &root, tls_ca_pem, url.as_deref(), context::now())?;
    if url.is_none() {
        output::note("no address in it (--url, or serve.public_url): hosts will need --from");
    }
    match &arguments.output {
        None => {
            output::raw(trust.to_json()?.as_bytes());
            output::note(format!("root sha256  {}", trust.root_sha256()));
        }
        Some(file) => {
            trust.write(file)?;
            output::data(format!("trust file   {}", file.display()));
            output::data(format!("root sha256  {}", trust.root_sha256()));
            output::note("bring the file to each host; there: midmirror-import enrol --trust FILE");
            output::note("read the digest out over another channel: enrol --root-sha256 compares it");
        }
    }
    Ok(Exit::Done)
}

/// The authority that hosts need, besides those of their system.
///
/// One that is named must be there. The one of `--init-tls` vouches only for the certificate made with it: beside
/// another certificate it would make hosts refuse the mirror.
fn tls_ca(config: &Config) -> anyhow::Result<Option<String>> {
    let (file, must_exist) = match &config.serve.ca {
        Some(file) => (file.clone(), true),
        None if config.serve.certificate.is_some() => return Ok(None),
        None => (super::serve::private_ca_file(config), false),
    };
    match std::fs::read_to_string(&file) {
        Ok(pem) => Ok(Some(pem)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("failed to read the authority {} (serve.ca)", file.display()))
        }
    }
}
