//! Any bytes on a connection of HTTP/1, any frames on one of HTTP/2.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::config::ServeLimits;
use super::super::exchange::{http1_builder, http2_builder};
use super::Mirror;

impl Mirror {
    /// Any bytes after the handshake. The first one says what the rest is: bytes of HTTP/1 as they are, or frames of HTTP/2,
    /// each of kind, flags, stream, length and so many bytes.
    pub fn connection(&self, data: &[u8]) {
        let Some((kind, rest)) = data.split_first() else { return };
        if kind % 2 == 0 {
            let received = self.runtime.block_on(self.talk(&self.filled_in(rest), false));
            // A request has an end of its line at least.
            let most = 1 + rest.iter().filter(|byte| **byte == b'\n').count();
            assert!(self.check_answers(&received) <= most, "more answers than requests");
        } else {
            let received = self.runtime.block_on(self.talk(&self.frames(rest), true));
            for body in bodies(&received).values() {
                self.check_piece(body);
            }
        }
    }

    /// Sends bytes and returns all that comes.
    async fn talk(&self, sent: &[u8], is_http2: bool) -> Vec<u8> {
        let (client, server) = tokio::io::duplex(1 << 20);
        let service = service_fn(|request: Request<Incoming>| {
            let (site, peer) = (self.site.clone(), self.peer.clone());
            async move { Ok::<_, Infallible>(site.answer(&request, &peer).await) }
        });
        let limits = ServeLimits::default();
        let (io, serving) = (TokioIo::new(server), async |io| match is_http2 {
            true => drop(http2_builder(&limits).serve_connection(io, service).await),
            // So that answers come to their end after ours.
            false => drop(http1_builder(&limits).half_close(true).serve_connection(io, service).await),
        });
        let serving = serving(io);
        let (mut reader, mut writer) = tokio::io::split(client);
        let talking = async {
            let mut received = Vec::new();
            let _has_ended = writer.write_all(sent).await;
            if !is_http2 {
                let _has_ended = writer.shutdown().await;
            }
            loop {
                let patience = if is_http2 { SHORT_PATIENCE } else { PATIENCE };
                let read = tokio::time::timeout(patience, reader.read_buf(&mut received)).await;
                let goes_on = matches!(read, Ok(Ok(1..))) && !(is_http2 && has_last(&received));
                if !goes_on {
                    assert!(is_http2 || read.is_ok(), "a connection of HTTP/1 hangs");
                    return received;
                }
            }
        };
        tokio::select! {
            biased;
            received = talking => received,
            // It ends with an error, or because everything is said; what it has sent can still be read.
            received = async {
                serving.await;
                std::future::pending().await
            } => received,
        }
    }

    /// Well-formed frames around any content, and a last request behind them.
    fn frames(&self, mut rest: &[u8]) -> Vec<u8> {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        let mut add = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
            let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
            sent.extend([length[1], length[2], length[3], kind, flags]);
            sent.extend(stream.to_be_bytes());
            sent.extend(payload);
        };
        while let [kind, flags, stream, length, more @ ..] = rest {
            let (payload, more) = more.split_at(usize::from(*length).min(more.len()));
            // A literal of the path cannot be put together by chance.
            let payload = if *kind == 0x81 { self.asking(payload) } else { payload.to_vec() };
            add(kind & 0x7f, *flags, u32::from(*stream), &payload);
            rest = more;
        }
        add(1, 5, LAST, b"\x82\x87\x84\x41\x01h");
        sent
    }

    /// A header block that asks for a package, with more fields behind it.
    fn asking(&self, more: &[u8]) -> Vec<u8> {
        let path =
            format!("/{}", self.packages[usize::from(more.first().is_some_and(|byte| byte % 2 == 1))].path);
        let length = u8::try_from(path.len() - 127).unwrap_or_default();
        // GET, https, :path with a length beyond seven bits (RFC 7541, section 5.1)
        let mut block = vec![0x82, 0x87, 0x04, 0x7f, length];
        block.extend(path.as_bytes());
        block.extend(more.get(1..).unwrap_or_default());
        block
    }
}

/// What is sent on each stream.
fn bodies(mut bytes: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let mut bodies: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    while let [a, b, c, kind, _, d, e, f, g, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        if *kind == 0 {
            bodies.entry(u32::from_be_bytes([*d, *e, *f, *g])).or_default().extend(payload);
        }
        bytes = rest;
    }
    bodies
}

/// Whether the last request has been answered.
fn has_last(bytes: &[u8]) -> bool {
    bodies(bytes).contains_key(&LAST)
}

const LAST: u32 = 0x7fff_ffff;

/// A connection of HTTP/1 ends after our end.
const PATIENCE: Duration = Duration::from_secs(20);
/// One of HTTP/2 may be left open, for instance with a header block that has no end.
const SHORT_PATIENCE: Duration = Duration::from_millis(5);
