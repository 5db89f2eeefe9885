//! The content stage: every entry is read to its end, digests of covered entries are compared.
//!
//! Reading and comparing run on all cores, the largest entries first; each worker has two buffers of 64 KiB, and of an
//! entry with nothing to say about it only that is kept, so memory does not depend on the archive. Judging is sequential
//! and in the order of the central directory, because the JDK stops at the first failure.
//!
//! Attacks considered here: content that differs between two entries of one name (both are compared), disabled or
//! unknown digests only (never counts as signed), content longer than declared (a finding), a huge manifest section
//! for a million entries of one name (looked at once).

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;

use crate::algorithm_policy::{Strength, escapes_policy, jar_digest_name};
use crate::archive::{Archive, Content, ContentReader, EntryHeader, ReadingOrder};
use crate::digest_algorithm::{DigestAlgorithm, Hasher};
use crate::examine::Inputs;
use crate::finding::Finding;
use crate::java_error::JavaError;
use crate::manifest::{Attributes, Manifest};
use crate::mime_base64;
use crate::places::Places;
use crate::signature_names::{has_signature_extension, is_signature_related, plain_name};
use crate::signatures::{Signatures, algorithms_at, strip_suffix_ignoring_case};
use crate::source::Source;

/// What the content stage found.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// For each entry, the indices of its signers.
    pub(crate) signers: Vec<Arc<[usize]>>,
    /// For each entry, whether its content was compared with a digest that counts, and is right.
    pub(crate) compared: Vec<bool>,
    /// Why entries cannot be read, where that did not end the first pass.
    pub(crate) unreadable: HashMap<usize, JavaError>,
    pub(crate) findings: Vec<Finding>,
    /// Whether every entry has been read to its end, and has the declared size and CRC-32.
    pub(crate) clean: bool,
    pub(crate) abort: Option<JavaError>,
    /// The entry at which that happened.
    pub(crate) abort_at: usize,
    /// SHA-256 of each content that is as declared; only if the second reader compares contents.
    pub(crate) sha256: Vec<Option<[u8; 32]>>,
}

/// What was read of an entry.
struct Outcome {
    compared: Compared,
    /// What came out, if there is anything to say about it.
    odd: Option<Content>,
}

/// An entry as it should be: nothing is kept of it.
static RIGHT: Outcome = Outcome { compared: Compared::Right, odd: None };

/// What was read of all entries.
struct Outcomes {
    /// `None` for those that are as they should be.
    outcomes: Vec<Option<Box<Outcome>>>,
    /// SHA-256 of each content, if it is asked for.
    sha256: Vec<Option<[u8; 32]>>,
}

impl Outcomes {
    fn iter(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().map(|outcome| outcome.as_deref().unwrap_or(&RIGHT))
    }
}

/// How the digests of an entry compare with those that the manifest states.
enum Compared {
    /// No signature covers the entry.
    NotCovered,
    Right,
    /// There are only digests by disabled algorithms.
    OnlyDisabled,
    Wrong(Box<JavaError>),
}

/// Reads and judges all entries.
pub(crate) fn examine(
    source: &Source,
    archive: &Archive,
    signatures: &Signatures,
    places: &Places,
    inputs: &Inputs<'_>,
) -> io::Result<Contents> {
    let plan = Plan::new(archive, signatures, places, inputs.at);
    let mut outcomes = read_all(source, archive, &plan, inputs)?;
    let mut contents = Contents { sha256: std::mem::take(&mut outcomes.sha256), ..Contents::default() };
    for (sha256, _) in
        contents.sha256.iter_mut().zip(outcomes.iter()).filter(|(_, outcome)| outcome.odd.is_some())
    {
        *sha256 = None;
    }
    note_findings(archive, &outcomes, &mut contents.findings);
    contents.clean = contents.findings.is_empty();
    if let Some(entry) = archive.entries.get(plan.escaping.load(Ordering::Relaxed)) {
        contents.findings.push(Finding::DisabledDigest { what: format!("entry {:?}", entry.name) });
    }
    judge(archive, signatures, &plan, &outcomes, &mut contents);
    Ok(contents)
}

