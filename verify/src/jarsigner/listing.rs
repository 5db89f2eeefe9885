//! The listing of entries with their certificates (`-verbose`, `-certs`).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::java::{modification_date, short_date};
use super::text::Text;
use super::{Print, TextOptions, Verbosity};
use crate::algorithm_policy::Strength;
use crate::archive::Modified;
use crate::compat::{EntryFlags, Evaluation, ONE_YEAR, SIX_MONTHS, SignerFlags, ends_within};
use crate::jdk::Jdk;
use crate::report::{
    CertificateReport, EntryKind, EntryReport, KeyReport, Report, SignerReport, TimestampReport,
};

/// Prints entries, certificates and the legend; the error is the exception that ended the run.
pub(super) fn print(
    text: &mut Text<'_>,
    report: &Report,
    evaluation: &Evaluation,
    verbosity: Verbosity,
    options: &TextOptions,
    certificates: Print<'_>,
) -> Result<(), String> {
    if report.has_manifest() {
        text.push('\n');
        let mut lines = Lines { zone: options.compat.zone(), date: None };
        let (groups, texts) = groups(report, evaluation, verbosity, options);
        for group in &groups {
            let (certificates, exception) = match certificates(texts.text(group.certificates)) {
                Ok(certificates) => (certificates, None),
                Err((certificates, exception)) => (certificates, Some(exception)),
            };
            // Only the first entry gets printed before the run ends.
            let broken_off = exception.is_some() && verbosity == Verbosity::All;
            let count = if broken_off { 1 } else { group.entries.len() };
            let entries = group.entries.get(..count).unwrap_or_default();
            let entries: Entries<'_> = &mut entries.iter().filter_map(|index| report.entries().get(*index));
            lines.print_group(text, group, entries, &certificates, verbosity);
            if let Some(exception) = exception {
                return Err(exception);
            }
        }
    }
    text.push_str("\n  s = signature was verified \n  m = entry is listed in manifest\n");
    text.push_str("  k = at least one certificate was found in keystore\n");
    if !options.compat.aliases.is_empty() {
        text.push_str("  X = not signed by specified alias(es)\n");
    }
    if evaluation.unsigned_entry {
        text.push_str("  ? = unsigned entry\n");
    }
    Ok(())
}

/// Whether any text about certificates ends the run.
pub(super) fn breaks_off(
    report: &Report,
    evaluation: &Evaluation,
    verbosity: Verbosity,
    options: &TextOptions,
    certificates: Print<'_>,
) -> bool {
    let (groups, texts) = groups(report, evaluation, verbosity, options);
    groups.iter().any(|group| certificates(texts.text(group.certificates)).is_err())
}

/// Entries with equal flags and equal certificates.
struct Group {
    flags: String,
    /// Their indices in the report.
    entries: Vec<usize>,
    /// The number of the text about their certificates.
    certificates: usize,
}

/// Entries of a group.
type Entries<'a> = &'a mut dyn Iterator<Item = &'a EntryReport>;

/// The lines of entries.
struct Lines {
    zone: TimeZone,
    /// The last date. Neighbours often have the same, and making its text takes longer than all the rest.
    date: Option<(Modified, String)>,
}

impl Lines {
    fn print_group(
        &mut self,
        text: &mut Text<'_>,
        group: &Group,
        entries: Entries<'_>,
        certificates: &str,
        verbosity: Verbosity,
    ) {
        let flags = group.flags.as_str();
        match verbosity {
            Verbosity::All => {
                for entry in entries {
                    self.print(text, flags, entry);
                    text.push('\n');
                    text.push_str(certificates);
                }
                return;
            }
            Verbosity::Grouped => {
                for entry in entries {
                    self.print(text, flags, entry);
                    text.push('\n');
                }
            }
            Verbosity::Summary => {
                if let Some(entry) = entries.next() {
                    self.print(text, flags, entry);
                }
                if group.entries.len() > 1 {
                    let _ = write!(text, " (and {} more)", group.entries.len() - 1);
                }
                text.push('\n');
            }
            Verbosity::Unknown => {}
        }
        text.push_str(certificates);
    }

    /// Prints one line without its end.
    fn print(&mut self, text: &mut Text<'_>, flags: &str, entry: &EntryReport) {
        let date = match &mut self.date {
            Some((modified, date)) if *modified == entry.modified() => date,
            other => {
                let date = modification_date(entry.modified(), &self.zone);
                &mut other.insert((entry.modified(), date)).1
            }
        };
        text.push_str(flags);
        let _ = write!(text, "{:>6} ", entry.size());
        text.push_str(date);
        text.push(' ');
        text.push_str(entry.name());
    }
}

