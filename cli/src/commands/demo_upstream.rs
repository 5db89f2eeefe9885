//! The demo's stand-in for the vendor's host: the shipped packages over HTTPS on loopback.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Content, Fault, Options, Upstream};
use midmirror_mirror::store::durable;

use crate::context::block_on;
use crate::exit::Exit;
use crate::output;

/// The stand-in for the vendor's host.
#[derive(Debug, Args)]
pub(crate) struct DemoUpstreamArguments {
    /// Loopback address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: std::net::SocketAddr,
    /// Where its CA certificate is written
    #[arg(long, value_name = "FILE")]
    pub ca_out: PathBuf,
    /// Flip one byte of every package whose path contains this text
    #[arg(long, value_name = "TEXT")]
    pub tamper: Option<String>,
    /// Serve the files below this folder under their relative paths, instead of the shipped packages
    #[arg(long, value_name = "DIR")]
    pub packages: Option<PathBuf>,
}

/// Serves until it is ended.
pub(crate) fn run(arguments: &DemoUpstreamArguments) -> anyhow::Result<Exit> {
    if !arguments.listen.ip().is_loopback() {
        bail!("the demo's upstream listens on loopback only");
    }
    let packages = match &arguments.packages {
        Some(folder) => folder_packages(folder)?,
        None => embedded::packages()
            .iter()
            .map(|package| (package.path.to_owned(), Content::Bytes(package.bytes)))
            .collect(),
    };
    block_on(async {
        let options = Options { listen: arguments.listen, packages, ..Options::default() };
        let upstream = Upstream::start(options).await.context("failed to start the upstream")?;
        if let Some(text) = &arguments.tamper {
            upstream.set_faults(text, Fault::WrongBytes, None);
        }
        // In one step: whoever waits for the file finds the whole of it.
        let ca = std::path::absolute(&arguments.ca_out)
            .with_context(|| format!("failed to find {}", arguments.ca_out.display()))?;
        durable::replace(&ca, upstream.ca_pem().as_bytes(), durable::FileMode::Shared)?;
        output::note(format!("upstream on {}", upstream.base_url()));
        std::future::pending::<()>().await;
        Ok(Exit::Done)
    })
}

/// All files below a folder, under their relative paths.
fn folder_packages(root: &Path) -> anyhow::Result<Vec<(String, Content)>> {
    let mut packages = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = || format!("failed to list {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(root) {
                packages.push((relative.to_string_lossy().replace('\\', "/"), Content::File(path.clone())));
            }
        }
    }
    Ok(packages)
}
