//! The examination: container, signatures, contents, chains, the second pass of newer JDKs, second reader; in this order,
//! into one [`Report`].

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::algorithm_policy;
use crate::archive::{self, Archive, EntryHeader};
use crate::contents::{self, Contents};
use crate::cross_check::{self, CrossCheck, FirstPass};
use crate::describe;
use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::jdk::{Jdk, Rules};
use crate::judge_chains::{self, AnchorSets};
use crate::limits::Limits;
use crate::places::Places;
use crate::report::{EntryReport, REPORT_SCHEMA, Report, TrustStoreReport};
use crate::second_reader;
use crate::signature_names::{has_meta_inf_prefix, is_block_or_signature_file};
use crate::signatures::{self, Covered, Signatures};
use crate::source::Source;
use crate::trust_store::TrustStore;

/// What an examination depends on besides the archive.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// The trust anchors.
    pub trust: &'a TrustStore,
    /// Trust anchors for timestamp authorities, if they are not the same.
    pub timestamp_trust: Option<&'a TrustStore>,
    /// The moment that counts as now.
    pub at: Timestamp,
    /// Bounds on memory and work.
    pub limits: Limits,
    /// How many threads read entries; 0 means one per core.
    pub threads: usize,
    /// Whether the second reader unpacks all contents as well, to compare their digests; without, it compares the
    /// directory only.
    pub compare_contents: bool,
}

impl<'a> Inputs<'a> {
    /// The defaults: one set of anchors, all cores, the ordinary limits, contents read once.
    pub fn new(trust: &'a TrustStore, at: Timestamp) -> Self {
        Self {
            trust,
            timestamp_trust: None,
            at,
            limits: Limits::default(),
            threads: 0,
            compare_contents: false,
        }
    }

    /// How many threads there are to be.
    pub(crate) fn workers(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// Examines an archive and reports the facts.
///
/// A damaged, forged or unsigned archive gives a report like any other.
///
/// # Errors
///
/// Only if the bytes cannot be read from their source.
pub fn examine(source: &Source, inputs: &Inputs<'_>) -> io::Result<Report> {
    let mut report = examine_to(source, inputs, Depth::Everything)?;
    // From an algorithm date on, other signatures and digests count: only before 2019 is there such a date ahead.
    for date in algorithm_policy::dates().into_iter().filter(|date| *date > inputs.at) {
        let inputs = Inputs { at: date, compare_contents: false, ..inputs.clone() };
        report.later.push(Arc::new(examine_to(source, &inputs, Depth::Everything)?));
    }
    Ok(report)
}

/// How much is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What the `jarsigner` of one JDK says something about.
    Jarsigner(Jdk),
    /// Also what only a mirror wants to know: bad names, removed entries, what a second reader sees.
    Everything,
}

impl Depth {
    fn asks(self, jdk: Jdk) -> bool {
        self == Self::Everything || self == Self::Jarsigner(jdk)
    }
}

/// Examines to a depth; a report that lacks something serves for jarsigner's text and verdict only.
pub(crate) fn examine_to(source: &Source, inputs: &Inputs<'_>, depth: Depth) -> io::Result<Report> {
    let mut report = empty_report(source, inputs);
    // 1. The container.
    let mut archive = match Archive::open_with(source, &inputs.limits, inputs.workers())? {
        Ok(archive) => archive,
        Err(error) => {
            report.aborted_by_all(|rules| archive::refusal(error.clone(), rules));
            return Ok(report);
        }
    };
    report.findings.append(&mut archive.findings);
    if depth == Depth::Everything {
        archive.examine_names(&mut report.findings);
    }
    report.entry_count = archive.entries.len();
    report.total_size = archive.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    if let Some(finding) = beyond_limits(&archive, report.total_size, &inputs.limits) {
        report.abort = Some(JavaError::io(finding.to_string()));
        report.findings.push(finding);
        report.entries = entries(archive.entries, Annotations::default()).into();
        return Ok(report);
    }
    // The first JDK is the most lenient one: the report says what it makes of the archive, and what others find odd.
    // Only where another one may come to something else does it get a report of its own.
    let container = report.clone();
    let [most_lenient, others @ ..] = Jdk::ALL;
    let reading = |jdk: Jdk| Reading { source, archive: &archive, inputs, rules: jdk.rules(), depth };
    let lenient = reading(most_lenient);
    let found = lenient.run(&mut report)?;
    for jdk in others.into_iter().filter(|jdk| depth.asks(*jdk)) {
        let strict = reading(jdk);
        if strict.may_differ_from(&lenient, &found.signatures) {
            let mut own = container.clone();
            let found = strict.run(&mut own)?;
            own.cross_checks.extend(strict.cross_check(jdk, &own, &found)?);
            let annotations = strict.finish(&mut own, found)?;
            own.entries = entries(archive.entries.clone(), annotations).into();
            report.others.push((jdk, own));
        } else {
            report.cross_checks.extend(strict.cross_check(jdk, &report, &found)?);
        }
    }
    let annotations = lenient.finish(&mut report, found)?;
    report.entries = entries(archive.entries, annotations).into();
    Ok(report)
}

/// The archive in the eyes of one JDK.
struct Reading<'a> {
    source: &'a Source,
    archive: &'a Archive,
    inputs: &'a Inputs<'a>,
    rules: &'a Rules,
    depth: Depth,
}

