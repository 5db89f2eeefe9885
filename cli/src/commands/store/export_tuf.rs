//! `midmirror store export-tuf`: the signed catalog and its packages as plain files.

use std::path::PathBuf;

use clap::Args;
use midmirror_mirror::catalog::{ExportError, ExportOptions, export_tuf};

use crate::commands::list;
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output;

/// Where to, and how.
#[derive(Debug, Args)]
pub(crate) struct ExportTufArguments {
    /// A new or empty folder, or an earlier export of this store, which gets what is new
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Copy all packages; else they are hard links where the file system can do that, and one file with the store's
    #[arg(long)]
    pub copy: bool,
    /// Name every package a second time as clients made with tough ask for it (tuftool, Bottlerocket)
    #[arg(long)]
    pub tough: bool,
    /// In the end remove packages and metadata of earlier exports that the catalog no longer refers to
    #[arg(long)]
    pub prune: bool,
}

/// Exports, and says what is in the folder now.
pub(crate) fn run(context: &Context, arguments: &ExportTufArguments) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let options = ExportOptions { copy: arguments.copy, tough: arguments.tough, prune: arguments.prune };
    let done = export_tuf(&store, &arguments.folder, options, context::now())?;
    output::note(format!(
        "{}: {}, catalog version {}; {} linked, {} copied, {} removed",
        arguments.folder.display(),
        output::count(done.packages, "package"),
        done.versions.targets,
        done.linked,
        done.copied,
        done.removed
    ));
    if done.unlisted > 0 {
        output::note(format!(
            "{} of earlier exports are not in the catalog and were left; --prune removes them",
            output::count(done.unlisted, "package")
        ));
    }
    list::warn_of_expiry(&list::catalog(&store)?);
    Ok(Exit::Done)
}

/// Exit and hint of a failed export; none if the cause says it.
pub(crate) fn of_export(error: &ExportError) -> Option<(Exit, Option<String>)> {
    let hint = match error {
        ExportError::Foreign { .. } | ExportError::InStore { .. } => "name a new or empty folder",
        ExportError::WouldGoBackwards { .. } => {
            "bring the newest copy of the store back; or, if clients may begin anew, export into a new folder"
        }
        ExportError::OtherMetadata { .. } => "look who changed it; then move it away and export again",
        ExportError::Moving => {
            return Some((Exit::StoreBusy, Some("try again when the other run has ended".to_owned())));
        }
        // The cause comes next in the chain.
        _ => return None,
    };
    Some((Exit::Usage, Some(hint.to_owned())))
}
