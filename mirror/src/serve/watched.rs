//! A body that says when it has ended: for the counters, the access log and the record of downloads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::access_log::{AccessLog, Line};
use super::body::ResponseBody;
use super::connection::Busy;
use super::metrics::Metrics;
use super::stalled::Active;

/// A response body and the request that it answers.
#[derive(Debug)]
pub(crate) struct WatchedBody {
    body: ResponseBody,
    sent: u64,
    request: Box<Watched>,
}

/// What is told when an answer has ended, however it ends.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Option<AccessLog>,
    pub(crate) line: Option<Line>,
    pub(crate) started: Instant,
    /// Dropped with it: the connection has no more to do for this request.
    pub(crate) _busy: Busy,
    /// The same, if the connection is one of HTTP/2.
    pub(crate) active: Option<Active>,
}

impl WatchedBody {
    pub(crate) fn new(body: ResponseBody, request: Watched) -> Self {
        request.metrics.in_flight.inc();
        Self { body, sent: 0, request: Box::new(request) }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            this.sent = this.sent.saturating_add(length);
            if let Some(active) = &this.request.active {
                active.moved();
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        let request = &mut self.request;
        request.metrics.in_flight.dec();
        request.metrics.bytes.inc_by(self.sent);
        if let (Some(log), Some(line)) = (&request.log, request.line.take()) {
            let seconds = request.started.elapsed().as_secs_f64();
            log.write(&Line { sent: self.sent, seconds, ..line });
        }
    }
}
