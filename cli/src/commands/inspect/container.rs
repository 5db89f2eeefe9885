//! The container and what is odd about it.

use midmirror_verify::{
    BlockOutcome, EntryKind, FoundEndRecord, FoundHeader, Modified, RecordSearch, Report,
};

use super::InspectionDocument;
use super::entries::modified;
use super::page::{Page, name};
use crate::output::{count, size};

/// Shows length, directory, comment, or what is left of them.
pub(super) fn show(document: &InspectionDocument, page: &mut Page) {
    let (container, report) = (&document.contents.container, &document.report);
    page.heading("container");
    page.field(1, "length", &bytes(report.length()));
    page.field(1, "sha256", &document.sha256.to_hex());
    let looks_like = container.looks_like.unwrap_or("unknown kind");
    if container.unreadable.is_some() || looks_like != "ZIP archive" {
        page.field(1, "begins with", format!("{} ({looks_like})", container.first_bytes).trim_start());
    }
    if let Some(reason) = &container.unreadable {
        page.field(1, "UNREADABLE", &format!("the directory cannot be read: {reason}"));
    }
    if let Some(end) = &container.end_record {
        let zip64 = if end.zip64 { " (ZIP64)" } else { "" };
        page.field(1, "end record", &format!("at {}{zip64}, announces {}", end.offset, entries(end.entries)));
        page.field(
            1,
            "directory",
            &format!("{}, announced at {}", bytes(end.directory_length), end.directory_offset),
        );
    }
    if let Some(search) = &container.search {
        show_search(search, report.length(), page);
    } else {
        show_entries(document, page);
    }
    show_inner_archive(report, page);
    if let Some(comment) = &container.comment {
        page.field(1, "comment", &name(comment));
    }
}

/// A package that was cut may end in a piece that looks like a whole archive: one of those it holds.
fn show_inner_archive(report: &Report, page: &mut Page) {
    let has = |rule| report.findings().iter().any(|finding| finding.rule() == rule);
    if has("leading-bytes") && has("trailing-bytes") {
        page.field(
            1,
            "NOTE",
            "the archive shown here lies inside the file; the end of a file that was cut can look like this",
        );
    }
}

fn show_entries(document: &InspectionDocument, page: &mut Page) {
    let report = &document.report;
    let of = |kind| report.entries().iter().filter(|entry| entry.kind() == kind).count();
    let files = count(of(EntryKind::File), "file");
    let folders = count(of(EntryKind::Directory), "folder");
    let related = of(EntryKind::SignatureRelated);
    page.field(
        1,
        "entries",
        &format!("{}: {files}, {folders}, {related} for the signature", report.entry_count()),
    );
    let packed = report.entries().iter().map(|entry| entry.compressed_size()).fold(0, u64::saturating_add);
    page.field(1, "content", &format!("{} unpacked, {} packed", size(report.total_size()), size(packed)));
    let times: Vec<Modified> = report.entries().iter().map(|entry| entry.modified()).collect();
    for (label, range) in [("modified", range(&times, true)), ("modified", range(&times, false))] {
        if let Some(range) = range {
            page.field(1, label, &range);
        }
    }
}

/// The first and last time of modification; those with a time zone and those without cannot be compared.
fn range(times: &[Modified], with_zone: bool) -> Option<String> {
    let mut texts: Vec<String> = times
        .iter()
        .filter(|time| matches!(time, Modified::Utc(_)) == with_zone)
        .map(|time| modified(*time))
        .collect();
    texts.sort();
    let (first, last) = (texts.first()?, texts.last()?);
    let zone = if with_zone { "" } else { " (no time zone stated)" };
    Some(if first == last { format!("{first}{zone}") } else { format!("{first} to {last}{zone}") })
}

fn show_search(search: &RecordSearch, length: u64, page: &mut Page) {
    let mut found = vec![number(search.local_headers, "local header")];
    found.extend(search.first_local_headers.first().map(|header| at("first", header)));
    let last = search.last_local_header.as_ref().or(search.first_local_headers.last());
    found.extend(last.filter(|_| search.local_headers > 1).map(|header| at("last", header)));
    if let Some(last) = last.filter(|last| last.missing_bytes > 0) {
        found.push(format!("of the last, {} lie beyond the end of the file", bytes(last.missing_bytes)));
    }
    found.push(number(search.directory_headers, "directory header"));
    found.extend(search.first_directory_header.as_ref().map(|header| at("first", header)));
    found.push(number(search.end_records, "end record"));
    found.extend(search.last_end_records.iter().rev().take(3).map(end_record));
    page.list(1, "found", &found);
    page.list(1, "so", &conclusions(search, length));
}

