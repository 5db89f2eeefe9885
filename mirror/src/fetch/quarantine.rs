//! The quarantine folder: unverified bytes, one folder for each URL or hand-brought file.
//!
//! ```text
//! quarantine/
//!   fetch-0123456789abcdef0123456789abcdef/    first half of the SHA-256 of the URL, so that a later run finds it
//!     lock                 held while somebody works here
//!     package.part         bytes so far
//!     package.part.json    what they belong to
//!     package.zip          complete, hashed, not verified
//!     package.json         where it came from, its length and digest
//!     refused.zip, refused.json                 what was refused here last, and why
//!   import-0123456789abcdef…/                  the same for a file from a medium: digest of its bytes
//! ```
//!
//! Attacks considered: a file that changes between check and use (J22): bytes are copied and hashed in one go, and
//! only the private copy is used from then on; two processes in one folder: `lock`; a name from outside that leads
//! elsewhere: folder names are digests, file names are constants.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use url::Url;

use super::causes::with_causes;
use super::client::HttpClient;
use super::download::{Expectation, FetchEvent, Progress, ProgressFn};
use super::error::FetchError;
use super::part_file::{PartFile, beside, check_space, digest_of, discard, remove};
use super::validator::Validators;
use super::{FetchRecord, QuarantinedPackage};
use crate::Sha256Digest;
use crate::package::PackagePath;
use crate::plan::PlannedPackage;
use crate::store::durable::{self, FileMode};

/// Inputs of one fetch or import.
pub struct FetchOptions<'a> {
    /// The time now; the time of the last byte is counted from here.
    pub now: jiff::Timestamp,
    /// What is known of the file.
    pub expectation: Expectation,
    /// Is told of progress.
    pub progress: &'a ProgressFn<'a>,
}

impl FetchOptions<'_> {
    /// Options that expect nothing in particular and report to nobody.
    pub fn new(now: jiff::Timestamp) -> Self {
        Self { now, expectation: Expectation::default(), progress: &|_: FetchEvent<'_>| {} }
    }
}

/// Fetches a planned package into the quarantine folder, continuing what an earlier run left there.
///
/// A complete file of an earlier run is used again only if the host confirms that it has not changed. Where the
/// configuration allows plain http for the host, that is tried when https cannot be reached; the record says so.
pub async fn fetch(
    client: &HttpClient,
    planned: &PlannedPackage,
    quarantine: &Path,
    options: &FetchOptions<'_>,
) -> Result<QuarantinedPackage, FetchError> {
    match fetch_url(client, planned.path(), planned.url(), quarantine, options).await {
        Err(error) if error.is_unreachable() => {
            let Some(plain) = client.plain_http_alternative(planned.url()) else { return Err(error) };
            let cause = with_causes(&error);
            tracing::warn!(url = %plain, cause, "https failed, trying plain http as the configuration allows");
            fetch_url(client, planned.path(), &plain, quarantine, options).await
        }
        result => result,
    }
}

async fn fetch_url(
    client: &HttpClient,
    path: &PackagePath,
    url: &Url,
    quarantine: &Path,
    options: &FetchOptions<'_>,
) -> Result<QuarantinedPackage, FetchError> {
    let started = Instant::now();
    let attempt = Attempt::open(quarantine, "fetch", &Sha256Digest::of(url.as_str().as_bytes()))?;
    if let Some(kept) = attempt.load(url.as_str()).await? {
        let unchanged = match kept.validators.if_changed() {
            Some(condition) => client.is_unchanged(url, &condition).await?,
            None => false,
        };
        if unchanged && options.expectation.sha256.is_none_or(|expected| expected == kept.sha256) {
            return Ok(attempt.quarantined(path.clone(), kept));
        }
    }
    attempt.remove_complete()?;
    let part = attempt.part();
    let downloaded = client.download(url, &part, &options.expectation, options.progress).await?;
    let answered = downloaded.redirected_to.as_ref().unwrap_or(url);
    let plain_http = url.scheme() == "http" || answered.scheme() == "http";
    if plain_http {
        tracing::warn!(url = %url, "fetched over plain http: only the package's own signature vouches for it");
    }
    let kept = Kept {
        validators: validators_in(&downloaded.headers),
        sha256: downloaded.sha256,
        length: downloaded.length,
        record: FetchRecord {
            source: url.to_string(),
            fetched_at: later(options.now, started),
            plain_http,
            redirected_to: downloaded.redirected_to.as_ref().map(Url::to_string),
            proxy: client.config().proxies.for_url(answered).map(ToString::to_string),
            headers: downloaded.headers,
        },
    };
    attempt.complete(&kept).await?;
    Ok(attempt.quarantined(path.clone(), kept))
}

