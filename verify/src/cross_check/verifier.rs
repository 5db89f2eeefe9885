//! What `JarInputStream` verifies while it reads: signature files first, then contents.

use std::collections::HashSet;

use super::stream::{Stop, Stream};
use super::{FirstPass, signers};
use crate::contents::{compare, expected_digests};
use crate::digest_algorithm::Hasher;
use crate::java_error::JavaError;
use crate::jdk::Rules;
use crate::manifest::Manifest;
use crate::signature_names::{
    INDEX_NAME, MANIFEST_NAME, is_block_or_signature_file, is_in_meta_inf, plain_name,
};
use crate::signatures::{Processed, Signatures, Signer, Stage, algorithms_at};

/// Where the covered names come from.
pub(super) enum Signed<'a> {
    /// The stream has the manifest and signature files of the first pass, in the same order.
    Same(&'a Signatures),
    /// It has its own.
    Own(Box<Stage<'a>>),
}

/// A `JarVerifier` behind a stream.
pub(super) struct Verifier<'a> {
    signed: Signed<'a>,
    /// Whether signature files may still come.
    parses_meta: bool,
    /// Names whose signers have been handed over to the first entry of that name.
    verified: HashSet<String>,
    current: Current,
    signers_of_current: Vec<usize>,
}

/// The entry that is being read.
enum Current {
    Unsigned,
    SignatureFile(String),
    /// Covered by a signature file, under this name.
    Covered(String),
}

/// What an entry is to a verifier that still expects signature files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryClass {
    Directory,
    /// The manifest or the index.
    Listed,
    SignatureFile,
    /// Anything else: from here on no signature file counts.
    Other,
}

/// Classifies an entry.
pub(super) fn classify(name: &str, rules: &Rules) -> EntryClass {
    let upper = name.to_uppercase();
    let inside = if rules.signatures_in_subfolders {
        upper.strip_prefix('/').unwrap_or(&upper).starts_with("META-INF/")
    } else {
        is_in_meta_inf(&upper)
    };
    if !inside {
        return EntryClass::Other;
    }
    match upper.as_str() {
        folder if folder.ends_with('/') => EntryClass::Directory,
        MANIFEST_NAME | INDEX_NAME => EntryClass::Listed,
        file if is_block_or_signature_file(file) => EntryClass::SignatureFile,
        _ => EntryClass::Other,
    }
}

impl<'a> Verifier<'a> {
    pub(super) fn new(signed: Signed<'a>) -> Self {
        Self {
            signed,
            parses_meta: true,
            verified: HashSet::new(),
            current: Current::Unsigned,
            signers_of_current: Vec::new(),
        }
    }

    fn signatures(&self) -> &Signatures {
        match &self.signed {
            Signed::Same(signatures) => signatures,
            Signed::Own(stage) => &stage.found,
        }
    }

    /// The manifest of the stream.
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.signatures().manifest.as_ref()
    }

    /// Turns to an entry; `false` if nothing is left to verify in the whole stream.
    pub(super) fn begin(&mut self, name: &str, rules: &Rules) -> Result<bool, JavaError> {
        self.current = Current::Unsigned;
        self.signers_of_current.clear();
        if self.parses_meta {
            match classify(name, rules) {
                EntryClass::Directory | EntryClass::Listed => return Ok(true),
                EntryClass::SignatureFile => {
                    self.current = Current::SignatureFile(name.to_owned());
                    return Ok(true);
                }
                EntryClass::Other => self.parses_meta = false,
            }
        }
        let signatures = self.signatures();
        if signatures.covered.is_empty() {
            return Ok(false);
        }
        let plain = plain_name(name);
        if name.ends_with('/')
            || plain.eq_ignore_ascii_case(MANIFEST_NAME)
            || signatures.covered.number(plain).is_none()
        {
            return Ok(true);
        }
        let expected = expected_digests(signatures.manifest.as_ref(), plain);
        if let Some(error) = expected.iter().find_map(|expected| expected.value.as_ref().err()) {
            return Err(JavaError::illegal_argument(error));
        }
        self.current = Current::Covered(plain.to_owned());
        Ok(true)
    }

    /// Reads the current entry to its end and verifies it.
    pub(super) fn finish(&mut self, stream: &mut Stream<'_>, first: &FirstPass<'_>) -> Result<(), Stop> {
        match std::mem::replace(&mut self.current, Current::Unsigned) {
            Current::Unsigned => stream.finish(&mut |_| {}),
            Current::SignatureFile(name) => {
                let Signed::Own(stage) = &mut self.signed else { return stream.finish(&mut |_| {}) };
                let bytes = stream.read_small(first)?;
                match stage.feed(&name, bytes)? {
                    Processed::GivenUp(reason) => Err(JavaError::illegal_argument(reason).into()),
                    Processed::Accepted | Processed::Ignored => Ok(()),
                }
            }
            Current::Covered(name) => self.verify(&name, stream, first),
        }
    }

    fn verify(&mut self, name: &str, stream: &mut Stream<'_>, first: &FirstPass<'_>) -> Result<(), Stop> {
        let signatures = match &self.signed {
            Signed::Same(signatures) => signatures,
            Signed::Own(stage) => &stage.found,
        };
        let Some(covering) = signatures.covered.signers(name) else { return stream.finish(&mut |_| {}) };
        let counts = match stream {
            // The first pass has compared this very content.
            Stream::Known(_) => {
                stream.finish(&mut |_| {})?;
                stream.current().is_some_and(|index| first.contents.compared.get(index) == Some(&true))
            }
            Stream::Bytes(_) => {
                let expected = expected_digests(signatures.manifest.as_ref(), name);
                let mut hashers: Vec<Hasher> =
                    expected.iter().filter_map(|expected| expected.digest.hasher()).collect();
                stream.finish(&mut |bytes| hashers.iter_mut().for_each(|hasher| hasher.update(bytes)))?;
                let found: Vec<Vec<u8>> = hashers.into_iter().map(Hasher::finish).collect();
                let at = algorithms_at(signers(signatures, covering), first.now);
                compare(name, &expected, &found, at)?
            }
        };
        if counts && self.verified.insert(name.to_owned()) {
            self.signers_of_current = covering.to_vec();
        }
        Ok(())
    }

    /// The signers of the entry that has been read last.
    pub(super) fn signers_of_current(&self) -> Vec<&Signer> {
        signers(self.signatures(), &self.signers_of_current)
    }
}
