//! `midmirror audit`: everything verified again, compared with what was recorded, and reported.

pub(crate) mod arguments;
mod remote;
mod text;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use midmirror_mirror::audit::{
    self, Audit, AuditInputs, AuditProgress, AuditRecord, RecordError, Reread, Verdict,
};
use midmirror_mirror::store::Store;
use midmirror_mirror::store::durable::{self, FileMode};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::host;
use crate::output;
use arguments::AuditArguments;

/// Audits the store.
pub(crate) fn run(context: &Context, arguments: &AuditArguments) -> anyhow::Result<Exit> {
    if let Some(url) = &arguments.url {
        return remote::run(context, arguments, url);
    }
    let store = context.store()?;
    let anchors = arguments.sources.anchors(&context.config)?;
    let policy = context.config.admission_policy();
    let record = record_file(context, arguments);
    let previous = record.as_deref().map(|file| previous(file, store.id())).transpose()?.flatten();
    let (root, root_is_own) = root(&store, arguments.trust.as_deref())?;
    let inputs = AuditInputs {
        store: &store,
        root: &root,
        root_is_own,
        trust: &anchors.signers,
        timestamp_trust: anchors.timestamps.as_ref(),
        agent_anchors: anchors.agent.as_ref(),
        policy: &policy,
        now: whole_second(context::now()),
        at: arguments.at,
        since: arguments.since,
        previous: previous.as_ref(),
        reread: match arguments.full {
            true => Reread::Always,
            false => Reread::After(SignedDuration::from_hours(24 * i64::from(arguments.reread_after))),
        },
    };
    let mut told = Instant::now();
    let audit = audit::audit(&inputs, &mut |progress| tell(progress, &mut told))?;
    write_forms(&audit, arguments)?;
    if let Some(file) = record {
        keep(&audit.record, &file);
    }
    Ok(exit(audit.report.verdict))
}

/// Printed and written, each form where it was asked for.
fn write_forms(audit: &Audit, arguments: &AuditArguments) -> anyhow::Result<()> {
    let report = &audit.report;
    let is_stdout = |file: &Option<PathBuf>| file.as_deref() == Some(Path::new("-"));
    if is_stdout(&arguments.json) && is_stdout(&arguments.csv) {
        return Err(coded(Exit::Usage, "--json and --csv cannot both be -", "name a file for one of them"));
    }
    if let Some(file) = &arguments.json {
        let mut json = serde_json::to_string_pretty(report)?;
        json.push('\n');
        write(file, json.as_bytes())?;
    }
    if let Some(file) = &arguments.csv {
        write(file, audit::csv(report).as_bytes())?;
    }
    if let Some(file) = &arguments.html {
        write(file, audit::html(report).as_bytes())?;
    }
    if !is_stdout(&arguments.json) && !is_stdout(&arguments.csv) {
        text::print(report);
    }
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if file == Path::new("-") {
        output::raw(bytes);
        return Ok(());
    }
    durable::replace(file, bytes, FileMode::Shared)
        .with_context(|| format!("failed to write the report {}", file.display()))
}

/// The exit that a verdict asks for. What has expired since its admission is good.
fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Good => Exit::Done,
        Verdict::Incomplete => Exit::SomeFailed,
        Verdict::RefusedToday => Exit::RefusedByPolicy,
        Verdict::CatalogExpired => Exit::CatalogExpired,
        Verdict::CatalogNotTrusted => Exit::CatalogNotTrusted,
        Verdict::Damaged => Exit::StoreDamaged,
    }
}

/// The root metadata that is trusted, and whether it is the store's own.
fn root(store: &Store, trust: Option<&Path>) -> anyhow::Result<(Vec<u8>, bool)> {
    if let Some(file) = trust {
        return Ok((host::read_trust_file(file)?.root().to_vec(), false));
    }
    let file = store.repository_dir().join("1.root.json");
    match std::fs::read(&file) {
        Ok(root) => Ok((root, true)),
        // Reported as a catalog that is not trusted.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((Vec::new(), true)),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", file.display())),
    }
}

fn record_file(context: &Context, arguments: &AuditArguments) -> Option<PathBuf> {
    let default = || context.config.beside_store(".audits").join("record.json");
    (!arguments.no_record).then(|| arguments.record.clone().unwrap_or_else(default))
}

fn previous(file: &Path, store_id: &str) -> anyhow::Result<Option<AuditRecord>> {
    match AuditRecord::read(file, store_id) {
        Err(RecordError::Read(source)) => {
            Err(source).with_context(|| format!("failed to read the record {}", file.display()))
        }
        Err(error) => Err(coded(
            Exit::Usage,
            format!("{} cannot be used: {error}", file.display()),
            "name another file with --record, or move this one away: the audit then reads every byte and compares the log \
             with nothing",
        )),
        Ok(record) => Ok(record),
    }
}

/// Nobody asks for the fractions.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// An auditor who may only read still has the report.
fn keep(record: &AuditRecord, file: &Path) {
    if let Err(error) = record.write(file) {
        let error: &dyn std::error::Error = &error;
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        output::note(format!(
            "note: {text}; the next audit reads every byte again and has no checkpoint to compare with (--record FILE names \
             a place that you can write to)"
        ));
    }
}

fn tell(progress: AuditProgress, told: &mut Instant) {
    if output::is_terminal() && told.elapsed() >= Duration::from_secs(5) {
        *told = Instant::now();
        output::note(format!("audited {} of {}", output::size(progress.done), output::size(progress.total)));
    }
}
