//! The packages: every admission, its bytes read once.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::PathBuf;

use jiff::Timestamp;
use midmirror_verify::{Report, Source, TimestampReport};

use super::catalog::reason;
use super::finding::{Class, End, EndKind, Judgement, PackageAudit, Reading, State, Until};
use super::record::BlobRecord;
use super::recorded::Recorded;
use super::report::{NotChecked, ReadCounts};
use super::{AuditInputs, AuditProgress};
use crate::Sha256Digest;
use crate::admit::{AdmissionInputs, Examined, Judged, Label, digest_of};
use crate::catalog::TrustedCatalog;
use crate::store::{Admission, StoreError};

/// What became of all packages.
#[derive(Debug, Default)]
pub(super) struct Packages {
    pub(super) audits: Vec<PackageAudit>,
    pub(super) blobs: BTreeMap<Sha256Digest, BlobRecord>,
    pub(super) reading: ReadCounts,
}

impl Packages {
    /// What could not be checked, in a line for each reason.
    pub(super) fn not_checked(&self) -> Vec<NotChecked> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for audit in self.audits.iter().filter(|audit| audit.class == Class::NotChecked) {
            *counts.entry(audit.reasons.first().map_or("", String::as_str)).or_default() += 1;
        }
        let line = |(reason, count): (&str, usize)| NotChecked {
            what: format!("the signatures of {count} of {} admissions", self.audits.len()),
            reason: reason.to_owned(),
        };
        counts.into_iter().map(line).collect()
    }
}

/// Audits every admission whose record can be read; the others are among the faults already.
pub(super) fn audit_packages(
    inputs: &AuditInputs<'_>,
    catalog: Option<&TrustedCatalog>,
    progress: &mut dyn FnMut(AuditProgress),
) -> Result<Packages, StoreError> {
    let admissions = inputs.store.readable_admissions()?;
    let mut states = states(&admissions, catalog);
    // What is wrong with these records is among the faults.
    let withdrawn = crate::withdraw::withdrawn(inputs.store).unwrap_or_default();
    let pruned = crate::prune::pruned_digests(inputs.store, &admissions).unwrap_or_default();
    for admission in &admissions {
        let sha256 = &admission.entry().sha256;
        match () {
            () if pruned.contains(sha256) => states.insert(admission.number(), State::Pruned),
            () if withdrawn.contains_key(sha256) => states.insert(admission.number(), State::Withdrawn),
            () => None,
        };
    }
    let mut blobs: BTreeMap<Sha256Digest, Vec<&Admission>> = BTreeMap::new();
    for admission in &admissions {
        blobs.entry(admission.entry().sha256).or_default().push(admission);
    }
    let lengths = blobs.values().filter_map(|admissions| Some(admissions.first()?.entry().length));
    let total = lengths.fold(0, u64::saturating_add);
    let (mut done, mut packages) = (0_u64, Packages::default());
    for (sha256, of_blob) in &blobs {
        let mut auditing = Auditing { inputs, sha256: *sha256, admissions: of_blob, states: &states };
        let found = auditing.audit(&mut packages.reading);
        if let Some(record) = found.record {
            packages.blobs.insert(*sha256, record);
        }
        packages.audits.extend(found.audits);
        done = done.saturating_add(of_blob.first().map_or(0, |admission| admission.entry().length));
        progress(AuditProgress { done, total });
    }
    packages.audits.sort_by(|a, b| (a.path.as_str(), a.number).cmp(&(b.path.as_str(), b.number)));
    Ok(packages)
}

