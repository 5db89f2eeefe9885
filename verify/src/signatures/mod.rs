//! The signature stage: manifest, signature files and signature blocks, in the order of the JDK's `JarVerifier`.
//!
//! Its product is the table of covered names: which signer vouches for which manifest section. Contents are
//! compared later, in `contents.rs`.
//!
//! Attacks considered here: a block paired with another signature file (its signature is over the bytes), a
//! signature file that covers names the manifest lacks (refused), digests only of broken algorithms (ignored), two
//! manifests (nothing counts as signed), many or huge signature files (bounded by [`Limits`]; what is
//! beyond a limit ends everything).
//!
//! A *mismatch* is refused and ends everything; what merely cannot be *judged* is ignored, and the archive counts as
//! unsigned unless another signature covers it. That is the JDK's rule.

mod block;
mod covered;
mod digests;
mod read_ahead;

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use self::block::Failure;
pub(crate) use self::covered::Covered;
pub(crate) use self::digests::{stated_digest_name, strip_suffix_ignoring_case};
use self::read_ahead::{File, LARGE_FILE, ReadAhead, read_file, read_first};
use crate::archive::Archive;
use crate::certificate::Certificate;
use crate::crypto::SignatureScheme;
use crate::java_error::JavaError;
use crate::jdk::Rules;
use crate::limits::{Limits, exceeded, is_exceeded};
use crate::manifest::{Manifest, RawSections};
use crate::report::{BlockOutcome, BlockReport};
use crate::signature_names::{
    MANIFEST_NAME, has_meta_inf_prefix, is_block, is_block_or_signature_file, is_in_meta_inf,
};
use crate::signed_data::{READABLE_CONTENT, SignedData};
use crate::signer_attributes::NO_VALUE;
use crate::source::Source;
use crate::timestamp::TimestampToken;

/// What the signature stage found.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    pub(crate) manifest: Option<Manifest>,
    /// The manifest's name as the archive spells it.
    pub(crate) manifest_name: Option<String>,
    /// Why the manifest cannot be read, where the JDK only finds out after it has read all entries.
    pub(crate) late_error: Option<JavaError>,
    pub(crate) covered: Covered,
    pub(crate) signers: Vec<Signer>,
    pub(crate) blocks: Vec<BlockReport>,
    /// Blocks that were accepted, with their names.
    pub(crate) accepted: Vec<(String, Arc<SignedData>)>,
    /// Positions of signature files and blocks in the directory, in the order of processing.
    pub(crate) files: Vec<usize>,
    /// Whether an exception made the JDK give up on all signatures.
    pub(crate) given_up: bool,
    pub(crate) contested: Contested,
    /// Blocks whose signature files have digests that count although their algorithm is disabled by another name.
    pub(crate) escaping: Vec<String>,
    /// What listings say of signature files, as far as it is known already.
    pub(crate) described: Vec<DescribedFile>,
}

/// A signature file as it describes itself.
#[derive(Debug)]
pub(crate) struct DescribedFile {
    /// Its position in the directory.
    pub(crate) index: usize,
    /// The digest algorithm that its main section names.
    pub(crate) digest: Option<String>,
    /// Its names are the covered ones with numbers below this.
    pub(crate) names: u32,
}

/// What came up that JDKs judge differently.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Contested {
    subfolder: bool,
    token_type: bool,
    ambiguous_content: bool,
    surrogates: bool,
}

impl Contested {
    /// Whether two JDKs may have come to different results. Without a difference on the way, they have not.
    pub(crate) fn between(self, one: &Rules, other: &Rules) -> bool {
        self.subfolder && one.signatures_in_subfolders != other.signatures_in_subfolders
            || self.token_type && one.insists_on_tst_info != other.insists_on_tst_info
            || self.ambiguous_content && one.refuses_ambiguous_content != other.refuses_ambiguous_content
            || self.surrogates && one.refuses_surrogates != other.refuses_surrogates
    }
}

/// A signer whose signature is right.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) block: String,
    pub(crate) chain: Vec<Arc<Certificate>>,
    pub(crate) digest: String,
    pub(crate) scheme: SignatureScheme,
    pub(crate) signed_attributes: bool,
    pub(crate) timestamp: Option<TimestampToken>,
    /// Whether the signature is over bytes that are themselves a DER SET, as signed attributes are.
    pub(crate) ambiguous_content: bool,
}

