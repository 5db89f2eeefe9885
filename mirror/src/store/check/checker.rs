//! The steps of a check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::evidence::{self, AdmissionName, name_of};
use super::super::statement::is_statement;
use super::super::{Admission, Store, StoreError, blob, durable};
use super::{CheckDepth, CheckProgress, Problem, count};
use crate::Sha256Digest;
use crate::catalog::TrustedCatalog;

/// Collects problems step by step.
pub(super) struct Checker<'a> {
    store: &'a Store,
    depth: CheckDepth,
    problems: Vec<Problem>,
    /// Every admitted digest and its length.
    expected: BTreeMap<Sha256Digest, u64>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(store: &'a Store, depth: CheckDepth) -> Self {
        Self { store, depth, problems: Vec::new(), expected: BTreeMap::new() }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Reads the evidence of all admissions.
    pub(super) fn check_evidence(&mut self) -> Result<Vec<Admission>, StoreError> {
        let mut admissions = Vec::new();
        for shard in self.folders(&self.store.evidence_root(), is_shard)? {
            for of_digest in self.folders(&shard, |name| is_digest_in(name, &shard))? {
                for folder in self.folders(&of_digest, |name| evidence::parse_number(name).is_some())? {
                    admissions.extend(self.check_admission(&of_digest, &folder)?);
                }
            }
        }
        admissions.sort_by_key(Admission::number);
        Ok(admissions)
    }

    fn check_admission(&mut self, of_digest: &Path, folder: &Path) -> Result<Option<Admission>, StoreError> {
        for entry in list(folder)? {
            let known = name_of(&entry).is_some_and(|name| evidence::FILES.contains(&name));
            if !known {
                self.problems.push(stray(entry));
            }
        }
        for name in evidence::FILES {
            let path = folder.join(name);
            if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                self.problems.push(Problem::MissingEvidence { path });
            }
        }
        let digest = name_of(of_digest).and_then(|name| name.parse().ok());
        let number = name_of(folder).and_then(evidence::parse_number);
        let (Some(sha256), Some(number)) = (digest, number) else { return Ok(None) };
        let admission = match evidence::read(self.store, AdmissionName { number, sha256 }) {
            Ok(admission) => admission,
            // Reported as missing already.
            Err(StoreError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(e) => {
                let path = folder.join(evidence::ADMISSION_FILE);
                self.problems.push(Problem::WrongEvidence { path, reason: reason(&e) });
                return Ok(None);
            }
        };
        self.check_report(&admission, folder);
        self.expected.insert(sha256, admission.entry().length);
        Ok(Some(admission))
    }

    fn check_report(&mut self, admission: &Admission, folder: &Path) {
        let path = folder.join(evidence::REPORT_FILE);
        match std::fs::read(&path) {
            Ok(bytes) if admission.entry().report == Some(Sha256Digest::of(&bytes)) => {}
            Ok(_) => {
                let reason = "its digest is not the one in admission.json".to_owned();
                self.problems.push(Problem::WrongEvidence { path, reason });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => self.problems.push(Problem::Unreadable { path, reason: e.to_string() }),
        }
    }

    /// Compares the catalog with the admissions, both ways.
    pub(super) fn check_catalog(&mut self, admissions: &[Admission], catalog: Option<&TrustedCatalog>) {
        let Some(catalog) = catalog else { return };
        let mut newest = BTreeMap::new();
        for admission in admissions.iter().filter(|admission| !admission.is_held()) {
            newest.insert(admission.entry().path.as_str(), admission.entry());
        }
        for entry in catalog.entries() {
            let is_admission = |a: &&Admission| {
                let admitted = a.entry();
                (&admitted.path, admitted.sha256, admitted.length, admitted.label, admitted.report)
                    == (&entry.path, entry.sha256, entry.length, entry.label, entry.report)
            };
            if !admissions.iter().filter(|admission| !admission.is_held()).any(|a| is_admission(&a)) {
                let package = entry.path.as_str().to_owned();
                self.problems.push(Problem::NotAdmitted { package, sha256: entry.sha256 });
            }
        }
        for (package, entry) in newest {
            let published = catalog.find(&entry.path);
            if published.is_none_or(|p| (p.sha256, p.report) != (entry.sha256, entry.report)) {
                let package = package.to_owned();
                self.problems.push(Problem::NotPublished { package, sha256: entry.sha256 });
            }
        }
    }

    /// Compares the bytes with the admissions, both ways; returns number and length of what is there.
    pub(super) fn check_blobs(
        &mut self,
        progress: &mut dyn FnMut(CheckProgress),
    ) -> Result<(u64, u64), StoreError> {
        let mut found = Vec::new();
        for shard in self.folders(&self.store.blobs_dir(), is_shard)? {
            for path in list(&shard)? {
                let digest = name_of(&path).and_then(|name| name.parse::<Sha256Digest>().ok());
                let metadata = path.symlink_metadata().map_err(StoreError::file("look at", &path))?;
                match digest {
                    Some(digest) if metadata.is_file() && self.store.blob_path(&digest) == path => {
                        found.push((digest, metadata.len(), path));
                    }
                    _ => self.problems.push(stray(path)),
                }
            }
        }
        let total = found.iter().map(|(_, length, _)| length).sum();
        let present: BTreeSet<Sha256Digest> = found.iter().map(|(digest, ..)| *digest).collect();
        let missing = self.expected.keys().filter(|digest| !present.contains(*digest));
        self.problems.extend(missing.map(|sha256| Problem::MissingBlob { sha256: *sha256 }));
        let (blobs, mut done) = (count(found.len()), 0);
        for (digest, length, path) in found {
            match self.expected.get(&digest) {
                None => self.problems.push(Problem::Unadmitted { path: path.clone() }),
                Some(expected) if *expected != length => {
                    let (path, expected) = (path.clone(), *expected);
                    self.problems.push(Problem::WrongLength { path, expected, found: length });
                }
                Some(_) => {}
            }
            if self.depth == CheckDepth::Full {
                let mut read = 0_u64;
                self.check_digest(digest, path, |piece| {
                    read = read.saturating_add(piece);
                    progress(CheckProgress { done: done + read.min(length), total });
                });
            }
            done += length;
            progress(CheckProgress { done, total });
        }
        Ok((blobs, total))
    }

    fn check_digest(&mut self, expected: Sha256Digest, path: PathBuf, read: impl FnMut(u64)) {
        let opened = std::fs::File::open(&path);
        match opened.and_then(|mut file| blob::digest_of(&mut file, read)) {
            Ok(found) if found == expected => {}
            Ok(found) => self.problems.push(Problem::WrongDigest { path, found }),
            Err(e) => self.problems.push(Problem::Unreadable { path, reason: e.to_string() }),
        }
    }

    /// The folders with a proper name; everything else is reported.
    fn folders(&mut self, folder: &Path, proper: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, StoreError> {
        let mut folders = Vec::new();
        for path in list(folder)? {
            let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
            if is_folder && name_of(&path).is_some_and(&proper) {
                folders.push(path);
            } else if !is_statement(&path) {
                self.problems.push(stray(path));
            }
        }
        Ok(folders)
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = || StoreError::file("read the folder", folder);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed()(e)),
    };
    let paths = entries.map(|entry| Ok(entry.map_err(failed())?.path()));
    let mut paths = paths.collect::<Result<Vec<_>, StoreError>>()?;
    paths.sort_unstable();
    Ok(paths)
}

fn stray(path: PathBuf) -> Problem {
    if path.file_name().is_some_and(durable::is_temporary) {
        Problem::Leftover { path }
    } else {
        Problem::Unknown { path }
    }
}

fn is_shard(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_digest_in(name: &str, shard: &Path) -> bool {
    name.parse::<Sha256Digest>().is_ok() && name_of(shard).is_some_and(|shard| name.starts_with(shard))
}

/// An error and its causes in one line.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
