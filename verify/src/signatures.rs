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

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::algorithm_policy::{Strength, jar_digest, jar_digest_name, jar_key, jar_scheme};
use crate::archive::Archive;
use crate::certificate::Certificate;
use crate::crypto::{Check, SignatureScheme};
use crate::digest_algorithm::DigestAlgorithm;
use crate::hash_order::hash_order;
use crate::java_error::JavaError;
use crate::limits::Limits;
use crate::manifest::{Attributes, Manifest, RawSections, decode_base64};
use crate::report::{BlockOutcome, BlockReport};
use crate::signature_names::{MANIFEST_NAME, has_meta_inf_prefix, is_block, is_block_or_signature_file};
use crate::signed_data::{SignedData, SignerInfo};
use crate::source::Source;
use crate::timestamp::{self, TimestampToken};

/// What the signature stage found.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    pub(crate) manifest: Option<Manifest>,
    /// The manifest's name as the archive spells it.
    pub(crate) manifest_name: Option<String>,
    /// Why the manifest cannot be read, where the JDK only finds out after it has read all entries.
    pub(crate) late_error: Option<JavaError>,
    /// Covered names with the indices of their signers.
    pub(crate) covered: HashMap<String, Vec<usize>>,
    pub(crate) signers: Vec<Signer>,
    pub(crate) blocks: Vec<BlockReport>,
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
    let mut stage = Stage {
        limits,
        now,
        found: Signatures::default(),
        bytes: Vec::new(),
        sections: RawSections::default(),
    };
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
    /// The bytes of the manifest and where its sections are.
    bytes: Vec<u8>,
    sections: RawSections,
}

/// Why a block does not count.
enum Failure {
    Ignored(String),
    Refused(JavaError),
}

impl From<JavaError> for Failure {
    fn from(error: JavaError) -> Self {
        Self::Refused(error)
    }
}

