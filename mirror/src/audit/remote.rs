//! Auditing a mirror from afar: what it serves, verified by somebody who has no more than a trust file.
//!
//! Catalog, log and list are fetched and verified, then every package of the catalog is fetched under its vendor path, hashed and
//! judged. What a mirror does not serve cannot be checked, and the report says so: the evidence, and what is held or superseded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use midmirror_verify::{AgentAnchors, Source, TrustStore};
use url::Url;

use super::catalog::{compare_with_earlier, describe, reason};
use super::finding::{Class, Judgement, PackageAudit, Reading, State};
use super::packages::{ends, first, until};
use super::record::{AuditRecord, RecordBasis};
use super::report::{
    self, AnchorSet, AuditReport, Catalog, Counts, Fault, Log, NotChecked, PreviousAudit, ReadCounts, count,
};
use super::{Audit, AuditError, AuditProgress, changes, warnings};
use crate::Sha256Digest;
use crate::admit::{AdmissionInputs, AdmissionPolicy, Examined, Label};
use crate::attest::sums;
use crate::catalog::{CatalogEntry, LogEntry, TrustInputs, TrustedCatalog, trust};
use crate::fetch::{Expectation, FetchError, HttpClient};
use crate::log::{LogFolder, NoteKey, check, files_of};
use crate::plan::PlannedPackage;
use crate::stage::UrlSource;
use crate::storage::{FileMode, Memory, Storage};

/// What an audit of a mirror depends on.
#[derive(Debug, Clone, Copy)]
pub struct RemoteInputs<'a> {
    /// Fetches; it knows whom to trust for TLS.
    pub client: &'a HttpClient,
    /// Where fetching runs.
    pub runtime: &'a tokio::runtime::Handle,
    /// The address of the mirror.
    pub base: &'a Url,
    /// The root metadata of a trust file.
    pub root: &'a [u8],
    /// A folder for one package at a time, which nobody else writes to.
    pub scratch: &'a Path,
    /// Trust anchors of today.
    pub trust: &'a TrustStore,
    /// Trust anchors for timestamp authorities, if they are not the same.
    pub timestamp_trust: Option<&'a TrustStore>,
    /// The authorities that MID Servers trust, if they are not the same.
    pub agent_anchors: Option<&'a AgentAnchors>,
    /// What is accepted today.
    pub policy: &'a AdmissionPolicy,
    /// The current time.
    pub now: Timestamp,
    /// Another moment as of which everything is judged as well.
    pub at: Option<Timestamp>,
    /// Tell what changed since this moment, instead of since the last audit.
    pub since: Option<Timestamp>,
    /// What the last audit left; only its checkpoint counts: what a mirror serves is fetched as a whole.
    pub previous: Option<&'a AuditRecord>,
}

