//! One package: its bytes, read once for all admissions of them.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::PathBuf;

use jiff::Timestamp;
use midmirror_verify::Source;

use super::AuditInputs;
use super::finding::{Class, Judgement, PackageAudit, Reading, Removal, State, first};
use super::record::BlobRecord;
use super::recorded::Recorded;
use super::report::ReadCounts;
use crate::admit::{AdmissionInputs, Examined, Label, digest_of};
use crate::store::{Admission, StoreError};
use crate::{Sha256Digest, error_text};

/// Bytes with all their admissions.
pub(super) struct Package<'a> {
    pub(super) inputs: &'a AuditInputs<'a>,
    pub(super) sha256: Sha256Digest,
    pub(super) admissions: &'a [&'a Admission],
    pub(super) states: &'a HashMap<u64, State>,
    /// The decision that withdrew or pruned it.
    pub(super) removed: Option<&'a Removal>,
}

/// What was found of it.
pub(super) struct Found {
    /// An item for each admission.
    pub(super) audits: Vec<PackageAudit>,
    /// For the next audit; none if nothing is to be remembered.
    pub(super) record: Option<BlobRecord>,
}

impl Package<'_> {
    /// Reads the bytes, unless the last audit has and that still counts.
    pub(super) fn audit(&self, reading: &mut ReadCounts) -> Found {
        let length = match self.inputs.store.blob_length(&self.sha256) {
            Ok(Some(length)) => length,
            Ok(None) if self.is_pruned() => {
                return self
                    .all(Class::NotChecked, "the retention policy has removed the bytes; evidence is kept");
            }
            Ok(None) => {
                return self.all(
                    Class::Missing,
                    &format!("the bytes are not in the store: {} is not there", self.place()),
                );
            }
            Err(StoreError::File { source, .. }) => return self.unreadable(&source),
            Err(error) => return self.all(Class::Bad, &error_text(&error)),
        };
        let wrong = |admission: &&&Admission| admission.entry().length != length;
        if let Some(expected) = self.admissions.iter().find(wrong) {
            let expected = expected.entry().length;
            let text = format!("there are {length} bytes instead of {expected} in {}", self.place());
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
                let record = metadata
                    .map(|metadata| BlobRecord::new(&metadata, self.inputs.basis.now, audits.clone()));
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
        let record = self.inputs.basis.previous?.still_counts(self.inputs, self.sha256, metadata)?;
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
                removed: fresh.removed,
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
        let moments = recorded.iter().map(then).chain(self.inputs.basis.at);
        let earliest = moments.fold(self.inputs.basis.now, Timestamp::min);
        let mut examined = Examined::read(source, &self.inputs.basis.judging(earliest))?;
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
            audit.is_pinned();
        } else {
            audit.reasons.push(self.other_digest(found));
        }
        audit
    }

    fn judge(
        &self,
        examined: &mut Examined,
        admission: &Admission,
        recorded: &Result<Recorded, String>,
    ) -> io::Result<PackageAudit> {
        let basis = &self.inputs.basis;
        let mut audit = PackageAudit { reading: Reading::Full, ..self.begin(admission) };
        if examined.sha256() != self.sha256 {
            audit.reasons.push(self.other_digest(examined.sha256()));
            return Ok(audit);
        }
        let now = audit.judge_today(examined, basis)?;
        // As of then, with what was trusted then.
        let recorded = match recorded {
            Ok(recorded) => recorded,
            Err(reason) => {
                audit.reasons.push(format!("what was recorded of it is lost: {reason}"));
                return Ok(audit);
            }
        };
        audit.relaxed = recorded.relaxed().to_vec();
        audit.same_anchors = Some(recorded.anchors.are_those_of(basis));
        let policy = recorded.policy(basis.policy, self.sha256);
        let at = moment(admission, Some(recorded));
        let as_then = AdmissionInputs {
            timestamp_trust: recorded.anchors.timestamps.as_ref(),
            agent_anchors: recorded.anchors.agent.as_ref(),
            ..AdmissionInputs::new(&recorded.anchors.signers, &policy, at)
        };
        let name = admission.entry().path.name();
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
        let today_of_then = examined.judge(name, &basis.judging(at))?;
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
        self.all(class, &format!("the bytes of {} cannot be read: {error}", self.place()))
    }

    fn begin(&self, admission: &Admission) -> PackageAudit {
        let state = self.states.get(&admission.number()).copied().unwrap_or(State::Superseded);
        PackageAudit {
            accepted: admission.accepted().cloned(),
            removed: self.removed.cloned(),
            ..PackageAudit::begin(admission.entry(), admission.number(), state)
        }
    }

    fn other_digest(&self, found: Sha256Digest) -> String {
        format!("the bytes are others than were admitted: the digest of {} is {found}", self.place())
    }

    fn place(&self) -> String {
        self.inputs.store.blob_path(&self.sha256).display().to_string()
    }
}

/// The moment as of which it was judged then.
fn moment(admission: &Admission, recorded: Option<&Recorded>) -> Timestamp {
    recorded.and_then(|recorded| recorded.judged_at).unwrap_or(admission.entry().admitted_at)
}