impl Signer {
    /// Whether two signers are the same to the JDK: equal chains and equal timestamps.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let equal = |a: &[Arc<Certificate>], b: &[Arc<Certificate>]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.der == b.der)
        };
        equal(&self.chain, &other.chain)
            && match (&self.timestamp, &other.timestamp) {
                (None, None) => true,
                (Some(a), Some(b)) => a.gen_time == b.gen_time && equal(&a.chain, &b.chain),
                _ => false,
            }
    }
}

/// Runs the stage. The inner error ends the examination.
pub(crate) fn examine(
    source: &Source,
    archive: &Archive,
    rules: &Rules,
    limits: &Limits,
    now: Timestamp,
    workers: usize,
) -> io::Result<(Signatures, Option<JavaError>)> {
    let mut stage = Stage::new(rules, limits, now);
    let outcome = stage.run(source, archive, workers)?;
    Ok((stage.found, outcome.err()))
}

/// The moment that algorithms with an end date are judged at: the latest timestamp, or now if one signer has none.
pub(crate) fn algorithms_at<'a>(signers: impl IntoIterator<Item = &'a Signer>, now: Timestamp) -> Timestamp {
    let mut latest: Option<Timestamp> = None;
    for signer in signers {
        let Some(token) = &signer.timestamp else { return now };
        latest = Some(latest.map_or(token.gen_time, |latest| latest.max(token.gen_time)));
    }
    latest.unwrap_or(now)
}

/// The stage while signature files and blocks come in.
pub(crate) struct Stage<'a> {
    rules: &'a Rules,
    limits: &'a Limits,
    now: Timestamp,
    pub(crate) found: Signatures,
    files: HashMap<String, SignatureFile>,
    /// Where in the directory they are.
    positions: HashMap<String, usize>,
    pending: Vec<(String, String, Arc<SignedData>)>,
    /// The manifest cut into sections, once somebody asks.
    sections: OnceCell<RawSections>,
    /// What is left of [`Limits::signature_work`].
    work: Cell<u64>,
    /// Whether the signature file at hand has a digest for [`Signatures::escaping`].
    escape: Cell<bool>,
    /// What is left of [`Limits::signature_checks`].
    checks: Cell<usize>,
}

/// A signature file, or why it is none.
type SignatureFile = Result<Manifest, JavaError>;

/// How processing a block ended.
pub(crate) enum Processed {
    Accepted,
    Ignored,
    /// A value is no Base64, for the reason given: no signature counts any more.
    GivenUp(String),
}

impl<'a> Stage<'a> {
    pub(crate) fn new(rules: &'a Rules, limits: &'a Limits, now: Timestamp) -> Self {
        Self {
            rules,
            limits,
            now,
            found: Signatures::default(),
            files: HashMap::new(),
            positions: HashMap::new(),
            pending: Vec::new(),
            sections: OnceCell::new(),
            work: Cell::new(limits.signature_work),
            escape: Cell::new(false),
            checks: Cell::new(limits.signature_checks),
        }
    }

    /// Takes the manifest.
    pub(crate) fn set_manifest(&mut self, name: &str, manifest: Manifest) {
        self.sections = OnceCell::new();
        self.found.manifest_name = Some(name.to_owned());
        self.found.manifest = Some(manifest);
    }