/// What a reading found.
#[derive(Default)]
struct Found {
    signatures: Signatures,
    places: Places,
    contents: Contents,
    /// Whether it came as far as the contents.
    contents_read: bool,
}

/// What a report says of entries besides their headers, in the order of the directory.
#[derive(Default)]
struct Annotations {
    /// Whether the manifest lists them.
    listed: Vec<bool>,
    signers: Vec<Arc<[usize]>>,
}

impl Reading<'_> {
    fn may_differ_from(&self, other: &Self, signatures: &Signatures) -> bool {
        self.archive.refusal(self.rules) != self.archive.refusal(other.rules)
            || signatures.contested.between(self.rules, other.rules)
    }

    fn run(&self, report: &mut Report) -> io::Result<Found> {
        let Self { source, archive, inputs, rules, depth } = *self;
        report.abort = archive.refusal(rules);
        if report.abort.is_some() {
            let refused_at = archive.refused_at(rules);
            if refused_at > 0 {
                // What ends the run before that.
                let (mut signatures, mut abort) =
                    signatures::examine(source, archive, rules, &inputs.limits, inputs.at, inputs.workers())?;
                // This the JDK only finds out at the end.
                signatures.late_error = None;
                if abort.is_none() {
                    let places = Places::find(archive, &signatures, inputs.workers());
                    let contents = contents::examine(source, archive, &signatures, &places, inputs)?;
                    abort = contents.abort.filter(|_| contents.abort_at < refused_at);
                }
                report.abort = abort.or(report.abort.take());
            }
            return Ok(Found::default());
        }
        // 2. The signatures.
        let (signatures, abort) =
            signatures::examine(source, archive, rules, &inputs.limits, inputs.at, inputs.workers())?;
        report.has_manifest = signatures.manifest_name.is_some();
        report.blocks.clone_from(&signatures.blocks);
        if abort.is_some() {
            report.abort = abort;
            return Ok(Found { signatures, ..Found::default() });
        }
        // 3. The contents.
        let places = Places::find(archive, &signatures, inputs.workers());
        let contents = contents::examine(source, archive, &signatures, &places, inputs)?;
        report.findings.extend_from_slice(&contents.findings);
        report.abort.clone_from(&contents.abort);
        // 4. The signers: their chains and timestamps.
        report.signers = signatures
            .signers
            .iter()
            .map(|signer| judge_chains::signer_report(signer, &report.anchor_sets, inputs.at))
            .collect();
        for (entry, signers) in archive.entries.iter().zip(&contents.signers) {
            let counts = Some(&entry.name) != signatures.manifest_name.as_ref();
            for index in signers.iter().filter(|_| counts) {
                if let Some(signer) = report.signers.get_mut(*index) {
                    signer.entries += 1;
                }
            }
        }
        note_signature_findings(&signatures, &mut report.findings);
        if depth == Depth::Everything {
            report.removed_entries = removed_entries(archive, &signatures, &places);
        }
        Ok(Found { signatures, places, contents, contents_read: true })
    }

    /// 5. The second pass, if the JDK has one and the first has come to an end.
    fn cross_check(&self, jdk: Jdk, report: &Report, found: &Found) -> io::Result<Option<(Jdk, CrossCheck)>> {
        if report.abort.is_some() {
            return Ok(None);
        }
        let Self { source, archive, inputs, rules, .. } = *self;
        let Found { signatures, places, contents, .. } = found;
        let limits = &inputs.limits;
        let first = FirstPass { source, archive, signatures, places, contents, limits, now: inputs.at };
        Ok(cross_check::run(&first, rules)?.map(|found| (jdk, found)))
    }

    /// 6. What signature files say of themselves, and readers that share no code with ours. Gives what entries need.
    fn finish(&self, report: &mut Report, found: Found) -> io::Result<Annotations> {
        let Self { source, archive, inputs, depth, .. } = *self;
        let Found { mut signatures, mut places, contents, contents_read } = found;
        if !contents_read {
            places = Places::find(archive, &signatures, inputs.workers());
        }
        // The manifest has served; signature files are as large, and come next if they have to be read again.
        signatures.manifest = None;
        // A listing reads to the end of the compressed data: what is not at its end where it should be is read again.
        signatures.described.retain(|described| {
            !archive.entries.get(described.index).is_some_and(|entry| is_odd(&contents.findings, &entry.name))
        });
        if contents_read {
            report.signature_files = describe::describe(
                source,
                archive,
                &signatures,
                &places,
                &contents.signers,
                &inputs.limits,
                inputs.at,
            )?;
            signatures.covered = Covered::default();
            if report.abort.is_none() {
                report.abort = report.signature_files.iter().find_map(|file| file.breaks_off.clone());
            }
            if depth == Depth::Everything {
                report.findings.extend(second_reader::compare(
                    source,
                    archive,
                    &signatures,
                    &contents.sha256,
                    inputs,
                )?);
            }
        }
        Ok(Annotations { listed: places.listed(), signers: contents.signers })
    }
}

