//! `midmirror withdraw`: nobody is to get some bytes any more.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::catalog::{Publication, publish};
use midmirror_mirror::store::{DigestState, NameHistory, RecordsError, Store, StoreError};
use midmirror_mirror::withdraw::{self, Act, NewWithdrawal, WithdrawError, Withdrawal};

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

/// Records and publishes the decision. From the record on it counts, whatever happens to the catalog then.
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
    let (record, is_new) = withdraw::record(&store, &new, context::now())?;
    show(&record, is_new);
    // Before the hosts are looked for, and told after them: it is what is left to be done.
    let published = publish_decision(context, &store);
    if act == Act::Withdrawn {
        super::who_has::warn(context, record.sha256);
    }
    let publication = published.map_err(|error| error.context(RECORDED))?;
    output::note(format!("catalog version {}", publication.versions.targets));
    Ok(Exit::Done)
}

fn show(record: &Withdrawal, is_new: bool) {
    let word = match (record.act, is_new) {
        (Act::Withdrawn, true) => "is withdrawn",
        (Act::Withdrawn, false) => "was withdrawn already",
        (Act::Lifted, true) => "is no longer withdrawn",
        (Act::Lifted, false) => "was lifted already",
    };
    output::note(format!("sha256 {} {word}, {}: {}", record.sha256, record.at, printable(&record.reason)));
    for path in &record.paths {
        output::note(format!("  {path}"));
    }
    if record.paths.is_empty() {
        output::note("  this store never had these bytes; it refuses them");
    }
}

/// Whoever publishes next says it as well: a run that writes to the store now, or any command where the keys are.
fn publish_decision(context: &Context, store: &Store) -> anyhow::Result<Publication> {
    let keys = context.keys_to_publish(store)?;
    let lifetimes = context.lifetimes(store);
    match store.write() {
        Ok(mut writer) => Ok(publish(&mut writer, &keys, context::now(), &lifetimes)?),
        Err(StoreError::Busy { .. }) => Err(coded(
            Exit::StoreBusy,
            "another run is writing to the store",
            "that run publishes it at its end; to be sure repeat this command then",
        )),
        Err(error) => Err(error.into()),
    }
}

/// The digest that is meant: given, or what is published under a name.
fn find(store: &Store, item: &str, act: Act) -> anyhow::Result<Sha256Digest> {
    if let Ok(digest) = item.to_ascii_lowercase().parse() {
        return Ok(digest);
    }
    let histories = store.name_histories()?;
    let named = super::who_has::named(&histories, item)?;
    if named.is_empty() {
        return Err(coded(
            Exit::Usage,
            format!("the store has nothing under the name {item:?}"),
            "midmirror list --history shows all names and digests; a digest of other bytes can be withdrawn as well",
        ));
    }
    let (wanted, word) = match act {
        Act::Withdrawn => (DigestState::Published, "published"),
        Act::Lifted => (DigestState::Withdrawn, "withdrawn"),
    };
    let digests: BTreeSet<Sha256Digest> = named
        .iter()
        .flat_map(|history| &history.digests)
        .filter(|digest| digest.state == wanted)
        .map(|digest| digest.sha256)
        .collect();
    // Who repeats a command whose catalog could not be published means what was decided then.
    let digests = if digests.is_empty() { decided(store, &named, act)? } else { digests };
    let mut found = digests.iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(*one),
        (None, _) => Err(coded(
            Exit::Usage,
            format!("nothing under the name {item:?} is {word}"),
            "midmirror list --history shows all digests of a name; name one of them",
        )),
        _ => {
            let all: Vec<String> = digests.iter().map(Sha256Digest::to_hex).collect();
            Err(coded(
                Exit::Usage,
                format!("{item:?} stands for several digests: {}", all.join(", ")),
                "name the digest instead; midmirror list --history shows where each is from",
            ))
        }
    }
}

/// The digests of a name about which the newest decision is this one.
fn decided(store: &Store, named: &[&NameHistory], act: Act) -> anyhow::Result<BTreeSet<Sha256Digest>> {
    let newest: BTreeMap<_, _> =
        withdraw::withdrawals(store)?.into_iter().map(|record| (record.sha256, record.act)).collect();
    let digests = named.iter().flat_map(|history| &history.digests).map(|digest| digest.sha256);
    Ok(digests.filter(|sha256| newest.get(sha256) == Some(&act)).collect())
}

/// Exit and hint of numbered records that cannot be read or written; none if the cause says it.
pub(crate) fn of_records(error: &RecordsError, folder: &str) -> Option<(Exit, Option<String>)> {
    match error {
        RecordsError::Missing { .. } | RecordsError::Garbled { .. } | RecordsError::Misplaced { .. } => {
            Some((Exit::StoreDamaged, Some(lost_records(folder))))
        }
        RecordsError::Write { .. } => Some((Exit::Storage, None)),
        // The cause comes next in the chain.
        _ => None,
    }
}

/// What to do when records are lost.
pub(crate) fn lost_records(folder: &str) -> String {
    format!("bring STORE/{folder} back from a backup; nothing is published until then")
}

/// Exit and hint of a withdrawal that failed, or of records that cannot be read; none if the cause says it.
pub(crate) fn of_withdraw(error: &WithdrawError) -> Option<(Exit, Option<String>)> {
    match error {
        WithdrawError::Text { .. } | WithdrawError::TooMany { .. } => Some((Exit::Usage, None)),
        WithdrawError::NotWithdrawn => {
            Some((Exit::Usage, Some("midmirror list --history shows what is".to_owned())))
        }
        WithdrawError::Records(error) => of_records(error, "withdrawals"),
        // The cause comes next in the chain.
        _ => None,
    }
}

const RECORDED: &str =
    "the decision is recorded, and `midmirror serve` follows it; the catalog does not say it yet";
