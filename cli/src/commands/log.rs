//! `midmirror log`: what was done here, and proofs of it.

use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::catalog::{Event, LogEntry, LogFault, TrustedCatalog, check_log, log_of, read_events};
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::store::Store;
use schemars::JsonSchema;
use serde::Serialize;

use super::list;
use crate::arguments::LogCommand;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// One entry as JSON.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LogLine {
    /// Its place, beginning with 0.
    pub index: u64,
    /// What it says; none if it is in a form that this version does not know.
    #[serde(flatten)]
    pub event: Option<Event>,
}

/// What a check has found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LogCheck {
    /// Name of the log, the origin of its checkpoints.
    pub origin: String,
    /// How many entries the log has.
    pub entries: u64,
    /// The root hash of its Merkle tree (RFC 6962).
    pub root: Option<String>,
    /// The key of the log, as verifiers of signed notes take it.
    pub key: String,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Runs one of the commands.
pub(crate) fn run(context: &Context, command: &LogCommand) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let catalog = list::catalog(&store)?;
    match command {
        LogCommand::Show { json, item } => show(&store, &catalog, item.as_deref(), *json),
        LogCommand::Verify { against, json } => verify(&store, &catalog, against.as_deref(), *json),
        LogCommand::Prove { item } => prove(&store, &catalog, item),
        LogCommand::Checkpoint => checkpoint(&store, &catalog),
        LogCommand::Key => {
            output::data(log_of(&store, &catalog)?.1.to_string());
            Ok(Exit::Done)
        }
    }
}

fn show(store: &Store, catalog: &TrustedCatalog, item: Option<&str>, json: bool) -> anyhow::Result<Exit> {
    let mut entries = read_events(store, catalog)?;
    let all = entries.len();
    if let Some(item) = item {
        entries.retain(|entry| is_about(entry, item));
    }
    if json {
        let lines: Vec<_> =
            entries.into_iter().map(|(index, event)| LogLine { index, event: event.ok() }).collect();
        output::json(&lines)?;
        return Ok(Exit::Done);
    }
    for (index, event) in &entries {
        match event {
            Ok(event) => print(*index, event),
            Err(bytes) => output::data(format!("{index:>6}  {}", one_line(&String::from_utf8_lossy(bytes)))),
        }
    }
    output::note(format!("{} of {all} in the log", output::count(entries.len(), "entry")));
    Ok(Exit::Done)
}

fn print(index: u64, entry: &Event) {
    let place = format!("{index:>6}  {}", entry.at());
    match entry {
        Event::Admitted { number, path, sha256, held, .. } => {
            let word = if *held { "held     " } else { "admitted " };
            output::data(format!("{place}  {word}  {}", path.name()));
            output::data(format!("        sha256 {sha256}, admission {number}"));
        }
        Event::Accepted { number, path, sha256, by, reason, .. } => {
            output::data(format!("{place}  accepted   {}", path.name()));
            let by = by.as_deref().map(|by| format!(", by {}", one_line(by))).unwrap_or_default();
            output::data(format!("        sha256 {sha256}, admission {number}{by}: {}", one_line(reason)));
        }
        Event::Refused { path, sha256, reason, .. } => {
            output::data(format!("{place}  REFUSED    {}", path.name()));
            output::data(format!("        sha256 {sha256}: {}", one_line(reason)));
        }
        Event::Published { versions, packages, .. } => output::data(format!(
            "{place}  published  catalog {}, timestamp {}, {}",
            versions.targets,
            versions.timestamp,
            output::count(usize::try_from(*packages).unwrap_or(usize::MAX), "package")
        )),
        Event::KeysChanged { root, roles, reason, .. } => {
            output::data(format!("{place}  KEYS       root version {root}: {}", one_line(reason)));
            for change in roles {
                output::data(format!("        {}", change.in_words()));
            }
        }
        Event::StoreKeyChanged { from, to, reason, .. } => {
            output::data(format!("{place}  KEYS       another key of the store: {}", one_line(reason)));
            output::data(format!("        from {from} to {to}"));
        }
        Event::Withdrawn(event) | Event::Lifted(event) => {
            let word = if matches!(entry, Event::Withdrawn(_)) { "WITHDRAWN" } else { "lifted   " };
            let names: Vec<&str> = event.paths.iter().map(|path| path.name().as_str()).collect();
            output::data(format!("{place}  {word}  {}", names.join(", ")));
            let by = event.by.as_deref().map(|by| format!(" (by {})", one_line(by))).unwrap_or_default();
            output::data(format!("        sha256 {}: {}{by}", event.sha256, one_line(&event.reason)));
        }
        Event::Pruned { count, bytes, by, .. } => {
            let count = output::count(usize::try_from(*count).unwrap_or(usize::MAX), "package");
            let by = by.as_deref().map(|by| format!(", by {}", one_line(by))).unwrap_or_default();
            output::data(format!("{place}  pruned     {count}, {}{by}", output::size(*bytes)));
        }
        Event::Repaired { set_aside, count, .. } => {
            output::data(format!("{place}  repaired   {count} with bad bytes set aside"));
            for sha256 in set_aside {
                output::data(format!("        sha256 {sha256}"));
            }
        }
        // Kinds that are added later print what they have in JSON.
        other => output::data(format!("{place}  {other:?}")),
    }
}

