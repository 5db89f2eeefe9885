//! What became of the packages of a run: as lines for people, as an exit code, and what to do next.

use midmirror_mirror::admit::policy::RULE_WITHDRAWN;
use midmirror_mirror::admit::{AdmitError, RefusalClass};
use midmirror_mirror::fetch::FetchError;
use midmirror_mirror::pipeline::{Item, Outcome, SyncReport};

use crate::exit::Exit;
use crate::failure;
use crate::output::{self, printable};

/// The word for an outcome in events.
pub(crate) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Stored(_) => "stored",
        Outcome::AlreadyThere(_) => "already-there",
        Outcome::Unchanged(_) => "unchanged",
        Outcome::Withdrawn(_) => "withdrawn",
        Outcome::Held { .. } => "held",
        Outcome::NotTried => "not-tried",
        Outcome::NotMade => "not-made",
        Outcome::NotFetched(_) => "not-fetched",
        Outcome::NotAdmitted(_) => "refused",
        _ => "not-stored",
    }
}

/// Prints the details of an outcome below the name of its package.
pub(crate) fn print(outcome: &Outcome) {
    match outcome {
        Outcome::Stored(stored) => {
            let entry = stored.entry();
            output::note(format!(
                "  {}, {}, sha256 {}",
                entry.label.as_str(),
                output::size(entry.length),
                entry.sha256
            ));
            if let Some(signer) = &entry.signer {
                let at = entry.signed_at.map(|at| format!(", timestamp {at}")).unwrap_or_default();
                output::note(format!("  signed by {}{at}", printable(signer)));
            }
            for notice in stored.notices() {
                output::note(format!("  NOTICE {} [{}]", printable(&notice.text), notice.rule));
            }
        }
        Outcome::AlreadyThere(_) => output::note("  already in the store"),
        Outcome::Unchanged(_) => output::note("  already in the store, and unchanged at the upstream"),
        Outcome::Withdrawn(_) => {
            output::note("  already in the store, and stays; the upstream no longer has it");
        }
        Outcome::Held { published, held } => {
            output::note("  HELD: the upstream has other bytes under this name");
            output::note(format!("    published, and stays: sha256 {}", published.sha256));
            output::note(format!("    verified, and waits:  sha256 {}", held.sha256));
        }
        Outcome::NotMade => output::note("  not made by the vendor for this build (normal for this kind)"),
        Outcome::NotTried => output::note("  not tried"),
        Outcome::NotAdmitted(AdmitError::Refused { decision, .. }) => {
            for refusal in decision.refusals() {
                output::note(format!("  REFUSED {} [{}]", printable(&refusal.text), refusal.rule));
            }
        }
        Outcome::NotFetched(error) => failed(error),
        Outcome::NotStored(error) => failed(error),
        Outcome::NotAdmitted(error) => failed(error),
        _ => {}
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) {
    output::note(format!("  FAILED {}", printable(&error.to_string())));
    let mut cause = error.source();
    while let Some(error) = cause {
        output::note(format!("    caused by: {}", printable(&error.to_string())));
        cause = error.source();
    }
}

/// Why a package is not where it should be, on one line.
pub(crate) fn cause(outcome: &Outcome) -> Option<String> {
    let error: &(dyn std::error::Error + 'static) = match outcome {
        Outcome::NotFetched(error) => error,
        Outcome::NotStored(error) => error,
        Outcome::NotAdmitted(error) => error,
        Outcome::Held { published, held } => {
            return Some(format!(
                "other bytes under a known name: {} is published, {} waits",
                published.sha256, held.sha256
            ));
        }
        Outcome::NotTried => return Some("the run ended at an earlier failure".to_owned()),
        _ => return None,
    };
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    Some(text)
}

/// What a person can do about it.
pub(crate) fn next_step(item: &Item) -> Option<String> {
    let step = match &item.outcome {
        Outcome::Held { .. } => {
            return Some(format!(
                "ask the vendor which is right; then: midmirror accept {} --reason TEXT (or leave it)",
                item.path.name()
            ));
        }
        Outcome::NotTried => "run it again",
        Outcome::NotFetched(FetchError::NotFound { .. }) => {
            "check stamp and platform against the vendor's release notes; the upstream has no such file"
        }
        Outcome::NotFetched(error) => {
            if let Some(hint) = failure::fetch_hint(error) {
                return Some(hint);
            }
            match failure::of_fetch(error) {
                Exit::Storage => "make room or permission, then run it again: it continues where it stopped",
                Exit::Usage => "midmirror help sync, and deploy/midmirror.toml for the keys of [upstream]",
                Exit::RefusedByVerification => {
                    "do not use the file; fetch it again, and if it stays so ask the vendor"
                }
                Exit::StoreBusy => "wait for the other run to end",
                _ => {
                    "run it again: it continues where it stopped; or bring the file by hand: midmirror import-file"
                }
            }
        }
        Outcome::NotAdmitted(AdmitError::Refused { decision, .. }) => match decision.class() {
            _ if decision.refusals().iter().any(|refusal| refusal.rule == RULE_WITHDRAWN) => {
                "plan another build; if it was withdrawn by mistake: midmirror withdraw --lift DIGEST --reason TEXT"
            }
            Some(RefusalClass::Policy) => {
                "a person decides: [policy] in the configuration; the file is kept as refused.zip below quarantine/"
            }
            _ => {
                "do not use the file (kept as refused.zip below quarantine/); fetch it again, and if it stays so ask the vendor"
            }
        },
        Outcome::NotStored(error) => return failure::store_hint(error),
        _ => return None,
    };
    Some(step.to_owned())
}

/// How many packages came to which end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) stored: usize,
    pub(crate) already_there: usize,
    pub(crate) held: usize,
    pub(crate) failed: usize,
}