fn empty_report(source: &Source, inputs: &Inputs<'_>) -> Report {
    Report {
        schema: REPORT_SCHEMA,
        examined_at: inputs.at,
        trust_store: TrustStoreReport::of(inputs.trust),
        timestamp_trust_store: inputs.timestamp_trust.map(TrustStoreReport::of),
        length: source.length(),
        abort: None,
        has_manifest: false,
        entry_count: 0,
        total_size: 0,
        signers: Vec::new(),
        blocks: Vec::new(),
        signature_files: Vec::new(),
        findings: Vec::new(),
        removed_entries: Vec::new(),
        entries: Arc::default(),
        anchor_sets: AnchorSets {
            signers: inputs.trust.clone(),
            timestamps: inputs.timestamp_trust.cloned(),
        },
        later: Vec::new(),
        cross_checks: Vec::new(),
        others: Vec::new(),
    }
}

/// Whether the content of an entry has another length than declared, or an error in it or behind.
fn is_odd(findings: &[Finding], name: &str) -> bool {
    findings.iter().any(|finding| match finding {
        Finding::Unreadable { entry, .. } | Finding::WrongSize { entry, .. } => entry == name,
        _ => false,
    })
}

fn beyond_limits(archive: &Archive, total: u64, limits: &Limits) -> Option<Finding> {
    if let Some(entry) = archive.entries.iter().find(|entry| entry.size > limits.entry_size) {
        return Some(Finding::TooLarge { what: format!("entry {:?}", entry.name), limit: limits.entry_size });
    }
    let related = |name: &str| has_meta_inf_prefix(name) && is_block_or_signature_file(name);
    // Larger ones are not read at all.
    let files =
        archive.entries.iter().filter(|entry| entry.size <= limits.signature_file && related(&entry.name));
    if files.map(|entry| entry.size).fold(0, u64::saturating_add) > limits.signature_files {
        let what = "the sum of all signature files".to_owned();
        return Some(Finding::TooLarge { what, limit: limits.signature_files });
    }
    (total > limits.total_size)
        .then(|| Finding::TooLarge { what: "the archive".to_owned(), limit: limits.total_size })
}

/// The archive's entries as the report has them, each with its signers as far as they are known.
fn entries(headers: Vec<EntryHeader>, annotations: Annotations) -> Vec<EntryReport> {
    let nobody: Arc<[usize]> = Arc::new([]);
    let listed = annotations.listed.into_iter().chain(std::iter::repeat(false));
    let signers = annotations.signers.into_iter().chain(std::iter::repeat(nobody));
    let entries = headers.into_iter().zip(listed).zip(signers);
    entries.map(|((header, listed), signers)| EntryReport::new(header, listed, signers)).collect()
}

fn removed_entries(archive: &Archive, signatures: &Signatures, places: &Places) -> Vec<String> {
    let covered = &signatures.covered;
    let present = places.met(0..archive.entries.len(), covered.len());
    let missing = covered.names().zip(present).filter(|(_, present)| !present);
    let mut removed: Vec<String> = missing.map(|(name, _)| name.to_owned()).collect();
    removed.sort();
    removed
}

fn note_signature_findings(signatures: &Signatures, findings: &mut Vec<Finding>) {
    for block in &signatures.escaping {
        findings.push(Finding::DisabledDigest { what: format!("the signature file of {block:?}") });
    }
    for signer in &signatures.signers {
        if signer.timestamp.as_ref().is_some_and(|token| !token.is_tst_info) {
            findings.push(Finding::TimestampWithoutTstInfo { block: signer.block.clone() });
        }
        if signer.ambiguous_content {
            findings.push(Finding::AmbiguousSignedContent { block: signer.block.clone() });
        }
    }
}
