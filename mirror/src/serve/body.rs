//! Response bodies: nothing, bytes in memory, or a part of a file in constant memory.
//!
//! Files are read with pread, directly in the connection's task, into recycled buffers: the blocking pool would cost
//! 40–50 % more CPU per byte (measured, see the performance notes), a mapping would crash on a truncated file. Only what is
//! not in the system's cache (`RWF_NOWAIT` of preadv2(2)), or on a file system that cannot tell, goes to that pool.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::pieces::{Pieces, Place};
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
    /// Bytes that were taken since others had their turn.
    in_a_row: usize,
    /// A read from the disk, by somebody else.
    reading: Option<JoinHandle<io::Result<Buffer>>>,
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
    pub(crate) fn new(file: Arc<File>, first: u64, length: u64, buffers: Buffers) -> Self {
        Self { file, position: first, remaining: length, buffers, in_a_row: 0, reading: None, delivery: None }
    }

    /// Has the delivery recorded when the last byte was taken by the connection.
    pub(crate) fn recorded(mut self, delivery: Option<Delivery>) -> Self {
        self.delivery = delivery.map(Box::new);
        self
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if self.in_a_row >= IN_A_ROW {
            // Others have their turn, also if this client takes all at once.
            self.in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = match &mut self.reading {
            Some(reading) => {
                let read = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                read.map_err(io::Error::other).and_then(|read| read)
            }
            None => {
                let Some(place) = self.buffers.pieces.take(context.waker()) else { return Poll::Pending };
                let mut buffer = self.buffers.take(place);
                match buffer.fill(self.wanted(), |space| read_cached(&self.file, space, self.position)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.reading = Some(self.read_elsewhere(buffer.into_place()));
                        return self.poll_next(context);
                    }
                    read => read.map(|()| buffer),
                }
            }
        };
        Poll::Ready(Some(read.and_then(|buffer| self.taken(buffer))))
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.remaining).map_or(BUFFER, |remaining| remaining.min(BUFFER))
    }

    /// Waits for the disk in a thread for that, so that nobody else does.
    fn read_elsewhere(&self, place: Option<Place>) -> JoinHandle<io::Result<Buffer>> {
        let (file, buffers) = (self.file.clone(), self.buffers.clone());
        let (position, wanted) = (self.position, self.wanted());
        tokio::spawn(async move {
            let turn = buffers.disk.clone().acquire_owned().await.map_err(io::Error::other)?;
            let reading = tokio::task::spawn_blocking(move || {
                let mut buffer = buffers.take(place);
                let read = buffer.fill(wanted, |space| read_at(&file, space, position));
                drop(turn);
                read.map(|()| buffer)
            });
            reading.await.map_err(io::Error::other)?
        })
    }

    fn taken(&mut self, buffer: Buffer) -> io::Result<Bytes> {
        if buffer.filled == 0 {
            self.remaining = 0;
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            ));
        }
        self.in_a_row += buffer.filled;
        let length = u64::try_from(buffer.filled).unwrap_or_default();
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
        Ok(Bytes::from_owner(buffer))
    }
}

impl Drop for FilePart {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
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
            Self::File(part) => ready!(part.poll_next(context)),
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
#[derive(Debug, Clone)]
pub(crate) struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Turns to wait for the disk.
    disk: Arc<Semaphore>,
    /// Of the connection that they are for.
    pieces: Arc<Pieces>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { idle: Arc::default(), disk: Arc::new(Semaphore::new(DISK_READS)), pieces: Arc::default() }
    }
}

impl Buffers {
    /// The same ones for a connection.
    pub(crate) fn of_connection(&self, pieces: &Arc<Pieces>) -> Self {
        Self { pieces: pieces.clone(), ..self.clone() }
    }

    fn take(&self, place: impl Into<Option<Place>>) -> Buffer {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer {
            bytes: idle.unwrap_or_else(|| vec![0; BUFFER]),
            filled: 0,
            home: self.clone(),
            place: place.into(),
        }
    }
}

