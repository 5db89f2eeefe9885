//! What is in an archive, read without trusting and without judging: for those who look, not for those who decide.
//!
//! [`examine`](crate::examine) reports accepted signers only; here every block is opened, also one whose signature is
//! wrong or whose algorithms count no more, and an archive whose directory cannot be read is searched for what is left
//! of it. Nothing in an [`Inspection`] is evidence: names, times and fingerprints are what the file says of itself.
//!
//! Attacks considered here: the bytes are hostile, and all of them are shown to somebody. Sizes and numbers are bounded by
//! [`Limits`]; what is left out is named. Texts are handed on as they are: whoever prints them escapes them
//! ([`is_hidden_character`](crate::is_hidden_character)).

mod attribute_file;
mod certificate;
mod container;
mod record_search;
mod signature_block;
mod time_line;

use std::collections::HashSet;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::Archive;
use crate::limits::Limits;
use crate::signature_names::{MANIFEST_NAME, has_meta_inf_prefix, is_block, is_block_or_signature_file};
use crate::source::Source;

pub use attribute_file::{AttributeFile, AttributeLine, DigestCount};
pub use certificate::CertificateContent;
pub use container::{Container, EndRecordContent, EntryContent};
pub use record_search::{FoundEndRecord, FoundHeader, RecordSearch};
pub use signature_block::{BlockContent, SignerContent, TimestampContent};
pub use time_line::{Moment, MomentEvent};

/// What is in an archive. Facts as the file states them; nothing is verified.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Inspection {
    /// The ZIP container.
    pub container: Container,
    /// Every `META-INF/MANIFEST.MF`, in any case of letters; an honest archive has at most one.
    pub manifests: Vec<AttributeFile>,
    /// Every signature file.
    pub signature_files: Vec<AttributeFile>,
    /// Every signature block.
    pub blocks: Vec<BlockContent>,
    /// Names of manifests, signature files and blocks that were not read because there are too many or too large ones.
    pub passed_over: Vec<String>,
    /// The moments that certificates and signatures name, earliest first.
    pub time_line: Vec<Moment>,
    /// What the central directory says of each entry beyond the report, in the same order.
    pub entries: Vec<EntryContent>,
}

/// Reads what is in an archive, as far as it can be read.
///
/// # Errors
///
/// Only if the bytes cannot be read from their source.
pub fn inspect(source: &Source, limits: &Limits) -> io::Result<Inspection> {
    let (container, archive) = container::read(source, limits)?;
    let mut inspection = Inspection {
        container,
        manifests: Vec::new(),
        signature_files: Vec::new(),
        blocks: Vec::new(),
        passed_over: Vec::new(),
        time_line: Vec::new(),
        entries: Vec::new(),
    };
    let Some(mut archive) = archive else { return Ok(inspection) };
    // Every entry is read from its own position, also one of several with the same name.
    archive.forget_names();
    inspection.entries = archive.entries.iter().map(EntryContent::of).collect();
    inspection.read_signatures(source, &archive, limits)?;
    inspection.time_line = time_line::of(&inspection.blocks);
    Ok(inspection)
}

impl Inspection {
    fn read_signatures(&mut self, source: &Source, archive: &Archive, limits: &Limits) -> io::Result<()> {
        let names: HashSet<&str> = archive.entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut bytes_left = limits.signature_files;
        for (index, entry) in archive.entries.iter().enumerate() {
            let manifest = entry.name.eq_ignore_ascii_case(MANIFEST_NAME);
            let related = has_meta_inf_prefix(&entry.name) && is_block_or_signature_file(&entry.name);
            if !manifest && !related {
                continue;
            }
            let read = self.manifests.len() + self.signature_files.len() + self.blocks.len();
            if read > 2 * limits.signature_blocks || entry.size > bytes_left {
                self.passed_over.push(entry.name.clone());
                continue;
            }
            bytes_left -= entry.size;
            let bytes = archive.read_small(source, index, limits)?.map_err(|error| error.to_string());
            if manifest {
                self.manifests.push(AttributeFile::read(&entry.name, bytes, &names));
            } else if is_block(&entry.name.to_uppercase()) {
                self.blocks.push(BlockContent::read(&entry.name, bytes, limits));
            } else {
                self.signature_files.push(AttributeFile::read(&entry.name, bytes, &names));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
