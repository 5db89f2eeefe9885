//! The second pass of newer JDKs: the archive as `JarInputStream` reads it, from the first byte on and by local headers,
//! compared with the archive as `JarFile` reads it, by the central directory.
//!
//! The stream knows the manifest only as the first entry (or the second, after `META-INF/`), and signature files only
//! before the first entry that is none. Differences are listed, and change no exit code; but what the stream cannot read
//! ends the run.
//!
//! Nothing is read twice that need not be: where local headers agree with the directory and tile the file
//! ([`Archive::streams`]), every content has been read and is right, and the signature files come in the order of the
//! directory, the stream sees the same. Otherwise it is really read. An archive is bounded by its own length there, too:
//! every step takes bytes of the file, and what they unpack to has the limit of the first pass.

mod nothing_to_find;
mod stream;
mod verifier;

use std::collections::HashSet;
use std::io;

use jiff::Timestamp;

use self::stream::{Stop, Stream, StreamEntry};
use self::verifier::{EntryClass, Signed, Verifier, classify};
use crate::archive::Archive;
use crate::contents::Contents;
use crate::java_error::JavaError;
use crate::jdk::{Rules, StreamRules};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::places::Places;
use crate::signature_names::{INDEX_NAME, MANIFEST_NAME, plain_name};
use crate::signatures::{Signatures, Signer, Stage};
use crate::source::Source;

/// What the second pass found.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrossCheck {
    /// The exception that ends the run.
    pub(crate) abort: Option<JavaError>,
    /// The differences, as they are printed.
    pub(crate) inconsistencies: Vec<String>,
}

/// The first pass, and what it depended on.
pub(crate) struct FirstPass<'a> {
    pub(crate) source: &'a Source,
    pub(crate) archive: &'a Archive,
    pub(crate) signatures: &'a Signatures,
    pub(crate) places: &'a Places,
    pub(crate) contents: &'a Contents,
    pub(crate) limits: &'a Limits,
    pub(crate) now: Timestamp,
}

/// Runs the second pass; `None` for a JDK that has none.
pub(crate) fn run(first: &FirstPass<'_>, rules: &Rules) -> io::Result<Option<CrossCheck>> {
    let Some(stream_rules) = &rules.second_pass else { return Ok(None) };
    let mut pass = Pass {
        first,
        rules,
        stream: Stream::known(Vec::new()),
        verifier: None,
        read_by_file: HashSet::new(),
        found: CrossCheck::default(),
    };
    let known = pass.known_stream();
    let plain = matches!(&known, Some((order, true)) if nothing_to_find::is_plain(first, order, rules));
    // Tests take the look all the same.
    if plain && !cfg!(debug_assertions) {
        return Ok(Some(pass.found));
    }
    match pass.run(stream_rules, known) {
        Ok(()) => {}
        Err(Stop::Java(error)) => pass.found.abort = Some(error),
        Err(Stop::Io(error)) => return Err(error),
    }
    debug_assert!(!plain || pass.found.abort.is_none() && pass.found.inconsistencies.is_empty());
    Ok(Some(pass.found))
}

struct Pass<'a> {
    first: &'a FirstPass<'a>,
    rules: &'a Rules,
    stream: Stream<'a>,
    /// `None` where the stream takes the archive for unsigned.
    verifier: Option<Verifier<'a>>,
    /// Names whose signers `JarFile` has handed over to the first entry of that name.
    read_by_file: HashSet<&'a str>,
    found: CrossCheck,
}

