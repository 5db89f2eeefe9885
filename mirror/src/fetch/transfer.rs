//! From an answer to the part file: what it announces is checked, then its body is hashed while it is written.

use std::path::Path;

use bytes::Bytes;
use http::header::{DATE, ETAG, LAST_MODIFIED, SERVER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode, Version};
use tokio::sync::mpsc;

use super::answer::{Answer, Failure, bad_answer, begins_like_a_web_page};
use super::download::{Download, FetchEvent, Progress};
use super::error::{FetchError, ResponseProblem};
use super::part_file::{PartFile, beside, check_space};
use super::place::{Span, announced};
use super::validator::{ContentRange, Validators, content_range};
use crate::Sha256Digest;

/// Why a transfer ended before the end of the file.
#[derive(Debug)]
pub(super) enum Stop {
    /// The body broke off, or is wrong.
    Body(FetchError),
    /// A further range could not be asked for.
    Request(Failure),
    /// A further range is of another version, or is no range.
    Elsewhere,
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Body(error)
    }
}

impl Download<'_> {
    /// Checks what the answer announces, then moves its body to the file.
    pub(super) async fn transfer(
        &mut self,
        answer: Answer,
        span: Span,
        part: PartFile,
    ) -> Result<(PartFile, Result<(), Stop>), FetchError> {
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
        let pumped = match total.filter(|_| span.last.is_some()) {
            Some(total) => {
                self.assembled = true;
                self.pump_ranges(answer, span, total, &sender).await
            }
            None => self.pump(answer, &sender, have, total).await,
        };
        drop(sender);
        let (part, written) = writer
            .await
            .map_err(|error| FetchError::io("work on", self.path, std::io::Error::other(error)))?;
        written?;
        let received = part.length();
        let short =
            |expected| Err(FetchError::Short { url: self.url.to_string(), expected, received }.into());
        let result = match (pumped, total) {
            (Ok(()), Some(expected)) if received < expected => short(expected),
            (Err(Stop::Body(FetchError::Unreachable { source, .. })), Some(expected)) => {
                tracing::debug!(url = %self.url, received, expected, cause = %source, "body was cut");
                short(expected)
            }
            (other, _) => other,
        };
        Ok((part, result))
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
        sender: &mpsc::Sender<Bytes>,
        have: u64,
        total: Option<u64>,
    ) -> Result<(), Stop> {
        let mut received = have;
        (self.progress)(FetchEvent::Progress(Progress { received, total }));
        while let Some(piece) = answer.chunk().await? {
            if !self.pass_on(piece, &mut received, total, sender).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands the next bytes of the file to the writer; false if that one has failed, which says why itself.
    pub(super) async fn pass_on(
        &self,
        piece: Bytes,
        received: &mut u64,
        total: Option<u64>,
        sender: &mpsc::Sender<Bytes>,
    ) -> Result<bool, FetchError> {
        if *received == 0 && begins_like_a_web_page(&piece) {
            return Err(bad_answer(self.url, ResponseProblem::WebPage));
        }
        *received = received.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        self.check_not_beyond(*received, total)?;
        if sender.send(piece).await.is_err() {
            return Ok(false);
        }
        (self.progress)(FetchEvent::Progress(Progress { received: *received, total }));
        Ok(true)
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

    pub(super) fn check(
        &self,
        (found, length): (Sha256Digest, u64),
    ) -> Result<(Sha256Digest, u64), FetchError> {
        self.check_length(length)?;
        match self.expectation.sha256 {
            Some(expected) if expected != found => {
                Err(FetchError::WrongDigest { origin: self.url.to_string(), expected, found })
            }
            _ => Ok((found, length)),
        }
    }
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

/// Pieces between network and disk, of 128 KiB at most.
const QUEUE: usize = 8;
