//! A report as one HTML page: for a screen and for paper, without script, without anything from elsewhere.
//!
//! Attack considered: markup in names, reasons and texts of packages; every text is escaped, and the policy in the page allows
//! nothing but its own style.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::finding::{Class, Judgement, PackageAudit, Reading, State};
use super::report::{AuditReport, Change, Verdict, Warning};

/// The page.
pub fn html(report: &AuditReport) -> String {
    let mut page = String::from(HEAD);
    let mut out = Page(&mut page);
    summary(&mut out, report);
    wrong(&mut out, report);
    warnings(&mut out, &report.warnings);
    changes(&mut out, report);
    not_checked(&mut out, report);
    packages(&mut out, report);
    basis(&mut out, report);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

struct Page<'a>(&'a mut String);

impl Page<'_> {
    fn put(&mut self, arguments: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(arguments);
    }

    fn section(&mut self, title: &str) {
        self.put(format_args!("<h2>{}</h2>\n", Escaped(title)));
    }

    fn fact(&mut self, name: &str, value: &dyn fmt::Display) {
        self.put(format_args!("<dt>{}</dt><dd>{}</dd>\n", Escaped(name), Escaped(&value.to_string())));
    }
}

fn summary(page: &mut Page<'_>, report: &AuditReport) {
    let tone = match report.verdict {
        Verdict::Good => "good",
        Verdict::RefusedToday | Verdict::CatalogExpired | Verdict::Incomplete => "warn",
        _ => "bad",
    };
    page.put(format_args!(
        "<h1>Audit of a midmirror store</h1>\n<p class=\"verdict {tone}\">{}</p>\n<dl>\n",
        Escaped(report.verdict.sentence())
    ));
    page.fact("Audited at", &Second(report.audited_at));
    if let Some(at) = report.at {
        page.fact("Judged also as of", &Second(at));
    }
    page.fact("Store", &format!("{} ({})", report.store, report.place));
    let counts = &report.counts;
    page.fact("Admissions", &format!("{} of {} different packages", counts.admissions, counts.blobs));
    let read = format!(
        "{} read from begin to end ({} bytes), {} unchanged since an earlier audit read them",
        counts.read, counts.bytes_read, counts.not_read_again
    );
    page.fact("Bytes", &read);
    if let Some(previous) = &report.previous {
        page.fact(
            "Audit before",
            &format!("{}, report sha256 {}", Second(previous.audited_at), previous.report_sha256),
        );
    }
    page.put(format_args!("</dl>\n<table class=\"counts\">\n<thead><tr>"));
    let classes = [
        ("good", counts.good),
        ("expired since", counts.expired_since),
        ("refused today", counts.refused_today),
        ("bad", counts.bad),
        ("missing", counts.missing),
        ("not checked", counts.not_checked),
    ];
    for (name, _) in classes {
        page.put(format_args!("<th scope=\"col\">{name}</th>"));
    }
    page.put(format_args!("</tr></thead>\n<tbody><tr>"));
    for (_, count) in classes {
        page.put(format_args!("<td>{count}</td>"));
    }
    page.put(format_args!("</tr></tbody>\n</table>\n"));
}

/// What is wrong, and what is only unfinished.
fn wrong(page: &mut Page<'_>, report: &AuditReport) {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(reason) = &report.catalog.reason {
        lines.push(("bad", format!("the catalog: {reason}")));
    }
    for role in report.catalog.roles.iter().filter(|role| role.expired) {
        lines.push((
            "bad",
            format!("the {} metadata of the catalog expired at {}", role.role, Second(role.expires)),
        ));
    }
    lines.extend(report.log.problems.iter().map(|problem| ("bad", format!("the log: {problem}"))));
    for fault in &report.faults {
        lines.push((if fault.damage { "bad" } else { "note" }, fault.text.clone()));
    }
    if lines.is_empty() {
        return;
    }
    page.section("What is wrong or unfinished besides packages");
    page.put(format_args!("<ul>\n"));
    for (tone, text) in lines {
        let word = if tone == "bad" { "damage: " } else { "note: " };
        page.put(format_args!("<li class=\"{tone}\"><strong>{word}</strong>{}</li>\n", Escaped(&text)));
    }
    page.put(format_args!("</ul>\n"));
}

fn warnings(page: &mut Page<'_>, warnings: &[Warning]) {
    page.section("What runs out within 180 days");
    if warnings.is_empty() {
        page.put(format_args!("<p>Nothing.</p>\n"));
        return;
    }
    page.put(format_args!(
        "<table class=\"ends\">\n<thead><tr><th scope=\"col\">When</th><th scope=\"col\">What</th><th scope=\"col\">Admissions</th></tr></thead>\n\
         <tbody>\n"
    ));
    for warning in warnings {
        let tone = if warning.within_days <= 14 { "bad" } else { "" };
        page.put(format_args!(
            "<tr class=\"{tone}\"><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            Second(warning.at),
            Escaped(&warning.what),
            warning.packages
        ));
    }
    page.put(format_args!("</tbody>\n</table>\n"));
}