/// Which digests each entry must have.
struct Plan<'a> {
    signatures: &'a Signatures,
    archive: &'a Archive,
    places: &'a Places,
    /// What the manifest states for names of several entries. The headers of all others are read when they are needed.
    shared: HashMap<u32, Vec<Expected<'a>>>,
    /// For each set of signers, the moment that algorithms are judged at.
    times: Vec<Timestamp>,
    /// The first entry with a digest that counts although its algorithm is disabled by another name.
    escaping: AtomicUsize,
}

/// One digest that an entry must have.
pub(crate) struct Expected<'a> {
    /// The name as the manifest spells it.
    spelled: &'a str,
    pub(crate) digest: DigestAlgorithm,
    pub(crate) value: Result<Vec<u8>, String>,
}

impl<'a> Plan<'a> {
    fn new(archive: &'a Archive, signatures: &'a Signatures, places: &'a Places, now: Timestamp) -> Self {
        let covered = &signatures.covered;
        let mut plan = Self {
            signatures,
            archive,
            places,
            shared: HashMap::new(),
            times: Vec::new(),
            escaping: AtomicUsize::new(usize::MAX),
        };
        let mut sorted: Vec<u32> =
            (0..archive.entries.len()).filter_map(|index| plan.number(index)).collect();
        sorted.sort_unstable();
        let mut repeated: Vec<u32> = sorted
            .windows(2)
            .filter_map(|pair| pair.first().filter(|first| pair.last() == Some(*first)).copied())
            .collect();
        repeated.dedup();
        let expected = |number: &u32| expected_digests(signatures.manifest.as_ref(), covered.name(*number));
        plan.shared = repeated.iter().map(|number| (*number, expected(number))).collect();
        let signers = |set: &Arc<[usize]>| {
            algorithms_at(set.iter().filter_map(|index| signatures.signers.get(*index)), now)
        };
        plan.times = covered.sets().iter().map(signers).collect();
        plan
    }

    /// The number of the covered name that covers an entry.
    fn number(&self, index: usize) -> Option<u32> {
        let number = self.places.number(index)?;
        let entry = self.archive.entries.get(index)?;
        let named = !entry.is_directory() && self.signatures.manifest_name.as_ref() != Some(&entry.name);
        named.then_some(number)
    }

    /// The digests that the manifest states for an entry.
    fn expected(&self, index: usize) -> Vec<Expected<'a>> {
        let manifest = self.signatures.manifest.as_ref();
        let name = self.archive.entries.get(index).map_or("", |entry| entry.name.as_str());
        if plain_name(name) != name {
            return expected_digests(manifest, plain_name(name));
        }
        let section = self.places.section(index);
        let section = section.and_then(|section| Some(manifest?.attributes(section)));
        section.as_ref().map(stated).unwrap_or_default()
    }
}

/// The known digests that the manifest states for a name.
pub(crate) fn expected_digests<'a>(manifest: Option<&'a Manifest>, name: &str) -> Vec<Expected<'a>> {
    let section = manifest.and_then(|manifest| manifest.section_of_entry(name));
    section.as_ref().map(stated).unwrap_or_default()
}

fn stated<'a>(section: &Attributes<'a>) -> Vec<Expected<'a>> {
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

