//! The content stage: every entry is read to its end, digests of covered entries are compared.
//!
//! Reading runs on all cores, the largest entries first; each worker has two buffers of 64 KiB, so memory does not
//! depend on the archive. Judging is sequential and in the order of the central directory, because the JDK stops at
//! the first failure.
//!
//! Attacks considered here: content that differs between two entries of one name (both are compared), disabled or
//! unknown digests only (never counts as signed), content longer than declared (a finding).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::algorithm_policy::{Strength, jar_digest};
use crate::archive::{Archive, Content, ContentReader};
use crate::digest_algorithm::{DigestAlgorithm, Hasher};
use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::manifest::Manifest;
use crate::mime_base64;
use crate::signature_names::{has_signature_extension, is_signature_related};
use crate::signatures::{Signatures, algorithms_at, strip_suffix_ignoring_case};
use crate::source::Source;

/// What the content stage found.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// For each entry, the indices of its signers.
    pub(crate) signers: Vec<Vec<usize>>,
    /// For each entry, whether its content was compared with a digest that counts, and is right.
    pub(crate) compared: Vec<bool>,
    /// For each entry, why it cannot be read, although that may not matter.
    pub(crate) unreadable: Vec<Option<JavaError>>,
    pub(crate) findings: Vec<Finding>,
    /// Whether every entry has been read to its end, and has the declared size and CRC-32.
    pub(crate) clean: bool,
    pub(crate) abort: Option<JavaError>,
}

/// A covered name: who signed it, and what its entries must be.
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) signers: &'a [usize],
    pub(crate) expected: Vec<Expected<'a>>,
}

/// One digest that an entry must have.
pub(crate) struct Expected<'a> {
    /// The name as the manifest spells it.
    spelled: &'a str,
    pub(crate) digest: DigestAlgorithm,
    pub(crate) value: Result<Vec<u8>, String>,
}

/// What was read of an entry.
struct Outcome {
    content: Content,
    /// The positions of expected digests that are not those of the content.
    wrong: Vec<usize>,
}

/// Reads and judges all entries.
pub(crate) fn examine(
    source: &Source,
    archive: &Archive,
    signatures: &Signatures,
    threads: usize,
    now: Timestamp,
) -> io::Result<Contents> {
    // One look at each section, however many entries have its name.
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let plans: Vec<Option<usize>> = archive
        .entries
        .iter()
        .map(|entry| {
            let named = !entry.is_directory() && signatures.manifest_name.as_ref() != Some(&entry.name);
            let (name, signers) =
                signatures.covered.get_key_value(plain_name(&entry.name)).filter(|_| named)?;
            Some(*known.entry(name).or_insert_with(|| {
                let expected = expected_digests(signatures.manifest.as_ref(), name);
                sections.push(Section { name, signers, expected });
                sections.len() - 1
            }))
        })
        .collect();
    let plan = |index: usize| plans.get(index).copied().flatten().and_then(|slot| sections.get(slot));
    let outcomes = read_all(source, archive, &plan, threads)?;
    let mut contents = Contents::default();
    note_findings(archive, &outcomes, &mut contents.findings);
    contents.clean = contents.findings.is_empty();
    judge(archive, signatures, &plan, &outcomes, now, &mut contents);
    Ok(contents)
}

/// The name under which signature files know an entry.
pub(crate) fn plain_name(name: &str) -> &str {
    let name = name.strip_prefix("./").unwrap_or(name);
    name.strip_prefix('/').unwrap_or(name)
}

/// The section that covers an entry, by the entry's index.
type Plan<'a> = &'a (dyn Fn(usize) -> Option<&'a Section<'a>> + Sync);

/// The known digests that the manifest states for a name.
pub(crate) fn expected_digests<'a>(manifest: Option<&'a Manifest>, name: &str) -> Vec<Expected<'a>> {
    let Some(section) = manifest.and_then(|manifest| manifest.section_of_entry(name)) else {
        return Vec::new();
    };
    section
        .iter()
        .filter_map(|(key, value)| {
            let spelled = strip_suffix_ignoring_case(key, "-Digest")?;
            let digest = DigestAlgorithm::from_jca(spelled)?;
            let value = mime_base64::decode(value);
            Some(Expected { spelled, digest, value })
        })
        .collect()
}

fn read_all(source: &Source, archive: &Archive, plan: Plan<'_>, threads: usize) -> io::Result<Vec<Outcome>> {
    let mut order: Vec<usize> = (0..archive.entries.len()).collect();
    order.sort_by_key(|index| Reverse(archive.entries.get(*index).map_or(0, |entry| entry.size)));
    let total: u64 = archive.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    let wanted = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    // Starting a thread costs more than hashing a small archive.
    let workers = if total < SMALL_ARCHIVE { 1 } else { wanted.min(order.len()).max(1) };
    let next = AtomicUsize::new(0);
    let collected: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::with_capacity(order.len()));
    let failure: Mutex<Option<io::Error>> = Mutex::new(None);
    let work = || {
        let mut reader = ContentReader::default();
        let mut mine = Vec::new();
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read_one(source, archive, plan(*index), *index, &mut reader) {
                Ok(outcome) => mine.push((*index, outcome)),
                Err(error) => {
                    next.store(order.len(), Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    break;
                }
            }
        }
        collected.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
    };
    if workers == 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
    }
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    // An entry that nobody has read must not pass for one with nothing wrong.
    let mut outcomes: Vec<Option<Outcome>> = order.iter().map(|_| None).collect();
    for (index, outcome) in collected.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }
    outcomes.into_iter().collect::<Option<_>>().ok_or_else(|| io::Error::other("an entry was not read"))
}