/// What each admission is to its name.
fn states(admissions: &[Admission], catalog: Option<&TrustedCatalog>) -> HashMap<u64, State> {
    let mut newest: HashMap<&str, &Admission> = HashMap::new();
    let mut last: HashMap<&str, &Admission> = HashMap::new();
    for admission in admissions {
        let path = admission.entry().path.as_str();
        last.insert(path, admission);
        if !admission.is_held() {
            newest.insert(path, admission);
        }
    }
    let state = |admission: &Admission| {
        let entry = admission.entry();
        let path = entry.path.as_str();
        let published = catalog.and_then(|catalog| catalog.find(&entry.path)).map(|entry| entry.sha256);
        let newest = newest.get(path);
        let published = published.or_else(|| newest.map(|newest| newest.entry().sha256));
        let is_newest = newest.is_some_and(|newest| newest.number() == admission.number());
        match () {
            () if published == Some(entry.sha256) && is_newest => State::Published,
            () if published == Some(entry.sha256) => State::Repeated,
            () if last
                .get(path)
                .is_some_and(|last| last.is_held() && last.entry().sha256 == entry.sha256) =>
            {
                State::Held
            }
            () => State::Superseded,
        }
    };
    admissions.iter().map(|admission| (admission.number(), state(admission))).collect()
}

/// Bytes with all their admissions.
struct Auditing<'a> {
    inputs: &'a AuditInputs<'a>,
    sha256: Sha256Digest,
    admissions: &'a [&'a Admission],
    states: &'a HashMap<u64, State>,
}

struct Found {
    audits: Vec<PackageAudit>,
    record: Option<BlobRecord>,
}