impl<'a> Pass<'a> {
    fn run(&mut self, stream_rules: &'a StreamRules, known: Option<(Vec<usize>, bool)>) -> Result<(), Stop> {
        let same = matches!(known, Some((_, true)));
        self.stream = match known {
            Some((order, _)) => Stream::known(order),
            None => Stream::of_bytes(self.first.source, stream_rules, self.first.limits),
        };
        // 1. The manifest, if it is where a stream finds it.
        let mut next = self.next_of_stream()?;
        if next.as_ref().is_some_and(|entry| entry.name.eq_ignore_ascii_case("META-INF/")) {
            next = self.next_of_stream()?;
        }
        let manifest = next.take_if(|entry| entry.name.eq_ignore_ascii_case(MANIFEST_NAME));
        if let Some(entry) = &manifest {
            self.take_manifest(entry, same)?;
        }
        if !same {
            self.compare_manifests();
        }
        if manifest.is_some() {
            next = self.next_after_manifest()?;
        }
        // 2. The entries of the stream. An index as the first of them may precede the manifest.
        let mut try_manifest = next.as_ref().is_some_and(|entry| entry.name.eq_ignore_ascii_case(INDEX_NAME));
        let mut met: HashSet<String> = HashSet::new();
        while let Some(entry) = next {
            self.look_at(&entry)?;
            met.insert(entry.name);
            next = self.next_of_stream()?;
            if std::mem::take(&mut try_manifest)
                && let Some(entry) = next.take_if(|entry| entry.name.eq_ignore_ascii_case(MANIFEST_NAME))
            {
                self.take_manifest(&entry, false)?;
                next = self.next_after_manifest()?;
            }
        }
        // 3. The entries of the directory.
        for entry in &self.first.archive.entries {
            if !met.contains(&entry.name) && entry.name != MANIFEST_NAME {
                self.note(format!(
                    "Entry {} is present when reading via JarFile but missing when reading via JarInputStream",
                    entry.name
                ));
            }
        }
        Ok(())
    }

    /// The entries that the stream will meet, if that needs no reading, and whether it comes to the same signatures;
    /// otherwise to none.
    fn known_stream(&self) -> Option<(Vec<usize>, bool)> {
        let FirstPass { archive, signatures, contents, .. } = self.first;
        let order = archive.streams.as_ref().filter(|_| contents.clean)?;
        let name = |index: &usize| archive.entries.get(*index).map_or("", |entry| entry.name.as_str());
        let is_manifest = |index: &usize| name(index).eq_ignore_ascii_case(MANIFEST_NAME);
        let mut rest = order.iter();
        if rest.clone().next().is_some_and(|first| name(first).eq_ignore_ascii_case("META-INF/")) {
            rest.next();
        }
        match rest.next() {
            Some(first) if name(first).eq_ignore_ascii_case(INDEX_NAME) => return None,
            Some(first) if is_manifest(first) => {}
            _ => return Some((order.clone(), false)),
        }
        if order.iter().filter(|index| is_manifest(index)).count() != 1 || signatures.given_up {
            return None;
        }
        let mut files = Vec::new();
        for index in rest {
            match classify(name(index), self.rules) {
                EntryClass::SignatureFile => files.push(*index),
                EntryClass::Directory | EntryClass::Listed => {}
                EntryClass::Other => break,
            }
        }
        if files == signatures.files {
            return Some((order.clone(), true));
        }
        if files.is_empty() || signatures.files.is_empty() {
            return files.is_empty().then(|| (order.clone(), false));
        }
        None
    }

    /// The next entry of the stream, after the rest of the last one; it is the verifier's current entry then.
    fn next_of_stream(&mut self) -> Result<Option<StreamEntry>, Stop> {
        self.finish()?;
        self.stream.next(self.first.archive)
    }

    /// The entry that follows the manifest. A second manifest there makes the stream an unsigned one.
    fn next_after_manifest(&mut self) -> Result<Option<StreamEntry>, Stop> {
        let next = self.next_of_stream()?;
        if next.as_ref().is_some_and(|entry| entry.name.eq_ignore_ascii_case(MANIFEST_NAME)) {
            self.verifier = None;
        }
        Ok(next)
    }

    fn take_manifest(&mut self, entry: &StreamEntry, same: bool) -> Result<(), Stop> {
        let FirstPass { signatures, limits, now, .. } = self.first;
        if same {
            self.verifier = Some(Verifier::new(Signed::Same(signatures)));
            return Ok(());
        }
        let manifest = Manifest::parse(self.stream.read_small(self.first)?)?;
        let mut stage = Stage::new(self.rules, limits, *now);
        stage.set_manifest(&entry.name, manifest);
        self.verifier = Some(Verifier::new(Signed::Own(Box::new(stage))));
        Ok(())
    }