fn changes(page: &mut Page<'_>, report: &AuditReport) {
    match report.since {
        Some(since) => page.section(&format!("What changed since {}", Second(since))),
        None => page.section("What was done, from the beginning"),
    }
    if report.changes.is_empty() {
        let text = if report.log.sound { "Nothing." } else { "Not known: see what was not checked." };
        page.put(format_args!("<p>{text}</p>\n"));
        return;
    }
    page.put(format_args!(
        "<table class=\"log\">\n<thead><tr><th scope=\"col\">Entry</th><th scope=\"col\">When</th><th scope=\"col\">What</th><th scope=\"col\">\
         Package</th><th scope=\"col\">Who and why</th></tr></thead>\n<tbody>\n"
    ));
    for change in &report.changes {
        let at = change.at.map(|at| Second(at).to_string()).unwrap_or_default();
        page.put(format_args!(
            "<tr><td>{}</td><td>{at}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            change.index,
            Escaped(&change.what),
            ChangedPackage(change),
            Escaped(&who(change)),
        ));
    }
    page.put(format_args!("</tbody>\n</table>\n"));
}

struct ChangedPackage<'a>(&'a Change);

impl fmt::Display for ChangedPackage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { package, sha256, supersedes, .. } = self.0;
        if let Some(package) = package {
            write!(f, "{}", Escaped(package.rsplit('/').next().unwrap_or(package)))?;
        }
        if let Some(sha256) = sha256 {
            write!(f, "<br><code>{}</code>", Escaped(sha256))?;
        }
        if let Some(old) = supersedes {
            write!(f, "<br>in place of <code>{}</code>", Escaped(old))?;
        }
        Ok(())
    }
}

fn who(change: &Change) -> String {
    match (&change.by, &change.reason) {
        (Some(by), Some(reason)) => format!("{by}: {reason}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    }
}

fn not_checked(page: &mut Page<'_>, report: &AuditReport) {
    page.section("What was not checked, and why");
    page.put(format_args!("<ul>\n"));
    for item in &report.not_checked {
        page.put(format_args!(
            "<li><strong>{}</strong>: {}</li>\n",
            Escaped(&item.what),
            Escaped(&item.reason)
        ));
    }
    page.put(format_args!("</ul>\n"));
}

/// Those that are not good come first.
fn packages(page: &mut Page<'_>, report: &AuditReport) {
    page.section(&format!("Packages ({})", report.packages.len()));
    page.put(format_args!(
        "<table class=\"packages\">\n<colgroup><col class=\"c30\"><col class=\"c25\"><col class=\"c20\"><col class=\"c13\"><col \
         class=\"c12\"></colgroup>\n<thead><tr><th scope=\"col\">Package</th><th scope=\"col\">Found</th><th scope=\"col\">\
         When admitted</th><th scope=\"col\">Today</th><th scope=\"col\">Changes at</th></tr></thead>\n<tbody>\n"
    ));
    let rank = |audit: &&PackageAudit| match audit.class {
        Class::Bad => 0,
        Class::Missing => 1,
        Class::RefusedToday => 2,
        Class::NotChecked => 3,
        Class::ValidWhenAdmittedExpiredSince => 4,
        Class::Good => 5,
    };
    let mut audits: Vec<&PackageAudit> = report.packages.iter().collect();
    audits.sort_by_key(rank);
    for audit in audits {
        row(page, audit);
    }
    page.put(format_args!("</tbody>\n</table>\n"));
}

fn row(page: &mut Page<'_>, audit: &PackageAudit) {
    let tone = match audit.class {
        Class::Good => "good",
        Class::Bad | Class::Missing => "bad",
        _ => "warn",
    };
    let state = if audit.state == State::Published { "" } else { audit.state.as_str() };
    page.put(format_args!(
        "<tr><th scope=\"row\">{}<br><code>{}</code><br><small>admission {}, {} bytes{}{state}</small></th>\n",
        Escaped(&audit.path.name().to_string()),
        audit.sha256,
        audit.number,
        audit.length,
        if state.is_empty() { "" } else { ", " },
    ));
    page.put(format_args!("<td class=\"{tone}\"><strong>{}</strong>", Escaped(audit.class.as_str())));
    for reason in &audit.reasons {
        page.put(format_args!("<br>{}", Escaped(reason)));
    }
    if let Some(until) = &audit.until {
        page.put(format_args!("<br><small>changes because {}</small>", Escaped(&until.because)));
    }
    match audit.reading {
        Reading::Earlier { read_at } => {
            page.put(format_args!("<br><small>bytes read {}</small>", Second(read_at)))
        }
        Reading::None => page.put(format_args!("<br><small>bytes not read</small>")),
        Reading::Full => {}
    }
    page.put(format_args!("</td>\n<td>{}", Second(audit.admitted_at)));
    if let Some(signer) = &audit.signer {
        page.put(format_args!("<br>signed by {}", Escaped(signer)));
    }
    for relaxed in &audit.relaxed {
        let (rule, reason) = (Escaped(&relaxed.rule), Escaped(&relaxed.reason));
        page.put(format_args!("<br>rule {rule} was set aside: {reason}"));
    }
    if let Some(accepted) = &audit.accepted {
        decision(page, "accepted", accepted.at, accepted.by.as_deref(), &accepted.reason);
    }
    if let Some(removed) = &audit.removed {
        decision(page, audit.state.as_str(), removed.at, removed.by.as_deref(), &removed.reason);
    }
    page.put(format_args!("{}</td>\n<td>{}", Judged(audit.then.as_ref()), Judged(audit.now.as_ref())));
    if let Some(at) = &audit.at {
        page.put(format_args!("as of {}: {}", Second(at.at), Judged(Some(at))));
    }
    page.put(format_args!("</td>\n<td>"));
    match (&audit.until, &audit.now) {
        (Some(until), _) => {
            page.put(format_args!("{}", Second(until.at)));
        }
        (None, Some(_)) => page.put(format_args!("never")),
        (None, None) => {}
    }
    page.put(format_args!("</td></tr>\n"));
}

fn decision(page: &mut Page<'_>, what: &str, at: Timestamp, by: Option<&str>, reason: &str) {
    let (by, reason) = (Escaped(by.unwrap_or("nobody named")), Escaped(reason));
    page.put(format_args!("<br>{what} {} by {by}: {reason}", Second(at)));
}

struct Judged<'a>(Option<&'a Judgement>);

impl fmt::Display for Judged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(judgement) = self.0 else { return Ok(()) };
        let agent = if judgement.agent_accepts { "accepted" } else { "refused" };
        write!(
            f,
            "<div>jarsigner: {} (exit {})<br>MID Server: {agent}</div>",
            Escaped(&judgement.jarsigner),
            judgement.exit_code
        )
    }
}

