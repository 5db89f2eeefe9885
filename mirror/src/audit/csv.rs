//! The packages of a report as CSV (RFC 4180), one line for each admission.
//!
//! Attack considered: a cell that a spreadsheet takes for a formula; such a cell begins with an apostrophe.

use super::finding::{PackageAudit, Reading};
use super::report::AuditReport;

/// The table. Times are RFC 3339 in UTC; the columns stand in the first line, and later versions add theirs at the end.
pub fn csv(report: &AuditReport) -> String {
    let mut text = line(COLUMNS.map(str::to_owned));
    for package in &report.packages {
        text.push_str(&line(cells(report, package)));
    }
    text
}

fn cells(report: &AuditReport, package: &PackageAudit) -> [String; COLUMNS.len()] {
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let accepted = package.accepted.as_ref();
    let (reading, read_at) = match package.reading {
        Reading::Full => ("full", Some(report.audited_at)),
        Reading::Earlier { read_at } => ("earlier", Some(read_at)),
        Reading::None => ("none", None),
    };
    [
        report.audited_at.to_string(),
        package.class.as_str().to_owned(),
        package.path.name().to_string(),
        package.path.as_str().to_owned(),
        package.number.to_string(),
        package.state.as_str().to_owned(),
        package.sha256.to_hex(),
        package.length.to_string(),
        package.label.as_str().to_owned(),
        package.signer.clone().unwrap_or_default(),
        time(package.signed_at),
        package.admitted_at.to_string(),
        accepted.and_then(|accepted| accepted.by.clone()).unwrap_or_default(),
        accepted.map(|accepted| accepted.reason.clone()).unwrap_or_default(),
        package.then.as_ref().map(|then| then.jarsigner.clone()).unwrap_or_default(),
        package.now.as_ref().map(|now| now.jarsigner.clone()).unwrap_or_default(),
        time(package.until.as_ref().map(|until| until.at)),
        reading.to_owned(),
        time(read_at),
        package.reasons.join("; "),
    ]
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).join(",");
    line.push_str("\r\n");
    line
}

fn quoted(cell: &str) -> String {
    let guarded = match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    };
    match guarded.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", guarded.replace('"', "\"\"")),
        false => guarded,
    }
}

const COLUMNS: [&str; 20] = [
    "audited_at",
    "class",
    "name",
    "path",
    "admission",
    "state",
    "sha256",
    "length",
    "label",
    "signer",
    "signed_at",
    "admitted_at",
    "approved_by",
    "approval_reason",
    "jarsigner_then",
    "jarsigner_now",
    "verdict_changes_at",
    "reading",
    "read_at",
    "reasons",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(quoted("plain text"), "plain text");
        assert_eq!(quoted("CN=\"A, B\""), "\"CN=\"\"A, B\"\"\"");
        assert_eq!(quoted("=cmd()"), "'=cmd()");
        assert_eq!(quoted("@a\nb"), "\"'@a\nb\"");
    }
}