fn read_one(
    source: &Source,
    archive: &Archive,
    section: Option<&Section<'_>>,
    index: usize,
    reader: &mut ContentReader,
) -> io::Result<Outcome> {
    let expected = section.map(|section| section.expected.as_slice()).unwrap_or_default();
    let mut hashers = hashers(expected);
    let content = reader.digest(source, archive, index, &mut hashers)?;
    Ok(Outcome { content, wrong: wrong_digests(expected, hashers) })
}

/// What computes the expected digests.
pub(crate) fn hashers(expected: &[Expected<'_>]) -> Vec<Hasher> {
    expected.iter().filter_map(|expected| expected.digest.hasher()).collect()
}

/// The positions of the expected digests that are not those of the content.
pub(crate) fn wrong_digests(expected: &[Expected<'_>], hashers: Vec<Hasher>) -> Vec<usize> {
    let mut digests = hashers.into_iter().map(Hasher::finish);
    let mut wrong = Vec::new();
    for (position, Expected { digest, value, .. }) in expected.iter().enumerate() {
        let found = if digest.is_computed() { digests.next() } else { None };
        if found.as_ref() != value.as_ref().ok() {
            wrong.push(position);
        }
    }
    wrong
}

fn note_findings(archive: &Archive, outcomes: &[Outcome], findings: &mut Vec<Finding>) {
    for (entry, Outcome { content, .. }) in archive.entries.iter().zip(outcomes) {
        let name = || entry.name.clone();
        if let Some(error) = content.error.as_ref().or(content.late_error.as_ref()) {
            findings.push(Finding::Unreadable { entry: name(), reason: error.to_string() });
            continue;
        }
        if content.longer_than_declared || content.length != entry.size {
            findings.push(Finding::WrongSize { entry: name(), declared: entry.size });
        } else if !content.crc_matches {
            findings.push(Finding::WrongCrc { entry: name() });
        }
        if content.unused_compressed > 0 {
            findings
                .push(Finding::UnusedCompressedBytes { entry: name(), length: content.unused_compressed });
        }
    }
}

/// Judges entries one after the other, as the JDK does while it reads them.
fn judge(
    archive: &Archive,
    signatures: &Signatures,
    plan: Plan<'_>,
    outcomes: &[Outcome],
    now: Timestamp,
    contents: &mut Contents,
) {
    let verifies = !signatures.covered.is_empty();
    // Names move from "covered" to "verified" when the first entry of that name has been compared.
    let mut verified: HashMap<&str, &[usize]> = HashMap::new();
    if let Some((name, signers)) =
        signatures.manifest_name.as_deref().and_then(|name| signatures.covered.get_key_value(name))
    {
        verified.insert(name, signers);
    }
    let mut own: Vec<Option<&[usize]>> = Vec::with_capacity(archive.entries.len());
    for (index, (entry, outcome)) in archive.entries.iter().zip(outcomes).enumerate() {
        let described = is_signature_related(&entry.name) && has_signature_extension(&entry.name);
        let error =
            outcome.content.error.as_ref().or(outcome.content.late_error.as_ref().filter(|_| !verifies));
        if let Some(error) = error
            && !described
        {
            contents.abort = Some(error.clone());
            break;
        }
        contents.unreadable.push(error.cloned());
        let Some(section) = plan(index) else {
            own.push(None);
            contents.compared.push(false);
            continue;
        };
        let Section { name, signers, .. } = *section;
        let at = algorithms_at(signers.iter().filter_map(|index| signatures.signers.get(*index)), now);
        let compared = compare(section, &outcome.wrong, at);
        contents.compared.push(compared == Ok(true));
        match compared {
            Ok(true) => own.push(verified.insert(name, signers).is_none().then_some(signers)),
            Ok(false) => own.push(None),
            Err(error) => {
                contents.abort = Some(error);
                break;
            }
        }
    }
    own.resize(archive.entries.len(), None);
    contents.signers = archive
        .entries
        .iter()
        .zip(own)
        .map(|(entry, own)| {
            own.or_else(|| verified.get(entry.name.as_str()).copied()).unwrap_or_default().to_vec()
        })
        .collect();
    if contents.abort.is_none() {
        contents.abort.clone_from(&signatures.late_error);
    }
}

/// Compares all digests that are not disabled; `false` if there are only disabled ones.
pub(crate) fn compare(section: &Section<'_>, wrong: &[usize], at: Timestamp) -> Result<bool, JavaError> {
    let Section { name, expected, .. } = section;
    if expected.is_empty() {
        return Err(JavaError::security(format!("digest missing for {name}")));
    }
    if let Some(error) = expected.iter().find_map(|expected| expected.value.as_ref().err()) {
        return Err(JavaError::illegal_argument(error));
    }
    let mut compared = false;
    for (position, Expected { spelled, digest, .. }) in expected.iter().enumerate() {
        if jar_digest(*digest, at) == Strength::Disabled {
            continue;
        }
        if wrong.contains(&position) {
            return Err(JavaError::security(format!("{spelled} digest error for {name}")));
        }
        compared = true;
    }
    Ok(compared)
}

/// Below this many bytes one thread does everything.
const SMALL_ARCHIVE: u64 = 1 << 20;