/// Counts the outcomes of a run.
pub(crate) fn count(report: &SyncReport) -> Counts {
    let count =
        |wanted: fn(&Outcome) -> bool| report.items.iter().filter(|item| wanted(&item.outcome)).count();
    let held = count(|outcome| matches!(outcome, Outcome::Held { .. }));
    Counts {
        stored: count(|outcome| matches!(outcome, Outcome::Stored(_))),
        already_there: count(|outcome| {
            matches!(outcome, Outcome::AlreadyThere(_) | Outcome::Unchanged(_) | Outcome::Withdrawn(_))
        }),
        held,
        failed: count(|outcome| !outcome.is_success()) - held,
    }
}

/// Lists what failed with cause and next step, then the sum.
pub(crate) fn print_summary(report: &SyncReport) {
    let failures: Vec<&Item> = report.items.iter().filter(|item| !item.outcome.is_success()).collect();
    if !failures.is_empty() {
        output::note("not done:");
    }
    for item in failures {
        let cause = cause(&item.outcome).unwrap_or_default();
        output::note(format!("  {}: {}", item.path.name(), printable(&cause)));
        if let Some(step) = next_step(item) {
            output::note(format!("    next: {step}"));
        }
    }
    let Counts { stored, already_there, held, failed } = count(report);
    let held = if held == 0 { String::new() } else { format!("{held} held, ") };
    let version = report.publication.map(|publication| publication.versions.targets).unwrap_or_default();
    output::note(format!(
        "{stored} stored, {already_there} already there, {held}{failed} failed; catalog version {version}"
    ));
}

/// The exit of a run: one reason for all failures is named; a mixture, or successes beside failures, is "some failed".
/// Held bytes are named whatever else was done, since only a person can go on.
pub(crate) fn exit(report: &SyncReport) -> Exit {
    let failed = report.items.iter().filter(|item| !item.outcome.is_success()).count();
    if failed == 0 {
        return Exit::Done;
    }
    let mut exits = report
        .items
        .iter()
        .filter(|item| !matches!(item.outcome, Outcome::NotTried))
        .filter_map(|item| exit_of(&item.outcome));
    let first = exits.next().unwrap_or(Exit::Failed);
    let one_reason = exits.all(|exit| exit == first);
    if one_reason && (failed == report.items.len() || first == Exit::Held) {
        return first;
    }
    Exit::SomeFailed
}

fn exit_of(outcome: &Outcome) -> Option<Exit> {
    match outcome {
        Outcome::NotAdmitted(AdmitError::Refused { decision, .. }) => Some(match decision.class() {
            Some(RefusalClass::Policy) => Exit::RefusedByPolicy,
            _ => Exit::RefusedByVerification,
        }),
        Outcome::NotAdmitted(_) => Some(Exit::Storage),
        Outcome::NotFetched(error) => Some(failure::of_fetch(error)),
        Outcome::NotStored(error) => Some(failure::of_store(error)),
        Outcome::Held { .. } => Some(Exit::Held),
        _ => None,
    }
}