fn read_all(
    source: &Source,
    archive: &Archive,
    plan: &Plan<'_>,
    inputs: &Inputs<'_>,
) -> io::Result<Outcomes> {
    let order = ReadingOrder::new(archive, 0..archive.entries.len(), |index| index);
    let total: u64 = archive.entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    // Starting a thread costs more than hashing a small archive.
    let workers = if total < SMALL_ARCHIVE { 1 } else { inputs.workers().min(order.len()).max(1) };
    let outcomes: Vec<OnceLock<Option<Box<Outcome>>>> =
        archive.entries.iter().map(|_| OnceLock::new()).collect();
    let kept = if inputs.compare_contents { outcomes.len() } else { 0 };
    let digests: Vec<OnceLock<[u8; 32]>> = (0..kept).map(|_| OnceLock::new()).collect();
    let failure: Mutex<Option<io::Error>> = Mutex::new(None);
    let work = || {
        let mut reader = match plan.signatures.covered.is_empty() {
            true => ContentReader::reading_beyond(archive.entries.len()),
            false => ContentReader::default(),
        };
        for index in std::iter::from_fn(|| order.take()).flatten() {
            match read_one(source, archive, plan, *index, &mut reader, digests.get(*index)) {
                Ok(outcome) => {
                    if let Some(slot) = outcomes.get(*index) {
                        slot.get_or_init(|| outcome);
                    }
                }
                Err(error) => {
                    order.stop();
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    break;
                }
            }
        }
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
    let read: Option<Vec<Option<Box<Outcome>>>> = outcomes.into_iter().map(OnceLock::into_inner).collect();
    let outcomes = read.ok_or_else(|| io::Error::other("an entry was not read"))?;
    Ok(Outcomes { outcomes, sha256: digests.into_iter().map(OnceLock::into_inner).collect() })
}

fn read_one(
    source: &Source,
    archive: &Archive,
    plan: &Plan<'_>,
    index: usize,
    reader: &mut ContentReader,
    sha256: Option<&OnceLock<[u8; 32]>>,
) -> io::Result<Option<Box<Outcome>>> {
    let keep = |digest: Option<Vec<u8>>| {
        if let (Some(slot), Some(Ok(digest))) = (sha256, digest.map(<[u8; 32]>::try_from)) {
            slot.get_or_init(|| digest);
        }
    };
    let keeps = sha256.is_some();
    let Some(number) = plan.number(index) else {
        let mut hashers: Vec<Hasher> =
            DigestAlgorithm::Sha256.hasher().filter(|_| keeps).into_iter().collect();
        let content = reader.digest(source, archive, index, &mut hashers)?;
        keep(hashers.into_iter().next().map(Hasher::finish));
        return Ok(unless_right(Compared::NotCovered, odd(archive, index, content)));
    };
    let covered = &plan.signatures.covered;
    let name = covered.name(number);
    let own;
    let expected = match plan.shared.get(&number) {
        Some(shared) => shared,
        None => {
            own = plan.expected(index);
            &own
        }
    };
    let mut hashers: Vec<Hasher> = expected.iter().filter_map(|expected| expected.digest.hasher()).collect();
    let mut computed = expected.iter().filter(|expected| expected.digest.is_computed());
    // Usually the manifest states it, and it is computed anyway.
    let sha256_at = computed.position(|expected| expected.digest == DigestAlgorithm::Sha256);
    if keeps && sha256_at.is_none() {
        hashers.extend(DigestAlgorithm::Sha256.hasher());
    }
    let content = reader.digest(source, archive, index, &mut hashers)?;
    let mut found: Vec<Vec<u8>> = hashers.into_iter().map(Hasher::finish).collect();
    if keeps {
        keep(match sha256_at {
            Some(position) => found.get(position).cloned(),
            None => found.pop(),
        });
    }
    let time = covered.set_of(number).and_then(|set| plan.times.get(set));
    if time.is_some_and(|time| expected.iter().any(|expected| escapes_policy(expected.spelled, *time))) {
        plan.escaping.fetch_min(index, Ordering::Relaxed);
    }
    let compared = match time.map(|time| compare(name, expected, &found, *time)) {
        Some(Ok(true)) => Compared::Right,
        Some(Ok(false)) => Compared::OnlyDisabled,
        Some(Err(error)) => Compared::Wrong(Box::new(error)),
        None => Compared::NotCovered,
    };
    Ok(unless_right(compared, odd(archive, index, content)))
}

fn unless_right(compared: Compared, odd: Option<Content>) -> Option<Box<Outcome>> {
    let right = matches!(compared, Compared::Right) && odd.is_none();
    (!right).then(|| Box::new(Outcome { compared, odd }))
}

/// The content, if there is anything to say about it.
fn odd(archive: &Archive, index: usize, content: Content) -> Option<Content> {
    let fine = content.error.is_none()
        && content.late_error.is_none()
        && content.crc_matches
        && !content.longer_than_declared
        && content.unused_compressed == 0
        && archive.entries.get(index).is_some_and(|entry| entry.size == content.length);
    (!fine).then_some(content)
}

fn note_findings(archive: &Archive, outcomes: &Outcomes, findings: &mut Vec<Finding>) {
    for (entry, outcome) in archive.entries.iter().zip(outcomes.iter()) {
        let Some(content) = &outcome.odd else { continue };
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
    plan: &Plan<'_>,
    outcomes: &Outcomes,
    contents: &mut Contents,
) {
    let covered = &signatures.covered;
    // Names move from "covered" to "verified" when the first entry of that name has been compared.
    let mut verified = Verified { flags: vec![false; covered.len()] };
    if let Some(number) = signatures.manifest_name.as_deref().and_then(|name| covered.number(name)) {
        verified.add(number);
    }
    let mut own: Vec<Option<u32>> = Vec::with_capacity(archive.entries.len());
    for (index, (entry, outcome)) in archive.entries.iter().zip(outcomes.iter()).enumerate() {
        if let Some(content) = &outcome.odd {
            let described = is_signature_related(&entry.name) && has_signature_extension(&entry.name);
            let late = content.late_error.as_ref().filter(|_| covered.is_empty());
            // With something to verify the JDK reads as many bytes as declared, so nothing of an empty entry.
            let is_read = entry.size > 0 || covered.is_empty();
            if let Some(error) = content.error.as_ref().or(late).filter(|_| is_read) {
                if !described {
                    (contents.abort, contents.abort_at) = (Some(error.clone()), index);
                    break;
                }
                contents.unreadable.insert(index, error.clone());
            }
        }
        contents.compared.push(matches!(outcome.compared, Compared::Right));
        own.push(match (&outcome.compared, plan.number(index)) {
            (Compared::Right, Some(number)) => verified.add(number).then_some(number),
            (Compared::Wrong(error), _) => {
                (contents.abort, contents.abort_at) = (Some((**error).clone()), index);
                break;
            }
            _ => None,
        });
    }
    own.resize(archive.entries.len(), None);
    let nobody: Arc<[usize]> = Arc::new([]);
    let signers = |(entry, own): (&EntryHeader, Option<u32>)| {
        let number = own.or_else(|| covered.number(&entry.name).filter(|number| verified.contains(*number)));
        let set = number.and_then(|number| covered.set_of(number)).and_then(|set| covered.sets().get(set));
        set.unwrap_or(&nobody).clone()
    };
    contents.signers = archive.entries.iter().zip(own).map(signers).collect();
    if contents.abort.is_none() {
        contents.abort.clone_from(&signatures.late_error);
    }
}

/// Covered names of which an entry has been compared.
struct Verified {
    flags: Vec<bool>,
}

impl Verified {
    /// Adds a name; `false` if it is there already.
    fn add(&mut self, number: u32) -> bool {
        let flag = usize::try_from(number).ok().and_then(|number| self.flags.get_mut(number));
        flag.is_some_and(|flag| !std::mem::replace(flag, true))
    }

    fn contains(&self, number: u32) -> bool {
        usize::try_from(number).ok().and_then(|number| self.flags.get(number)).copied().unwrap_or(false)
    }
}

/// Compares all digests that are not disabled; `false` if there are only disabled ones. `found` are the digests of the
/// content by those algorithms that are computed.
pub(crate) fn compare(
    name: &str,
    expected: &[Expected<'_>],
    found: &[Vec<u8>],
    at: Timestamp,
) -> Result<bool, JavaError> {
    if expected.is_empty() {
        return Err(JavaError::security(format!("digest missing for {name}")));
    }
    if let Some(error) = expected.iter().find_map(|expected| expected.value.as_ref().err()) {
        return Err(JavaError::illegal_argument(error));
    }
    let mut found = found.iter();
    let mut compared = false;
    for Expected { spelled, digest, value } in expected {
        let found = if digest.is_computed() { found.next() } else { None };
        if jar_digest_name(spelled, at) == Strength::Disabled {
            continue;
        }
        if found != value.as_ref().ok() {
            return Err(JavaError::security(format!("{spelled} digest error for {name}")));
        }
        compared = true;
    }
    Ok(compared)
}

/// Below this many bytes one thread does everything.
const SMALL_ARCHIVE: u64 = 1 << 20;