/// Audits a mirror. Runs on the caller's thread, which is none of the runtime's.
///
/// # Errors
/// The catalog cannot be fetched or is not trusted: then nothing else could be said.
pub fn audit_mirror(
    inputs: &RemoteInputs<'_>,
    progress: &mut dyn FnMut(AuditProgress),
) -> Result<Audit, AuditError> {
    let mut base = inputs.base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let address = |_| AuditError::Address { url: base.to_string() };
    // 1. The catalog.
    let metadata = base.join("repository/").map_err(address)?;
    let trusting = TrustInputs { root: inputs.root, state: None, now: inputs.now, allow_expired: true };
    let source = UrlSource::new(inputs.client.clone(), metadata);
    let trusted = inputs.runtime.block_on(trust(&source, &trusting))?;
    let mut catalog = Catalog {
        trusted: true,
        reason: None,
        trusted_root: Sha256Digest::of(inputs.root),
        root_is_own: false,
        newest_root: None,
        packages: 0,
        roles: Vec::new(),
    };
    describe(&mut catalog, &trusted, inputs.now);
    // 2. Log and list.
    let mut remote = Remote { inputs, base, faults: Vec::new(), not_checked: what_is_not_served() };
    let (log, events, checkpoint) = remote.log(&trusted);
    remote.sums(&trusted);
    // 3. The packages.
    let (packages, reading) = remote.packages(&trusted, &events, progress);
    // 4. What changed, and what runs out.
    let (since, changes) = changes::since(inputs.since, inputs.previous, &events);
    let warnings = warnings::ahead(inputs.now, &catalog, &packages, inputs.trust);
    let counts = Counts::of(&packages, &reading);
    let store = trusted.store().map(|identity| identity.id.clone()).unwrap_or_default();
    let report = AuditReport {
        schema: report::SCHEMA,
        midmirror: env!("CARGO_PKG_VERSION").to_owned(),
        store: store.clone(),
        place: remote.base.to_string(),
        audited_at: inputs.now,
        at: inputs.at,
        verdict: report::verdict(inputs.now, &catalog, &log, &remote.faults, &counts),
        counts,
        organization: inputs.policy.organization.clone(),
        anchors: AnchorSet::of(inputs.trust),
        timestamp_anchors: inputs.timestamp_trust.map(AnchorSet::of),
        catalog,
        log,
        faults: remote.faults,
        packages,
        since,
        changes,
        warnings,
        not_checked: remote.not_checked,
        previous: inputs.previous.map(PreviousAudit::of),
    };
    let json = serde_json::to_vec(&report).map_err(|source| AuditError::Encode { source })?;
    let judged_by = Sha256Digest::of(b"");
    let basis =
        RecordBasis { store: &store, now: inputs.now, judged_by, checkpoint, previous: inputs.previous };
    let record = AuditRecord::new(basis, &report, Sha256Digest::of(&json), BTreeMap::new());
    Ok(Audit { report, record })
}

fn what_is_not_served() -> Vec<NotChecked> {
    let served = "a mirror does not serve it; midmirror audit --store DIR checks it where the store is";
    let items = ["evidence, statements and recorded verdicts", "packages that are held or were superseded"];
    let item = |what: &str| NotChecked { what: what.to_owned(), reason: served.to_owned() };
    items.into_iter().map(item).chain([report::no_revocation()]).collect()
}

struct Remote<'a> {
    inputs: &'a RemoteInputs<'a>,
    base: Url,
    faults: Vec<Fault>,
    not_checked: Vec<NotChecked>,
}

