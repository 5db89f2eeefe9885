//! `midmirror who-has`: which hosts are known to have a package.

use std::path::PathBuf;

use clap::Args;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::hosts::{HostPackage, KnownHosts, known_hosts};
use midmirror_mirror::package::{PackagePath, split_url};
use midmirror_mirror::store::NameHistory;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Of which package.
#[derive(Debug, Args)]
pub(crate) struct WhoHasArguments {
    /// SHA-256 digest, or package name, vendor path or URL: then all digests that name ever had here
    #[arg(value_name = "DIGEST|NAME")]
    pub item: String,
    /// Folder of the records instead of the configured one (serve.records)
    #[arg(long, value_name = "DIR")]
    pub records: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the hosts.
pub(crate) fn run(context: &Context, arguments: &WhoHasArguments) -> anyhow::Result<Exit> {
    let Some(folder) = arguments.records.as_ref().or(context.config.serve.records.as_ref()) else {
        return Err(coded(
            Exit::Usage,
            "no records are kept: serve.records is not configured",
            "name a folder that the server may write, see deploy/midmirror.toml, and restart the server",
        ));
    };
    let known = known_hosts(folder, &digests(context, &arguments.item)?)?;
    if arguments.json {
        output::json(&known.hosts)?;
    } else {
        known.hosts.iter().for_each(|host| output::data(line(host)));
    }
    count(&known);
    Ok(Exit::Done)
}

/// Prints the hosts that have bytes which were withdrawn just now.
pub(super) fn warn(context: &Context, sha256: Sha256Digest) {
    let Some(folder) = &context.config.serve.records else {
        output::note("which hosts have it is not known: serve.records is not configured");
        return;
    };
    match known_hosts(folder, &[sha256]) {
        Ok(known) => {
            known.hosts.iter().for_each(|host| output::data(line(host)));
            count(&known);
        }
        Err(error) => output::failure(
            &anyhow::Error::new(error).context("which hosts have it cannot be told"),
            Some("the withdrawal counts all the same; midmirror who-has DIGEST tries again"),
        ),
    }
}

fn count(known: &KnownHosts) {
    let mut hosts: Vec<_> = known.hosts.iter().map(|host| (&host.host, &host.certificate)).collect();
    hosts.dedup();
    output::note(format!("{} known to have it", output::count(hosts.len(), "host")));
    if known.unreadable > 0 {
        output::note(format!(
            "{} of the records could not be read",
            output::count(usize::try_from(known.unreadable).unwrap_or(usize::MAX), "line")
        ));
    }
}

fn line(host: &HostPackage) -> String {
    let certificate = host.certificate.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    let name = host.path.as_ref().map_or("", |path| path.name().as_str());
    let text = format!(
        "{:<15} {}{certificate}  {} to {}  {} {name}",
        host.host,
        host.kind.as_str(),
        host.first,
        host.last,
        host.sha256
    );
    printable(&text).replace('\n', "\\n")
}

/// The digest that was given, or all that a name ever had.
fn digests(context: &Context, item: &str) -> anyhow::Result<Vec<Sha256Digest>> {
    if let Ok(digest) = item.to_ascii_lowercase().parse() {
        return Ok(vec![digest]);
    }
    let histories = context.store()?.name_histories()?;
    let named = named(&histories, item)?;
    let digests: Vec<_> =
        named.iter().flat_map(|history| &history.digests).map(|digest| digest.sha256).collect();
    if digests.is_empty() {
        return Err(coded(
            Exit::Usage,
            format!("the store has nothing under the name {item:?}"),
            "midmirror list --history shows all names and digests",
        ));
    }
    Ok(digests)
}

/// The names that a package name, vendor path or URL stands for.
pub(super) fn named<'a>(histories: &'a [NameHistory], item: &str) -> anyhow::Result<Vec<&'a NameHistory>> {
    let path = if item.contains("://") { Some(split_url(item)?.1) } else { None };
    let is_meant = |known: &PackagePath| match &path {
        Some(path) => known == path,
        None => known.as_str() == item || known.name().as_str() == item,
    };
    Ok(histories.iter().filter(|history| is_meant(&history.path)).collect())
}
