//! The report for people at a terminal: what is wrong comes first, what is good is a number.

use std::collections::BTreeMap;

use midmirror_mirror::audit::{AuditReport, Change, Class, Judgement, PackageAudit, State};

use crate::output::{self, printable};

/// Prints the report.
pub(super) fn print(report: &AuditReport) {
    for class in [Class::Bad, Class::Missing, Class::RefusedToday] {
        report.packages.iter().filter(|audit| audit.class == class).for_each(package);
    }
    if let Some(reason) = &report.catalog.reason {
        line("CATALOG", reason);
    }
    for role in report.catalog.roles.iter().filter(|role| role.expired) {
        line("EXPIRED", &format!("the {} metadata of the catalog expired at {}", role.role, role.expires));
    }
    report.log.problems.iter().for_each(|problem| line("DAMAGED", &format!("the log: {problem}")));
    for fault in &report.faults {
        line(if fault.damage { "DAMAGED" } else { "note" }, &fault.text);
    }
    let expired = report.packages.iter().filter(|audit| audit.class == Class::ValidWhenAdmittedExpiredSince);
    expired.for_each(package);
    report.packages.iter().filter(|audit| audit.is_unreadable()).for_each(package);
    at(report);
    for audit in &report.packages {
        for relaxed in &audit.relaxed {
            let (name, rule) = (audit.path.name(), &relaxed.rule);
            line("set aside", &format!("{rule} for {name} (admission {}): {}", audit.number, relaxed.reason));
        }
    }
    for warning in report.warnings.iter().filter(|warning| warning.within_days > 0) {
        let packages = match warning.packages {
            0 => String::new(),
            packages => format!(" ({packages} admissions)"),
        };
        line("ahead", &format!("{}: {}{packages}", warning.at, warning.what));
    }
    changes(report);
    for item in &report.not_checked {
        line("unchecked", &format!("{}: {}", item.what, item.reason));
    }
    summary(report);
}

fn line(word: &str, text: &str) {
    output::data(format!("{word:<10}{}", printable(text).replace('\n', "\\n")));
}

fn package(audit: &PackageAudit) {
    let state = match audit.state {
        State::Published => String::new(),
        other => format!(", {}", other.as_str()),
    };
    let word = match audit.class {
        Class::Bad => "BAD",
        Class::Missing => "MISSING",
        Class::RefusedToday => "REFUSED",
        Class::ValidWhenAdmittedExpiredSince => "expired",
        Class::NotChecked => "unchecked",
        Class::Good => "good",
    };
    line(word, &format!("{} (admission {}{state})", audit.path.name(), audit.number));
    line("", &format!("sha256 {}, {}", audit.sha256, audit.class.as_str()));
    audit.reasons.iter().for_each(|reason| line("", reason));
    if let Some(removed) = &audit.removed {
        let by = removed.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        line("", &format!("{} at {}{by}: {}", audit.state.as_str(), removed.at, removed.reason));
    }
}

/// What would be said at the moment that was asked for, where that is something else than today.
fn at(report: &AuditReport) {
    let Some(at) = report.at else { return };
    let judged: Vec<(&PackageAudit, &Judgement)> =
        report.packages.iter().filter_map(|audit| Some((audit, audit.at.as_ref()?))).collect();
    let accepted = judged.iter().filter(|(_, judgement)| judgement.accepted).count();
    let of = output::count(judged.len(), "judged admission");
    line("as of", &format!("{at}: this mirror would admit {accepted} of {of}"));
    for (audit, judgement) in judged.iter().filter(|(_, judgement)| !judgement.accepted) {
        let reason = judgement.refusals.first().map_or("", String::as_str);
        line("", &format!("not {} (admission {}): {reason}", audit.path.name(), audit.number));
    }
}

/// A line for each decision of a person, a number for the rest.
fn changes(report: &AuditReport) {
    // That they are not known is among what was not checked.
    if !report.log.sound {
        return;
    }
    let since = report.since.map_or_else(|| "from the beginning".to_owned(), |at| format!("since {at}"));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for change in &report.changes {
        *counts.entry(&change.what).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    line("changes", &format!("{since}: {counts}"));
    let told = |change: &&Change| {
        change.supersedes.is_some() || !matches!(change.what.as_str(), "admitted" | "published")
    };
    for change in report.changes.iter().filter(told) {
        let name = change.package.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let by = change.by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
        let reason = change.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let instead = change.supersedes.as_deref().map(|old| format!(", in place of sha256 {old}"));
        line("", &format!("{} {name}{}{by}{reason}", change.what, instead.unwrap_or_default()));
    }
}

fn summary(report: &AuditReport) {
    let counts = &report.counts;
    line(
        "read",
        &format!(
            "{} from begin to end ({}), {} unchanged since an earlier audit has read them",
            output::count(usize::try_from(counts.read).unwrap_or(usize::MAX), "package"),
            output::size(counts.bytes_read),
            counts.not_read_again
        ),
    );
    if let (Some(origin), Some(root)) = (&report.log.origin, &report.log.root) {
        let grown = report.log.grown_from.map(|size| format!(", grown from the {size} of the last audit"));
        line(
            "log",
            &format!("{origin}: {} entries, root {root}{}", report.log.entries, grown.unwrap_or_default()),
        );
    }
    let parts = [
        (counts.good, "good"),
        (counts.expired_since, "valid when admitted and expired since"),
        (counts.refused_today, "refused today"),
        (counts.bad, "BAD"),
        (counts.missing, "MISSING"),
        (counts.not_checked, "not checked"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, word)| *count > 0 || *word == "good")
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    line(
        "verdict",
        &format!(
            "{}; of {} {}",
            report.verdict.sentence(),
            output::count(usize::try_from(counts.admissions).unwrap_or(usize::MAX), "admission"),
            parts.join(", ")
        ),
    );
}
