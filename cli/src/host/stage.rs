//! `stage`: verified packages into `agent/package/incoming`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, AdmitError, verify_file};
use midmirror_mirror::agent::{AgentHome, AgentState, Wanted, inventory, wanted, wanted_for_build};
use midmirror_mirror::catalog::{StaleAllowance, TrustError};
use midmirror_mirror::enrol::{Enrolment, HostTruststore, TrustFile};
use midmirror_mirror::fetch::{ClientConfig, ClientIdentity, HttpClient, RetryPolicy, Roots, Waiting};
use midmirror_mirror::package::{Buildstamp, PackageName};
use midmirror_mirror::stage::{
    CheckFailure, PackageError, Source, StageInputs, StageOutcome, StageReport, stage,
};
use midmirror_verify::TrustStore;
use url::Url;

use crate::context::{self, block_on};
use crate::exit::Exit;
use crate::failure::{self, coded};
use crate::output::{self, printable};
use crate::private_file;
use crate::proxies::{self, Configured, Environment};
use crate::trust_sources::{self, BUNDLED};

use super::arguments::StageArguments;

/// Stages what the agent misses.
pub(super) fn run(arguments: &StageArguments, offline: bool) -> anyhow::Result<Exit> {
    let enrolment = Enrolment::load(&arguments.state.state)?;
    let home = AgentHome::open(&arguments.agent)?;
    let mut state = inventory(&home)?;
    state.platform = arguments.platform.or(state.platform);
    let wanted = find_wanted(&state, arguments.stamp.as_deref())?;
    let nothing =
        wanted.packages().is_empty() && wanted.refused().is_empty() && wanted.unreadable().is_empty();
    if nothing {
        output::note("nothing is missing");
        return look(arguments, &enrolment, offline, &home, state);
    }
    enrolment.check_truststore()?;
    let trust = trust_anchors(&enrolment)?;
    let mut policy = AdmissionPolicy {
        organization: enrolment.policy().organization().to_owned(),
        relaxed: enrolment.policy().relaxed().to_vec(),
        ..AdmissionPolicy::default()
    };
    let now = context::now();
    let stale = stale_allowance(arguments, now)?;
    let report = block_on(async {
        let source = open_source(arguments, &enrolment, now, offline, stale.as_ref()).await?;
        policy.withdrawn = source.withdrawn().to_vec();
        let verify = |file: &Path, name: &PackageName, sha256: Sha256Digest| -> Result<(), CheckFailure> {
            let inputs = AdmissionInputs::new(&trust, &policy, now);
            let history = source.history(sha256);
            verify_file(file, name, sha256, &inputs, &history).map(|_| ()).map_err(CheckFailure::from)
        };
        if let Some(catalog) = source.catalog() {
            crate::commands::list::warn_of_expiry(catalog);
        }
        let inputs = StageInputs {
            home: &home,
            wanted: &wanted,
            enrolment: &enrolment,
            source: &source,
            verify: &verify,
            progress: &|_, _| {},
        };
        Ok(stage(&inputs).await?)
    })?;
    if arguments.json {
        output::json(&report)?;
    } else {
        show(&report);
    }
    Ok(exit_of(&report))
}

/// Where nothing is missing the catalog is read all the same: it may withdraw what this host has. A mirror that is away
/// is no failure then.
fn look(
    arguments: &StageArguments,
    enrolment: &Enrolment,
    offline: bool,
    home: &AgentHome,
    mut state: AgentState,
) -> anyhow::Result<Exit> {
    let now = context::now();
    let stale = stale_allowance(arguments, now)?;
    let source = block_on(open_source(arguments, enrolment, now, offline, stale.as_ref()));
    let withdrawn = match &source {
        Ok(source) => source.withdrawn().to_vec(),
        Err(error) => {
            tracing::info!(error = %error, "the catalog could not be looked at");
            enrolment.withdrawn()?
        }
    };
    let before = state.notes.len();
    state.note_withdrawn(home, &withdrawn);
    for note in state.notes.iter().skip(before) {
        output::note(format!("warning: {}", printable(&note.to_string())));
    }
    Ok(Exit::Done)
}

fn find_wanted(state: &AgentState, stamp: Option<&str>) -> anyhow::Result<Wanted> {
    Ok(match stamp {
        Some(stamp) => wanted_for_build(state, &Buildstamp::from_input(stamp)?)?,
        None => wanted(state)?,
    })
}

fn trust_anchors(enrolment: &Enrolment) -> anyhow::Result<TrustStore> {
    let sources: Vec<String> = enrolment
        .policy()
        .truststore()
        .iter()
        .map(|source| match source {
            HostTruststore::Bundled => BUNDLED.to_owned(),
            HostTruststore::File(path) => path.to_string_lossy().into_owned(),
        })
        .collect();
    trust_sources::read(&sources, None)
}