fn groups(
    report: &Report,
    evaluation: &Evaluation,
    verbosity: Verbosity,
    options: &TextOptions,
) -> (Vec<Group>, Texts) {
    let zone = options.compat.zone();
    let mut certificates = Certificates {
        report,
        evaluation,
        options,
        zone: &zone,
        seen: Vec::new(),
        known: HashMap::new(),
        last: None,
    };
    let mut texts = Texts::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut slots: HashMap<([char; 6], bool, usize), usize> = HashMap::new();
    let mut last = None;
    for (index, (entry, flags)) in report.entries().iter().zip(&evaluation.entries).enumerate() {
        let certificates = match (options.certs, entry.is_signed()) {
            (true, true) => certificates.of(entry, &mut texts),
            (true, false) if verbosity != Verbosity::All => texts.number(&unsigned_note(entry)),
            _ => texts.number(""),
        };
        let related = entry.kind() == EntryKind::SignatureRelated;
        let columns = columns(entry, flags);
        let key = (columns, related, certificates);
        let slot = match last.filter(|(last, _)| *last == key) {
            Some((_, slot)) => slot,
            None => *slots.entry(key).or_insert_with(|| {
                groups.push(Group { flags: columns.iter().collect(), entries: Vec::new(), certificates });
                groups.len() - 1
            }),
        };
        last = Some((key, slot));
        if let Some(group) = groups.get_mut(slot) {
            group.entries.push(index);
        }
    }
    (groups, texts)
}

/// Texts by number: equal texts have one number. Signed entries mostly have the same text of a kilobyte or two.
#[derive(Default)]
struct Texts {
    texts: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, usize>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let text: Rc<str> = Rc::from(text);
        self.texts.push(text.clone());
        self.numbers.insert(text, self.texts.len() - 1);
        self.texts.len() - 1
    }

    fn text(&self, number: usize) -> String {
        self.texts.get(number).map(|text| text.to_string()).unwrap_or_default()
    }
}

fn columns(entry: &EntryReport, flags: &EntryFlags) -> [char; 6] {
    let column = |set: bool, letter: char| if set { letter } else { ' ' };
    [
        column(entry.is_signed(), 's'),
        column(entry.in_manifest(), 'm'),
        column(flags.in_keystore, 'k'),
        column(flags.not_by_alias, 'X'),
        column(entry.is_unsigned(), '?'),
        ' ',
    ]
}

fn unsigned_note(entry: &EntryReport) -> String {
    let what = match entry.kind() {
        EntryKind::SignatureRelated => "Signature related",
        _ if entry.is_unsigned() => "Unsigned",
        _ => "Directory",
    };
    format!("\n{TAB}({what} entries)\n\n")
}

struct Certificates<'a> {
    report: &'a Report,
    evaluation: &'a Evaluation,
    options: &'a TextOptions,
    zone: &'a TimeZone,
    /// Signers printed so far, with their text.
    seen: Vec<(usize, String)>,
    /// The numbers of the texts of several signers, all of them printed before.
    known: HashMap<&'a [usize], usize>,
    /// The last of these.
    last: Option<(&'a [usize], usize)>,
}

impl<'a> Certificates<'a> {
    /// The number of the text for an entry.
    fn of(&mut self, entry: &'a EntryReport, texts: &mut Texts) -> usize {
        // Neighbours mostly share one list of signers.
        if let Some((_, number)) = self.last.filter(|(last, _)| std::ptr::eq(*last, entry.signers())) {
            return number;
        }
        if let Some(number) = self.known.get(entry.signers()) {
            self.last = Some((entry.signers(), *number));
            return *number;
        }
        let seen = self.seen.len();
        let number = texts.number(&self.text(entry));
        if self.seen.len() == seen {
            self.known.insert(entry.signers(), number);
        }
        number
    }

    /// The text for an entry. In the first entry with a signer, the line with the time of signing is missing, even if the
    /// entry has that signer twice.
    fn text(&mut self, entry: &EntryReport) -> String {
        let mut text = String::from("\n");
        let earlier = self.seen.len();
        for index in entry.signers() {
            let (Some(signer), Some(flags)) =
                (self.report.signers().get(*index), self.evaluation.signers.get(*index))
            else {
                continue;
            };
            let seen = self.seen.iter().enumerate().find(|(_, (seen, _))| seen == index);
            if let Some((position, (_, known))) = seen {
                if let Some(timestamp) = signer.timestamp().filter(|_| position < earlier) {
                    let date = short_date(timestamp.gen_time(), self.zone, self.options.compat.jdk);
                    let _ = writeln!(text, "{TAB}[entry was signed on {date}]");
                }
                text.push_str(known);
            } else {
                let known = self.signer(signer, flags);
                text.push_str(&known);
                self.seen.push((*index, known));
            }
            text.push('\n');
        }
        text
    }