/// What was trusted, for those who check the check.
fn basis(page: &mut Page<'_>, report: &AuditReport) {
    page.section("What this rests on");
    page.put(format_args!("<dl>\n"));
    page.fact("midmirror", &report.midmirror);
    page.fact("Trust anchors", &format!("{} (sha256 {})", report.anchors.name, report.anchors.sha256));
    if let Some(set) = &report.timestamp_anchors {
        page.fact("For timestamps", &format!("{} (sha256 {})", set.name, set.sha256));
    }
    page.fact("Organization", &report.organization);
    let own = if report.catalog.root_is_own { "the store's own first one" } else { "kept elsewhere" };
    page.fact("Trusted root metadata", &format!("sha256 {}, {own}", report.catalog.trusted_root));
    for role in &report.catalog.roles {
        page.fact(
            &format!("Catalog, {}", role.role),
            &format!("version {}, until {}", role.version, role.expires),
        );
    }
    if let (Some(origin), Some(root)) = (&report.log.origin, &report.log.root) {
        let grown = report.log.grown_from.map(|size| format!(", grown from {size} of the last audit"));
        page.fact(
            "Log",
            &format!("{origin}, {} entries, root {root}{}", report.log.entries, grown.unwrap_or_default()),
        );
    }
    page.put(format_args!("</dl>\n"));
}

/// A moment as people read it.
struct Second(Timestamp);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// Text that is never markup, and shows what it holds.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self
            .0
            .chars()
            .map(|c| match c {
                '\n' | '\t' => ' '.to_string(),
                c if midmirror_verify::is_hidden_character(c) => c.escape_unicode().to_string(),
                c => c.to_string(),
            })
            .collect();
        f.write_str(&html_escape::encode_quoted_attribute(&shown))
    }
}

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit of a midmirror store</title>
<style>
:root { color-scheme: light dark; --line: #8886; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif }
main { max-width: 75rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; margin: .5rem 0 }
h2 { font-size: 1.15rem; margin: 1.8rem 0 .5rem; break-after: avoid }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid var(--line); padding: .35rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere;
  font-weight: normal }
thead th { font-weight: 600; overflow-wrap: normal }
thead { display: table-header-group }
tr { break-inside: avoid }
.counts { width: auto } .counts td { text-align: right; font-size: 1.2rem }
.packages { table-layout: fixed }
.c30 { width: 27% } .c25 { width: 30% } .c20 { width: 20% } .c13 { width: 13% } .c12 { width: 10% }
.log td:nth-child(-n+3), .ends td:first-child { white-space: nowrap; overflow-wrap: normal }
code { font-size: .8rem; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .5rem 0 }
dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere }
.verdict { font-size: 1.15rem; font-weight: 600; border-left: .4rem solid; padding: .3rem .7rem }
.good { color: var(--good) } .warn { color: var(--warn) } .bad { color: var(--bad) }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --warn: #d29922; --bad: #ff7b72 } }
@media print { body { font-size: 10px } main { max-width: none; padding: 0 } :root { color-scheme: light; --line: #888;
  --good: #1a7f37; --warn: #7d4e00; --bad: #a40e26 } @page { margin: 12mm } }
</style>
</head>
<body>
<main>
"#;
