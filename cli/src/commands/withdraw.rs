//! `midmirror withdraw`: nobody is to get some bytes any more.

use clap::Args;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::package::{PackagePath, split_url};
use midmirror_mirror::pipeline;
use midmirror_mirror::store::{DigestState, NameHistory, Store};
use midmirror_mirror::withdraw::{self, Act, NewWithdrawal, WithdrawError};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// What is withdrawn, and why.
#[derive(Debug, Args)]
pub(crate) struct WithdrawArguments {
    /// Package name, vendor path or URL of what is published, or the SHA-256 digest of any bytes, known here or not
    #[arg(value_name = "NAME|DIGEST")]
    pub item: String,
    /// Why; in the signed catalog, where hosts and other mirrors read it, and in the log (at most 500 characters)
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who decides; in the record and in the log
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// The other way round: the bytes may be had again
    #[arg(long)]
    pub lift: bool,
}

/// Records and publishes the decision.
pub(crate) fn run(context: &Context, arguments: &WithdrawArguments) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let act = if arguments.lift { Act::Lifted } else { Act::Withdrawn };
    let new = NewWithdrawal {
        act,
        sha256: find(&store, &arguments.item, act)?,
        reason: arguments.reason.trim().to_owned(),
        by: arguments.by.as_deref().map(str::trim).map(str::to_owned),
        paths: Vec::new(),
        learned_from: None,
    };
    let keys = match context.keys_to_publish(&store) {
        Ok(keys) => keys,
        Err(error) => {
            // The record counts for the server, and whoever has the keys publishes it.
            withdraw::record(&store, &new, context::now())?;
            return Err(error.context(RECORDED));
        }
    };
    let lifetimes = context.lifetimes(&store);
    let done = pipeline::withdraw(&store, &keys, &lifetimes, &new, context::now())?;
    let record = &done.record;
    let word = match (act, done.is_new) {
        (Act::Withdrawn, true) => "withdrawn",
        (Act::Withdrawn, false) => "was withdrawn already",
        (Act::Lifted, true) => "no longer withdrawn",
        (Act::Lifted, false) => "was lifted already",
    };
    output::note(format!("sha256 {} is {word}, {}: {}", record.sha256, record.at, printable(&record.reason)));
    for path in &record.paths {
        output::note(format!("  {path}"));
    }
    if record.paths.is_empty() {
        output::note("  this store never had these bytes; it refuses them");
    }
    if act == Act::Withdrawn {
        super::who_has::warn(context, record.sha256);
    }
    match done.publication {
        Some(publication) => {
            output::note(format!("catalog version {}", publication.versions.targets));
            Ok(Exit::Done)
        }
        None => Err(coded(
            Exit::StoreBusy,
            format!("{RECORDED}, because another run is writing to the store"),
            "that run publishes it at its end; to be sure repeat this command then",
        )),
    }
}

/// The digest that is meant: given, or what is published under a name.
fn find(store: &Store, item: &str, act: Act) -> anyhow::Result<Sha256Digest> {
    if let Ok(digest) = item.to_ascii_lowercase().parse() {
        return Ok(digest);
    }
    let path = if item.contains("://") { Some(split_url(item)?.1) } else { None };
    let is_meant = |known: &PackagePath| match &path {
        Some(path) => known == path,
        None => known.as_str() == item || known.name().as_str() == item,
    };
    let wanted = if act == Act::Lifted { DigestState::Withdrawn } else { DigestState::Published };
    let histories = store.name_histories()?;
    let named: Vec<&NameHistory> = histories.iter().filter(|history| is_meant(&history.path)).collect();
    let mut digests: Vec<Sha256Digest> = named
        .iter()
        .flat_map(|history| &history.digests)
        .filter(|digest| digest.state == wanted)
        .map(|digest| digest.sha256)
        .collect();
    digests.sort_unstable();
    digests.dedup();
    match (digests.as_slice(), named.is_empty()) {
        ([one], _) => Ok(*one),
        ([], true) => Err(coded(
            Exit::Usage,
            format!("the store has nothing under the name {item:?}"),
            "midmirror list --history shows all names and digests; a digest of other bytes can be withdrawn as well",
        )),
        ([], false) => Err(coded(
            Exit::Usage,
            format!(
                "nothing under the name {item:?} is {}",
                if act == Act::Lifted { "withdrawn" } else { "published" }
            ),
            "midmirror list --history shows all digests of a name; name one of them",
        )),
        _ => Err(coded(
            Exit::Usage,
            format!("{item:?} stands for several digests"),
            "midmirror list --history shows them; name one",
        )),
    }
}

/// Exit and hint of a withdrawal that failed, or of records that cannot be read; none if the cause says it.
pub(crate) fn of_withdraw(error: &WithdrawError) -> Option<(Exit, Option<String>)> {
    match error {
        WithdrawError::Text { .. } | WithdrawError::TooMany { .. } => Some((Exit::Usage, None)),
        WithdrawError::NotWithdrawn => {
            Some((Exit::Usage, Some("midmirror list --history shows what is".to_owned())))
        }
        WithdrawError::Missing { .. } | WithdrawError::Garbled { .. } | WithdrawError::Misplaced { .. } => {
            let hint = "bring STORE/withdrawals back from a backup; nothing is published until then";
            Some((Exit::StoreDamaged, Some(hint.to_owned())))
        }
        WithdrawError::Write { .. } => Some((Exit::Storage, None)),
        // The cause comes next in the chain.
        _ => None,
    }
}

const RECORDED: &str =
    "the decision is recorded, and `midmirror serve` follows it; the catalog does not say it yet";