/// What --accept-stale-until permits; a day lasts until its end (UTC).
fn stale_allowance(
    arguments: &StageArguments,
    now: jiff::Timestamp,
) -> anyhow::Result<Option<StaleAllowance>> {
    let (Some(text), Some(reason)) = (&arguments.accept_stale_until, &arguments.reason) else {
        return Ok(None);
    };
    let day = |text: &str| {
        text.parse::<jiff::civil::Date>().ok()?.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()
    };
    let until = text.parse().ok().or_else(|| day(text).map(|end| end.timestamp()));
    let Some(until) = until else {
        return Err(coded(
            Exit::Usage,
            format!("--accept-stale-until {text:?} is no day and no time"),
            "for instance 2026-12-31, or 2026-12-31T12:00:00Z",
        ));
    };
    let allowance = StaleAllowance::new(until, reason, now);
    allowance.map(Some).map_err(|error| {
        coded(Exit::Usage, error.to_string(), "the mirror should sign anew: midmirror catalog refresh there")
    })
}

/// A URL is a mirror, anything else a folder; without either the address of the trust file counts.
async fn open_source(
    arguments: &StageArguments,
    enrolment: &Enrolment,
    now: jiff::Timestamp,
    offline: bool,
    stale: Option<&StaleAllowance>,
) -> anyhow::Result<Source> {
    let url = match arguments.from.as_deref() {
        Some(from) if from.contains("://") => {
            Some(Url::parse(from).with_context(|| format!("--from {from:?} is not a URL"))?)
        }
        Some(folder) => return Ok(Source::folder_accepting(Path::new(folder), enrolment, now, stale).await?),
        None => enrolment.trust().url().cloned(),
    };
    let Some(url) = url else {
        return Err(coded(
            Exit::Usage,
            "the trust file names no address",
            "name the mirror or a folder: --from URL|DIR",
        ));
    };
    let identity = identity(arguments)?;
    let client = client_of(enrolment.trust(), &url, offline, RetryPolicy::default(), identity)?;
    let client = client.telling(Arc::new(|waiting| output::note(said(&waiting, context::now()))));
    Ok(Source::mirror_accepting(client, &url, enrolment, now, stale).await?)
}

/// The certificate that is shown to a mirror that asks for one.
fn identity(arguments: &StageArguments) -> anyhow::Result<Option<ClientIdentity>> {
    let (Some(cert), Some(key)) = (&arguments.client_cert, &arguments.client_key) else { return Ok(None) };
    let read = |file: &Path| {
        std::fs::read(file)
            .with_context(|| format!("failed to read the client certificate {}", file.display()))
    };
    let key_pem = private_file::read("client key", key, LARGEST_KEY)?;
    Ok(Some(ClientIdentity { cert_pem: read(cert)?, key_pem }))
}

/// What a pause is for and when it ends, for people.
fn said(waiting: &Waiting<'_>, now: jiff::Timestamp) -> String {
    let until = now.checked_add(waiting.pause).unwrap_or(now).round(jiff::Unit::Second).unwrap_or(now);
    let seconds = waiting.pause.as_secs_f64();
    let asked = waiting.asked.filter(|asked| *asked > waiting.pause);
    let asked =
        asked.map(|asked| format!(" (the mirror asks for {} s)", asked.as_secs())).unwrap_or_default();
    format!(
        "waiting {seconds:.1} s, until {until}{asked}, after try {} of {}: {}",
        waiting.failed,
        waiting.tries,
        printable(waiting.cause)
    )
}

/// A client that trusts whom a trust file names. Somebody who gives it a plain http address wants that; catalog and signatures
/// decide.
pub(crate) fn client_of(
    trust: &TrustFile,
    url: &Url,
    offline: bool,
    retry: RetryPolicy,
    identity: Option<ClientIdentity>,
) -> anyhow::Result<HttpClient> {
    let roots = match trust.tls_ca_pem() {
        Some(pem) => Roots::Only { pem: pem.as_bytes().to_vec() },
        None => Roots::System { extra_pem: Vec::new() },
    };
    let config = ClientConfig {
        roots,
        identity,
        proxies: proxies::choose(&Configured::default(), &Environment::read())?,
        offline: context::offline_switch(offline),
        plain_http_hosts: (url.scheme() == "http")
            .then(|| url.host_str().map(str::to_owned))
            .flatten()
            .into_iter()
            .collect(),
        retry: RetryPolicy { attempts: 3, jitter_seed: context::jitter_seed(), ..retry },
        ..ClientConfig::default()
    };
    Ok(HttpClient::new(config)?)
}