impl Auditing<'_> {
    fn audit(&mut self, reading: &mut ReadCounts) -> Found {
        let length = match self.inputs.store.blob_length(&self.sha256) {
            Ok(Some(length)) => length,
            Ok(None) if self.is_pruned() => {
                return self
                    .all(Class::NotChecked, "the retention policy has removed the bytes; evidence is kept");
            }
            Ok(None) => return self.all(Class::Missing, "the bytes are not in the store"),
            Err(StoreError::File { source, .. }) => return self.unreadable(&source),
            Err(error) => return self.all(Class::Bad, &reason(&error)),
        };
        let wrong = |admission: &&&Admission| admission.entry().length != length;
        if let Some(expected) = self.admissions.iter().find(wrong) {
            let text = format!("there are {length} bytes instead of {}", expected.entry().length);
            return self.all(Class::Bad, &text);
        }
        // Only files of this machine tell whether they were changed.
        let file = self.inputs.store.blob_file(&self.sha256);
        let metadata = file.as_ref().and_then(|file| file.symlink_metadata().ok());
        if let Some(found) = metadata.as_ref().and_then(|metadata| self.remembered(metadata)) {
            reading.not_read_again += 1;
            return found;
        }
        reading.read += 1;
        reading.bytes_read = reading.bytes_read.saturating_add(length);
        match self.open(file).and_then(|source| self.read(source)) {
            Ok(audits) => {
                let record =
                    metadata.map(|metadata| BlobRecord::new(&metadata, self.inputs.now, audits.clone()));
                Found { audits, record }
            }
            Err(error) => self.unreadable(&error),
        }
    }

    fn is_pruned(&self) -> bool {
        self.admissions.iter().any(|admission| self.states.get(&admission.number()) == Some(&State::Pruned))
    }

    /// What is no file of this machine is held in memory as a whole.
    fn open(&self, file: Option<PathBuf>) -> io::Result<Source> {
        if let Some(file) = file {
            return Source::open(&file);
        }
        let mut bytes = Vec::new();
        let mut reader = self.inputs.store.open_blob(&self.sha256).map_err(io::Error::other)?;
        reader.read_to_end(&mut bytes)?;
        Ok(Source::from_bytes(bytes))
    }

    /// What the last audit found, if that still counts.
    fn remembered(&self, metadata: &Metadata) -> Option<Found> {
        let record = self.inputs.previous?.still_counts(self.inputs, self.sha256, metadata)?;
        let mut audits = Vec::new();
        for admission in self.admissions {
            let known = record.of_admission(admission.number())?;
            let fresh = self.begin(admission);
            let is_same =
                (&known.path, known.sha256, known.report) == (&fresh.path, fresh.sha256, fresh.report);
            // Its evidence is read in every audit, and what is wrong with it is among the faults.
            if !is_same {
                return None;
            }
            audits.push(PackageAudit {
                state: fresh.state,
                reading: Reading::Earlier { read_at: record.read_at() },
                ..known.clone()
            });
        }
        Some(Found { audits, record: Some(record.clone()) })
    }

    fn read(&self, source: Source) -> io::Result<Vec<PackageAudit>> {
        let is_signed = |admission: &&&Admission| admission.entry().label == Label::Verified;
        if !self.admissions.iter().any(|admission| is_signed(&admission)) {
            let sha256 = digest_of(&source)?;
            return Ok(self.admissions.iter().map(|admission| self.pinned(admission, sha256)).collect());
        }
        let recorded: Vec<(&Admission, Result<Recorded, String>)> = self
            .admissions
            .iter()
            .map(|admission| (*admission, Recorded::read(self.inputs.store, admission)))
            .collect();
        let then = |(admission, recorded): &(&Admission, Result<Recorded, String>)| {
            moment(admission, recorded.as_ref().ok())
        };
        let moments = recorded.iter().map(then).chain(self.inputs.at);
        let earliest = moments.fold(self.inputs.now, Timestamp::min);
        let mut examined = Examined::read(source, &self.inputs.judging(earliest))?;
        let mut audits = Vec::new();
        for (admission, recorded) in &recorded {
            audits.push(match admission.entry().label {
                Label::Verified => self.judge(&mut examined, admission, recorded)?,
                Label::SignatureNotChecked => self.pinned(admission, examined.sha256()),
            });
        }
        Ok(audits)
    }

    /// A package that was admitted by its digest alone.
    fn pinned(&self, admission: &Admission, found: Sha256Digest) -> PackageAudit {
        let mut audit = PackageAudit { reading: Reading::Full, ..self.begin(admission) };
        if found == self.sha256 {
            audit.class = Class::NotChecked;
            audit.reasons.push(
                "files of this kind carry no JAR signature: the digest is that of the admission, who made the bytes \
                 was not checked"
                    .to_owned(),
            );
        } else {
            audit.reasons.push(other_digest(found));
        }
        audit
    }

    fn judge(
        &self,
        examined: &mut Examined,
        admission: &Admission,
        recorded: &Result<Recorded, String>,
    ) -> io::Result<PackageAudit> {
        let inputs = self.inputs;
        let mut audit = PackageAudit { reading: Reading::Full, ..self.begin(admission) };
        if examined.sha256() != self.sha256 {
            audit.reasons.push(other_digest(examined.sha256()));
            return Ok(audit);
        }
        let name = admission.entry().path.name();
        // As of today.
        let today = inputs.judging(inputs.now);
        let now = examined.judge(name, &today)?;
        audit.now = Some(Judgement::of(&now));
        audit.until = until(&now, &today);
        audit.ends = ends(now.report(), &today);
        if let Some(at) = inputs.at {
            audit.at = Some(Judgement::of(&examined.judge(name, &inputs.judging(at))?));
        }
        // As of then, with what was trusted then.
        let recorded = match recorded {
            Ok(recorded) => recorded,
            Err(reason) => {
                audit.reasons.push(format!("what was recorded of it is lost: {reason}"));
                return Ok(audit);
            }
        };
        audit.same_anchors = Some(recorded.anchors.are_those_of(inputs));
        let policy = recorded.policy(inputs.policy, self.sha256);
        let at = moment(admission, Some(recorded));
        let as_then = AdmissionInputs {
            timestamp_trust: recorded.anchors.timestamps.as_ref(),
            agent_anchors: recorded.anchors.agent.as_ref(),
            ..AdmissionInputs::new(&recorded.anchors.signers, &policy, at)
        };
        let then = examined.judge(name, &as_then)?;
        audit.then = Some(Judgement::of(&then));
        if !then.is_verified() {
            audit.reasons.push(format!("as of its admission at {at} it does not verify: {}", first(&then)));
            return Ok(audit);
        }
        audit.reasons.extend(recorded.contradictions(admission, &then));
        if !audit.reasons.is_empty() {
            return Ok(audit);
        }
        if now.is_accepted() {
            audit.class = Class::Good;
            return Ok(audit);
        }
        // Is it time alone that speaks against it.
        let today_of_then = examined.judge(name, &inputs.judging(at))?;
        audit.class = if today_of_then.is_accepted() {
            Class::ValidWhenAdmittedExpiredSince
        } else {
            Class::RefusedToday
        };
        audit.reasons.push(first(&now));
        Ok(audit)
    }

    fn all(&self, class: Class, reason: &str) -> Found {
        let audit = |admission: &&Admission| PackageAudit {
            class,
            reasons: vec![reason.to_owned()],
            ..self.begin(admission)
        };
        Found { audits: self.admissions.iter().map(audit).collect(), record: None }
    }

    fn unreadable(&self, error: &io::Error) -> Found {
        // What the system does not let an auditor read may be sound; what the disk does not give is not.
        let class = match error.kind() {
            io::ErrorKind::PermissionDenied => Class::NotChecked,
            _ => Class::Bad,
        };
        self.all(class, &format!("the bytes cannot be read: {error}"))
    }

    fn begin(&self, admission: &Admission) -> PackageAudit {
        let entry = admission.entry();
        PackageAudit {
            path: entry.path.clone(),
            number: admission.number(),
            sha256: entry.sha256,
            length: entry.length,
            state: self.states.get(&admission.number()).copied().unwrap_or(State::Superseded),
            label: entry.label,
            class: Class::Bad,
            reasons: Vec::new(),
            admitted_at: entry.admitted_at,
            accepted: admission.accepted().cloned(),
            signer: entry.signer.clone(),
            signed_at: entry.signed_at,
            reading: Reading::None,
            then: None,
            now: None,
            at: None,
            same_anchors: None,
            until: None,
            ends: Vec::new(),
            report: entry.report,
        }
    }
}

