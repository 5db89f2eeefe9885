//! The entries, one line each. Names come last, so that no name can move a column.

use std::collections::HashSet;

use jiff::Timestamp;
use midmirror_verify::{EntryKind, EntryReport, Finding, Modified};

use super::InspectionDocument;
use super::page::{Page, name};
use crate::arguments::EntrySelection;

/// Lists what was asked for.
pub(super) fn show(document: &InspectionDocument, selection: Option<EntrySelection>, page: &mut Page) {
    let entries = document.report.entries();
    if entries.is_empty() {
        return;
    }
    let Some(selection) = selection else {
        page.heading(&format!(
            "entries: {} (--entries lists them, --entries=odd the odd ones)",
            entries.len()
        ));
        return;
    };
    let marks = Marks::of(document);
    let chosen: Vec<(&EntryReport, Option<u16>, String)> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let method = document.contents.entries.get(index).map(|content| content.method);
            (entry, method, marks.of_entry(entry))
        })
        .filter(|(_, _, marks)| selection == EntrySelection::All || marks.contains(['!', '-']))
        .collect();
    page.heading(&format!("entries: {} of {}", chosen.len(), entries.len()));
    page.line(1, "m in the manifest, s in a signature file, ! with an oddity, - missing there");
    page.line(
        1,
        &format!(
            "{:>12} {:>12} {:<8} {:<20} {:<7} {:<3} name",
            "size", "packed", "method", "modified", "mode", ""
        ),
    );
    for (entry, method, marks) in chosen {
        let method = match method {
            Some(0) => "stored".to_owned(),
            Some(8) => "deflated".to_owned(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let mode = entry.mode().map(|mode| format!("{mode:o}")).unwrap_or_default();
        page.line(
            1,
            &format!(
                "{:>12} {:>12} {method:<8} {:<20} {mode:<7} {marks:<3} {}",
                entry.size(),
                entry.compressed_size(),
                modified(entry.modified()),
                name(entry.name())
            ),
        );
    }
}

/// Which entries are named where.
struct Marks<'a> {
    has_manifest: bool,
    /// For each readable signature file, the files it does not name.
    not_in_signature_files: Vec<HashSet<&'a str>>,
    odd: HashSet<&'a str>,
}

impl<'a> Marks<'a> {
    fn of(document: &'a InspectionDocument) -> Self {
        let files = document.contents.signature_files.iter().filter(|file| file.unreadable.is_none());
        Self {
            has_manifest: !document.contents.manifests.is_empty(),
            not_in_signature_files: files
                .map(|file| file.entries_without_section.iter().map(String::as_str).collect())
                .collect(),
            odd: document.report.findings().iter().filter_map(entry_of).collect(),
        }
    }

    /// Three columns: manifest, signature file, oddity.
    fn of_entry(&self, entry: &EntryReport) -> String {
        let file = entry.kind() == EntryKind::File;
        let manifest = match (entry.in_manifest(), file && self.has_manifest) {
            (true, _) => 'm',
            (false, true) => '-',
            (false, false) => ' ',
        };
        let named = self.not_in_signature_files.iter().any(|missing| !missing.contains(entry.name()));
        let signature_file = match (file && !self.not_in_signature_files.is_empty(), named) {
            (false, _) => ' ',
            (true, true) => 's',
            (true, false) => '-',
        };
        let odd = if self.odd.contains(entry.name()) { '!' } else { ' ' };
        [manifest, signature_file, odd].iter().collect()
    }
}

/// The entry that a finding is about.
fn entry_of(finding: &Finding) -> Option<&str> {
    match finding {
        Finding::OverlappingEntries { entry }
        | Finding::HeadersDisagree { entry, .. }
        | Finding::StoredWithDescriptor { entry }
        | Finding::ExtraField { entry, .. }
        | Finding::DuplicateName { entry }
        | Finding::CollidingNames { entry, .. }
        | Finding::UnsafeName { entry, .. }
        | Finding::SymbolicLink { entry }
        | Finding::SpecialFile { entry, .. }
        | Finding::SetuidMode { entry, .. }
        | Finding::WrongCrc { entry }
        | Finding::WrongSize { entry, .. }
        | Finding::Unreadable { entry, .. }
        | Finding::UnusedCompressedBytes { entry, .. } => Some(entry),
        Finding::TimestampWithoutTstInfo { block } | Finding::AmbiguousSignedContent { block } => Some(block),
        _ => None,
    }
}

/// A time of modification; `Z` only where the archive states a time zone.
pub(super) fn modified(time: Modified) -> String {
    match time {
        Modified::Utc(millis) => Timestamp::from_millisecond(millis)
            .map_or_else(|_| "out of range".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        // MS-DOS date in the upper half, time in steps of two seconds in the lower (APPNOTE 4.4.6).
        Modified::Dos(bits) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            1980 + (bits >> 25),
            bits >> 21 & 15,
            bits >> 16 & 31,
            bits >> 11 & 31,
            bits >> 5 & 63,
            (bits & 31) * 2
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_with_a_zone_only_where_there_is_one() {
        assert_eq!(modified(Modified::Utc(1_781_866_929_000)), "2026-06-19T11:02:09Z");
        assert_eq!(
            modified(Modified::Dos(46 << 25 | 6 << 21 | 19 << 16 | 11 << 11 | 2 << 5 | 4)),
            "2026-06-19 11:02:08"
        );
        assert_eq!(modified(Modified::Utc(i64::MAX)), "out of range");
    }
}