fn ignored<T>(reason: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Ignored(reason.into()))
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
        let index = archive.by_name.get(&name).copied().unwrap_or_default();
        let bytes = self.read(source, archive, index)?;
        match bytes.and_then(|bytes| Ok((Manifest::parse(&bytes)?, bytes))) {
            Ok((manifest, bytes)) => {
                self.sections = RawSections::cut(&bytes);
                self.bytes = bytes;
                self.found.manifest = Some(manifest);
            }
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
        let mut files: HashMap<String, Vec<u8>> = HashMap::new();
        let mut pending: Vec<(String, String, SignedData)> = Vec::new();
        for index in indices {
            let Some(entry) = archive.entries.get(*index) else { continue };
            let index = archive.by_name.get(&entry.name).copied().unwrap_or(*index);
            let bytes = match self.read(source, archive, index)? {
                Ok(bytes) => bytes,
                Err(error) => {
                    // The JDK gives up on all signatures.
                    self.report(&entry.name, BlockOutcome::Ignored { reason: error.to_string() });
                    self.found.covered.clear();
                    return Ok(Ok(()));
                }
            };
            if bytes.is_empty() {
                continue;
            }
            let upper = entry.name.to_uppercase();
            let key = upper.rsplit_once('.').map_or(upper.as_str(), |(base, _)| base).to_owned();
            if !is_block(&upper) {
                for (name, _, block) in pending.iter().filter(|(_, base, _)| *base == key) {
                    match self.process(name, &key, block, &bytes) {
                        Ok(true) => {}
                        Ok(false) => break,
                        Err(error) => return Ok(Err(error)),
                    }
                }
                files.insert(key, bytes);
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
                Ok(block) => block,
                Err(error) => {
                    self.report(&entry.name, BlockOutcome::Ignored { reason: error.to_string() });
                    continue;
                }
            };
            // A block may carry its own signature file.
            let signature_file = block.content.clone().or_else(|| files.get(&key).cloned());
            match signature_file {
                Some(signature_file) => {
                    if let Err(error) = self.process(&entry.name, &key, &block, &signature_file) {
                        return Ok(Err(error));
                    }
                }
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

    /// Processes a block with its signature file and notes what became of it; `false` if it was ignored.
    fn process(
        &mut self,
        name: &str,
        key: &str,
        block: &SignedData,
        signature_file: &[u8],
    ) -> Result<bool, JavaError> {
        let (outcome, result) = match self.try_process(name, key, block, signature_file) {
            Ok(()) => (BlockOutcome::Accepted, Ok(true)),
            Err(Failure::Ignored(reason)) => (BlockOutcome::Ignored { reason }, Ok(false)),
            Err(Failure::Refused(error)) => {
                (BlockOutcome::Refused { reason: error.message.clone() }, Err(error))
            }
        };
        self.report(name, outcome);
        result
    }

    fn try_process(
        &mut self,
        name: &str,
        key: &str,
        block: &SignedData,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        // 1. The signature file must be one (JAR File Specification, "Signature Validation").
        let file = match Manifest::parse(bytes) {
            Ok(file) => file,
            Err(error) => return ignored(format!("the signature file cannot be parsed: {error}")),
        };
        if !file.main().value("Signature-Version").is_some_and(|version| version.eq_ignore_ascii_case("1.0"))
        {
            return ignored("the signature file does not have Signature-Version 1.0");
        }
        // 2. The block must hold a right signature over it.
        let mut infos = Vec::new();
        for info in &block.signer_infos {
            match block.check(info, bytes) {
                Check::Right => infos.push(info),
                Check::Wrong => {}
                Check::Unjudged(reason) => return ignored(reason),
            }
        }
        if infos.is_empty() {
            return Err(JavaError::security(format!("cannot verify signature block file {key}")).into());
        }
        // 3. Signers with their timestamps; a bad timestamp spoils the block.
        let mut signers = Vec::new();
        for info in infos {
            signers.push(self.signer(name, block, info, bytes)?);
        }
        // 4. No disabled algorithm anywhere.
        let at = algorithms_at(&signers, self.now);
        for signer in &signers {
            check_algorithms(signer, at)?;
        }
        // 5. The signature file must fit the manifest: as a whole, or section by section.
        let whole = self.covers_whole_manifest(&file, at)?;
        if !whole && !self.covers_main_attributes(&file, at)? {
            return Err(
                JavaError::security("Invalid signature file digest for Manifest main attributes").into()
            );
        }
        let mut names = Vec::new();
        for (name, attributes) in hash_order(file.sections().collect(), |(name, _)| name) {
            if whole || self.covers_section(name, attributes, at)? {
                let plain = name.strip_prefix("./").unwrap_or(name);
                names.push(plain.strip_prefix('/').unwrap_or(plain).to_owned());
            }
        }
        // 6. From here on the signers vouch for these names, and always for the manifest.
        names.extend(self.found.manifest_name.clone());
        let indices: Vec<usize> = signers.into_iter().map(|signer| self.intern(signer)).collect();
        for name in names {
            let known = self.found.covered.entry(name).or_default();
            for index in &indices {
                if !known.contains(index) {
                    known.push(*index);
                }
            }
        }
        Ok(())
    }

    fn signer(
        &self,
        name: &str,
        block: &SignedData,
        info: &SignerInfo,
        bytes: &[u8],
    ) -> Result<Signer, Failure> {
        let timestamp = match &info.timestamp_token {
            Some(token) => match timestamp::verify(token, &info.signature, self.limits) {
                Ok(token) => Some(token),
                Err(reason) => return ignored(reason),
            },
            None => None,
        };
        let scheme = match &info.scheme {
            Ok(scheme) => scheme.clone(),
            Err(reason) => return ignored(reason.clone()),
        };
        Ok(Signer {
            block: name.to_owned(),
            chain: block.chain_of(info),
            digest: info
                .digest
                .map_or_else(|| info.digest_oid.clone(), |digest| digest.jca_name().to_owned()),
            scheme,
            signed_attributes: !info.is_direct(),
            timestamp,
            ambiguous_content: info.is_direct() && bytes.first() == Some(&crate::asn1::tag::SET),
        })
    }

    fn intern(&mut self, signer: Signer) -> usize {
        match self.found.signers.iter().position(|known| known.is_same(&signer)) {
            Some(index) => index,
            None => {
                self.found.signers.push(signer);
                self.found.signers.len() - 1
            }
        }
    }

    /// Whether a digest of the whole manifest is right.
    fn covers_whole_manifest(&self, file: &Manifest, at: Timestamp) -> Result<bool, Failure> {
        let mut digests = Digests::new(file.main(), "-Digest-Manifest", at);
        let right = digests.any(|digest, expected| digest.matches(&[&self.bytes], expected));
        if digests.only_disabled() {
            return ignored("the signature file has digests of the manifest by disabled algorithms only");
        }
        Ok(right)
    }

    /// Whether the digests of the manifest's main section, if there are any, are right.
    fn covers_main_attributes(&self, file: &Manifest, at: Timestamp) -> Result<bool, Failure> {
        let main = self.sections.main(&self.bytes).unwrap_or_default();
        let mut digests = Digests::new(file.main(), "-Digest-Manifest-Main-Attributes", at);
        let wrong = digests.any(|digest, expected| !digest.matches(&[main], expected));
        if digests.only_disabled() || digests.only_unknown() {
            return ignored("the signature file has no usable digest of the main attributes");
        }
        Ok(!wrong)
    }

    /// Whether the digests of one manifest section are right; `false` if there is none to compare.
    fn covers_section(&self, name: &str, attributes: &Attributes, at: Timestamp) -> Result<bool, Failure> {
        let (Some(with_blank), Some(without_blank)) =
            (self.sections.named(&self.bytes, name, true), self.sections.named(&self.bytes, name, false))
        else {
            return Err(
                JavaError::security(format!("no manifest section for signature file entry {name}")).into()
            );
        };
        let mut right = false;
        let mut digests = Digests::new(attributes, "-Digest", at);
        while let Some((spelled, digest, expected)) = digests.next() {
            if !digest.matches(&with_blank, &expected) && !digest.matches(&without_blank, &expected) {
                return Err(JavaError::security(format!(
                    "invalid {spelled} signature file digest for {name}"
                ))
                .into());
            }
            right = true;
        }
        if digests.only_disabled() {
            return ignored(format!("the signature file has digests of {name} by disabled algorithms only"));
        }
        Ok(right)
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

/// The digests in a section's `NAME<suffix>` headers that are known and not disabled.
struct Digests<'a> {
    headers: Box<dyn Iterator<Item = (&'a str, &'a str)> + 'a>,
    suffix: &'static str,
    at: Timestamp,
    present: bool,
    allowed: bool,
    known: bool,
}

impl<'a> Digests<'a> {
    fn new(attributes: &'a Attributes, suffix: &'static str, at: Timestamp) -> Self {
        Self {
            headers: Box::new(attributes.iter()),
            suffix,
            at,
            present: false,
            allowed: false,
            known: false,
        }
    }

    fn next(&mut self) -> Option<(&'a str, DigestAlgorithm, Vec<u8>)> {
        for (key, value) in self.headers.by_ref() {
            let Some(name) = strip_suffix_ignoring_case(key, self.suffix) else { continue };
            self.present = true;
            if jar_digest_name(name, self.at) == Strength::Disabled {
                continue;
            }
            self.allowed = true;
            if let Some(digest) = DigestAlgorithm::from_jca(name) {
                self.known = true;
                // What is not Base64 cannot be equal to any digest.
                return Some((name, digest, decode_base64(value).unwrap_or_default()));
            }
        }
        None
    }

    /// Whether any digest fulfils the condition; looks at all of them.
    fn any(&mut self, condition: impl Fn(DigestAlgorithm, &[u8]) -> bool) -> bool {
        let mut found = false;
        while let Some((_, digest, expected)) = self.next() {
            found |= condition(digest, &expected);
        }
        found
    }

    /// Whether there are digests, but only by algorithms nobody knows; to be asked at the end.
    fn only_unknown(&self) -> bool {
        self.allowed && !self.known
    }

    /// Whether there are digests, but only by disabled algorithms; to be asked at the end.
    fn only_disabled(&self) -> bool {
        self.present && !self.allowed
    }
}

/// The part of a header name before a suffix.
pub(crate) fn strip_suffix_ignoring_case<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = name.split_at_checked(name.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

/// The algorithms and keys of a signer and its timestamp under `jdk.jar.disabledAlgorithms`.
fn check_algorithms(signer: &Signer, at: Timestamp) -> Result<(), Failure> {
    let disabled = |what: String| ignored(format!("{what} is disabled"));
    let mut schemes = vec![&signer.scheme];
    let mut leaves = vec![signer.chain.first()];
    if jar_digest_name(&signer.digest, at) == Strength::Disabled {
        return disabled(signer.digest.clone());
    }
    if let Some(token) = &signer.timestamp {
        schemes.push(&token.scheme);
        leaves.push(token.chain.first());
        for digest in [Some(token.imprint), token.digest].into_iter().flatten() {
            if jar_digest(digest, at) == Strength::Disabled {
                return disabled(digest.jca_name().to_owned());
            }
        }
    }
    for scheme in schemes {
        if jar_scheme(scheme, at) == Strength::Disabled {
            return disabled(scheme.name());
        }
    }
    for leaf in leaves.into_iter().flatten() {
        let key = &leaf.key.kind;
        if jar_key(key) == Strength::Disabled {
            return disabled(format!("a {} key of {} bits", key.algorithm(), key.bits().unwrap_or(0)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::strip_suffix_ignoring_case;

    #[test]
    fn header_suffixes_compare_without_case() {
        assert_eq!(strip_suffix_ignoring_case("sha-256-DIGEST", "-Digest"), Some("sha-256"));
        assert_eq!(strip_suffix_ignoring_case("Digest", "-Digest"), None);
        assert_eq!(strip_suffix_ignoring_case("SHA-256-Digest-Manifest", "-Digest"), None);
    }
}
