//! The list of signatures as they describe themselves (`- Signed by`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::java::long_date;
use super::listing::{judged, key_text};
use super::text::Text;
use crate::hash_order::hash_order;
use crate::report::{AlgorithmReport, BlockDescription, Report, SignatureFileReport};

/// Prints the list, if there is anything in it.
pub(super) fn print(text: &mut Text<'_>, report: &Report) {
    let files: Vec<&SignatureFileReport> = report.signature_files().iter().collect();
    if files.is_empty() {
        return;
    }
    text.push('\n');
    let mut notes: BTreeMap<&str, String> = BTreeMap::new();
    for file in &files {
        let base = file.base.as_str();
        if let Some(name) = &file.unparsable {
            notes.insert(base, format!("- Unparsable signature-related file {name}"));
        } else if file.digest.is_none() && file.block_parses {
            notes.insert(base, format!("- Missing signature-related file META-INF/{base}.SF"));
        } else if file.digest.is_some() && !file.block_parses {
            notes.insert(base, format!("- Missing block file for signature-related file META-INF/{base}.SF"));
        }
    }
    let described: Vec<&SignatureFileReport> =
        files.into_iter().filter(|file| file.digest.is_some() && file.block_parses).collect();
    for file in hash_order(described, |file| &file.base) {
        print_file(text, file);
    }
    for (_, note) in hash_order(notes.into_iter().collect(), |(base, _)| base) {
        text.push_str(&note);
        text.push('\n');
    }
}

fn print_file(text: &mut Text<'_>, file: &SignatureFileReport) {
    match (&file.digest, &file.description) {
        (Some(digest), Some(description)) => print_description(text, digest, description),
        _ => {
            let block = file.block.as_deref().unwrap_or_default();
            let _ = writeln!(text, "- Unparsable signature-related file {block}");
        }
    }
    if !file.nonexistent.is_empty() {
        let names = hash_order(file.nonexistent.iter().map(String::as_str).collect(), |name| name);
        let _ = writeln!(text, "    Warning: nonexistent signed entries: [{}]", names.join(", "));
    }
}

fn print_description(text: &mut Text<'_>, digest: &AlgorithmReport, description: &BlockDescription) {
    let show = |algorithm: &AlgorithmReport| judged(algorithm.name(), algorithm.strength());
    let _ = writeln!(text, "- Signed by \"{}\"", description.subject);
    let _ = writeln!(text, "    Digest algorithm: {}", show(digest));
    let key = key_text(&description.key);
    let _ = writeln!(text, "    Signature algorithm: {}, {key}", show(&description.signature));
    if let Some(token) = &description.timestamp {
        let date = long_date(token.gen_time, &TimeZone::UTC);
        let _ = writeln!(text, "  Timestamped by \"{}\" on {date}", token.subject);
        let _ = writeln!(text, "    Timestamp digest algorithm: {}", show(&token.digest));
        let key = key_text(&token.key);
        let _ = writeln!(text, "    Timestamp signature algorithm: {}, {key}", show(&token.signature));
    }
}