/// Copies a file that somebody brought into the quarantine folder, hashing it on the way.
pub async fn import_file(
    file: &Path,
    path: PackagePath,
    quarantine: &Path,
    options: &FetchOptions<'_>,
) -> Result<QuarantinedPackage, FetchError> {
    let started = Instant::now();
    let origin = fs::canonicalize(file).map_err(|source| FetchError::io("find", file, source))?;
    let source = format!("file:{}", origin.display());
    let attempt = Attempt::open(quarantine, "import", &Sha256Digest::of(source.as_bytes()))?;
    attempt.remove_complete()?;
    let (part, expectation) = (attempt.part(), options.expectation.clone());
    let (sha256, length) = beside(file, move || copy(&origin, &part, &expectation)).await?;
    (options.progress)(FetchEvent::Progress(Progress { received: length, total: Some(length) }));
    let record = FetchRecord::by_hand(source, later(options.now, started));
    let kept = Kept { validators: Validators::default(), sha256, length, record };
    attempt.complete(&kept).await?;
    Ok(attempt.quarantined(path, kept))
}

/// One folder in quarantine, locked.
struct Attempt {
    folder: PathBuf,
    _lock: File,
}

/// What stands in `package.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    validators: Validators,
    sha256: Sha256Digest,
    length: u64,
    record: FetchRecord,
}

impl Attempt {
    fn open(quarantine: &Path, kind: &str, name: &Sha256Digest) -> Result<Self, FetchError> {
        let name: String = name.to_hex().chars().take(32).collect();
        let folder = quarantine.join(format!("{kind}-{name}"));
        durable::create_folders(&folder)?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|source| FetchError::io("create", &path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(FetchError::Busy { path: folder }),
            Err(fs::TryLockError::Error(source)) => Err(FetchError::io("lock", path, source)),
        }
    }

    fn part(&self) -> PathBuf {
        self.folder.join("package.part")
    }

    fn file(&self) -> PathBuf {
        self.folder.join("package.zip")
    }

    fn record(&self) -> PathBuf {
        self.folder.join("package.json")
    }

    /// Reads what an earlier run completed; `None` if there is nothing or if it no longer has its digest.
    async fn load(&self, source: &str) -> Result<Option<Kept>, FetchError> {
        let file = self.file();
        let Ok(text) = fs::read(self.record()) else { return Ok(None) };
        let Ok(kept) = serde_json::from_slice::<Kept>(&text) else { return Ok(None) };
        if kept.record.source != source || !file.is_file() {
            return Ok(None);
        }
        let found = beside(&self.folder, move || digest_of(&file)).await?;
        Ok((found == (kept.sha256, kept.length)).then_some(kept))
    }

    fn remove_complete(&self) -> Result<(), FetchError> {
        remove(&self.file())?;
        remove(&self.record())
    }

    /// Gives the durable part its final name.
    async fn complete(&self, kept: &Kept) -> Result<(), FetchError> {
        let path = self.record();
        let text = serde_json::to_vec_pretty(kept)
            .map_err(|error| FetchError::io("write", &path, io::Error::other(error)))?;
        let (part, file) = (self.part(), self.file());
        beside(&self.folder, move || {
            durable::replace(&path, &text, FileMode::Shared)?;
            durable::move_in(&part, &file, FileMode::Shared)?;
            discard(&part)
        })
        .await
    }

    fn quarantined(&self, path: PackagePath, kept: Kept) -> QuarantinedPackage {
        QuarantinedPackage::new(path, self.file(), kept.sha256, kept.length, kept.record)
    }
}

/// Copies and hashes in one go; the file may change or grow meanwhile, the copy is what counts.
fn copy(from: &Path, part: &Path, expectation: &Expectation) -> Result<(Sha256Digest, u64), FetchError> {
    let unreadable = |source| FetchError::io("read", from, source);
    // Asked before opening: to open a named pipe would wait for its writer.
    let metadata = fs::metadata(from).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    if metadata.len() > expectation.max {
        return Err(too_large(from, expectation.max));
    }
    check_space(part.parent().unwrap_or(Path::new(".")), metadata.len())?;
    let mut file = File::open(from).map_err(unreadable)?;
    let mut copy = PartFile::create(part)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        copy.append(buffer.get(..count).unwrap_or_default())?;
        if copy.length() > expectation.max {
            return Err(too_large(from, expectation.max));
        }
    }
    let (found, length) = copy.finish()?;
    match expectation.sha256 {
        Some(expected) if expected != found => {
            Err(FetchError::WrongDigest { origin: from.display().to_string(), expected, found })
        }
        _ => Ok((found, length)),
    }
}

fn too_large(file: &Path, limit: u64) -> FetchError {
    FetchError::io(
        "import",
        file,
        io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than the limit of {limit} bytes")),
    )
}

pub(super) fn validators_in(headers: &[(String, String)]) -> Validators {
    let value = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    Validators { etag: value("etag"), last_modified: value("last-modified") }
}

/// The time now, given the time at an earlier moment.
fn later(then: jiff::Timestamp, since: Instant) -> jiff::Timestamp {
    then.checked_add(since.elapsed()).unwrap_or(then)
}
