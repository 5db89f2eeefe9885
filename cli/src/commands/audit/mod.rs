//! `midmirror audit`: everything verified again, compared with what was recorded, and reported.

pub(crate) mod arguments;
mod remote;
mod text;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::trust_sources::Anchors;
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use midmirror_mirror::admit::AdmissionPolicy;
use midmirror_mirror::audit::{
    self, Audit, AuditInputs, AuditProgress, AuditRecord, Basis, RecordError, Reread, Verdict,
};
use midmirror_mirror::enrol::TrustFile;
use midmirror_mirror::error_text;
use midmirror_mirror::store::durable::{self, FileMode};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::host;
use crate::output;
use arguments::AuditArguments;

/// Audits the store.
pub(crate) fn run(context: &Context, arguments: &AuditArguments) -> anyhow::Result<Exit> {
    // Before hours of reading, not after.
    if arguments.on_stdout() > 1 {
        return Err(coded(
            Exit::Usage,
            "only one of --json, --csv and --html can be -",
            "name a file for the others",
        ));
    }
    if let Some(url) = &arguments.url {
        return remote::run(context, arguments, url);
    }
    let store = context.store()?;
    let anchors = arguments.sources.anchors(&context.config)?;
    let policy = context.config.admission_policy();
    let record = record_file(context, arguments);
    let previous = record.as_deref().map(|file| previous(file, store.id())).transpose()?.flatten();
    let trust = arguments.trust.as_deref().map(host::read_trust_file).transpose()?;
    let inputs = AuditInputs {
        store: &store,
        root: trust.as_ref().map(TrustFile::root),
        basis: basis(arguments, &anchors, &policy, previous.as_ref()),
        reread: match arguments.full {
            true => Reread::Always,
            false => Reread::After(SignedDuration::from_hours(24 * i64::from(arguments.reread_after))),
        },
    };
    let mut told = Told::new();
    let audit = audit::audit(&inputs, &mut |progress| told.tell(progress))?;
    finish(&audit, arguments, record.as_deref())
}

/// What is judged by, as the arguments say.
fn basis<'a>(
    arguments: &AuditArguments,
    anchors: &'a Anchors,
    policy: &'a AdmissionPolicy,
    previous: Option<&'a AuditRecord>,
) -> Basis<'a> {
    let now = context::now();
    Basis {
        trust: &anchors.signers,
        timestamp_trust: anchors.timestamps.as_ref(),
        agent_anchors: anchors.agent.as_ref(),
        policy,
        // Nobody asks for the fractions.
        now: Timestamp::from_second(now.as_second()).unwrap_or(now),
        at: arguments.at,
        since: arguments.since,
        previous,
    }
}

/// Prints and writes the report, each form where it was asked for, and keeps the record for the next audit.
fn finish(audit: &Audit, arguments: &AuditArguments, record: Option<&Path>) -> anyhow::Result<Exit> {
    let report = &audit.report;
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
    if arguments.on_stdout() == 0 {
        text::print(report);
    }
    if let Some(file) = record {
        keep(&audit.record, file);
    }
    Ok(exit(report.verdict))
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if arguments::is_stdout(file) {
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

/// An auditor who may only read still has the report.
fn keep(record: &AuditRecord, file: &Path) {
    if let Err(error) = record.write(file) {
        let text = error_text(&error);
        output::note(format!(
            "note: {text}; the next audit reads every byte again and has no checkpoint to compare with (--record FILE names \
             a place that you can write to)"
        ));
    }
}

/// How far it is, every five seconds and only on a terminal.
struct Told(Instant);

impl Told {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn tell(&mut self, progress: AuditProgress) {
        if output::is_terminal() && self.0.elapsed() >= Duration::from_secs(5) {
            self.0 = Instant::now();
            output::note(format!(
                "audited {} of {}",
                output::size(progress.done),
                output::size(progress.total)
            ));
        }
    }
}