    fn run(
        &mut self,
        source: &Source,
        archive: &Archive,
        workers: usize,
    ) -> io::Result<Result<(), JavaError>> {
        let mut manifests = 0;
        for (index, entry) in archive.entries.iter().enumerate() {
            if entry.name.eq_ignore_ascii_case(MANIFEST_NAME) {
                manifests += 1;
                self.found.manifest_name = Some(entry.name.clone());
            } else if has_meta_inf_prefix(&entry.name) && is_block_or_signature_file(&entry.name) {
                let direct = is_in_meta_inf(&entry.name);
                self.found.contested.subfolder |= !direct;
                if direct || self.rules.signatures_in_subfolders {
                    self.found.files.push(index);
                }
            }
        }
        // 1. The manifest. Without signature files the JDK reads it last.
        let Some(name) = self.found.manifest_name.clone() else { return Ok(Ok(())) };
        let index = archive.index_of(&name).unwrap_or_default();
        let first = self.found.files.iter().filter(|_| workers > 1).find_map(|index| {
            let entry = archive.entries.get(*index)?;
            let is_large = entry.size >= LARGE_FILE && !is_block(&entry.name.to_uppercase());
            archive.index_of(&entry.name).filter(|_| is_large)
        });
        let (manifest, ahead) = match self.found.files.is_empty() {
            // Nor does it ask then whether the manifest is as long as declared.
            true => {
                let bytes = archive.read_in_place(source, index, true, self.limits)?;
                (Ok(bytes.and_then(Manifest::parse)), None)
            }
            false => read_first(source, archive, index, first, self.limits),
        };
        match manifest? {
            Ok(manifest) => self.found.manifest = Some(manifest),
            Err(error) if self.found.files.is_empty() => {
                self.found.late_error = Some(error);
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        }
        // 2. Several manifests: nothing counts as signed.
        if manifests != 1 {
            return Ok(Ok(()));
        }
        self.process_files(source, archive, ahead)
    }

    /// Takes the signature files and blocks in the order of the directory.
    fn process_files(
        &mut self,
        source: &Source,
        archive: &Archive,
        mut ahead: Option<ReadAhead>,
    ) -> io::Result<Result<(), JavaError>> {
        for index in self.found.files.clone() {
            if archive.spoils_signatures(index) {
                self.give_up();
                return Ok(Ok(()));
            }
            let Some(entry) = archive.entries.get(index) else { continue };
            let index = archive.index_of(&entry.name).unwrap_or(index);
            // Many entries of one name are one large entry many times.
            let size = archive.entries.get(index).map_or(0, |entry| entry.size);
            // What is too large is not read.
            let cost = if size > self.limits.signature_file { 0 } else { size };
            if let Err(reason) = self.spend(cost, 1) {
                return Ok(Err(self.beyond(&entry.name, reason)));
            }
            let read = match ahead.take_if(|ahead| ahead.index == index) {
                Some(ahead) => ahead.read?,
                None => read_file(source, archive, index, self.limits)?,
            };
            let processed = match read {
                Ok(File::Empty) => continue,
                Ok(File::Block(bytes)) => self.feed_block(&entry.name, &bytes),
                Ok(File::SignatureFile(file)) => {
                    self.positions.insert(key_of(&entry.name), index);
                    self.feed_file(&entry.name, file)
                }
                Err(error) => {
                    self.report(&entry.name, BlockOutcome::Ignored { reason: error.to_string() });
                    self.give_up();
                    return Ok(Ok(()));
                }
            };
            match processed {
                Ok(Processed::GivenUp(_)) => return Ok(Ok(())),
                Ok(Processed::Accepted | Processed::Ignored) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        for (name, base, _) in std::mem::take(&mut self.pending) {
            if !self.files.contains_key(&base) {
                self.report(&name, BlockOutcome::WithoutSignatureFile);
            }
        }
        self.describe_files();
        Ok(Ok(()))
    }

    /// Notes what can be said of signature files as long as they are in memory: reading them again takes as long as all
    /// the rest of this stage.
    fn describe_files(&mut self) {
        for (key, file) in &self.files {
            if let (Some(index), Ok(file)) = (self.positions.get(key), file)
                && let Some(names) = self.found.covered.begins_with(file)
            {
                let digest = stated_digest_name(&file.main());
                self.found.described.push(DescribedFile { index: *index, digest, names });
            }
        }
    }

    /// Takes a signature file or block; those of one base name are a pair, and are processed when both are there.
    pub(crate) fn feed(&mut self, entry: &str, bytes: Vec<u8>) -> Result<Processed, JavaError> {
        if is_block(&entry.to_uppercase()) {
            self.feed_block(entry, &bytes)
        } else {
            self.feed_file(entry, Manifest::parse(bytes))
        }
    }

    fn feed_file(&mut self, entry: &str, file: SignatureFile) -> Result<Processed, JavaError> {
        let key = key_of(entry);
        let waiting: Vec<_> = self.pending.iter().filter(|(_, base, _)| *base == key).cloned().collect();
        for (name, _, block) in waiting {
            match self.process(&name, &key, &block, &file)? {
                Processed::Accepted => {}
                Processed::Ignored => break,
                given_up @ Processed::GivenUp(_) => return Ok(given_up),
            }
        }
        self.files.insert(key, file);
        Ok(Processed::Ignored)
    }

    fn feed_block(&mut self, entry: &str, bytes: &[u8]) -> Result<Processed, JavaError> {
        let key = key_of(entry);
        if self.found.blocks.len() + self.pending.len() >= self.limits.signature_blocks {
            let what = format_args!("more than {} signature blocks", self.limits.signature_blocks);
            return Err(self.beyond(entry, exceeded(what)));
        }
        let block = match SignedData::parse(bytes, self.limits) {
            Ok(block) if !READABLE_CONTENT.contains(&block.content_type.as_str()) => {
                let reason = format!("content type is not DATA: {}", block.content_type);
                self.report(entry, BlockOutcome::Ignored { reason });
                return Ok(Processed::Ignored);
            }
            Ok(block) => Arc::new(block),
            Err(NO_VALUE) => {
                self.report(entry, BlockOutcome::Refused { reason: NO_VALUE.to_string() });
                return Err(JavaError::no_first_value());
            }
            Err(error) if is_exceeded(error.0) => return Err(self.beyond(entry, error.0.to_owned())),
            Err(error) => {
                self.report(entry, BlockOutcome::Ignored { reason: error.to_string() });
                return Ok(Processed::Ignored);
            }
        };
        // A block may carry its own signature file.
        if let Some(own) = block.content.clone().map(Manifest::parse) {
            return self.process(entry, &key, &block, &own);
        }
        let Some(file) = self.files.remove(&key) else {
            self.pending.push((entry.to_owned(), key, block));
            return Ok(Processed::Ignored);
        };
        let processed = self.process(entry, &key, &block, &file);
        self.files.insert(key, file);
        processed
    }

    fn give_up(&mut self) {
        self.found.covered = Covered::default();
        self.found.given_up = true;
    }

    /// Processes a block with its signature file and notes what became of it.
    fn process(
        &mut self,
        name: &str,
        key: &str,
        block: &Arc<SignedData>,
        file: &SignatureFile,
    ) -> Result<Processed, JavaError> {
        let (outcome, result) = match self.try_process(name, key, block, file) {
            Ok(()) => {
                if !self.found.accepted.iter().any(|(known, _)| known == name) {
                    self.found.accepted.push((name.to_owned(), block.clone()));
                }
                (BlockOutcome::Accepted, Ok(Processed::Accepted))
            }
            Err(Failure::Ignored(reason)) if is_exceeded(&reason) => {
                (BlockOutcome::Refused { reason: reason.clone() }, Err(JavaError::io(reason)))
            }
            Err(Failure::Ignored(reason)) => (BlockOutcome::Ignored { reason }, Ok(Processed::Ignored)),
            Err(Failure::GivenUp(reason)) => {
                self.give_up();
                (BlockOutcome::Ignored { reason: reason.clone() }, Ok(Processed::GivenUp(reason)))
            }
            Err(Failure::Refused(error)) => {
                (BlockOutcome::Refused { reason: error.message.clone() }, Err(error))
            }
        };
        self.report(name, outcome);
        result
    }

    /// Takes work of `times` the `bytes` out of the budget; the error is the reason for refusing it.
    fn spend(&self, bytes: u64, times: usize) -> Result<(), String> {
        let work = bytes.saturating_mul(u64::try_from(times).unwrap_or(u64::MAX));
        let what = format_args!(
            "signatures ask for more than {} bytes to be read or digested",
            self.limits.signature_work
        );
        self.work.set(self.work.get().checked_sub(work).ok_or_else(|| exceeded(what))?);
        Ok(())
    }

    /// Ends the examination because of a block that is beyond a limit.
    fn beyond(&mut self, name: &str, reason: String) -> JavaError {
        self.report(name, BlockOutcome::Refused { reason: reason.clone() });
        JavaError::io(reason)
    }

    fn report(&mut self, name: &str, outcome: BlockOutcome) {
        self.found.blocks.push(BlockReport { name: name.to_owned(), outcome });
    }
}

/// By what a signature file and its blocks belong together: the path without the extension, in capitals.
fn key_of(entry: &str) -> String {
    let upper = entry.to_uppercase();
    upper.rsplit_once('.').map_or(upper.as_str(), |(base, _)| base).to_owned()
}

/// The digests that a section states, for the fuzz targets.
#[cfg(any(test, fuzzing))]
pub(crate) fn stated_digests<'a>(
    attributes: &'a crate::manifest::Attributes<'a>,
    suffix: &'static str,
    at: Timestamp,
) -> Vec<digests::Stated<'a>> {
    let mut digests = digests::Digests::new(attributes, suffix, at);
    std::iter::from_fn(|| digests.next()).flatten().collect()
}