fn show(report: &StageReport) {
    output::note(format!(
        "from {}{}",
        printable(&report.source),
        if report.catalog {
            ""
        } else {
            " (no catalog: only signature and this host's policy vouch for packages)"
        }
    ));
    if let Some(stale) = &report.accepted_stale {
        let roles: Vec<&str> = stale.roles.iter().map(|role| role.as_str()).collect();
        output::note(format!(
            "WARNING: an expired catalog is used ({} metadata), as permitted until {}: {}",
            roles.join(", "),
            stale.until,
            printable(&stale.reason)
        ));
    }
    if report.leftovers_removed > 0 {
        output::note(format!("{} unfinished files of earlier runs removed", report.leftovers_removed));
    }
    for item in &report.items {
        let word = match &item.outcome {
            StageOutcome::Staged => "staged",
            StageOutcome::AlreadyThere => "there",
            StageOutcome::NotMade => "not made",
            StageOutcome::NotInCatalog if report.catalog => "NOT IN CATALOG",
            StageOutcome::NotInCatalog => "NOT FOUND",
            StageOutcome::Refused { .. } => "REFUSED",
            _ => "FAILED",
        };
        output::data(format!("{word:<9} {}", item.name));
        if let Some(error) = item.outcome.error() {
            causes(error);
        }
    }
    for refused in &report.refused_for_host {
        output::data(format!("REFUSED   {}: {}", refused.name, refused.reason));
    }
    for name in &report.unreadable {
        output::data(format!("UNREADABLE {}", printable(name)));
    }
    output::note(if report.is_complete() {
        "complete; the agent takes the packages up at its next hourly check, or after a restart"
    } else {
        "not complete"
    });
}

fn causes(error: &PackageError) {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut last = String::new();
    while let Some(error) = cause {
        let text = printable(&error.to_string());
        if text != last {
            output::data(format!("          {text}"));
        }
        last = text;
        cause = error.source();
    }
}

fn exit_of(report: &StageReport) -> Exit {
    if report.is_complete() {
        return Exit::Done;
    }
    let mut exits = report.items.iter().filter(|item| !item.outcome.is_settled()).map(|item| {
        match item.outcome.error() {
            Some(PackageError::Check { source }) => match source.downcast_ref::<AdmitError>() {
                Some(AdmitError::Refused { decision, .. }) => crate::commands::verify::exit_of(decision),
                _ => Exit::Storage,
            },
            Some(PackageError::Fetch { source }) => failure::of_fetch(source),
            Some(
                PackageError::Conflict { .. } | PackageError::Digest { .. } | PackageError::Length { .. },
            ) => Exit::RefusedByVerification,
            Some(PackageError::NotChecked | PackageError::Withdrawn { .. }) => Exit::RefusedByPolicy,
            Some(PackageError::Io { .. } | PackageError::Rename { .. }) => Exit::Storage,
            _ => Exit::SomeFailed,
        }
    });
    let first = exits.next().unwrap_or(Exit::SomeFailed);
    let settled = report.items.iter().any(|item| item.outcome.is_settled());
    if !settled && exits.all(|exit| exit == first) { first } else { Exit::SomeFailed }
}

/// The exit of a catalog that is not trusted, with what to do.
pub(crate) fn of_trust(error: &TrustError) -> (Exit, &'static str) {
    match error {
        TrustError::Expired { .. } => (
            Exit::CatalogExpired,
            "check this host's clock; on the mirror `midmirror catalog refresh` signs the catalog anew (root metadata: \
             `midmirror keys renew-root`); if an upgrade cannot wait: stage --accept-stale-until DATE --reason TEXT",
        ),
        TrustError::WentBackwards { .. } | TrustError::Forked { .. } => (
            Exit::CatalogWentBackwards,
            "an older catalog is offered than was seen before: bring the newest one, and ask why an old one is served",
        ),
        TrustError::Unreachable { .. } => {
            (Exit::Unreachable, "is the mirror running, and the address right?")
        }
        TrustError::State { .. } => match failure::io_cause(error) {
            Some(io) => (
                failure::of_io(io),
                "the state folder (--state DIR) must be writable for the user who runs this program",
            ),
            None => (
                Exit::CatalogNotTrusted,
                "restore the file from a backup; only if you are sure that the mirror is the right one, remove it: the \
                 versions seen before are then forgotten",
            ),
        },
        _ => (
            Exit::CatalogNotTrusted,
            "nothing was used of it; run `midmirror store check --full` on the mirror, or enrol again if its root was changed on purpose",
        ),
    }
}

/// An RSA key of 16,384 bits has 13 KB.
const LARGEST_KEY: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pause_is_said_with_its_end_and_what_was_asked_for() {
        let now: jiff::Timestamp = "2026-11-30T17:05:00Z".parse().unwrap();
        let (pause, asked) = (Duration::from_secs(120), Some(Duration::from_secs(3600)));
        let waiting = Waiting { cause: "503 \u{1b}[2J", pause, asked, failed: 1, tries: 3 };
        let said = said(&waiting, now);
        let expected =
            "waiting 120.0 s, until 2026-11-30T17:07:00Z (the mirror asks for 3600 s), after try 1 of 3: ";
        assert!(said.starts_with(expected) && !said.contains('\u{1b}'), "{said}");
        let short = Waiting { asked: Some(pause), ..waiting };
        assert!(!super::said(&short, now).contains("asks for"));
    }
}