fn verify(
    store: &Store,
    catalog: &TrustedCatalog,
    against: Option<&Path>,
    json: bool,
) -> anyhow::Result<Exit> {
    let earlier = against
        .map(|file| std::fs::read(file).with_context(|| format!("failed to read {}", file.display())))
        .transpose()?;
    let report = check_log(store, catalog, earlier.as_deref())?;
    let (_, key) = log_of(store, catalog)?;
    let problems: Vec<String> = report.faults.iter().map(|fault| printable(&fault.to_string())).collect();
    let sound = !report.faults.iter().any(LogFault::is_damage);
    let entries = report.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if json {
        let root = report.checkpoint.as_ref().map(|checkpoint| checkpoint.root.to_hex());
        output::json(&LogCheck {
            origin: key.name().to_owned(),
            entries,
            root,
            key: key.to_string(),
            problems,
        })?;
    } else {
        for (fault, problem) in report.faults.iter().zip(&problems) {
            output::data(format!("{:<8} {problem}", if fault.is_damage() { "DAMAGED" } else { "note" }));
        }
        if let Some(checkpoint) = &report.checkpoint {
            output::data(format!(
                "{}: {} entries, root {}; {}",
                checkpoint.origin,
                entries,
                checkpoint.root,
                match (sound, against.is_some()) {
                    (false, _) => "NOT as signed and recorded",
                    (true, false) => "all as signed, evidence and catalog as recorded",
                    (true, true) =>
                        "all as signed, evidence and catalog as recorded, grown from the earlier checkpoint",
                }
            ));
        }
    }
    if sound {
        if against.is_none() && !json {
            output::note(
                "that nobody has rewritten all of it shows only against a checkpoint kept elsewhere: midmirror log \
                 checkpoint > FILE, later midmirror log verify --against FILE",
            );
        }
        return Ok(Exit::Done);
    }
    output::note(
        "next: bring STORE/log and STORE/evidence back from a backup; what is said above is all that is wrong",
    );
    Ok(Exit::StoreDamaged)
}

fn prove(store: &Store, catalog: &TrustedCatalog, item: &str) -> anyhow::Result<Exit> {
    let (folder, key) = log_of(store, catalog)?;
    let about: Vec<u64> = read_events(store, catalog)?
        .iter()
        .filter(|entry| entry.0.to_string() == item || is_about(entry, item))
        .map(|entry| entry.0)
        .collect();
    let index = match about.as_slice() {
        [one] => *one,
        [] => {
            return Err(coded(
                Exit::Usage,
                format!("no entry of the log is about {item:?}"),
                "midmirror log show lists all; the number at the beginning of a line will do as well",
            ));
        }
        several => {
            let places: Vec<String> = several.iter().map(u64::to_string).collect();
            return Err(coded(
                Exit::Usage,
                format!("several entries of the log are about {item:?}: {}", places.join(", ")),
                "name one by its number",
            ));
        }
    };
    output::raw(folder.proof_file(index, &key)?.as_bytes());
    Ok(Exit::Done)
}

fn checkpoint(store: &Store, catalog: &TrustedCatalog) -> anyhow::Result<Exit> {
    let (folder, key) = log_of(store, catalog)?;
    let found = folder.checkpoint(&key)?.and(folder.signed_checkpoint()?);
    let Some(note) = found else {
        return Err(coded(Exit::StoreDamaged, "the store has no log", "midmirror init begins one"));
    };
    output::raw(&note);
    Ok(Exit::Done)
}

/// Text of others must not look like another entry.
fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// Whether an entry is about a package, by name, vendor path or digest.
fn is_about((_, event): &LogEntry, item: &str) -> bool {
    let Ok(event) = event else { return false };
    if let Event::Withdrawn(event) | Event::Lifted(event) = event {
        let named = |path: &PackagePath| path.name().as_str() == item || path.as_str() == item;
        return event.paths.iter().any(named) || event.sha256.to_hex() == item.to_ascii_lowercase();
    }
    let (Event::Admitted { path, sha256, .. }
    | Event::Accepted { path, sha256, .. }
    | Event::Refused { path, sha256, .. }) = event
    else {
        return false;
    };
    path.name().as_str() == item || path.as_str() == item || sha256.to_hex() == item.to_ascii_lowercase()
}
