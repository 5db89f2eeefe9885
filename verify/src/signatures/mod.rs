//! The signature stage: manifest, signature files and signature blocks, in the order of the JDK's `JarVerifier`.
//!
//! Its product is the table of covered names: which signer vouches for which manifest section. Contents are
//! compared later, in `contents.rs`.
//!
//! Attacks considered here: a block paired with another signature file (its signature is over the bytes), a
//! signature file that covers names the manifest lacks (refused), digests only of broken algorithms (ignored), two
//! manifests (nothing counts as signed), many or huge signature files (bounded by [`Limits`]).
//!
//! A *mismatch* is refused and ends everything; what merely cannot be *judged* is ignored, and the archive counts as
//! unsigned unless another signature covers it. That is the JDK's rule.

mod block;
mod covered;
mod digests;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use self::block::Failure;
pub(crate) use self::covered::Covered;
pub(crate) use self::digests::strip_suffix_ignoring_case;
use crate::archive::Archive;
use crate::certificate::Certificate;
use crate::crypto::SignatureScheme;
use crate::java_error::JavaError;
use crate::limits::Limits;
use crate::manifest::{Manifest, RawSections};
use crate::report::{BlockOutcome, BlockReport};
use crate::signature_names::{MANIFEST_NAME, has_meta_inf_prefix, is_block, is_block_or_signature_file};
use crate::signed_data::{NO_VALUE, READABLE_CONTENT, SignedData};
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
    fn is_same(&self, other: &Self) -> bool {
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
    limits: &Limits,
    now: Timestamp,
) -> io::Result<(Signatures, Option<JavaError>)> {
    let mut stage = Stage { limits, now, found: Signatures::default(), sections: OnceCell::new() };
    let outcome = stage.run(source, archive)?;
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

struct Stage<'a> {
    limits: &'a Limits,
    now: Timestamp,
    found: Signatures,
    /// The manifest cut into sections, once somebody asks.
    sections: OnceCell<RawSections>,
}

/// A signature file, or why it is none.
type SignatureFile = Result<Manifest, JavaError>;

/// How processing a block ended.
enum Processed {
    Accepted,
    Ignored,
    /// No signature counts any more.
    GivenUp,
}

