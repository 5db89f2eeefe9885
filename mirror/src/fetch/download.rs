//! Downloading one file: hashed while written, continued after a cut, started anew when it may be another file.
//!
//! Attacks considered:
//! - endless body, wrong length, lying `Content-Length` (T3): the expected length, the announced length and the
//!   size cap are checked before the first byte and at every piece
//! - slow drip (T4): idle and total limits of the client
//! - a part of another version spliced in: `Range` only with `If-Range`, and the validators and `Content-Range` of a
//!   206 must agree; the digest over all bytes decides where one is expected, the signature in any case
//! - a body that is cut without notice: an end that nobody announced is no end ([`ResponseProblem::UnknownLength`])
//! - a full disk: the free space is asked for before the first byte, for the announced length or else the size cap
//! - a login page in place of the package (captive portal): refused by its type and its first bytes

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE, SERVER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use tokio::sync::mpsc;
use url::Url;

use super::answer::{Answer, Deadline, Failure, bad_answer, begins_like_a_web_page};
use super::client::HttpClient;
use super::error::{FetchError, ResponseProblem};
use super::part_file::{PartFile, Sidecar, beside, check_space, discard};
use super::retry::Backoff;
use super::validator::{ContentRange, Validators, content_range};
use crate::Sha256Digest;

/// What is known of a file before it is fetched.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// Its exact length.
    pub length: Option<u64>,
    /// Its digest.
    pub sha256: Option<Sha256Digest>,
    /// The most that is accepted. The largest real package has 0.6 GB.
    pub max: u64,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { length: None, sha256: None, max: 4 << 30 }
    }
}

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk, those of an earlier try included.
    pub received: u64,
    /// Length of the whole, as far as it is known.
    pub total: Option<u64>,
}

/// What happens during a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchEvent<'a> {
    /// Bytes arrived.
    Progress(Progress),
    /// A try failed and another one follows.
    Retry {
        /// Why, with its causes.
        cause: &'a str,
        /// How long it waits before.
        pause: Duration,
        /// Failures in a row.
        failed: u32,
        /// Tries in a row after which it gives up.
        tries: u32,
    },
}

/// Is told what happens, often; must return at once.
pub type ProgressFn<'a> = dyn Fn(FetchEvent<'_>) + Send + Sync + 'a;

/// A complete file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Digest, computed while the bytes were written.
    pub sha256: Sha256Digest,
    /// Length in bytes.
    pub length: u64,
    /// Headers worth keeping, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// Bytes that were there already when this download began.
    pub resumed_from: u64,
    /// Where redirects led to, if they did.
    pub redirected_to: Option<Url>,
}

impl HttpClient {
    /// Downloads to `part`, continuing what an earlier call or process left there.
    ///
    /// When it returns, the bytes are durable under that name; renaming is the caller's part. After an error that
    /// another call can mend, the bytes so far and their sidecar (`part` with `.json` added) stay.
    pub async fn download(
        &self,
        url: &Url,
        part: &Path,
        expectation: &Expectation,
        progress: &ProgressFn<'_>,
    ) -> Result<Downloaded, FetchError> {
        let (sidecar, deadline, answered) = (Sidecar::new(url), self.deadline(), url.clone());
        Download { client: self, url, path: part, expectation, progress, sidecar, deadline, answered }
            .run()
            .await
    }
}

struct Download<'a> {
    client: &'a HttpClient,
    url: &'a Url,
    path: &'a Path,
    expectation: &'a Expectation,
    progress: &'a ProgressFn<'a>,
    sidecar: Sidecar,
    deadline: Deadline,
    /// The URL that answered last.
    answered: Url,
}