    fn compare_manifests(&mut self) {
        let notes = &mut self.found.inconsistencies;
        let Some(by_file) = &self.first.signatures.manifest else {
            return notes.push("Manifest is missing when reading via JarFile".to_owned());
        };
        let Some(by_stream) = self.verifier.as_ref().and_then(Verifier::manifest) else {
            return notes.push("Manifest is missing when reading via JarInputStream".to_owned());
        };
        for (key, value) in by_file.main().iter() {
            match by_stream.main().value(key) {
                None => notes.push(format!(
                    "Manifest main attribute {key} is present when reading via JarFile but missing when reading via JarInputStream"
                )),
                Some(other) if other != value => notes.push(format!(
                    "Manifest main attribute {key} differs: JarFile value = {value}, JarInputStream value = {other}"
                )),
                Some(_) => {}
            }
        }
        for (key, _) in by_stream.main().iter() {
            if by_file.main().value(key).is_none() {
                notes.push(format!(
                    "Manifest main attribute {key} is present when reading via JarInputStream but missing when reading via JarFile"
                ));
            }
        }
    }

    /// Looks at an entry of the stream in both ways of reading.
    fn look_at(&mut self, entry: &StreamEntry) -> Result<(), Stop> {
        if let Some(verifier) = &mut self.verifier
            && !verifier.begin(&entry.name, self.rules)?
        {
            self.verifier = None;
        }
        let FirstPass { archive, contents, .. } = self.first;
        let name = entry.name.as_str();
        let as_folder = || archive.index_of(&format!("{name}/"));
        let Some(index) = archive.index_of(name).or_else(as_folder) else {
            self.note(format!(
                "Entry {name} is present when reading via JarInputStream but missing when reading via JarFile"
            ));
            return Ok(());
        };
        match self.finish() {
            Err(Stop::Java(error)) if error.is_security() => {
                self.note(format!(
                    "Signature verification failed on entry {name} when reading via JarInputStream"
                ));
                return Ok(());
            }
            finished => finished?,
        }
        if let Some(error) = contents.unreadable.get(&index) {
            return Err(error.clone().into());
        }
        self.compare_signers(name, index);
        Ok(())
    }

    /// Reads the rest of the current entry.
    fn finish(&mut self) -> Result<(), Stop> {
        match &mut self.verifier {
            Some(verifier) => verifier.finish(&mut self.stream, self.first),
            None => self.stream.finish(&mut |_| {}),
        }
    }

    fn compare_signers(&mut self, name: &str, index: usize) {
        let by_file = signers(self.first.signatures, self.signers_by_file(index));
        let by_stream = self.verifier.as_ref().map_or_else(Vec::new, Verifier::signers_of_current);
        let difference = match (by_file.is_empty(), by_stream.is_empty()) {
            (true, true) => return,
            (false, true) => format!("Entry {name} is signed in JarFile but is not signed in JarInputStream"),
            (true, false) => format!("Entry {name} is signed in JarInputStream but is not signed in JarFile"),
            (false, false) => {
                let equal = by_file.len() == by_stream.len()
                    && by_file
                        .iter()
                        .zip(&by_stream)
                        .all(|(one, other)| std::ptr::eq(*one, *other) || one.is_same(other));
                if equal {
                    return;
                }
                format!(
                    "Code signers are different for entry {name} when reading from JarFile and JarInputStream"
                )
            }
        };
        self.note(difference);
    }

    /// The signers of an entry when `JarFile` reads it in the order of the stream.
    fn signers_by_file(&mut self, index: usize) -> &'a [usize] {
        let FirstPass { archive, signatures, contents, .. } = self.first;
        let Some(entry) = archive.entries.get(index) else { return &[] };
        let covered = |name: &str| signatures.covered.signers(name).unwrap_or_default();
        let plain = plain_name(&entry.name);
        if contents.compared.get(index) == Some(&true) && self.read_by_file.insert(plain) {
            return covered(plain);
        }
        let is_manifest = signatures.manifest_name.as_deref() == Some(entry.name.as_str());
        if is_manifest || self.read_by_file.contains(entry.name.as_str()) {
            covered(&entry.name)
        } else {
            &[]
        }
    }

    fn note(&mut self, difference: String) {
        self.found.inconsistencies.push(difference);
    }
}

fn signers<'a>(signatures: &'a Signatures, indices: &[usize]) -> Vec<&'a Signer> {
    indices.iter().filter_map(|index| signatures.signers.get(*index)).collect()
}