fn at(which: &str, header: &FoundHeader) -> String {
    format!("  {which} at {}: {}", header.offset, name(&header.name))
}

fn end_record(end: &FoundEndRecord) -> String {
    let directory = match (end.expected_directory_offset, end.directory_there) {
        (Some(at), true) => format!("its directory begins at {at}"),
        (Some(at), false) => format!("no directory at {at}, where it ought to begin"),
        (None, _) => "its directory would begin before the file".to_owned(),
    };
    format!(
        "  at {}: {}, directory of {} announced at {}; {directory}",
        end.offset,
        entries(end.entries),
        bytes(end.directory_length),
        end.directory_offset
    )
}

/// What such remains usually mean.
fn conclusions(search: &RecordSearch, length: u64) -> Vec<String> {
    let mut so = Vec::new();
    if search.end_records == 0 {
        so.push(match (search.local_headers, search.directory_headers) {
            _ if length == 0 => "there is nothing in this file: fetch it again".to_owned(),
            (0, 0) => "nothing of a ZIP archive is in this file".to_owned(),
            _ => "the end is missing, as after a download that was cut: fetch the file again".to_owned(),
        });
    }
    // Archives inside the archive have end records too; the last is its own.
    if let Some(end) = search.last_end_records.last()
        && let Some(expected) = end.expected_directory_offset
    {
        let announced = end.directory_offset;
        if end.directory_there && expected < announced {
            so.push(format!("{} before the directory are missing", bytes(announced - expected)));
        }
        if end.bytes_after < 0 {
            so.push(format!(
                "{} of the comment are missing at the end",
                bytes(end.bytes_after.unsigned_abs())
            ));
        }
    }
    so
}

/// Shows findings by kind, with what they mean, and where jarsigner would stop.
pub(super) fn show_oddities(document: &InspectionDocument, page: &mut Page) {
    // Why the directory cannot be read is said already.
    if document.contents.container.unreadable.is_some() {
        return;
    }
    let report = &document.report;
    let passed_over = &document.contents.passed_over;
    let abort = report.abort();
    if report.findings().is_empty() && abort.is_none() && passed_over.is_empty() {
        page.heading("oddities: none seen");
        return;
    }
    let all = report.findings().len() + usize::from(abort.is_some()) + passed_over.len();
    page.heading(&format!("oddities: {all}"));
    if let Some(error) = abort {
        page.line(1, &format!("jarsigner stops with an error: {}", name(&error.to_string())));
    }
    let mut rules: Vec<&str> = Vec::new();
    for finding in report.findings() {
        let rule = finding.rule();
        if rules.contains(&rule) {
            continue;
        }
        rules.push(rule);
        page.line(1, &format!("{rule}: {}", finding.meaning()));
        let same: Vec<String> = report
            .findings()
            .iter()
            .filter(|other| other.rule() == rule)
            .map(|other| other.to_string())
            .collect();
        for text in same.iter().take(MAX_SAME) {
            page.line(2, text);
        }
        if let Some(more @ 1..) = same.len().checked_sub(MAX_SAME) {
            page.line(2, &format!("… and {more} more (--json has all)"));
        }
    }
    let not_read: Vec<String> = passed_over.iter().map(|entry| name(entry)).collect();
    page.list(1, "not read", &not_read);
}

/// Why jarsigner does not count a block; nothing where it does, for that is not for `inspect` to say.
pub(super) fn objection(report: &Report, block: &str) -> Option<String> {
    let outcome = report.blocks().iter().find(|other| other.name() == block)?.outcome();
    match outcome {
        BlockOutcome::Accepted => None,
        BlockOutcome::Ignored { reason } => Some(format!("jarsigner passes over it: {reason}")),
        BlockOutcome::Refused { reason } => Some(format!("jarsigner stops at it: {reason}")),
        BlockOutcome::WithoutSignatureFile => Some("there is no signature file for it".to_owned()),
        _ => None,
    }
}

/// A length exactly, and where that is long, also as people read it.
pub(super) fn bytes(length: u64) -> String {
    if length < 1024 { size(length) } else { format!("{length} bytes ({})", size(length)) }
}

fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

fn number(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

const MAX_SAME: usize = 5;