/// The moment as of which it was judged then.
fn moment(admission: &Admission, recorded: Option<&Recorded>) -> Timestamp {
    recorded.and_then(|recorded| recorded.judged_at).unwrap_or(admission.entry().admitted_at)
}

fn other_digest(found: Sha256Digest) -> String {
    format!("the bytes are others than were admitted: their digest is {found}")
}

/// What speaks against it first.
pub(super) fn first(judged: &Judged) -> String {
    let refusal = judged.refusals.first();
    refusal.map_or_else(String::new, |refusal| format!("{} [{}]", refusal.text, refusal.rule))
}

/// The next change of what is said today.
pub(super) fn until(now: &Judged, inputs: &AdmissionInputs<'_>) -> Option<Until> {
    let outlook = now.outlook(inputs);
    let change = outlook.changes().first()?;
    Some(Until {
        at: change.at(),
        exit_code: change.jarsigner().exit_code(),
        agent_accepts: change.agent_accepts(),
        because: change.because().to_owned(),
    })
}

/// When the certificates end that stand for the package.
pub(super) fn ends(report: &Report, inputs: &AdmissionInputs<'_>) -> Vec<End> {
    let mut ends = Vec::new();
    let mut anchors = Vec::new();
    for signer in report.signers() {
        let timestamp = signer.timestamp();
        let leaf = signer.leaf().map(|leaf| (EndKind::SignerCertificate, leaf));
        let authority = timestamp.and_then(|timestamp| timestamp.chain().first());
        for (kind, certificate) in
            leaf.into_iter().chain(authority.map(|leaf| (EndKind::TimestampAuthority, leaf)))
        {
            ends.push(End {
                kind,
                subject: certificate.subject().to_owned(),
                sha256: certificate.sha256().to_owned(),
                at: certificate.not_after(),
            });
        }
        anchors.extend(signer.validation().anchor());
        anchors.extend(timestamp.map(TimestampReport::validation).and_then(|found| found.anchor()));
    }
    let sets = [Some(inputs.trust), inputs.timestamp_trust];
    for anchor in sets.into_iter().flatten().flat_map(|set| set.anchors()) {
        if anchors.iter().any(|used| used.sha256() == anchor.sha256) {
            ends.push(End {
                kind: EndKind::Anchor,
                subject: anchor.subject,
                sha256: anchor.sha256,
                at: anchor.not_after,
            });
        }
    }
    ends.sort();
    ends.dedup();
    ends
}
