//! One file over several connections, for an upstream that limits each of them.
//!
//! ```text
//! part file   ██████████████▌                               a beginning of the file, as with one connection
//! ranges                [ 7 ▌  ][ 8 ███ ][ 9 ██  ]          being fetched, one request each
//!                       to disk  in memory, in their turn
//! ```
//!
//! Short ranges are handed out in their order, as many at a time as there are connections. The first of them goes to
//! the writer as it arrives; the others wait in memory, `read_ahead` bytes at most, and the next range is asked for when
//! the first is complete. So everything is written and hashed once, in order and without a second read, and what a
//! process leaves that was killed is continued like any other part.
//!
//! Attacks considered:
//! - ranges of different versions put together: each request has `If-Range` with the validator of the first answer, and
//!   each answer must be a 206 with this validator, this length and exactly this range; else one clean start with one
//!   connection. The same if the whole has a wrong digest
//! - much memory for many tiny pieces: pieces are gathered to blocks, and a range has a fixed number of blocks
//! - a server that has enough of us: its status ends the try; the next, after the pause it asked for, has half as many
//!   connections

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::Url;

use super::answer::{Answer, Deadline};
use super::client::HttpClient;
use super::config::ClientConfig;
use super::download::{Download, FetchEvent, Progress};
use super::error::FetchError;
use super::part_file::Sidecar;
use super::place::{Place, Span, place};
use super::transfer::Stop;

/// How many connections a download has. More than the host is given would only wait for each other.
pub(super) fn connections(config: &ClientConfig) -> usize {
    config.segments.clamp(1, ClientConfig::MAX_SEGMENTS).min(config.connections_per_host)
}

/// Length of a range, a multiple of [`BLOCK`]: all ranges that are fetched at the same time fit into the memory for them.
pub(super) fn range_length(config: &ClientConfig) -> u64 {
    let blocks = config.read_ahead / connections(config).max(1) / BLOCK;
    u64::try_from(blocks.max(1) * BLOCK).unwrap_or(u64::MAX)
}

/// The range that begins at a byte; `total` is the length of the file, if it is known.
pub(super) fn span(first: u64, length: u64, total: Option<u64>) -> Span {
    let end = first.saturating_add(length);
    Span { first, last: Some(total.map_or(end, |total| end.min(total)).saturating_sub(1).max(first)) }
}

impl Download<'_> {
    /// Brings the file from the given range on, whose answer is there already.
    pub(super) async fn pump_ranges(
        &self,
        answer: Answer,
        first: Span,
        total: u64,
        sender: &mpsc::Sender<Bytes>,
    ) -> Result<(), Stop> {
        let job = Arc::new(Job {
            client: self.client.clone(),
            url: self.url.clone(),
            known: self.sidecar.clone(),
            deadline: self.deadline.clone(),
        });
        let length = range_length(self.client.config());
        let short = |received| FetchError::Short { url: self.url.to_string(), expected: total, received };
        // Its tasks end when it is dropped.
        let mut tasks = JoinSet::new();
        let mut window = VecDeque::new();
        let (mut received, mut next, mut answer) = (first.first, first.first, Some(answer));
        (self.progress)(FetchEvent::Progress(Progress { received, total: Some(total) }));
        loop {
            while window.len() < self.connections && next < total {
                let end = next.saturating_add(length).min(total);
                let (blocks, queue) = mpsc::channel(queue_length(length));
                tasks.spawn(Arc::clone(&job).bring(next..end, answer.take(), blocks));
                window.push_back((end, queue));
                next = end;
            }
            while tasks.try_join_next().is_some() {}
            let Some((end, mut queue)) = window.pop_front() else { return Ok(()) };
            while let Some(block) = queue.recv().await {
                if !self.pass_on(block?, &mut received, Some(total), sender).await? {
                    return Ok(());
                }
            }
            if received != end {
                return Err(short(received).into());
            }
        }
    }
}

