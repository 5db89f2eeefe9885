//! What HTTP may cost on one connection.

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;

use super::config::ServeLimits;

/// Both versions of HTTP with their bounds.
pub(crate) fn protocols(limits: &ServeLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(CONNECTION_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(CONNECTION_BUFFER)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(limits.idle_time / 3)
        .keep_alive_timeout(limits.idle_time / 3);
    builder
}

/// Bounds what one connection holds, for the head of a request as well as for what waits to be sent.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 32;
