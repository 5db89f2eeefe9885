//! Downloading one file: hashed while written, continued after a cut, started anew when it may be another file.
//!
//! Attacks considered:
//! - endless body, wrong length, lying `Content-Length` (T3): the expected length, the announced length and the
//!   size cap are checked before the first byte and at every piece
//! - slow drip (T4): idle limit, minimum rate and total limit of the client
//! - a part of another version spliced in: `Range` only with `If-Range` (but for the first of several ranges, which
//!   shows the version), and the validators and `Content-Range` of a 206 must agree; the digest over all bytes decides
//!   where one is expected, the signature in any case
//! - a body that is cut without notice: an end that nobody announced is no end ([`ResponseProblem::UnknownLength`])
//! - a full disk: the free space is asked for before the first byte, for the announced length or else the size cap
//! - a login page in place of the package (captive portal): refused by its type and its first bytes

use std::path::Path;
use std::time::Duration;

use http::Method;
use url::Url;

use super::answer::{Answer, Deadline, Failure};
use super::client::HttpClient;
use super::error::FetchError;
use super::part_file::{PartFile, Sidecar, beside, discard};
use super::place::{Place, Span, place};
use super::retry::Backoff;
use super::segments;
use super::transfer::Stop;
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
        let download = Download {
            client: self,
            url,
            path: part,
            expectation,
            progress,
            sidecar: Sidecar::new(url),
            deadline: self.deadline(),
            answered: url.clone(),
            connections: segments::connections(self.config()),
            assembled: false,
        };
        download.run().await
    }
}

pub(super) struct Download<'a> {
    pub(super) client: &'a HttpClient,
    pub(super) url: &'a Url,
    pub(super) path: &'a Path,
    pub(super) expectation: &'a Expectation,
    pub(super) progress: &'a ProgressFn<'a>,
    pub(super) sidecar: Sidecar,
    pub(super) deadline: Deadline,
    /// The URL that answered last.
    pub(super) answered: Url,
    /// Connections to be used at once; only ever becomes less.
    pub(super) connections: usize,
    /// Whether several answers were put together to one file.
    pub(super) assembled: bool,
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
                    // Old bytes or the seams may be to blame, so one clean start; new bytes cannot be mended.
                    if resumed_from == 0 && !self.assembled {
                        return Err(error);
                    }
                    tracing::warn!(url = %self.url, error = %error, "continued download is wrong, starting anew");
                    (resumed_from, self.assembled, self.connections) = (0, false, 1);
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
            let progressed = part.length() >= before.saturating_add(PROGRESS);
            if progressed {
                backoff.reset();
            }
            // Many a server that is busy, or a network that gets nowhere, would do with fewer connections.
            if !progressed || failure.is_status() {
                self.connections = (self.connections / 2).max(1);
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
        loop {
            let (span, answer) = match self.ask(&mut part).await? {
                Ok(asked) => asked,
                Err(failure) => return Ok((part, Err(failure))),
            };
            let result;
            (part, result) = self.transfer(answer, span, part).await?;
            return match result {
                Ok(()) => Ok((part, Ok(()))),
                Err(Stop::Body(error)) => Ok((part, Err(error.into()))),
                Err(Stop::Request(failure)) => Ok((part, Err(failure))),
                // Ends: with one connection there are no other ranges that may be of another version.
                Err(Stop::Elsewhere) => {
                    tracing::warn!(url = %self.url, "ranges do not fit together, starting anew with one connection");
                    self.connections = 1;
                    part.restart()?;
                    continue;
                }
            };
        }
    }

    /// Asks until there is an answer that continues the part.
    async fn ask(&mut self, part: &mut PartFile) -> Result<Result<(Span, Answer), Failure>, FetchError> {
        loop {
            let have = part.length();
            let span = self.next_span(have);
            let request = span.headers(&self.sidecar.validators);
            let answer = match self.client.request(&Method::GET, self.url, &request, &self.deadline).await {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error.into())),
            };
            match place(&answer, self.url, span, (have > 0).then_some(&self.sidecar)) {
                Ok(Place::Beginning) => {
                    if have > 0 {
                        part.restart()?;
                    }
                    self.connections = 1;
                    return Ok(Ok((Span { first: 0, last: None }, answer)));
                }
                Ok(Place::Span) => return Ok(Ok((span, answer))),
                // Ends: the next request asks for the whole, and a partial answer to that is an error.
                Ok(Place::Nowhere) => {
                    self.connections = 1;
                    part.restart()?;
                }
                Err(failure) => return Ok(Err(failure)),
            }
        }
    }

    /// The rest of the file, or its next range.
    fn next_span(&self, have: u64) -> Span {
        let length = if have > 0 { self.sidecar.length } else { None };
        match self.connections {
            0 | 1 => Span { first: have, last: None },
            _ => segments::span(have, segments::range_length(self.client.config()), length),
        }
    }
}

/// Bytes after which a failure no longer counts as one more in a row.
const PROGRESS: u64 = 1 << 20;