/// What the ranges of a download have in common.
struct Job {
    client: HttpClient,
    url: Url,
    known: Sidecar,
    deadline: Deadline,
}

type Queue = mpsc::Sender<Result<Bytes, Stop>>;

impl Job {
    /// Brings one range to a queue that has room for all of it.
    async fn bring(self: Arc<Self>, range: Range<u64>, answer: Option<Answer>, queue: Queue) {
        let mut blocks = Blocks { block: Vec::with_capacity(BLOCK), left: range.end - range.start, queue };
        let brought = match answer {
            Some(answer) => blocks.take_all(answer).await,
            None => match self.ask(&range).await {
                Ok(answer) => blocks.take_all(answer).await,
                Err(stop) => Err(stop),
            },
        };
        // What has arrived before a failure counts.
        blocks.flush().await;
        if let Err(stop) = brought {
            let _nobody_waits = blocks.queue.send(Err(stop)).await;
        }
    }

    async fn ask(&self, range: &Range<u64>) -> Result<Answer, Stop> {
        let span = Span { first: range.start, last: Some(range.end - 1) };
        let request = span.headers(&self.known.validators);
        let answer = self.client.request(&Method::GET, &self.url, &request, &self.deadline).await;
        let answer = answer.map_err(|error| Stop::Request(error.into()))?;
        match place(&answer, &self.url, span, Some(&self.known)).map_err(Stop::Request)? {
            Place::Span => {
                answer.check_encoding()?;
                answer.check_type()?;
                Ok(answer)
            }
            Place::Beginning | Place::Nowhere => Err(Stop::Elsewhere),
        }
    }
}

/// Gathers pieces of any size to blocks of one size.
struct Blocks {
    block: Vec<u8>,
    /// Bytes that are still missing in the range.
    left: u64,
    queue: Queue,
}

impl Blocks {
    async fn take_all(&mut self, mut answer: Answer) -> Result<(), Stop> {
        while let Some(piece) = answer.chunk().await? {
            let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.left = self.left.checked_sub(length).ok_or(Stop::Elsewhere)?;
            let mut piece = piece.as_ref();
            while !piece.is_empty() {
                let (now, later) = piece.split_at(piece.len().min(BLOCK - self.block.len()));
                self.block.extend_from_slice(now);
                piece = later;
                if self.block.len() == BLOCK {
                    self.flush().await;
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self) {
        if !self.block.is_empty() {
            let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
            let _nobody_waits = self.queue.send(Ok(block.into())).await;
        }
    }
}

/// Room for all blocks of a range, the last of which may be shorter, and for what ended it.
fn queue_length(range_length: u64) -> usize {
    usize::try_from(range_length).map_or(1, |length| length.div_ceil(BLOCK)) + 2
}

/// Bytes that are handed over at once.
const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_on_their_way_fit_into_the_memory_for_them() {
        for segments in 1..=40 {
            let config = ClientConfig { segments, connections_per_host: 40, ..ClientConfig::default() };
            let (connections, length) = (connections(&config), range_length(&config));
            assert!((1..=ClientConfig::MAX_SEGMENTS).contains(&connections));
            let all = u64::try_from(connections).unwrap() * length;
            assert!(all <= 8 << 20 && all > 7 << 20, "{segments}: {all}");
            let block = u64::try_from(BLOCK).unwrap();
            assert_eq!(length % block, 0);
            assert_eq!(u64::try_from(queue_length(length)).unwrap(), length / block + 2);
        }
        let config = ClientConfig { segments: 8, ..ClientConfig::default() };
        assert_eq!(connections(&config), config.connections_per_host);
    }

    #[test]
    fn last_range_ends_with_the_file() {
        assert_eq!(span(0, 10, None), Span { first: 0, last: Some(9) });
        assert_eq!(span(10, 10, Some(15)), Span { first: 10, last: Some(14) });
    }
}