impl Download<'_> {
    async fn run(mut self) -> Result<Downloaded, FetchError> {
        let mut part = self.open().await?;
        let mut resumed_from = part.length();
        loop {
            part = self.fill(part).await?;
            let found = beside(self.path, move || part.finish()).await?;
            match self.check(found) {
                Ok((sha256, length)) => {
                    let headers = self.sidecar.headers;
                    let redirected_to = (self.answered != *self.url).then_some(self.answered);
                    return Ok(Downloaded { sha256, length, headers, resumed_from, redirected_to });
                }
                Err(error) => {
                    discard(self.path)?;
                    // Old bytes may be the ones to blame, so one clean start; new bytes cannot be mended.
                    if resumed_from == 0 {
                        return Err(error);
                    }
                    tracing::warn!(url = %self.url, error = %error, "continued download is wrong, starting anew");
                    resumed_from = 0;
                    part = self.open().await?;
                }
            }
        }
    }

    /// Opens what is there if it can be continued, else begins with nothing.
    async fn open(&mut self) -> Result<PartFile, FetchError> {
        let path = self.path.to_owned();
        let sidecar = Sidecar::load(self.path, self.url)
            .filter(|sidecar| sidecar.validators.if_range().is_some() && path.is_file());
        match sidecar {
            Some(sidecar) => {
                self.sidecar = sidecar;
                beside(self.path, move || PartFile::reopen(&path)).await
            }
            None => PartFile::create(&path),
        }
    }

    /// Repeats tries until the file is complete.
    async fn fill(&mut self, mut part: PartFile) -> Result<PartFile, FetchError> {
        let mut backoff = Backoff::new(&self.client.config().retry);
        while part.length() == 0 || self.sidecar.length != Some(part.length()) {
            let before = part.length();
            let result;
            (part, result) = self.attempt(part).await?;
            let Err(failure) = result else { return Ok(part) };
            if part.length() >= before.saturating_add(PROGRESS) {
                backoff.reset();
            }
            if part.length() > 0 && self.sidecar.validators.if_range().is_none() {
                part.restart()?;
            }
            self.client.pause(failure, &mut backoff, &self.deadline, self.progress).await?;
        }
        Ok(part)
    }

    /// One try. Both sides of the pair are needed after a failure; only a broken disk is an outright error.
    async fn attempt(&mut self, mut part: PartFile) -> Result<(PartFile, Result<(), Failure>), FetchError> {
        let answer = loop {
            let request = self.request_headers(part.length());
            let answer = match self.client.request(&Method::GET, self.url, &request, &self.deadline).await {
                Ok(answer) => answer,
                Err(error) => return Ok((part, Err(error.into()))),
            };
            match self.place(&answer, part.length()) {
                Ok(Place::Beginning) => {
                    if part.length() > 0 {
                        part.restart()?;
                    }
                    break answer;
                }
                Ok(Place::Continuation) => break answer,
                // Ends: the next request asks for the whole, and a partial answer to that is an error.
                Ok(Place::Nowhere) => part.restart()?,
                Err(failure) => return Ok((part, Err(failure))),
            }
        };
        self.transfer(answer, part).await
    }

    fn request_headers(&self, have: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if have == 0 {
            return headers;
        }
        let range = HeaderValue::try_from(format!("bytes={have}-"));
        if let (Ok(range), Some(validator)) = (range, self.sidecar.validators.if_range()) {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, validator);
        }
        headers
    }

    /// Decides where the body of an answer belongs.
    fn place(&self, answer: &Answer, have: u64) -> Result<Place, Failure> {
        match answer.status() {
            StatusCode::OK => Ok(Place::Beginning),
            StatusCode::PARTIAL_CONTENT if have > 0 => {
                let validators = Validators::of(answer.headers());
                let range = content_range(answer.headers()).filter(|range| {
                    range.first == have
                        && self.sidecar.length.is_none_or(|length| length == range.total)
                        && announced(answer.headers())
                            .is_none_or(|length| length == range.last - range.first + 1)
                });
                let fits = range.is_some() && validators.agree_with(&self.sidecar.validators);
                Ok(if fits { Place::Continuation } else { Place::Nowhere })
            }
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => Ok(Place::Nowhere),
            status => Err(answer.failure().unwrap_or_else(|| {
                let problem = ResponseProblem::UnexpectedPartial;
                match status {
                    StatusCode::PARTIAL_CONTENT => bad_answer(self.url, problem),
                    other => FetchError::Status { url: self.url.to_string(), status: other.as_u16() },
                }
                .into()
            })),
        }
    }

    /// Checks what the answer announces, then moves its body to the file.
    async fn transfer(
        &mut self,
        answer: Answer,
        part: PartFile,
    ) -> Result<(PartFile, Result<(), Failure>), FetchError> {
        self.answered = answer.url().clone();
        let total = match self.check_announcement(&answer) {
            Ok(total) => total,
            Err(error) => return Ok((part, Err(error.into()))),
        };
        // Without an announced length the largest that is accepted must fit.
        let most = total.or(self.expectation.length).unwrap_or(self.expectation.max);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        check_space(folder, most.saturating_sub(part.length()))?;
        if part.length() == 0 {
            self.sidecar.validators = Validators::of(answer.headers());
            self.sidecar.length = total;
            self.sidecar.headers = headers_to_keep(answer.headers());
            let (sidecar, path) = (self.sidecar.clone(), self.path.to_owned());
            beside(self.path, move || sidecar.save(&path)).await?;
        }
        let have = part.length();
        // Bounded: the network waits for the disk, and memory stays constant.
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = tokio::task::spawn_blocking(move || part.receive(receiver));
        let pumped = self.pump(answer, sender, have, total).await;
        let (part, written) = writer
            .await
            .map_err(|error| FetchError::io("work on", self.path, std::io::Error::other(error)))?;
        written?;
        let received = part.length();
        let result = match (pumped, total) {
            (Ok(()), Some(expected)) if received < expected => {
                Err(FetchError::Short { url: self.url.to_string(), expected, received })
            }
            (Err(FetchError::Unreachable { source, .. }), Some(expected)) => {
                tracing::debug!(url = %self.url, received, expected, cause = %source, "body was cut");
                Err(FetchError::Short { url: self.url.to_string(), expected, received })
            }
            (other, _) => other,
        };
        Ok((part, result.map_err(Failure::from)))
    }

    /// Returns the length of the whole; nothing has been written yet.
    fn check_announcement(&self, answer: &Answer) -> Result<Option<u64>, FetchError> {
        answer.check_encoding()?;
        answer.check_type()?;
        let total = match (answer.status(), content_range(answer.headers())) {
            (StatusCode::PARTIAL_CONTENT, Some(ContentRange { total, .. })) => Some(total),
            _ => announced(answer.headers()),
        };
        if let Some(total) = total {
            self.check_length(total)?;
        } else if answer.version() <= Version::HTTP_11
            && !answer.headers().contains_key(TRANSFER_ENCODING)
            && self.expectation.length.is_none()
            && self.expectation.sha256.is_none()
        {
            return Err(bad_answer(self.url, ResponseProblem::UnknownLength));
        }
        Ok(total)
    }

    async fn pump(
        &self,
        mut answer: Answer,
        sender: mpsc::Sender<Bytes>,
        have: u64,
        total: Option<u64>,
    ) -> Result<(), FetchError> {
        let mut received = have;
        (self.progress)(FetchEvent::Progress(Progress { received, total }));
        while let Some(piece) = answer.chunk().await? {
            if received == 0 && begins_like_a_web_page(&piece) {
                return Err(bad_answer(self.url, ResponseProblem::WebPage));
            }
            received = received.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            self.check_not_beyond(received, total)?;
            if sender.send(piece).await.is_err() {
                // The writer has failed and says why itself.
                return Ok(());
            }
            (self.progress)(FetchEvent::Progress(Progress { received, total }));
        }
        Ok(())
    }

    fn check_not_beyond(&self, received: u64, total: Option<u64>) -> Result<(), FetchError> {
        if received > self.expectation.max {
            return Err(FetchError::TooLarge { url: self.url.to_string(), limit: self.expectation.max });
        }
        match total.or(self.expectation.length) {
            Some(expected) if received > expected => {
                Err(FetchError::WrongLength { url: self.url.to_string(), expected, received })
            }
            _ => Ok(()),
        }
    }

    fn check_length(&self, received: u64) -> Result<(), FetchError> {
        let url = || self.url.to_string();
        match self.expectation.length {
            Some(expected) if expected != received => {
                Err(FetchError::WrongLength { url: url(), expected, received })
            }
            _ if received > self.expectation.max => {
                Err(FetchError::TooLarge { url: url(), limit: self.expectation.max })
            }
            _ => Ok(()),
        }
    }

    fn check(&self, (found, length): (Sha256Digest, u64)) -> Result<(Sha256Digest, u64), FetchError> {
        self.check_length(length)?;
        match self.expectation.sha256 {
            Some(expected) if expected != found => {
                Err(FetchError::WrongDigest { origin: self.url.to_string(), expected, found })
            }
            _ => Ok((found, length)),
        }
    }
}

/// Where the body of an answer belongs.
enum Place {
    Beginning,
    Continuation,
    Nowhere,
}

/// `Content-Length`, unless the body comes in chunks, which then decide alone (RFC 9112, 6.3).
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn headers_to_keep(headers: &HeaderMap) -> Vec<(String, String)> {
    KEPT.iter()
        .filter_map(|name: &HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.chars().take(300).collect()))
        })
        .collect()
}

const KEPT: [HeaderName; 4] = [DATE, ETAG, LAST_MODIFIED, SERVER];

/// Pieces between network and disk; hyper's pieces are at most 0.4 MB.
const QUEUE: usize = 16;

/// Bytes after which a failure no longer counts as one more in a row.
const PROGRESS: u64 = 1 << 20;
