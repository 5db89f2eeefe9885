//! The ZIP container: our own reader, which sees what an archive really holds.
//!
//! Attacks considered here (APPNOTE section numbers in brackets), and the defence:
//!
//! - duplicate names, one checked and another unpacked (CVE-2013-4787): every header of the central directory is
//!   kept, in order; duplicates are findings.
//! - local header and central directory disagree (CVE-2025-54368): every local header is compared (4.3.7).
//! - a file that is two formats at once, glued archives, bytes before, between or after: the extents of all
//!   entries must tile the file up to the central directory.
//! - several end records: all signatures in the tail are counted (4.3.16).
//! - ZIP64 contradictions and loops in extra fields (CVE-2023-22036): checked lengths, no zero progress.
//! - overlapping entries and bombs: extents may not overlap; no allocation follows a declared size, and an entry
//!   is read to its declared size and one byte more at most.
//! - traversal, links, device and setuid modes: only reported here; nothing is ever unpacked.
//!
//! What the JDK's `ZipFile` refuses is a [`JavaError`] with its text; what it lets pass, but no honest archive has,
//! is a [`Finding`].

mod bytes;
mod central_directory;
mod content;
mod end_record;
mod local_header;
mod names;
mod reading_order;
mod window;

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::jdk::Rules;
use crate::limits::Limits;
use crate::name_index::NameIndex;
use crate::signature_names::{has_meta_inf_prefix, is_block_or_signature_file};
use crate::source::Source;

use central_directory::{BAD_NAME, Contested};

pub(crate) use bytes::{extra_field, u16_at, u32_at, u64_at};
pub(crate) use central_directory::EntryHeader;
pub use central_directory::Modified;
pub(crate) use content::{Content, ContentReader, inflate_fault};
pub(crate) use end_record::find as find_end_record;
pub(crate) use local_header::LocalHeaderFault;
pub use names::is_hidden_character;
pub(crate) use reading_order::ReadingOrder;
pub(crate) use window::Window;

/// An archive with its directory read and its structure examined.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) entries: Vec<EntryHeader>,
    /// For each entry, the position of its data, or why its local header cannot be used.
    pub(crate) data: Vec<Result<u64, LocalHeaderFault>>,
    /// The last entry of each name, once somebody asks for many of them.
    by_name: OnceLock<NameIndex>,
    /// How often somebody asked without it.
    asked: AtomicUsize,
    pub(crate) findings: Vec<Finding>,
    /// How many end records there are that some reader may take for the real one.
    pub(crate) end_records: usize,
    /// For each entry in the order of the file, its index: what a reader of the stream of bytes meets. `None` if that
    /// cannot be told from the headers, because they disagree, or because there are bytes that belong to no entry.
    pub(crate) streams: Option<Vec<usize>>,
    /// Whether more entries are announced than the directory has room for.
    too_many: bool,
    contested: Contested,
}

/// The refusal of an archive that no JDK opens, in the words of one.
pub(crate) fn refusal(error: JavaError, rules: &Rules) -> JavaError {
    match error.message.as_str() {
        BAD_NAME if rules.checks_entry_comments => {
            JavaError::zip("invalid CEN header (bad entry name or comment)")
        }
        _ => error,
    }
}

impl Archive {
    /// Reads the directory. The inner error is what the JDK would say of an archive it cannot open.
    pub(crate) fn open(source: &Source, limits: &Limits) -> io::Result<Result<Self, JavaError>> {
        Self::open_with(source, limits, 1)
    }

    /// The same on several threads.
    pub(crate) fn open_with(
        source: &Source,
        limits: &Limits,
        threads: usize,
    ) -> io::Result<Result<Self, JavaError>> {
        let end = match end_record::find(source)? {
            Ok(end) => end,
            Err(error) => return Ok(Err(error)),
        };
        let Some(directory_start) = end.position.checked_sub(end.directory_length) else {
            return Ok(Err(JavaError::zip("invalid END header (bad central directory size)")));
        };
        let Some(base) = directory_start.checked_sub(end.directory_offset) else {
            return Ok(Err(JavaError::zip("invalid END header (bad central directory offset)")));
        };
        if end.directory_length > limits.central_directory {
            return Ok(Err(JavaError::zip(format!(
                "the central directory of {} bytes exceeds the limit of {} bytes",
                end.directory_length, limits.central_directory
            ))));
        }
        let length = usize::try_from(end.directory_length).unwrap_or(usize::MAX);
        let entries = central_directory::read(source, directory_start, length, end.entries, limits.entries)?;
        let (entries, contested) = match entries {
            Ok(parsed) => parsed,
            Err(error) => return Ok(Err(error)),
        };

        let mut findings = Vec::new();
        if end.trailing > 0 {
            findings.push(Finding::TrailingBytes { length: end.trailing });
        }
        if end.other_signatures > 0 {
            findings.push(Finding::SeveralEndRecords { count: end.other_signatures + 1 });
        }
        if end.multi_disk {
            findings.push(Finding::MultiDisk);
        }
        if end.comment_length > 0 {
            findings.push(Finding::ArchiveComment { length: end.comment_length });
        }
        let counted = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if end.entries != counted {
            findings.push(Finding::EntryCountDiffers { declared: end.entries, found: counted });
        }
        let too_many = end.entries > end.directory_length / MIN_HEADER_LENGTH;
        let (data, streams) =
            local_header::examine(source, &entries, base, directory_start, threads, &mut findings)?;
        if end.zip64 && end.position.checked_add(56 + 20) != Some(end.classic_position) {
            findings.push(Finding::HiddenBytes { offset: end.position, length: 0 });
        }
        let (by_name, asked) = (OnceLock::new(), AtomicUsize::new(0));
        let end_records = end.other_signatures + 1;
        Ok(Ok(Self { entries, data, streams, by_name, asked, findings, end_records, too_many, contested }))
    }

