//! A second opinion by readers that share no code with ours: `zip` on the container, `cms` and `x509-cert` on the
//! signature blocks that were accepted.
//!
//! Verdicts must be those of `jarsigner`, so our own code reads everything as the JDK does, laxly where the JDK is lax.
//! The second readers follow the standards more strictly and have no say in a verdict. Where they refuse or see
//! something else, the same bytes mean different things to different programs: that is a [`Finding`].

mod archive;
mod contents;
mod facts;
mod ours;
mod signature_block;
mod theirs;

use std::io;

use crate::archive::Archive;
use crate::examine::Inputs;
use crate::finding::Finding;
use crate::signatures::Signatures;
use crate::source::Source;

/// Reads archive and accepted signature blocks once more; only disagreements are findings, at most one for each.
///
/// `sha256` holds the digests of our own reading where contents are to be compared.
pub(crate) fn compare(
    source: &Source,
    archive: &Archive,
    signatures: &Signatures,
    sha256: &[Option<[u8; 32]>],
    inputs: &Inputs<'_>,
) -> io::Result<Vec<Finding>> {
    let limits = &inputs.limits;
    let mut findings = Vec::from_iter(archive::compare(source, archive, sha256, inputs.workers())?);
    findings.extend(
        signatures.accepted.iter().filter_map(|(name, block)| signature_block::compare(name, block, limits)),
    );
    Ok(findings)
}

/// The comparison of one block, for the fuzz targets.
#[cfg(any(test, fuzzing))]
pub(crate) fn compare_block(
    name: &str,
    block: &crate::signed_data::SignedData,
    limits: &crate::limits::Limits,
) -> Option<Finding> {
    signature_block::compare(name, block, limits)
}
