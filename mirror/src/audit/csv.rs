//! The packages of a report as CSV (RFC 4180), one line for each admission.
//!
//! | attack in names, reasons and texts of packages | defence |
//! | --- | --- |
//! | a cell that a spreadsheet takes for a formula | such a cell begins with an apostrophe, also behind spaces and with the wide forms of the signs |
//! | characters that steer a terminal or turn the direction of text | written as `\\u{…}` |

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
    let (accepted, removed) = (package.accepted.as_ref(), package.removed.as_ref());
    let relaxed: Vec<String> =
        package.relaxed.iter().map(|relaxed| format!("{}: {}", relaxed.rule, relaxed.reason)).collect();
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
        time(removed.map(|removed| removed.at)),
        removed.and_then(|removed| removed.by.clone()).unwrap_or_default(),
        removed.map(|removed| removed.reason.clone()).unwrap_or_default(),
        package.at.as_ref().map(|at| at.jarsigner.clone()).unwrap_or_default(),
        relaxed.join("; "),
    ]
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).join(",");
    line.push_str("\r\n");
    line
}

fn quoted(cell: &str) -> String {
    let is_formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let mut shown = String::from(if is_formula { "'" } else { "" });
    for character in cell.chars() {
        match character {
            '\n' | '\t' => shown.push(' '),
            _ if midmirror_verify::is_hidden_character(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    match shown.contains(['"', ',']) {
        true => format!("\"{}\"", shown.replace('"', "\"\"")),
        false => shown,
    }
}

const COLUMNS: [&str; 25] = [
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
    "removed_at",
    "removed_by",
    "removal_reason",
    "jarsigner_at",
    "rules_set_aside",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(quoted("plain text"), "plain text");
        assert_eq!(quoted("CN=\"A, B\""), "\"CN=\"\"A, B\"\"\"");
        assert_eq!(quoted("=cmd()"), "'=cmd()");
        assert_eq!(quoted("@a\nb"), "'@a b");
        for formula in ["\t=1", " +1", "\n-1", "\r\n@x", "\u{a0}=1", "＝1", "＠x"] {
            assert!(quoted(formula).starts_with('\''), "{formula:?}");
        }
        assert_eq!(quoted("a\u{1b}[2J\u{202e}b\u{9b}\r"), "a\\u{1b}[2J\\u{202e}b\\u{9b}\\u{d}");
    }
}
