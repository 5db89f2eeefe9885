//! The steps of a check.

use std::collections::{BTreeMap, BTreeSet};

use super::super::evidence::{self, AdmissionName};
use super::super::{
    Admission, BLOBS, EVIDENCE, Evidence, Store, StoreError, blob, blob_key, durable, statement,
};
use super::pace::Pace;
use super::{CheckDepth, CheckOptions, CheckProgress, Problem, count};
use crate::catalog::{CatalogError, LogFault, TrustedCatalog, check_log_with, sound_events};
use crate::prune::{PruneError, Pruned};
use crate::storage::{Kind, Listed, below};
use crate::{Sha256Digest, error_text};

/// Collects problems step by step.
pub(super) struct Checker<'a> {
    store: &'a Store,
    problems: Vec<Problem>,
    /// Every admitted digest and its length.
    expected: BTreeMap<Sha256Digest, u64>,
    /// Of these nobody expects any bytes.
    pruned: BTreeSet<Sha256Digest>,
    /// Files of the evidence whose problems are told.
    told: BTreeSet<(u64, &'static str)>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        let (expected, pruned, told) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { store, problems: Vec::new(), expected, pruned, told }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Compares log, statements and evidence; what is wrong with a file of the evidence is told once.
    pub(super) fn check_log(&mut self, catalog: &TrustedCatalog, evidence: &Evidence) {
        match check_log_with(self.store, catalog, None, Some(evidence)) {
            Ok(report) => {
                for fault in &report.faults {
                    if !self.is_told(fault) {
                        let (reason, damage) = (fault.to_string(), fault.is_damage());
                        self.problems.push(Problem::Log { reason, damage });
                    }
                }
            }
            Err(error) => self.problems.push(Problem::Log {
                reason: error_text(&error),
                damage: !matches!(error, CatalogError::NoLogKey),
            }),
        }
    }

    fn is_told(&self, fault: &LogFault) -> bool {
        let any_file = |of: &u64| self.told.iter().any(|(number, _)| number == of);
        match fault {
            LogFault::ChangedEvidence { number, file, .. } => {
                self.told.iter().any(|(told, name)| (told, *name) == (number, file.as_str()))
            }
            LogFault::LostEvidence { number, .. } | LogFault::UnreadableEvidence { number, .. } => {
                any_file(number)
            }
            LogFault::Statement { number, fault } => fault.is_of_evidence() && any_file(number),
            _ => false,
        }
    }

    /// Reads the evidence of all admissions.
    pub(super) fn check_evidence(&mut self) -> Result<Evidence, StoreError> {
        let mut read = Evidence::default();
        for shard in self.folders(EVIDENCE, is_shard)? {
            let of_shard = below(EVIDENCE, &shard);
            for digest in self.folders(&of_shard, |name| is_digest_in(name, &shard))? {
                let of_digest = below(&of_shard, &digest);
                for number in self.folders(&of_digest, |name| evidence::parse_number(name).is_some())? {
                    if let (Ok(sha256), Some(number)) = (digest.parse(), evidence::parse_number(&number)) {
                        let Some(admission) = self.check_admission(AdmissionName { number, sha256 })? else {
                            continue;
                        };
                        let digests = self.store.evidence_digests(&admission);
                        self.check_report(&admission, &digests);
                        read.digests.insert(number, digests);
                        read.admissions.push(admission);
                    }
                }
            }
        }
        read.admissions.sort_by_key(Admission::number);
        Ok(read)
    }

    fn check_admission(&mut self, name: AdmissionName) -> Result<Option<Admission>, StoreError> {
        let folder = evidence::folder(&name.sha256, name.number);
        let listed = self.list(&folder)?;
        for other in listed.iter().filter(|listed| !evidence::FILES.contains(&listed.name.as_str())) {
            self.stray(&folder, &other.name);
        }
        for file in evidence::FILES {
            if !listed.iter().any(|listed| listed.name == file && matches!(listed.kind, Kind::Object(_))) {
                let path = self.store.storage.place(&below(&folder, file));
                self.told.insert((name.number, file));
                self.problems.push(Problem::MissingEvidence { path });
            }
        }
        let admission = match evidence::read(self.store, name) {
            Ok(admission) => admission,
            // Reported as missing already.
            Err(_) if self.told.contains(&(name.number, evidence::ADMISSION_FILE)) => return Ok(None),
            Err(e) => {
                let path = self.store.storage.place(&below(&folder, evidence::ADMISSION_FILE));
                self.told.insert((name.number, evidence::ADMISSION_FILE));
                self.problems.push(Problem::WrongEvidence { path, reason: error_text(&e) });
                return Ok(None);
            }
        };
        self.expected.insert(name.sha256, admission.entry().length);
        Ok(Some(admission))
    }

    fn check_report(
        &mut self,
        admission: &Admission,
        digests: &Result<BTreeMap<String, Sha256Digest>, StoreError>,
    ) {
        let entry = admission.entry();
        let folder = evidence::folder(&entry.sha256, admission.number());
        let file = (admission.number(), evidence::REPORT_FILE);
        let problem = match digests {
            Ok(found) if found.get(file.1) == entry.report.as_ref() => return,
            Ok(_) if self.told.contains(&file) => return,
            Ok(_) => Problem::WrongEvidence {
                path: self.store.storage.place(&below(&folder, file.1)),
                reason: "its digest is not the one in admission.json".to_owned(),
            },
            // The file is named by the reason.
            Err(_) if self.told.iter().any(|(number, _)| *number == file.0) => return,
            Err(error) => {
                Problem::Unreadable { path: self.store.storage.place(&folder), reason: error_text(error) }
            }
        };
        self.told.insert(file);
        self.problems.push(problem);
    }

    /// Compares the catalog with the admissions, both ways.
    pub(super) fn check_catalog(&mut self, admissions: &[Admission], catalog: Option<&TrustedCatalog>) {
        let withdrawn = crate::withdraw::withdrawn(self.store).map_err(StoreError::from);
        let withdrawn = self.or_told(withdrawn).unwrap_or_default();
        let pruned = self.pruned(catalog).map_err(StoreError::from);
        self.pruned = self.or_told(pruned).unwrap_or_default().among(admissions);
        let Some(catalog) = catalog else { return };
        // Only what the catalog does not name is ever pruned.
        let published = catalog.digests();
        self.pruned.retain(|sha256| !published.contains(sha256));
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
            let is_gone = withdrawn.contains_key(&entry.sha256) || self.pruned.contains(&entry.sha256);
            if is_gone && published.is_none_or(|p| p.sha256 != entry.sha256) {
                continue;
            }
            if published.is_none_or(|p| (p.sha256, p.report) != (entry.sha256, entry.report)) {
                let package = package.to_owned();
                self.problems.push(Problem::NotPublished { package, sha256: entry.sha256 });
            }
        }
    }

    /// What was pruned, as far as the log vouches for it. Without a log that can be read, which is told elsewhere, as the records say.
    fn pruned(&self, catalog: Option<&TrustedCatalog>) -> Result<Pruned, PruneError> {
        let pruned = Pruned::of(self.store)?;
        if pruned.is_empty() {
            return Ok(pruned);
        }
        match catalog.and_then(|catalog| sound_events(self.store, catalog)) {
            Some(events) => Pruned::logged(self.store, &events),
            None => Ok(pruned),
        }
    }

    /// Records that cannot be read are a problem like others.
    fn or_told<T>(&mut self, read: Result<T, StoreError>) -> Option<T> {
        read.map_err(|error| self.problems.push(Problem::Records { reason: error_text(&error) })).ok()
    }

    /// Compares the bytes with the admissions, both ways; returns number and length of what is there, and how many were not
    /// read because an earlier run had.
    pub(super) fn check_blobs(
        &mut self,
        options: &mut CheckOptions<'_>,
        progress: &mut dyn FnMut(CheckProgress),
    ) -> Result<(u64, u64, u64), StoreError> {
        let mut found = Vec::new();
        for shard in self.folders(BLOBS, is_shard)? {
            let of_shard = below(BLOBS, &shard);
            for listed in self.list(&of_shard)? {
                match (listed.name.parse::<Sha256Digest>(), listed.kind) {
                    (Ok(digest), Kind::Object(length))
                        if blob_key(&digest) == below(&of_shard, &listed.name) =>
                    {
                        found.push((digest, length));
                    }
                    _ => self.stray(&of_shard, &listed.name),
                }
            }
        }
        let total = found.iter().map(|(_, length)| length).sum();
        let present: BTreeSet<Sha256Digest> = found.iter().map(|(digest, _)| *digest).collect();
        let expected = self.expected.keys().filter(|digest| !self.pruned.contains(*digest));
        let missing = expected.filter(|digest| !present.contains(*digest));
        self.problems.extend(missing.map(|sha256| Problem::MissingBlob { sha256: *sha256 }));
        let (blobs, mut done, mut read_before) = (count(found.len()), 0, 0);
        let mut pace = Pace::new(options.bytes_per_second);
        for (digest, length) in found {
            match self.expected.get(&digest) {
                None => self.problems.push(Problem::Unadmitted { path: self.store.blob_path(&digest) }),
                Some(expected) if *expected != length => {
                    let (path, expected) = (self.store.blob_path(&digest), *expected);
                    self.problems.push(Problem::WrongLength { path, expected, found: length });
                }
                Some(_) => {}
            }
            let known = options.session.as_ref().is_some_and(|session| session.knows(&digest, length));
            if options.depth == CheckDepth::Full && !known {
                let mut read = 0_u64;
                let good = self.check_digest(digest, |piece| {
                    read = read.saturating_add(piece);
                    progress(CheckProgress { done: done + read.min(length), total });
                    pace.pass(piece);
                });
                if let Some(session) = options.session.as_mut().filter(|_| good) {
                    session.found_good(digest, length)?;
                }
            }
            read_before += u64::from(known);
            done += length;
            progress(CheckProgress { done, total });
        }
        if let Some(session) = &options.session {
            session.save()?;
        }
        Ok((blobs, total, read_before))
    }

    fn check_digest(&mut self, expected: Sha256Digest, read: impl FnMut(u64)) -> bool {
        let path = self.store.blob_path(&expected);
        let opened = self.store.open_blob(&expected).map_err(|e| error_text(&e));
        match opened.and_then(|mut bytes| blob::digest_of(&mut bytes, read).map_err(|e| e.to_string())) {
            Ok(found) if found == expected => return true,
            Ok(found) => self.problems.push(Problem::WrongDigest { path, found }),
            Err(reason) => self.problems.push(Problem::Unreadable { path, reason }),
        }
        false
    }

    /// The folders with a proper name; everything else is reported.
    fn folders(&mut self, folder: &str, proper: impl Fn(&str) -> bool) -> Result<Vec<String>, StoreError> {
        let mut folders = Vec::new();
        for Listed { name, kind } in self.list(folder)? {
            if kind == Kind::Folder && proper(&name) {
                folders.push(name);
            } else if !self.is_statement(folder, &name) {
                self.stray(folder, &name);
            }
        }
        Ok(folders)
    }

    /// Whether it is the statement of an admission whose folder is there.
    fn is_statement(&self, folder: &str, name: &str) -> bool {
        statement::folder_of(name).is_some_and(|number| {
            matches!(self.store.storage.look(&below(folder, number)), Ok(Some(Kind::Folder)))
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        self.store.storage.list(folder).map_err(StoreError::reading)
    }

    fn stray(&mut self, folder: &str, name: &str) {
        let path = self.store.storage.place(&below(folder, name));
        self.problems.push(if durable::is_temporary(name.as_ref()) {
            Problem::Leftover { path }
        } else {
            Problem::Unknown { path }
        });
    }
}

fn is_shard(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_digest_in(name: &str, shard: &str) -> bool {
    name.parse::<Sha256Digest>().is_ok() && name.starts_with(shard)
}