    fn signer(&self, signer: &SignerReport, flags: &SignerFlags) -> String {
        let mut text = format!("{TAB}>>> Signer\n");
        let signed_at = signer.timestamp().map(TimestampReport::gen_time);
        for (position, certificate) in signer.chain().iter().enumerate() {
            self.certificate(&mut text, certificate, signed_at, false);
            if position == 0 {
                usage_note(&mut text, certificate);
            }
        }
        if let Some(reason) = &flags.chain_failure {
            let _ = writeln!(text, "{TAB}[Invalid certificate chain: {reason}]");
        }
        if let Some(timestamp) = signer.timestamp() {
            let _ = writeln!(text, "{TAB}>>> TSA");
            for certificate in timestamp.chain() {
                self.certificate(&mut text, certificate, None, true);
            }
            if let Some(reason) = &flags.timestamp_chain_failure {
                let _ = writeln!(text, "{TAB}[Invalid TSA certificate chain: {reason}]");
            }
        }
        text
    }

    fn certificate(
        &self,
        text: &mut String,
        certificate: &CertificateReport,
        signed_at: Option<Timestamp>,
        authority: bool,
    ) {
        // Only certificates of signers are looked up; one of an authority has an alias if it is also a signer's.
        let is_signers =
            |signer: &SignerReport| signer.chain().iter().any(|other| other.sha256() == certificate.sha256());
        let known = !authority || self.report.signers().iter().any(is_signers);
        let keystore = self.options.compat.keystore.as_ref().filter(|_| known);
        let alias = keystore.and_then(|store| store.alias_of(certificate.sha256()));
        let _ = write!(text, "{TAB}X.509, {}", certificate.subject());
        if let Some(alias) = alias {
            let _ = write!(text, " ({alias})");
        }
        let strength =
            if certificate.is_trusted() { Strength::Fine } else { certificate.signature_strength() };
        let algorithm = judged(certificate.signature_algorithm(), strength);
        let key = key_text(certificate.key(), self.options.compat.jdk);
        let validity = self.validity(certificate, signed_at, authority);
        let _ = writeln!(text, "\n{TAB}Signature algorithm: {algorithm}, {key}\n{TAB}[{validity}]");
    }

    fn validity(
        &self,
        certificate: &CertificateReport,
        signed_at: Option<Timestamp>,
        authority: bool,
    ) -> String {
        if certificate.is_trusted() {
            return "trusted certificate".to_owned();
        }
        let now = self.report.examined_at();
        let at = signed_at.unwrap_or(now);
        let (start, end) = (certificate.not_before(), certificate.not_after());
        let date = |at| short_date(at, self.zone, self.options.compat.jdk);
        let notice = if authority { ONE_YEAR } else { SIX_MONTHS };
        if at < start {
            format!("certificate is not valid until {}", date(start))
        } else if at > end {
            format!("certificate expired on {}", date(end))
        } else if signed_at.is_none() && ends_within(certificate, now, notice) {
            format!("certificate will expire on {}", date(end))
        } else {
            format!("certificate is valid from {} to {}", date(start), date(end))
        }
    }
}

fn usage_note(text: &mut String, certificate: &CertificateReport) {
    let usage = certificate.usage();
    let bad: Vec<&str> = [
        (usage.key_usage, "KeyUsage"),
        (usage.extended_key_usage, "ExtendedKeyUsage"),
        (usage.netscape_type, "NetscapeCertType"),
    ]
    .iter()
    .filter(|(good, _)| !good)
    .map(|(_, name)| *name)
    .collect();
    if !bad.is_empty() {
        let _ = writeln!(text, "{TAB}[{} extension does not support code signing]", bad.join(", "));
    }
}

/// A name with what the policy says of it.
pub(super) fn judged(name: &str, strength: Strength) -> String {
    match strength {
        Strength::Fine => name.to_owned(),
        Strength::Legacy => format!("{name} (weak)"),
        Strength::Disabled => format!("{name} (disabled)"),
    }
}

/// A key by its size, and by its algorithm where the JDK names it.
pub(super) fn key_text(key: &KeyReport, jdk: Jdk) -> String {
    if jdk.rules().names_key_algorithms {
        return judged(&format!("{} key", key.full_name()), key.strength());
    }
    match key.bits() {
        Some(bits) => judged(&format!("{bits}-bit key"), key.strength()),
        None => "unknown size".to_owned(),
    }
}

const TAB: &str = "      ";