impl Remote<'_> {
    fn get(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, String> {
        let url = self.base.join(name).map_err(|error| error.to_string())?;
        self.inputs.runtime.block_on(self.inputs.client.get_small(&url, max)).map_err(|error| reason(&error))
    }

    fn damage(&mut self, text: String) {
        self.faults.push(Fault { text, damage: true });
    }

    /// Fetches the log into memory and checks every entry and tile of it.
    fn log(&mut self, catalog: &TrustedCatalog) -> (Log, Vec<LogEntry>, Option<Vec<u8>>) {
        let mut log = Log { origin: None, entries: 0, root: None, grown_from: None, problems: Vec::new() };
        let key = catalog.store().and_then(|identity| NoteKey::new(&identity.log_name(), identity.key).ok());
        let Some(key) = key else {
            let reason = "the catalog is of an early version and names no key of it".to_owned();
            self.not_checked.push(NotChecked { what: "the log".to_owned(), reason });
            return (log, Vec::new(), None);
        };
        log.origin = Some(key.name().to_owned());
        let memory = Memory::default();
        let storage: Arc<dyn Storage> = Arc::new(memory);
        let folder = LogFolder::in_storage(&storage, "");
        let note = match self.get("log/checkpoint", 64 * 1024) {
            Ok(Some(note)) => note,
            Ok(None) => {
                self.damage("the log: the mirror has none".to_owned());
                return (log, Vec::new(), None);
            }
            Err(reason) => {
                self.damage(format!("the log: {reason}"));
                return (log, Vec::new(), None);
            }
        };
        let kept = storage.create("checkpoint", &note, FileMode::Shared).map_err(|error| reason(&error));
        let checkpoint = match kept.and_then(|()| folder.checkpoint(&key).map_err(|error| reason(&error))) {
            Ok(Some(checkpoint)) => checkpoint,
            Ok(None) => return (log, Vec::new(), None),
            Err(reason) => {
                self.damage(format!("the log: {reason}"));
                return (log, Vec::new(), None);
            }
        };
        if checkpoint.size > MOST_ENTRIES {
            let reason = format!("it has {} entries, more than are fetched", checkpoint.size);
            self.not_checked.push(NotChecked { what: "the log".to_owned(), reason });
            return (log, Vec::new(), None);
        }
        for (name, max) in files_of(checkpoint.size) {
            let fetched = self.get(&format!("log/{name}"), max);
            let fetched =
                fetched.and_then(|bytes| bytes.ok_or_else(|| "the mirror does not have it".to_owned()));
            let kept = fetched.and_then(|bytes| {
                storage.create(&name, &bytes, FileMode::Shared).map_err(|error| reason(&error))
            });
            if let Err(reason) = kept {
                self.damage(format!("the log: {name}: {reason}"));
            }
        }
        log.entries = checkpoint.size;
        log.root = Some(checkpoint.root);
        let problems = check(&folder, &checkpoint);
        let sound = problems.is_empty();
        self.faults.extend(
            problems.iter().map(|problem| Fault { text: format!("the log: {problem}"), damage: true }),
        );
        compare_with_earlier(
            self.inputs.previous,
            (&folder, &checkpoint, &key),
            &mut log,
            &mut self.not_checked,
        );
        let mut events = Vec::new();
        let at = folder.at(checkpoint.size);
        for entry in
            (0..checkpoint.size.div_ceil(256)).filter(|_| sound).filter_map(|n| at.bundle(n).ok()).flatten()
        {
            events.push((count(events.len()), serde_json::from_slice(&entry).map_err(|_| entry)));
        }
        (log, events, Some(note))
    }

    /// The signed list names what the catalog names.
    fn sums(&mut self, catalog: &TrustedCatalog) {
        let Some(identity) = catalog.store() else { return };
        let read = |name: &str| match self.get(name, 256 << 20) {
            Ok(Some(bytes)) => String::from_utf8(bytes).ok(),
            _ => None,
        };
        let (Some(list), Some(signature)) = (read(sums::SUMS_FILE), read(sums::SIGNATURE_FILE)) else {
            self.faults.push(Fault { text: format!("{} is not served", sums::SUMS_FILE), damage: false });
            return;
        };
        let lacks = |entry: &&CatalogEntry| {
            let line = format!("SHA256 ({}) = {}", entry.path, entry.sha256);
            !list.lines().any(|other| other == line)
        };
        if !sums::verify(&list, &signature, &identity.key) {
            self.damage(format!("{} is not signed with the key of the store", sums::SUMS_FILE));
        } else if let Some(entry) = catalog.entries().iter().find(lacks) {
            let text = format!("{} does not name {} as the catalog does", sums::SUMS_FILE, entry.path);
            self.faults.push(Fault { text, damage: false });
        }
    }

    fn packages(
        &self,
        catalog: &TrustedCatalog,
        events: &[LogEntry],
        progress: &mut dyn FnMut(AuditProgress),
    ) -> (Vec<PackageAudit>, ReadCounts) {
        let entries = catalog.entries();
        let total = entries.iter().map(|entry| entry.length).fold(0, u64::saturating_add);
        let (mut done, mut reading, mut audits) = (0_u64, ReadCounts::default(), Vec::new());
        for entry in entries {
            let number = events.iter().filter_map(|(_, event)| {
                let event = event.as_ref().ok()?;
                event.admission().filter(|_| event.sha256() == Some(&entry.sha256))
            });
            let mut audit = begin(entry, number.max().unwrap_or_default());
            self.package(entry, &mut audit);
            if audit.reading == Reading::Full {
                reading.read += 1;
                reading.bytes_read = reading.bytes_read.saturating_add(entry.length);
            }
            audits.push(audit);
            done = done.saturating_add(entry.length);
            progress(AuditProgress { done, total });
        }
        (audits, reading)
    }

    fn package(&self, entry: &CatalogEntry, audit: &mut PackageAudit) {
        let file = self.inputs.scratch.join("package");
        let expectation =
            Expectation { length: Some(entry.length), sha256: Some(entry.sha256), max: entry.length };
        let Ok(planned) = PlannedPackage::below(&self.base, entry.path.clone()) else {
            audit.reasons.push("there is no address for it".to_owned());
            return;
        };
        let fetch = self.inputs.client.download(planned.url(), &file, &expectation, &|_| {});
        let fetched = self.inputs.runtime.block_on(fetch);
        let judged = match fetched {
            Ok(_) => self.judge(&file, entry, audit).map_err(|error| error.to_string()),
            Err(error) => {
                audit.class = match error {
                    // A mirror does not serve bytes that are not those of its catalog: it answers with 500.
                    FetchError::NotFound { .. } | FetchError::Status { .. } => Class::Missing,
                    FetchError::WrongDigest { .. } => Class::Bad,
                    _ => Class::NotChecked,
                };
                Err(reason(&error))
            }
        };
        if let Err(reason) = judged {
            audit.reasons.push(reason);
        }
        // What is left of it would be continued under the next name.
        for leftover in [file.clone(), file.with_extension("json"), self.inputs.scratch.join("package.json")]
        {
            let _gone = std::fs::remove_file(leftover);
        }
    }

    /// The bytes have the digest of the catalog; does the signature hold.
    fn judge(&self, file: &Path, entry: &CatalogEntry, audit: &mut PackageAudit) -> std::io::Result<()> {
        audit.reading = Reading::Full;
        if entry.label == Label::SignatureNotChecked {
            audit.class = Class::NotChecked;
            audit.reasons.push(
                "files of this kind carry no JAR signature: the digest is that of the catalog, who made the bytes was not \
                 checked"
                    .to_owned(),
            );
            return Ok(());
        }
        let inputs = self.inputs;
        let judging = |at| AdmissionInputs {
            timestamp_trust: inputs.timestamp_trust,
            agent_anchors: inputs.agent_anchors,
            ..AdmissionInputs::new(inputs.trust, inputs.policy, at)
        };
        let then = entry.first_verified_at().unwrap_or(entry.admitted_at);
        let earliest = inputs.at.into_iter().fold(inputs.now.min(then), Timestamp::min);
        let mut examined = Examined::read(Source::open(file)?, &judging(earliest))?;
        let name = entry.path.name();
        let today = judging(inputs.now);
        let now = examined.judge(name, &today)?;
        let as_then = examined.judge(name, &judging(then))?;
        audit.now = Some(Judgement::of(&now));
        audit.then = Some(Judgement::of(&as_then));
        audit.until = until(&now, &today);
        audit.ends = ends(now.report(), &today);
        if let Some(at) = inputs.at {
            audit.at = Some(Judgement::of(&examined.judge(name, &judging(at))?));
        }
        audit.class = match () {
            () if now.is_accepted() => Class::Good,
            () if as_then.is_accepted() => Class::ValidWhenAdmittedExpiredSince,
            // Which anchors counted then stands in the evidence, which is not served.
            () if now.report().abort().is_none() => Class::RefusedToday,
            () => Class::Bad,
        };
        if audit.class != Class::Good {
            audit.reasons.push(first(&now));
        }
        Ok(())
    }
}

fn begin(entry: &CatalogEntry, number: u64) -> PackageAudit {
    PackageAudit {
        path: entry.path.clone(),
        number,
        sha256: entry.sha256,
        length: entry.length,
        state: State::Published,
        label: entry.label,
        class: Class::Bad,
        reasons: Vec::new(),
        admitted_at: entry.admitted_at,
        accepted: None,
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

/// A mirror that is asked for all its entries has perhaps some thousand a year.
const MOST_ENTRIES: u64 = 1 << 20;
