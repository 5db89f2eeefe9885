//! Auditing a mirror from afar: what it serves, verified by somebody who has no more than a trust file.
//!
//! Catalog, log and list are fetched and verified, then every package of the catalog is fetched under its vendor path, hashed and
//! judged. What a mirror does not serve cannot be checked, and the report says so: the evidence, and what is held or superseded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use midmirror_verify::Source;
use url::Url;

use super::catalog::{changes_unknown, compare_with_earlier, describe, read_log};
use super::finding::{Class, Judgement, PackageAudit, Reading, State, first};
use super::report::{self, Catalog, Fault, Log, NotChecked, ReadCounts, count};
use super::{Audit, AuditError, AuditProgress, Basis, Found};
use crate::admit::{Examined, Label};
use crate::attest::sums;
use crate::catalog::{CatalogEntry, LogEntry, TrustInputs, TrustedCatalog, trust};
use crate::error_text;
use crate::fetch::{Expectation, FetchError, HttpClient};
use crate::log::{Checkpoint, LogFolder, NoteKey, files_of};
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
    /// What it is judged by.
    pub basis: Basis<'a>,
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
    let now = inputs.basis.now;
    let trusting = TrustInputs { root: inputs.root, state: None, now, allow_expired: true };
    let source = UrlSource::new(inputs.client.clone(), metadata);
    let trusted = inputs.runtime.block_on(trust(&source, &trusting))?;
    let mut catalog = Catalog::not_trusted(inputs.root, false);
    describe(&mut catalog, &trusted, now);
    // 2. Log and list.
    let mut remote = Remote { inputs, base, faults: Vec::new(), not_checked: what_is_not_served() };
    let mut log = Log::default();
    let (events, checkpoint) = remote.log(&trusted, &mut log).unzip();
    remote.sums(&trusted);
    // 3. The packages.
    let events = events.flatten();
    let (packages, reading) = remote.packages(&trusted, events.as_deref().unwrap_or_default(), progress);
    let found = Found {
        store: trusted.store().map(|identity| identity.id.clone()).unwrap_or_default(),
        place: remote.base.to_string(),
        catalog,
        log,
        events,
        faults: remote.faults,
        packages,
        reading,
        not_checked: remote.not_checked,
        checkpoint,
        // What a mirror serves is fetched as a whole each time.
        blobs: BTreeMap::new(),
    };
    found.conclude(&inputs.basis)
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
    fn get(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>, Lack> {
        let url = self.base.join(name).map_err(|error| Lack::Damage(error.to_string()))?;
        let fetched = self.inputs.runtime.block_on(self.inputs.client.get_small(&url, max));
        fetched.map_err(|error| match class_of(&error) {
            Class::NotChecked => Lack::NotFetched(error_text(&error)),
            _ => Lack::Damage(error_text(&error)),
        })
    }

    fn damage(&mut self, text: String) {
        self.faults.push(Fault { text, damage: true });
    }

    /// Fetches the log into memory and checks every entry and tile of it; its entries, if they are what was signed, and its
    /// checkpoint.
    fn log(&mut self, catalog: &TrustedCatalog, log: &mut Log) -> Option<(Option<Vec<LogEntry>>, Vec<u8>)> {
        let key = catalog.store().and_then(|identity| NoteKey::new(&identity.log_name(), identity.key).ok());
        let Some(key) = key else {
            let reason = "the catalog is of an early version and names no key of it".to_owned();
            self.not_checked.push(NotChecked { what: "the log".to_owned(), reason });
            return None;
        };
        log.origin = Some(key.name().to_owned());
        let (folder, checkpoint, note) = match self.fetch_log(&key) {
            Ok(fetched) => fetched,
            Err(Lack::Damage(reason)) => {
                self.damage(format!("the log: {reason}"));
                self.not_checked.push(changes_unknown());
                return None;
            }
            Err(Lack::NotFetched(reason)) => {
                let what = "the log: what changed since the last audit, and who approved it".to_owned();
                self.not_checked.push(NotChecked { what, reason });
                return None;
            }
        };
        let (problems, events) = read_log(&folder, &checkpoint, log, &mut self.not_checked);
        for problem in problems {
            self.damage(format!("the log: {problem}"));
        }
        compare_with_earlier(
            self.inputs.basis.previous,
            (&folder, &checkpoint, &key),
            log,
            &mut self.not_checked,
        );
        Some((events, note))
    }

    /// Fetches the files of the log, and its checkpoint as it stands there.
    fn fetch_log(&self, key: &NoteKey) -> Result<(LogFolder, Checkpoint, Vec<u8>), Lack> {
        let damage = |text: &str| Lack::Damage(text.to_owned());
        let storage: Arc<dyn Storage> = Arc::new(Memory::default());
        let folder = LogFolder::in_storage(&storage, "");
        let keep = |name: &str, bytes: &[u8]| {
            let kept = storage.create(name, bytes, FileMode::Shared);
            kept.map_err(|error| Lack::NotFetched(error_text(&error)))
        };
        let note = self.get("log/checkpoint", 64 * 1024)?.ok_or_else(|| damage("the mirror has none"))?;
        keep("checkpoint", &note)?;
        let checkpoint = folder.checkpoint(key).map_err(|error| damage(&error_text(&error)))?;
        let checkpoint = checkpoint.ok_or_else(|| damage("the mirror has none"))?;
        if checkpoint.size > MOST_ENTRIES {
            return Err(Lack::NotFetched(format!(
                "it has {} entries, more than are fetched",
                checkpoint.size
            )));
        }
        let mut left = MOST_BYTES;
        for (name, max) in files_of(checkpoint.size) {
            let bytes = self.get(&format!("log/{name}"), max)?;
            let bytes = bytes.ok_or_else(|| damage(&format!("the mirror does not have {name}")))?;
            left = left.checked_sub(count(bytes.len())).ok_or_else(|| {
                Lack::NotFetched(format!(
                    "its files have more than {MOST_BYTES} bytes, more than are fetched"
                ))
            })?;
            keep(&name, &bytes)?;
        }
        Ok((folder, checkpoint, note))
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
            let mut audit = PackageAudit::begin(entry, number.max().unwrap_or_default(), State::Published);
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
                audit.class = class_of(&error);
                Err(error_text(&error))
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
            audit.is_pinned();
            return Ok(());
        }
        let basis = &self.inputs.basis;
        let then = entry.first_verified_at().unwrap_or(entry.admitted_at);
        let earliest = basis.at.into_iter().fold(basis.now.min(then), Timestamp::min);
        let mut examined = Examined::read(Source::open(file)?, &basis.judging(earliest))?;
        let now = audit.judge_today(&mut examined, basis)?;
        let as_then = examined.judge(entry.path.name(), &basis.judging(then))?;
        audit.then = Some(Judgement::of(&as_then));
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

/// Why something that a mirror should serve could not be had.
enum Lack {
    /// It is not there, or not what was signed.
    Damage(String),
    /// It may be there.
    NotFetched(String),
}

/// What a failed download says of what was to be fetched.
fn class_of(error: &FetchError) -> Class {
    match error {
        // A mirror does not serve bytes that are not those of its catalog: it answers with 503.
        FetchError::NotFound { .. } | FetchError::Status { .. } => Class::Missing,
        FetchError::WrongDigest { .. } => Class::Bad,
        _ => Class::NotChecked,
    }
}

/// A mirror that is asked for all its entries has perhaps some thousand a year.
const MOST_ENTRIES: u64 = 1 << 20;
/// Of a log with a million entries of the usual length.
const MOST_BYTES: u64 = 1 << 30;