    /// Why a JDK refuses the archive although another opens it.
    pub(crate) fn refusal(&self, rules: &Rules) -> Option<JavaError> {
        if self.too_many && rules.refuses_high_entry_count {
            return Some(JavaError::zip("invalid END header (total entries count too large)"));
        }
        if self.contested.long_header && rules.refuses_long_headers {
            return Some(JavaError::zip("invalid CEN header (bad header size)"));
        }
        if let Some(wrong) = self.contested.inexact_zip64.filter(|_| rules.insists_on_exact_zip64) {
            return Some(JavaError::zip(wrong));
        }
        match &self.contested.bad_comment {
            Some(_) if rules.checks_entry_comments => Some(refusal(JavaError::zip(BAD_NAME), rules)),
            other => other.clone(),
        }
    }

    /// The entry at which that JDK finds out about a comment that it refuses. With the first entry it looks at the manifest
    /// of an archive that has signature files or blocks.
    pub(crate) fn refused_at(&self, rules: &Rules) -> usize {
        if self.contested.bad_comment.is_none() || rules.checks_entry_comments {
            return 0;
        }
        let has_files = || {
            let mut names = self.entries.iter().map(|entry| entry.name.as_str());
            names.any(|name| has_meta_inf_prefix(name) && is_block_or_signature_file(name))
        };
        if self.contested.bad_manifest_comment && has_files() { 0 } else { self.contested.bad_comment_at }
    }

    /// Whether a JDK gives up on all signatures at this signature file or block, because of its comment.
    pub(crate) fn spoils_signatures(&self, index: usize) -> bool {
        self.contested.bad_file_comment_at == Some(index)
    }

    /// Adds a finding for every name or mode that must not reach a disk.
    pub(crate) fn examine_names(&self, findings: &mut Vec<Finding>) {
        names::examine(&self.entries, findings);
    }

    /// Forgets which entry a look-up by name finds: from now on each is read from its own position.
    pub(crate) fn forget_names(&mut self) {
        self.by_name = NameIndex::default().into();
    }

    /// The entry that a look-up by name finds: the last one.
    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        if self.by_name.get().is_none() && self.asked.fetch_add(1, Ordering::Relaxed) < FEW_LOOKUPS {
            return self.entries.iter().rposition(|entry| entry.name == name);
        }
        let by_name = self.by_name.get_or_init(|| {
            let mut by_name = NameIndex::default();
            for index in 0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX) {
                by_name.replace(index, |index| name_of(&self.entries, index));
            }
            by_name
        });
        let index = by_name.get(name, |index| name_of(&self.entries, index))?;
        usize::try_from(index).ok()
    }

    /// Reads a small entry whole; the JDK's limit for signature related files applies.
    pub(crate) fn read_small(
        &self,
        source: &Source,
        index: usize,
        limits: &Limits,
    ) -> io::Result<Result<Vec<u8>, JavaError>> {
        let Some(entry) = self.entries.get(index) else { return Ok(Ok(Vec::new())) };
        if entry.size > limits.signature_file {
            return Ok(Err(too_large(entry, limits)));
        }
        ContentReader::default().read_whole(source, self, index)
    }

    /// The same from its own position, whatever its name; `to_the_end` of the data, whatever the declared size.
    pub(crate) fn read_in_place(
        &self,
        source: &Source,
        index: usize,
        to_the_end: bool,
        limits: &Limits,
    ) -> io::Result<Result<Vec<u8>, JavaError>> {
        let Some(entry) = self.entries.get(index) else { return Ok(Ok(Vec::new())) };
        if entry.size > limits.signature_file {
            return Ok(Err(too_large(entry, limits)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
        let sink: &mut dyn FnMut(&[u8]) = &mut |chunk| bytes.extend_from_slice(chunk);
        let declared = if to_the_end { limits.signature_file } else { entry.size };
        let content = ContentReader::default().read_up_to(source, self, (index, index), declared, sink)?;
        Ok(match content.error {
            Some(error) => Err(error),
            None if to_the_end && content.longer_than_declared => Err(too_large(entry, limits)),
            None => Ok(bytes),
        })
    }
}

/// What is said of a signature related file that is too large.
fn too_large(entry: &EntryHeader, limits: &Limits) -> JavaError {
    JavaError::io(format!(
        "Unsupported size: {} for JarEntry {}. Allowed max size: {} bytes. You can use the \
         jdk.jar.maxSignatureFileSize system property to increase the default value.",
        entry.size, entry.name, limits.signature_file
    ))
}

/// So many times searching takes less than making a table.
const FEW_LOOKUPS: usize = 16;

/// Bytes of a central directory header without name, extra fields and comment (APPNOTE 4.3.12).
const MIN_HEADER_LENGTH: u64 = 46;

fn name_of(entries: &[EntryHeader], index: u32) -> &str {
    let entry = usize::try_from(index).ok().and_then(|index| entries.get(index));
    entry.map(|entry| entry.name.as_str()).unwrap_or_default()
}
