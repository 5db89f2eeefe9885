//! `midmirror accept`: a person decides that other bytes under a known name are to be published.

use clap::Args;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::package::{PackagePath, split_url};
use midmirror_mirror::pipeline;
use midmirror_mirror::store::{Approval, DigestState, NameHistory};

use super::sync::Parts;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// A decision about other bytes under a known name.
#[derive(Debug, Args)]
pub(crate) struct AcceptArguments {
    /// Package name, vendor path or URL
    pub name: String,
    /// Why; kept with the evidence and shown by `list --history`
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who decided; kept likewise [default: the name of the operating system's user]
    #[arg(long, value_name = "NAME")]
    pub approved_by: Option<String>,
    /// A digest that the store has under this name, instead of the one held last
    #[arg(long, value_name = "DIGEST")]
    pub sha256: Option<Sha256Digest>,
}

/// Publishes what is held under a name, or a digest that the store has under it.
pub(crate) fn run(context: &Context, arguments: &AcceptArguments) -> anyhow::Result<Exit> {
    let reason = arguments.reason.trim();
    if reason.is_empty() {
        return Err(coded(Exit::Usage, "--reason is empty", "say why; it is kept with the evidence"));
    }
    let parts = Parts::load(context)?;
    let histories = parts.store.name_histories()?;
    let path = find(&histories, &arguments.name, arguments.sha256)?;
    let by = arguments.approved_by.clone().or_else(context::operator);
    let approval = Approval { by: by.as_deref(), reason };
    let (admission, publication) =
        pipeline::accept(&parts.site(context), &path, arguments.sha256, &approval)?;
    let entry = admission.entry();
    output::note(format!(
        "{}: sha256 {} is published, catalog version {}; approved by {}; reason: {}",
        entry.path.name(),
        entry.sha256,
        publication.versions.targets,
        printable(by.as_deref().unwrap_or("nobody named")),
        printable(reason)
    ));
    Ok(Exit::Done)
}

/// The path of a name. The same name can stand in several folders; then the one that has something held is meant.
fn find(histories: &[NameHistory], name: &str, sha256: Option<Sha256Digest>) -> anyhow::Result<PackagePath> {
    if name.contains("://") {
        return Ok(split_url(name)?.1);
    }
    let named: Vec<&NameHistory> = histories
        .iter()
        .filter(|history| history.path.as_str() == name || history.path.name().as_str() == name)
        .collect();
    let fits = |history: &&NameHistory| {
        history.digests.iter().any(|digest| match sha256 {
            Some(sha256) => digest.sha256 == sha256,
            None => digest.state == DigestState::Held,
        })
    };
    let fitting: Vec<&NameHistory> = named.iter().copied().filter(fits).collect();
    match (fitting.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one.path.clone()),
        ([], []) => Err(coded(
            Exit::Usage,
            format!("the store has nothing under the name {name:?}"),
            "midmirror list --history shows all names and digests",
        )),
        _ => Err(coded(
            Exit::Usage,
            format!("{name:?} stands for several packages"),
            "give the vendor path or the URL, as midmirror list --history shows it",
        )),
    }
}
