//! A connection that ends when nothing moves on it any more.
//!
//! Attacks considered: a client that connects and says nothing, one that stops reading in the middle of a package
//! (both would hold memory and a place for ever), and one that keeps a finished connection open.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// Wraps a stream; reading and writing fail when neither made progress for the given time.
#[derive(Debug)]
pub(crate) struct QuietLimit<S> {
    stream: S,
    limit: Duration,
    last_progress: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<S> QuietLimit<S> {
    pub(crate) fn new(stream: S, limit: Duration) -> Self {
        let now = Instant::now();
        Self { stream, limit, last_progress: now, alarm: Box::pin(sleep_until(now + limit)) }
    }

    /// Called when the stream made no progress just now: is the patience over?
    fn check<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let end = self.last_progress + self.limit;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "nothing moved on the connection",
                )));
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn after<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Pending => self.check(context),
            ready => {
                self.last_progress = Instant::now();
                ready
            }
        }
    }
}

impl QuietLimit<TcpStream> {
    /// Whether there is a byte to read, which stays where it is; if not, the client has ended.
    pub(crate) fn poll_peek(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut byte = [0];
        let peeked = self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte));
        self.after(context, peeked.map_ok(|count| count > 0))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for QuietLimit<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.after(context, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for QuietLimit<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.after(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(context);
        self.after(context, result)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn silence_ends_the_connection_and_progress_does_not() {
        let (mut far, near) = tokio::io::duplex(16);
        let mut near = QuietLimit::new(near, Duration::from_millis(300));
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            far.write_all(b"x").await.unwrap();
            near.read_exact(&mut [0]).await.unwrap();
        }
        let started = Instant::now();
        assert_eq!(near.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= Duration::from_millis(290));
        // The same for a reader that has stopped: the pipe takes 16 bytes and no more.
        let mut near = QuietLimit::new(near.stream, Duration::from_millis(50));
        assert_eq!(near.write_all(&[0; 100]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
