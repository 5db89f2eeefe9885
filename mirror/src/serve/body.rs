//! Response bodies: nothing, bytes in memory, or a part of a file in constant memory.
//!
//! Files are read with pread, directly in the connection's task, into recycled buffers: the blocking pool would cost
//! 40–50 % more CPU per byte (measured, see the performance notes), a mapping would crash on a truncated file.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;

use super::pieces::Pieces;
use crate::hosts::{HostRecord, Recorder};

/// What follows the head of a response.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// Nothing.
    Empty,
    /// Bytes in memory; taken when sent.
    Memory(Bytes),
    /// A part of a file.
    File(FilePart),
}

/// Bytes of an open file that are still to be sent.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: Arc<File>,
    position: u64,
    remaining: u64,
    buffers: Buffers,
    /// Told when the last byte was taken.
    delivery: Option<Box<Delivery>>,
}

/// A package on its way to a host.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// For the records of what hosts have.
    pub(crate) record: Option<(Recorder, HostRecord)>,
    pub(crate) count: Counter,
}

impl FilePart {
    pub(crate) fn new(file: impl Into<Arc<File>>, first: u64, length: u64, buffers: Buffers) -> Self {
        Self { file: file.into(), position: first, remaining: length, buffers, delivery: None }
    }

    /// Has the delivery recorded when the last byte was taken by the connection.
    pub(crate) fn recorded(self, delivery: Option<Delivery>) -> Self {
        let delivery = delivery.map(Box::new);
        Self { delivery, ..self }
    }

    fn next(&mut self, waker: &Waker) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let Some(buffer) = self.buffers.take(waker) else { return Poll::Pending };
        Poll::Ready(self.read(buffer))
    }

    fn read(&mut self, mut buffer: Buffer) -> Option<io::Result<Bytes>> {
        let wanted = usize::try_from(self.remaining).map_or(BUFFER, |remaining| remaining.min(BUFFER));
        let read = match buffer.bytes.get_mut(..wanted) {
            Some(space) => read_at(&self.file, space, self.position),
            None => Ok(0),
        };
        match read {
            Ok(0) => {
                self.remaining = 0;
                Some(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file became shorter while it was sent",
                )))
            }
            Ok(count) => {
                let length = u64::try_from(count).unwrap_or_default();
                self.position += length;
                self.remaining = self.remaining.saturating_sub(length);
                if self.remaining == 0
                    && let Some(delivery) = self.delivery.take()
                {
                    delivery.count.inc();
                    if let Some((recorder, record)) = delivery.record {
                        recorder.record(record);
                    }
                }
                buffer.filled = count;
                Some(Ok(Bytes::from_owner(buffer)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let next = match this {
            Self::Empty => None,
            Self::Memory(bytes) => {
                let bytes = std::mem::take(bytes);
                (!bytes.is_empty()).then_some(Ok(bytes))
            }
            Self::File(part) => ready!(part.next(context.waker())),
        };
        Poll::Ready(next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(part) => part.remaining,
        })
    }
}

/// A pool of equal buffers: a buffer comes back when the last reference to its bytes is dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Of the connection that they are for.
    pieces: Arc<Pieces>,
}

impl Buffers {
    /// The same ones for a connection.
    pub(crate) fn of_connection(&self, pieces: &Arc<Pieces>) -> Self {
        Self { idle: self.idle.clone(), pieces: pieces.clone() }
    }

    /// A buffer; none as long as the connection holds too many.
    fn take(&self, waker: &Waker) -> Option<Buffer> {
        if !self.pieces.take(waker) {
            return None;
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Some(Buffer { bytes: idle.unwrap_or_else(|| vec![0; BUFFER]), filled: 0, home: self.clone() })
    }
}

struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    home: Buffers,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.pieces.give_back();
        let mut idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Reads at a position, whatever other readers of the same file do.
pub(crate) fn read_at(file: &File, space: &mut [u8], position: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let result = std::os::unix::fs::FileExt::read_at(file, space, position);
        #[cfg(windows)]
        let result = std::os::windows::fs::FileExt::seek_read(file, space, position);
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => return other,
        }
    }
}

/// Reads a file that others read as well, from its first byte.
#[derive(Debug)]
pub(crate) struct FromStart {
    file: Arc<File>,
    position: u64,
}

impl FromStart {
    pub(crate) fn of(file: Arc<File>) -> Self {
        Self { file, position: 0 }
    }
}

impl io::Read for FromStart {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, space, self.position)?;
        self.position += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}

/// 64 KiB: four TLS records; larger pieces leave the processor's cache.
const BUFFER: usize = 64 * 1024;

/// Buffers kept for reuse; more would only hold memory after a rush.
const MOST_IDLE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(mut body: ResponseBody) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut context) {
            all.extend_from_slice(&frame?.into_data().unwrap());
        }
        Ok(all)
    }

    #[test]
    fn file_part_is_exact_and_buffers_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &content).unwrap();
        let buffers = Buffers::default();
        for (first, length) in [(0, 800_000), (1, 1), (65_535, 65_538), (799_999, 1), (5, 0)] {
            let part = FilePart::new(File::open(&path).unwrap(), first, length, buffers.clone());
            let body = ResponseBody::File(part);
            assert_eq!(body.size_hint().exact(), Some(length));
            let (first, length) = (usize::try_from(first).unwrap(), usize::try_from(length).unwrap());
            assert_eq!(collect(body).unwrap(), content[first..first + length]);
        }
        assert_eq!(buffers.idle.lock().unwrap().len(), 1);
    }

    #[test]
    fn file_that_became_shorter_is_an_error_and_not_a_short_body() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, [7; 1000]).unwrap();
        let part = FilePart::new(File::open(&path).unwrap(), 0, 1001, Buffers::default());
        assert_eq!(collect(ResponseBody::File(part)).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
