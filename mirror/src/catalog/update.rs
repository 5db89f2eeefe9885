//! The update of a TUF client, step by step as in TUF 1.0, section 5, without input or output.
//!
//! `tough` has a client too. Its schema, canonical form and signature check are used here, its client is not: it reads the
//! clock, it writes its state between the checks (and removes the trusted root before it writes the new one), it takes
//! any failure to fetch the next root for the end of the chain, and its errors do not tell an attack from a lost network.
//!
//! Attacks considered (numbers of the project's list of TUF cases):
//!
//! - T5, T17 rollback: versions are compared with the remembered ones; these are written after all checks, by `finish`.
//! - T7 fast-forward: new timestamp or snapshot keys in the root metadata make the remembered versions void; versions are
//!   never added to without a check.
//! - T8 freeze: every role must be valid at the given time; the error names role, end and both times.
//! - T9 mix-and-match: length, digest and version of snapshot and targets are mandatory in the file that refers to them.
//! - T11 omission: a catalog is complete or refused; which bytes are present is compared by `store::check`.
//! - T12 too few keys: `tough` counts key ids once, and no role may list one public key under two ids.
//! - T13 root chain: N+1 follows N, signed by the keys of both; only the last must not have expired.
//! - T14 delegations: refused.
//! - T15 target names: only vendor paths, letter by letter, and no two that differ in case alone.
//! - T16 two histories: another timestamp file with the remembered version is an error of its own.
//! - T18 clock set back: the time used is the later of the clock and the latest time at which a catalog was valid.
//! - Endless data: every file has a limit, and its number of root files too.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tough::schema::{self, Metafile, Root, Signed, Snapshot};

use super::checks::{
    HasSpecification, MAX_ROOT_BYTES, MAX_ROOTS, MAX_SNAPSHOT_BYTES, MAX_TARGETS_BYTES, MAX_TIMESTAMP_BYTES,
    check_root, check_specification, key_ids, length, parse, verify,
};
use super::distrust::Distrust;
use super::error::TrustError;
use super::metadata::Role;
use super::reading::VerifiedTargets;
use super::source::MetadataError;
use super::stale::StaleAllowance;
use super::state::{Remembered, Seen};
use super::trust::{Outcome, TrustInputs, Validity};
use crate::Sha256Digest;

/// A file the update needs next.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) max: u64,
}

/// An update in progress.
#[derive(Debug)]
pub(super) struct Update<'a> {
    inputs: &'a TrustInputs<'a>,
    place: String,
    now: Timestamp,
    remembered: Option<Remembered>,
    root: Root,
    root_bytes: Vec<u8>,
    roots: u64,
    stage: Stage,
    stale: Option<&'a StaleAllowance>,
}

#[derive(Debug)]
enum Stage {
    Root,
    Timestamp,
    Snapshot(Box<Accepted>),
    Targets(Box<Accepted>, Box<Accepted>),
    Done(Box<Outcome>, Sha256Digest),
}

/// A checked file and what it says of the next one.
#[derive(Debug)]
struct Accepted {
    validity: Validity,
    sha256: Sha256Digest,
    next: Metafile,
}

impl<'a> Update<'a> {
    /// Loads the trusted root metadata (5.2) and what is remembered.
    pub(super) fn begin(place: String, inputs: &'a TrustInputs<'a>) -> Result<Self, TrustError> {
        let remembered = match inputs.state {
            Some(path) => Remembered::read(path)?.map(|remembered| (path, remembered)),
            None => None,
        };
        let given: Signed<Root> = parse(inputs.root, GIVEN_ROOT, &place)?;
        let now = remembered.as_ref().map_or(inputs.now, |(_, r)| inputs.now.max(r.latest));
        let mut update = Self {
            inputs,
            now,
            remembered: None,
            root: given.signed.clone(),
            root_bytes: inputs.root.to_vec(),
            roots: 0,
            stage: Stage::Root,
            stale: None,
            place,
        };
        check_root(&given).map_err(|reason| update.distrust(GIVEN_ROOT, reason))?;
        if let Some((path, remembered)) = remembered {
            let bytes = remembered.root(path)?;
            let last: Signed<Root> = parse(&bytes, REMEMBERED_ROOT, &update.place)?;
            if remembered.enrolled == Sha256Digest::of(inputs.root) {
                update.root = last.signed;
                update.root_bytes = bytes;
            } else if given.signed.version <= last.signed.version {
                return Err(TrustError::OtherRoot { path: path.to_owned() });
            }
            update.remembered = Some(remembered);
        }
        Ok(update)
    }

