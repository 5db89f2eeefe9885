//! The examination: container, signatures, contents, chains, second reader; in this order, into one [`Report`].

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::algorithm_policy;
use crate::archive::Archive;
use crate::contents;
use crate::describe;
use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::judge_chains::{self, AnchorSets};
use crate::limits::Limits;
use crate::report::{EntryReport, REPORT_SCHEMA, Report, TrustStoreReport};
use crate::second_reader;
use crate::signature_names::{has_meta_inf_prefix, is_block_or_signature_file};
use crate::signatures::{self, Signatures};
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
    /// Whether the second reader unpacks all contents as well, to compare their digests. Costs about as much as the
    /// examination itself; without, it compares the directory only.
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
    let mut report = examine_once(source, inputs)?;
    // From an algorithm date on, other signatures and digests count: only before 2019 is there such a date ahead.
    for date in algorithm_policy::dates().into_iter().filter(|date| *date > inputs.at) {
        let inputs = Inputs { at: date, compare_contents: false, ..inputs.clone() };
        report.later.push(Arc::new(examine_once(source, &inputs)?));
    }
    Ok(report)
}

fn examine_once(source: &Source, inputs: &Inputs<'_>) -> io::Result<Report> {
    let mut report = empty_report(source, inputs);
    // 1. The container.
    let mut archive = match Archive::open(source, &inputs.limits)? {
        Ok(archive) => archive,
        Err(error) => {
            report.abort = Some(error);
            return Ok(report);
        }
    };
    report.findings.append(&mut archive.findings);
    report.entry_count = archive.entries.len();
    report.total_size = archive.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    if let Some(finding) = beyond_limits(&archive, report.total_size, &inputs.limits) {
        report.abort = Some(JavaError::io(finding.to_string()));
        report.findings.push(finding);
        report.entries = entries(&archive, &Signatures::default(), &[]);
        return Ok(report);
    }
    // 2. The signatures.
    let (signatures, abort) = signatures::examine(source, &archive, &inputs.limits, inputs.at)?;
    report.has_manifest = signatures.manifest_name.is_some();
    report.blocks.clone_from(&signatures.blocks);
    if abort.is_some() {
        report.abort = abort;
        report.entries = entries(&archive, &signatures, &[]);
        return Ok(report);
    }
    // 3. The contents.
    let contents = contents::examine(source, &archive, &signatures, inputs)?;
    report.findings.extend(contents.findings);
    report.abort = contents.abort;
    report.entries = entries(&archive, &signatures, &contents.signers);
    // 4. The signers: their chains and timestamps.
    report.signers = signatures
        .signers
        .iter()
        .map(|signer| judge_chains::signer_report(signer, &report.anchor_sets, inputs.at))
        .collect();
    for (index, signer) in report.signers.iter_mut().enumerate() {
        let signed = |entry: &&EntryReport| {
            entry.signers().contains(&index) && Some(entry.name()) != signatures.manifest_name.as_deref()
        };
        signer.entries = report.entries.iter().filter(signed).count();
    }
    note_signature_findings(&signatures, &mut report.findings);
    report.removed_entries = removed_entries(&archive, &signatures);
    report.signature_files = describe::describe(source, &archive, &inputs.limits, inputs.at)?;
    let signed: HashSet<&str> =
        report.entries.iter().filter(|entry| entry.is_signed()).map(EntryReport::name).collect();
    describe::keep_nonexistent(&mut report.signature_files, &signed);
    // 5. Readers that share no code with ours.
    report.findings.extend(second_reader::compare(source, &archive, &signatures, &contents.sha256, inputs)?);
    Ok(report)
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
        entries: Vec::new(),
        anchor_sets: AnchorSets {
            signers: inputs.trust.clone(),
            timestamps: inputs.timestamp_trust.cloned(),
        },
        later: Vec::new(),
    }
}

fn beyond_limits(archive: &Archive, total: u64, limits: &Limits) -> Option<Finding> {
    if let Some(entry) = archive.entries.iter().find(|entry| entry.size > limits.entry_size) {
        return Some(Finding::TooLarge { what: format!("entry {:?}", entry.name), limit: limits.entry_size });
    }
    let related = |name: &str| has_meta_inf_prefix(name) && is_block_or_signature_file(name);
    let files = archive.entries.iter().filter(|entry| related(&entry.name));
    if files.map(|entry| entry.size).fold(0, u64::saturating_add) > limits.signature_files {
        let what = "the sum of all signature files".to_owned();
        return Some(Finding::TooLarge { what, limit: limits.signature_files });
    }
    (total > limits.total_size)
        .then(|| Finding::TooLarge { what: "the archive".to_owned(), limit: limits.total_size })
}

fn entries(archive: &Archive, signatures: &Signatures, signers: &[Vec<usize>]) -> Vec<EntryReport> {
    archive
        .entries
        .iter()
        .enumerate()
        .map(|(index, header)| {
            let listed = signatures.manifest.as_ref().is_some_and(|manifest| manifest.lists(&header.name));
            EntryReport::new(header, listed, signers.get(index).cloned().unwrap_or_default())
        })
        .collect()
}

fn removed_entries(archive: &Archive, signatures: &Signatures) -> Vec<String> {
    let present: HashSet<&str> =
        archive.entries.iter().map(|entry| contents::plain_name(&entry.name)).collect();
    let mut removed: Vec<String> =
        signatures.covered.keys().filter(|name| !present.contains(name.as_str())).cloned().collect();
    removed.sort();
    removed
}

fn note_signature_findings(signatures: &Signatures, findings: &mut Vec<Finding>) {
    for signer in &signatures.signers {
        if signer.timestamp.as_ref().is_some_and(|token| !token.is_tst_info) {
            findings.push(Finding::TimestampWithoutTstInfo { block: signer.block.clone() });
        }
        if signer.ambiguous_content {
            findings.push(Finding::AmbiguousSignedContent { block: signer.block.clone() });
        }
    }
}
