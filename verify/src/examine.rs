//! The examination: container, signatures, contents, chains, second reader; in this order, into one [`Report`].

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::archive::{Archive, EntryHeader};
use crate::certificate::Certificate;
use crate::chain::{self, Purpose};
use crate::contents;
use crate::describe;
use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::report::{
    AnchorReport, CertificateReport, ChainReport, EntryReport, REPORT_SCHEMA, Report, SignerReport,
    TimestampReport, TrustStoreReport,
};
use crate::second_reader;
use crate::signature_names::{has_meta_inf_prefix, is_block_or_signature_file, plain_name};
use crate::signatures::{self, Signatures, Signer};
use crate::source::Source;
use crate::timestamp::TimestampToken;
use crate::trust_store::TrustStore;

/// What an examination depends on besides the archive.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// The trust anchors.
    pub trust: &'a TrustStore,
    /// The moment that counts as now.
    pub at: Timestamp,
    /// Bounds on memory and work.
    pub limits: Limits,
    /// How many threads read entries; 0 means one per core.
    pub threads: usize,
}

impl<'a> Inputs<'a> {
    /// The defaults: all cores and the ordinary limits.
    pub fn new(trust: &'a TrustStore, at: Timestamp) -> Self {
        Self { trust, at, limits: Limits::default(), threads: 0 }
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
    examine_to(source, inputs, Depth::Everything)
}

/// How much is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What `jarsigner` says something about.
    Jarsigner,
    /// Also what only a mirror wants to know: bad names, removed entries, what a second reader sees.
    Everything,
}

/// Examines to a depth; a report that lacks something serves for jarsigner's text and verdict only.
pub(crate) fn examine_to(source: &Source, inputs: &Inputs<'_>, depth: Depth) -> io::Result<Report> {
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
    if depth == Depth::Everything {
        archive.examine_names(&mut report.findings);
    }
    report.entry_count = archive.entries.len();
    report.total_size = archive.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    if let Some(finding) = beyond_limits(&archive, report.total_size, &inputs.limits) {
        report.abort = Some(JavaError::io(finding.to_string()));
        report.findings.push(finding);
        report.entries = entries(archive, None, Vec::new());
        return Ok(report);
    }
    // 2. The signatures.
    let (signatures, abort) = signatures::examine(source, &archive, &inputs.limits, inputs.at)?;
    report.has_manifest = signatures.manifest_name.is_some();
    report.blocks.clone_from(&signatures.blocks);
    if abort.is_some() {
        report.abort = abort;
        report.entries = entries(archive, signatures.manifest.as_ref(), Vec::new());
        return Ok(report);
    }
    // 3. The contents.
    let contents = contents::examine(source, &archive, &signatures, inputs.threads, inputs.at)?;
    report.findings.extend(contents.findings);
    report.abort = contents.abort;
    // 4. The signers: their chains and timestamps.
    report.signers = signatures.signers.iter().map(|signer| signer_report(signer, inputs)).collect();
    for (index, signer) in report.signers.iter_mut().enumerate() {
        let signed = |(entry, signers): &(&EntryHeader, &Arc<[usize]>)| {
            signers.contains(&index) && Some(&entry.name) != signatures.manifest_name.as_ref()
        };
        signer.entries = archive.entries.iter().zip(&contents.signers).filter(signed).count();
    }
    note_signature_findings(&signatures, &mut report.findings);
    let signed: HashSet<&str> = archive
        .entries
        .iter()
        .zip(&contents.signers)
        .filter(|(_, signers)| !signers.is_empty())
        .map(|(entry, _)| entry.name.as_str())
        .collect();
    report.signature_files = describe::describe(source, &archive, &signed, &inputs.limits, inputs.at)?;
    // 5. What only a mirror wants to know; readers that share no code with ours.
    if depth == Depth::Everything {
        report.removed_entries = removed_entries(&archive, &signatures);
        report.findings.extend(second_reader::compare(source, &archive, &signatures, &inputs.limits)?);
    }
    report.entries = entries(archive, signatures.manifest.as_ref(), contents.signers);
    Ok(report)
}

fn empty_report(source: &Source, inputs: &Inputs<'_>) -> Report {
    Report {
        schema: REPORT_SCHEMA,
        examined_at: inputs.at,
        trust_store: TrustStoreReport {
            name: inputs.trust.name().to_owned(),
            sha256: inputs.trust.digest(),
            anchors: inputs.trust.len(),
        },
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

/// The archive's entries as the report has them, each with its signers as far as they are known.
fn entries(archive: Archive, manifest: Option<&Manifest>, signers: Vec<Arc<[usize]>>) -> Vec<EntryReport> {
    let nobody: Arc<[usize]> = Arc::new([]);
    let mut signers = signers.into_iter();
    archive
        .entries
        .into_iter()
        .map(|header| {
            let listed = manifest.is_some_and(|manifest| manifest.lists(&header.name));
            EntryReport::new(header, listed, signers.next().unwrap_or_else(|| nobody.clone()))
        })
        .collect()
}

fn removed_entries(archive: &Archive, signatures: &Signatures) -> Vec<String> {
    let present: HashSet<&str> = archive.entries.iter().map(|entry| plain_name(&entry.name)).collect();
    let covered = signatures.covered.names();
    let mut removed: Vec<String> =
        covered.filter(|name| !present.contains(name)).map(str::to_owned).collect();
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

fn signer_report(signer: &Signer, inputs: &Inputs<'_>) -> SignerReport {
    let signed_at = signer.timestamp.as_ref().map(|token| token.gen_time);
    let at = signed_at.unwrap_or(inputs.at);
    SignerReport {
        block: signer.block.clone(),
        digest_algorithm: signer.digest.clone(),
        signature_algorithm: signer.scheme.name(),
        signed_attributes: signer.signed_attributes,
        chain: chain_certificates(&signer.chain, inputs, at),
        validation: validation(&signer.chain, inputs, Purpose::CodeSigning, at),
        timestamp: signer.timestamp.as_ref().map(|token| timestamp_report(token, inputs)),
        entries: 0,
    }
}

fn timestamp_report(token: &TimestampToken, inputs: &Inputs<'_>) -> TimestampReport {
    // The authority's algorithms are shown as judged at the time it states, although its chain is validated now.
    let chain = chain_certificates(&token.chain, inputs, token.gen_time);
    let earliest_end =
        chain.iter().filter(|certificate| !certificate.is_trusted()).map(CertificateReport::not_after).min();
    TimestampReport {
        gen_time: token.gen_time,
        imprint_algorithm: token.imprint.jca_name().to_owned(),
        signature_algorithm: token.scheme.name(),
        is_tst_info: token.is_tst_info,
        validation: validation(&token.chain, inputs, Purpose::TimeStamping, inputs.at),
        earliest_end,
        chain,
    }
}

fn chain_certificates(
    chain: &[Arc<Certificate>],
    inputs: &Inputs<'_>,
    at: Timestamp,
) -> Vec<CertificateReport> {
    chain.iter().map(|certificate| CertificateReport::of(certificate, inputs.trust, at)).collect()
}

fn validation(
    chain: &[Arc<Certificate>],
    inputs: &Inputs<'_>,
    purpose: Purpose,
    at: Timestamp,
) -> ChainReport {
    match chain::validate(chain, inputs.trust, purpose, at, at) {
        Ok(path) => ChainReport {
            at,
            failure: None,
            anchor: path.last().map(|anchor| AnchorReport {
                subject: anchor.subject.to_java_string(),
                sha256: anchor.sha256(),
            }),
        },
        Err(failure) => ChainReport { at, failure: Some(failure), anchor: None },
    }
}
