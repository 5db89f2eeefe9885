//! One response: its status as a failure, its body under the time limits.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use url::Url;

use super::config::ClientConfig;
use super::connect::timed_out;
use super::error::{FetchError, ResponseProblem};
use super::limits::Limits;
use super::pace::{Pace, TooSlow};
use super::retry::retry_after;

/// A response whose body is read under the idle and total limits.
#[derive(Debug)]
pub(crate) struct Answer {
    url: Url,
    response: Response<Incoming>,
    idle: Duration,
    pace: Pace,
    minimum_rate: u64,
    deadline: Deadline,
    limits: Limits,
    _place: Option<OwnedSemaphorePermit>,
}

impl Answer {
    pub(crate) fn new(
        url: Url,
        response: Response<Incoming>,
        config: &ClientConfig,
        deadline: Deadline,
        limits: Limits,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let (idle, minimum_rate) = (config.idle_timeout, config.minimum_rate);
        let pace = Pace::new(minimum_rate, idle.saturating_mul(IDLE_TIMES_IN_WINDOW));
        Self { url, response, idle, pace, minimum_rate, deadline, limits, _place: place }
    }

    /// The URL that answered, after redirects.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn version(&self) -> http::Version {
        self.response.version()
    }

    /// The failure that the status stands for; `None` for 2xx.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let status = self.status();
        if status.is_success() {
            return None;
        }
        let (url, code) = (self.url.to_string(), status.as_u16());
        let error = match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => FetchError::NotFound { url, status: code },
            _ => FetchError::Status { url, status: code },
        };
        Some(Failure { error, retry_after: retry_after(self.headers()) })
    }

    /// Refuses a body that is not the plain bytes.
    pub(crate) fn check_encoding(&self) -> Result<(), FetchError> {
        for value in self.headers().get_all(CONTENT_ENCODING) {
            if !value.as_bytes().eq_ignore_ascii_case(b"identity") {
                let encoding = String::from_utf8_lossy(value.as_bytes()).into_owned();
                return Err(bad_answer(&self.url, ResponseProblem::ContentEncoding { encoding }));
            }
        }
        Ok(())
    }

    /// Refuses what calls itself a web page.
    pub(crate) fn check_type(&self) -> Result<(), FetchError> {
        let value = self.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
        let is_page = value.is_some_and(|value| {
            value.starts_with(b"text/html") || value.starts_with(b"application/xhtml+xml")
        });
        if is_page { Err(bad_answer(&self.url, ResponseProblem::WebPage)) } else { Ok(()) }
    }

    /// The next piece of the body; `None` at its proper end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let began = Instant::now();
            let frame = self.response.body_mut().frame();
            match self.deadline.watch(&self.url, self.idle, "no byte", frame).await? {
                None => return Ok(None),
                Some(Err(error)) => return Err(FetchError::network(&self.url, error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.check_pace(data.len(), began.elapsed())?;
                        self.limits.pay(data.len()).await;
                        return Ok(Some(data));
                    }
                    Err(_trailers) => continue,
                },
            }
        }
    }

    fn check_pace(&mut self, bytes: usize, waited: Duration) -> Result<(), FetchError> {
        self.pace.note(bytes, waited).map_err(|TooSlow(found)| FetchError::TooSlow {
            url: self.url.to_string(),
            found,
            minimum: self.minimum_rate,
        })
    }
}

/// An error of one try, with the pause that the server asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: FetchError,
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// Whether the server answered, but not with what was asked for.
    pub(crate) fn is_status(&self) -> bool {
        matches!(self.error, FetchError::Status { .. })
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self { error, retry_after: None }
    }
}

/// Whether a body begins like a web page, whatever it calls itself.
pub(crate) fn begins_like_a_web_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    let begins = |text: &[u8]| body.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    begins(b"<!doctype html") || begins(b"<html")
}

/// The end of the time for one piece of work.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// The end of a time that begins now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    /// Whether a pause would last beyond the end.
    pub(crate) fn is_beyond(&self, pause: Duration) -> bool {
        Instant::now() + pause >= self.at
    }

    /// Waits for a step, not beyond the deadline.
    pub(crate) async fn allow<T>(&self, url: &Url, step: impl Future<Output = T>) -> Result<T, FetchError> {
        tokio::time::timeout_at(self.at, step).await.map_err(|_elapsed| self.over(url))
    }

    /// Waits for a step, at most for `idle` and never beyond the deadline.
    pub(crate) async fn watch<T>(
        &self,
        url: &Url,
        idle: Duration,
        silence: &str,
        step: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let idle_end = Instant::now() + idle;
        match tokio::time::timeout_at(idle_end.min(self.at), step).await {
            Ok(value) => Ok(value),
            Err(_elapsed) if idle_end < self.at => Err(FetchError::network(url, timed_out(silence, idle))),
            Err(_elapsed) => Err(self.over(url)),
        }
    }

    fn over(&self, url: &Url) -> FetchError {
        FetchError::TotalTime { url: url.to_string(), seconds: self.limit.as_secs() }
    }
}

pub(crate) fn bad_answer(url: &Url, problem: ResponseProblem) -> FetchError {
    FetchError::Response { url: url.to_string(), problem }
}

/// The rate is an average over so many times the longest silence.
const IDLE_TIMES_IN_WINDOW: u32 = 2;