#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    home: Buffers,
    place: Option<Place>,
}

impl Buffer {
    /// Gives the memory back and keeps the place.
    fn into_place(mut self) -> Option<Place> {
        self.place.take()
    }

    fn fill(&mut self, wanted: usize, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        self.filled = self.bytes.get_mut(..wanted).map_or(Ok(0), read)?;
        Ok(())
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
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

/// The same for bytes that are in memory; `WouldBlock` if the disk would have to be waited for, or that cannot be known.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, space: &mut [u8], position: u64) -> io::Result<usize> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    loop {
        match preadv2(file, &mut [io::IoSliceMut::new(space)], position, ReadWriteFlags::NOWAIT) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Err(io::ErrorKind::WouldBlock.into()),
            other => return Ok(other?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _space: &mut [u8], _position: u64) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
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
pub(crate) const BUFFER: usize = 64 * 1024;

/// Bytes that are sent before other connections have their turn: a tenth of a millisecond or so.
const IN_A_ROW: usize = 128 * 1024;

/// Buffers kept for reuse; more would only hold memory after a rush.
const MOST_IDLE: usize = 16;

/// Reads that wait for the disk at a time; more would only queue there.
const DISK_READS: usize = 16;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn collect(mut body: ResponseBody) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            all.extend_from_slice(&frame?.into_data().unwrap());
        }
        Ok(all)
    }

    #[tokio::test]
    async fn file_part_is_exact_and_buffers_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &content).unwrap();
        let buffers = Buffers::default();
        for (first, length) in [(0, 800_000), (1, 1), (65_535, 65_538), (799_999, 1), (5, 0)] {
            let part = FilePart::new(Arc::new(File::open(&path).unwrap()), first, length, buffers.clone());
            let body = ResponseBody::File(part);
            assert_eq!(body.size_hint().exact(), Some(length));
            let (first, length) = (usize::try_from(first).unwrap(), usize::try_from(length).unwrap());
            assert_eq!(collect(body).await.unwrap(), content[first..first + length]);
        }
        assert_eq!(buffers.idle.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn bytes_that_the_disk_has_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &content).unwrap();
        let buffers = Buffers::default();
        let mut part = FilePart::new(Arc::new(File::open(&path).unwrap()), 7, 300_000, buffers.clone());
        part.reading = Some(part.read_elsewhere(None));
        assert_eq!(collect(ResponseBody::File(part)).await.unwrap(), content[7..300_007]);
        // Nobody waits for the disk in vain.
        let mut part = FilePart::new(Arc::new(File::open(&path).unwrap()), 7, 300_000, buffers.clone());
        part.reading = Some(part.read_elsewhere(None));
        drop(part);
        let turns = u32::try_from(DISK_READS).unwrap();
        assert!(buffers.disk.acquire_many(turns).await.is_ok());
    }

    #[tokio::test]
    async fn others_have_their_turn_before_all_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, vec![7; 10 * IN_A_ROW]).unwrap();
        let length = u64::try_from(10 * IN_A_ROW).unwrap();
        let part = FilePart::new(Arc::new(File::open(&path).unwrap()), 0, length, Buffers::default());
        let (mut body, mut turns, mut sent) = (ResponseBody::File(part), 0, 0);
        loop {
            match poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await {
                Poll::Ready(Some(frame)) => sent += frame.unwrap().into_data().unwrap().len(),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    turns += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        assert!(turns >= 9, "{turns}");
        assert_eq!(sent, 10 * IN_A_ROW);
    }

    #[tokio::test]
    async fn file_that_became_shorter_is_an_error_and_not_a_short_body() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        std::fs::write(&path, [7; 1000]).unwrap();
        let part = FilePart::new(Arc::new(File::open(&path).unwrap()), 0, 1001, Buffers::default());
        assert_eq!(collect(ResponseBody::File(part)).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
