//! One connection over HTTP/1.1, from its first byte to its end.
//!
//! A connection on which nothing is asked holds no buffers of HTTP: hyper's state is made when the first byte of a request has
//! come, and let go of when nothing was asked for [`PARK_AFTER`]. A fleet that keeps its connections open costs a few KiB
//! each, not dozens.
//!
//! Attacks considered: connections that say nothing, or nothing but the beginning of a TLS record a byte at a time (bounded in
//! time, and cheap meanwhile), heads that come a byte at a time (the time for a head begins with its first byte and does not
//! begin again).

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::config::ServeLimits;
use super::quiet::QuietLimit;
use super::watched::WatchedBody;

/// A stream whose next byte can be waited for without a buffer to read it into.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether there is a byte to read; if not, the client has ended.
    fn poll_byte(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>>;
}

impl Stream for QuietLimit<TcpStream> {
    fn poll_byte(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.poll_peek(context)
    }
}

impl Stream for TlsStream<QuietLimit<TcpStream>> {
    fn poll_byte(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        // What was decrypted stays in the session until it is read.
        Pin::new(self).poll_fill_buf(context).map_ok(|bytes| !bytes.is_empty())
    }
}

/// Handed from state to state of a connection, each of which would have room for all of it.
impl<S: Stream> Stream for Box<S> {
    fn poll_byte(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.as_mut().poll_byte(context)
    }
}

/// What goes on on a connection; told by its stream and its requests.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests since the beginning, and those of which the answer has ended.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Something was written that is not yet on its way.
    unsent: AtomicBool,
}

impl Activity {
    /// A request begins; it ends with what is returned.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// How many requests there were, if all of them are answered.
    fn answered(&self) -> Option<u64> {
        let begun = self.begun.load(Ordering::Relaxed);
        let done = begun == self.ended.load(Ordering::Relaxed) && !self.unsent.load(Ordering::Relaxed);
        done.then_some(begun)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers what is asked on a connection until it ends, or until `stop` and the end of the answer.
pub(crate) async fn serve_http1<S, V>(
    builder: &http1::Builder,
    stream: S,
    service: V,
    activity: &Arc<Activity>,
    limits: &ServeLimits,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    S: Stream,
    V: Service<Request<Incoming>, Response = Response<WatchedBody>, Error = Infallible>,
{
    let mut stop = pin!(stop);
    let (mut stream, mut service, mut begun) = (stream, service, Bytes::new());
    let mut alarm = pin!(sleep(limits.header_time));
    let mut asked = wait(&mut stream, stop.as_mut(), alarm.as_mut()).await?;
    while asked {
        alarm.as_mut().reset(Instant::now() + PARK_AFTER);
        // A head that has begun is waited for: with every new state its time would begin again.
        let least = activity.begun.load(Ordering::Relaxed) + u64::from(!begun.is_empty());
        let io = Tracked { io: TokioIo::new(stream), begun, activity: activity.clone() };
        let mut connection = Box::new(builder.serve_connection(io, service));
        let (mut stopping, mut quiet) = (false, None);
        let over = poll_fn(|context| {
            if !stopping && stop.as_mut().poll(context).is_ready() {
                stopping = true;
                Pin::new(&mut *connection).graceful_shutdown();
            }
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(context) {
                return Poll::Ready(Some(result));
            }
            let Some(count) = activity.answered().filter(|count| !stopping && *count >= least) else {
                quiet = None;
                return Poll::Pending;
            };
            let since = match quiet {
                Some((asked, since)) if asked == count => since,
                _ => quiet.insert((count, Instant::now())).1,
            };
            while alarm.as_mut().poll(context).is_ready() {
                let end = since + PARK_AFTER;
                if end <= Instant::now() {
                    return Poll::Ready(None);
                }
                alarm.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await;
        if let Some(result) = over {
            return Ok(result?);
        }
        // All that hyper had to send is sent (`unsent`), and what it has read is handed on.
        let parts = connection.into_parts();
        (stream, service, begun) = (parts.io.io.into_inner(), parts.service, parts.read_buf);
        alarm.as_mut().reset(Instant::now() + limits.idle_time);
        asked = !begun.is_empty() || wait(&mut stream, stop.as_mut(), alarm.as_mut()).await?;
    }
    // A TLS client is told that it was the end, and not a cut (RFC 8446, section 6.1).
    Ok(stream.shutdown().await?)
}

/// Waits for the next byte; false if none will come, none has come in time, or no more is to be answered. What TLS is made of
/// is none: records without content, or the beginning of one, do not make the time any longer.
async fn wait<S: Stream>(
    stream: &mut S,
    mut stop: Pin<&mut impl Future<Output = ()>>,
    mut alarm: Pin<&mut Sleep>,
) -> io::Result<bool> {
    poll_fn(|context| {
        if stop.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(false));
        }
        match stream.poll_byte(context) {
            Poll::Pending => alarm.as_mut().poll(context).map(|()| Ok(false)),
            ready => ready,
        }
    })
    .await
}

/// A stream that tells of what it has not sent, and has some bytes to read first.
struct Tracked<S> {
    io: TokioIo<S>,
    begun: Bytes,
    activity: Arc<Activity>,
}

impl<S: Stream> Read for Tracked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let length = self.begun.len().min(buffer.remaining());
        buffer.put_slice(&self.begun.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> Write for Tracked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.activity.unsent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.unsent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Asked for by hyper when it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.activity.unsent.store(false, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Long enough for a client that asks again at once, short enough that those who do not are cheap.
const PARK_AFTER: Duration = Duration::from_millis(100);