impl Stage<'_> {
    fn run(&mut self, source: &Source, archive: &Archive) -> io::Result<Result<(), JavaError>> {
        let mut manifests = 0;
        let mut signature_files = Vec::new();
        for (index, entry) in archive.entries.iter().enumerate() {
            if entry.name.eq_ignore_ascii_case(MANIFEST_NAME) {
                manifests += 1;
                self.found.manifest_name = Some(entry.name.clone());
            } else if has_meta_inf_prefix(&entry.name) && is_block_or_signature_file(&entry.name) {
                signature_files.push(index);
            }
        }
        // 1. The manifest. Without signature files the JDK reads it last.
        let Some(name) = self.found.manifest_name.clone() else { return Ok(Ok(())) };
        let index = archive.index_of(&name).unwrap_or_default();
        match self.read(source, archive, index)?.and_then(Manifest::parse) {
            Ok(manifest) => self.found.manifest = Some(manifest),
            Err(error) if signature_files.is_empty() => {
                self.found.late_error = Some(error);
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        }
        // 2. Several manifests: nothing counts as signed.
        if manifests != 1 {
            return Ok(Ok(()));
        }
        self.process_files(source, archive, &signature_files)
    }

    /// Pairs signature files and blocks by base name, in archive order, and processes each pair.
    fn process_files(
        &mut self,
        source: &Source,
        archive: &Archive,
        indices: &[usize],
    ) -> io::Result<Result<(), JavaError>> {
        let mut files: HashMap<String, SignatureFile> = HashMap::new();
        let mut pending: Vec<(String, String, Arc<SignedData>)> = Vec::new();
        for index in indices {
            let Some(entry) = archive.entries.get(*index) else { continue };
            let index = archive.index_of(&entry.name).unwrap_or(*index);
            let bytes = match self.read(source, archive, index)? {
                Ok(bytes) => bytes,
                Err(error) => {
                    // The JDK gives up on all signatures.
                    self.report(&entry.name, BlockOutcome::Ignored { reason: error.to_string() });
                    self.found.covered = Covered::default();
                    return Ok(Ok(()));
                }
            };
            if bytes.is_empty() {
                continue;
            }
            let upper = entry.name.to_uppercase();
            let key = upper.rsplit_once('.').map_or(upper.as_str(), |(base, _)| base).to_owned();
            if !is_block(&upper) {
                let file = Manifest::parse(bytes);
                for (name, _, block) in pending.iter().filter(|(_, base, _)| *base == key) {
                    match self.process(name, &key, block, &file) {
                        Ok(Processed::Accepted) => {}
                        Ok(Processed::Ignored) => break,
                        Ok(Processed::GivenUp) => return Ok(Ok(())),
                        Err(error) => return Ok(Err(error)),
                    }
                }
                files.insert(key, file);
                continue;
            }
            if self.found.blocks.len() + pending.len() >= self.limits.signature_blocks {
                self.report(
                    &entry.name,
                    BlockOutcome::Ignored { reason: "too many signature blocks".to_owned() },
                );
                continue;
            }
            let block = match SignedData::parse(&bytes, self.limits) {
                Ok(block) if !READABLE_CONTENT.contains(&block.content_type.as_str()) => {
                    let reason = format!("content type is not DATA: {}", block.content_type);
                    self.report(&entry.name, BlockOutcome::Ignored { reason });
                    continue;
                }
                Ok(block) => Arc::new(block),
                Err(NO_VALUE) => {
                    self.report(&entry.name, BlockOutcome::Refused { reason: NO_VALUE.to_string() });
                    return Ok(Err(JavaError::no_first_value()));
                }
                Err(error) => {
                    self.report(&entry.name, BlockOutcome::Ignored { reason: error.to_string() });
                    continue;
                }
            };
            // A block may carry its own signature file.
            let own = block.content.clone().map(Manifest::parse);
            match own.as_ref().or_else(|| files.get(&key)) {
                Some(file) => match self.process(&entry.name, &key, &block, file) {
                    Ok(Processed::GivenUp) => return Ok(Ok(())),
                    Ok(Processed::Accepted | Processed::Ignored) => {}
                    Err(error) => return Ok(Err(error)),
                },
                None => pending.push((entry.name.clone(), key, block)),
            }
        }
        for (name, base, _) in &pending {
            if !files.contains_key(base) {
                self.report(name, BlockOutcome::WithoutSignatureFile);
            }
        }
        Ok(Ok(()))
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
            Err(Failure::Ignored(reason)) => (BlockOutcome::Ignored { reason }, Ok(Processed::Ignored)),
            Err(Failure::GivenUp(reason)) => {
                self.found.covered = Covered::default();
                (BlockOutcome::Ignored { reason }, Ok(Processed::GivenUp))
            }
            Err(Failure::Refused(error)) => {
                (BlockOutcome::Refused { reason: error.message.clone() }, Err(error))
            }
        };
        self.report(name, outcome);
        result
    }

    fn read(
        &self,
        source: &Source,
        archive: &Archive,
        index: usize,
    ) -> io::Result<Result<Vec<u8>, JavaError>> {
        let bytes = archive.read_small(source, index, self.limits)?;
        let size = archive.entries.get(index).map_or(0, |entry| entry.size);
        Ok(bytes.and_then(|bytes| {
            let complete = u64::try_from(bytes.len()).is_ok_and(|length| length == size);
            let short = || JavaError::end_of_file(format!("Expected:{size}, read:{}", bytes.len()));
            if complete { Ok(bytes) } else { Err(short()) }
        }))
    }

    fn report(&mut self, name: &str, outcome: BlockOutcome) {
        self.found.blocks.push(BlockReport { name: name.to_owned(), outcome });
    }
}