    /// Accepts what has expired, if that is permitted.
    pub(super) fn accepting(mut self, stale: Option<&'a StaleAllowance>) -> Self {
        self.stale = stale;
        self
    }

    /// The next file; none when all is done.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let (name, max) = match &self.stage {
            Stage::Root => (format!("{}.root.json", self.next_root()), MAX_ROOT_BYTES),
            Stage::Timestamp => (TIMESTAMP.to_owned(), MAX_TIMESTAMP_BYTES),
            Stage::Snapshot(timestamp) => {
                (format!("{}.snapshot.json", timestamp.next.version), MAX_SNAPSHOT_BYTES)
            }
            Stage::Targets(_, snapshot) => {
                (format!("{}.targets.json", snapshot.next.version), MAX_TARGETS_BYTES)
            }
            Stage::Done(..) => return None,
        };
        Some(Wanted { name, max })
    }

    /// Takes what the source had for the wanted file.
    pub(super) fn supply(
        &mut self,
        answer: Result<Option<Vec<u8>>, MetadataError>,
    ) -> Result<(), TrustError> {
        let Some(wanted) = self.wanted() else { return Ok(()) };
        let what = wanted.name.as_str();
        let bytes = answer.map_err(|source| TrustError::Unreachable {
            what: what.to_owned(),
            place: self.place.clone(),
            source,
        })?;
        let bytes = match bytes {
            Some(bytes) => bytes,
            // 5.3.3: there is no newer root metadata.
            None if matches!(self.stage, Stage::Root) => return self.end_of_roots(),
            None => return Err(TrustError::Missing { what: what.to_owned(), place: self.place.clone() }),
        };
        if length(&bytes) > wanted.max {
            return Err(self.distrust(what, Distrust::TooLong { max: wanted.max }));
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Root) {
            Stage::Root => self.take_root(what, bytes)?,
            Stage::Timestamp => self.take_timestamp(what, &bytes)?,
            Stage::Snapshot(timestamp) => self.take_snapshot(what, &bytes, timestamp)?,
            Stage::Targets(timestamp, snapshot) => self.take_targets(what, &bytes, timestamp, snapshot)?,
            done @ Stage::Done(..) => done,
        };
        Ok(())
    }

    /// The root metadata found so far.
    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// Whether the root metadata is final.
    pub(super) fn has_root(&self) -> bool {
        !matches!(self.stage, Stage::Root)
    }

    /// Remembers the new versions, now that everything was checked (5.4.5, 5.5.7, 5.6.6).
    pub(super) fn finish(self) -> Result<Outcome, TrustError> {
        let Stage::Done(outcome, timestamp_sha256) = self.stage else {
            return Err(TrustError::Missing { what: TIMESTAMP.to_owned(), place: self.place });
        };
        if let Some(path) = self.inputs.state
            && !self.inputs.allow_expired
        {
            let seen = Seen {
                timestamp: outcome.timestamp.version,
                timestamp_sha256,
                snapshot: outcome.snapshot.version,
                targets: outcome.targets.version,
            };
            let enrolled = Sha256Digest::of(self.inputs.root);
            let ends = outcome.ends();
            Remembered::new(enrolled, &outcome.root_bytes, seen, self.now, ends).write(path)?;
        }
        Ok(*outcome)
    }

    /// 5.3: the next root metadata.
    fn take_root(&mut self, what: &str, bytes: Vec<u8>) -> Result<Stage, TrustError> {
        self.roots = self.roots.saturating_add(1);
        if self.roots > MAX_ROOTS {
            return Err(self.distrust(what, Distrust::TooManyRoots { max: MAX_ROOTS }));
        }
        let new: Signed<Root> = parse(&bytes, what, &self.place)?;
        // 5.3.4: signed by the keys of the version before it and by its own.
        verify(&self.root, &new)
            .and_then(|()| check_root(&new))
            .map_err(|reason| self.distrust(what, reason))?;
        // 5.3.5: exactly the next version.
        let (expected, found) = (self.next_root(), new.signed.version.get());
        if expected != found {
            return Err(self.distrust(what, Distrust::Version { expected, found }));
        }
        self.root = new.signed;
        self.root_bytes = bytes;
        if found == u64::MAX {
            self.end_of_roots()?;
            return Ok(Stage::Timestamp);
        }
        Ok(Stage::Root)
    }

    /// 5.3.10 and 5.3.11: the last root metadata must be valid, and may make what is remembered void.
    fn end_of_roots(&mut self) -> Result<(), TrustError> {
        self.check_expiry(Role::Root, self.root.expires)?;
        if let (Some(path), Some(remembered)) = (self.inputs.state, &self.remembered) {
            let old: Signed<Root> = parse(&remembered.root(path)?, REMEMBERED_ROOT, &self.place)?;
            let rotated = [Role::Timestamp, Role::Snapshot]
                .into_iter()
                .any(|role| key_ids(&old.signed, role) != key_ids(&self.root, role));
            if rotated {
                self.remembered = None;
            }
        }
        self.stage = Stage::Timestamp;
        Ok(())
    }

    /// 5.4: the timestamp metadata.
    fn take_timestamp(&self, what: &str, bytes: &[u8]) -> Result<Stage, TrustError> {
        let timestamp: schema::Timestamp = self.verified(what, bytes)?;
        let sha256 = Sha256Digest::of(bytes);
        let version = timestamp.version.get();
        let next = self.announced(what, &timestamp.meta, "snapshot.json", MAX_SNAPSHOT_BYTES)?;
        if let Some(seen) = &self.remembered {
            self.not_backwards(Role::Timestamp, seen.timestamp, version)?;
            if version == seen.timestamp && sha256 != seen.timestamp_sha256 {
                let place = self.place.clone();
                return Err(TrustError::Forked { role: Role::Timestamp, place, version });
            }
            self.not_backwards(Role::Snapshot, seen.snapshot, next.version.get())?;
        }
        self.check_expiry(Role::Timestamp, timestamp.expires)?;
        let validity = Validity { version, expires: timestamp.expires };
        Ok(Stage::Snapshot(Box::new(Accepted { validity, sha256, next })))
    }

    /// 5.5: the snapshot metadata.
    fn take_snapshot(&self, what: &str, bytes: &[u8], timestamp: Box<Accepted>) -> Result<Stage, TrustError> {
        let sha256 = self.as_announced(what, bytes, &timestamp.next)?;
        let snapshot: Snapshot = self.verified(what, bytes)?;
        self.same_version(what, &timestamp.next, snapshot.version.get())?;
        let next = self.announced(what, &snapshot.meta, "targets.json", MAX_TARGETS_BYTES)?;
        if let Some(seen) = &self.remembered {
            self.not_backwards(Role::Targets, seen.targets, next.version.get())?;
        }
        self.check_expiry(Role::Snapshot, snapshot.expires)?;
        let validity = Validity { version: snapshot.version.get(), expires: snapshot.expires };
        Ok(Stage::Targets(timestamp, Box::new(Accepted { validity, sha256, next })))
    }

    /// 5.6: the targets metadata.
    fn take_targets(
        &self,
        what: &str,
        bytes: &[u8],
        timestamp: Box<Accepted>,
        snapshot: Box<Accepted>,
    ) -> Result<Stage, TrustError> {
        self.as_announced(what, bytes, &snapshot.next)?;
        let distrust = |reason| self.distrust(what, reason);
        let verified = VerifiedTargets::verify(&self.root, bytes, what, &self.place)?.map_err(distrust)?;
        let targets = verified.read(what, &self.place)?;
        self.same_version(what, &snapshot.next, targets.version())?;
        self.check_expiry(Role::Targets, targets.expires())?;
        let targets = targets.check().map_err(distrust)?;
        let mut outcome = Outcome {
            entries: targets.entries,
            withdrawn: targets.withdrawn,
            store: targets.store,
            root_bytes: self.root_bytes.clone(),
            snapshot_meta: timestamp.next,
            targets_meta: snapshot.next,
            root: Validity { version: self.root.version.get(), expires: self.root.expires },
            targets: Validity { version: targets.version, expires: targets.expires },
            snapshot: snapshot.validity,
            timestamp: timestamp.validity,
            stale: Vec::new(),
        };
        if self.stale.is_some() {
            let is_over = |role: &Role| outcome.of(*role).expires <= self.now;
            outcome.stale = Role::ALL.into_iter().filter(is_over).collect();
        }
        Ok(Stage::Done(Box::new(outcome), timestamp.sha256))
    }

    /// Parses a file, checks its signatures (5.4.2, 5.5.3, 5.6.3) and which specification it follows.
    fn verified<T: schema::Role + DeserializeOwned + HasSpecification>(
        &self,
        what: &str,
        bytes: &[u8],
    ) -> Result<T, TrustError> {
        let signed: Signed<T> = parse(bytes, what, &self.place)?;
        verify(&self.root, &signed)
            .and_then(|()| check_specification(signed.signed.specification()))
            .map_err(|reason| self.distrust(what, reason))?;
        Ok(signed.signed)
    }

    /// What a file says of the next one: all three of version, length and digest.
    fn announced(
        &self,
        what: &str,
        meta: &HashMap<String, Metafile>,
        name: &'static str,
        max: u64,
    ) -> Result<Metafile, TrustError> {
        let announced = meta.get(name).filter(|m| m.length.is_some() && m.hashes.is_some());
        let announced = announced.ok_or_else(|| self.distrust(what, Distrust::NotAnnounced { name }))?;
        if announced.length.is_some_and(|length| length > max) {
            return Err(self.distrust(name, Distrust::TooLong { max }));
        }
        Ok(announced.clone())
    }

    /// 5.5.2 and 5.6.2: length and digest are those that were announced.
    fn as_announced(
        &self,
        what: &str,
        bytes: &[u8],
        announced: &Metafile,
    ) -> Result<Sha256Digest, TrustError> {
        let expected = announced.length.unwrap_or_default();
        let found = length(bytes);
        if expected != found {
            return Err(self.distrust(what, Distrust::Length { expected, found }));
        }
        let sha256 = Sha256Digest::of(bytes);
        match &announced.hashes {
            Some(hashes) if *hashes.sha256 == *sha256.as_bytes() => Ok(sha256),
            _ => Err(self.distrust(what, Distrust::Digest)),
        }
    }

    /// 5.5.4 and 5.6.4.
    fn same_version(&self, what: &str, announced: &Metafile, found: u64) -> Result<(), TrustError> {
        let expected = announced.version.get();
        if expected == found {
            Ok(())
        } else {
            Err(self.distrust(what, Distrust::Version { expected, found }))
        }
    }

    /// 5.4.3 and 5.5.5.
    fn not_backwards(&self, role: Role, seen: u64, offered: u64) -> Result<(), TrustError> {
        if offered >= seen {
            return Ok(());
        }
        Err(TrustError::WentBackwards { role, place: self.place.clone(), seen, offered })
    }

    /// 5.3.10, 5.4.4, 5.5.6 and 5.6.5.
    fn check_expiry(&self, role: Role, expired_at: Timestamp) -> Result<(), TrustError> {
        if self.inputs.allow_expired || expired_at > self.now {
            return Ok(());
        }
        if self.stale.is_some_and(|stale| stale.covers(role, self.now)) {
            return Ok(());
        }
        let (now, clock) = (self.now, self.inputs.now);
        Err(TrustError::Expired { role, place: self.place.clone(), expired_at, now, clock })
    }

    fn next_root(&self) -> u64 {
        self.root.version.get().saturating_add(1)
    }

    fn distrust(&self, what: &str, reason: Distrust) -> TrustError {
        TrustError::NotTrusted { what: what.to_owned(), place: self.place.clone(), reason }
    }
}

const GIVEN_ROOT: &str = "the given root metadata";
const REMEMBERED_ROOT: &str = "the remembered root metadata";
const TIMESTAMP: &str = "timestamp.json";
