//! HTTP/2 written by hand: frames (RFC 9113, section 4.1) and header blocks (RFC 7541) as no library would send them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::served::{Served, Tls};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Codes of RFC 9113, section 7.
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A frame to send; the length is that of the payload.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request without a body.
pub(crate) fn request(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

/// `RST_STREAM` with CANCEL.
pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

/// One setting.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

pub(crate) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// An integer behind the first bits of a byte (RFC 7541, section 5.1).
pub(crate) fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![first | u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A field with name and value as they are, not to be indexed (0) or to be indexed (0x40).
fn field_of(kind: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[kind][..], &integer(0, 7, name.len()), name, &integer(0, 7, value.len()), value].concat()
}

pub(crate) fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    field_of(0, name, value)
}

/// The same, and put into the dynamic table.
pub(crate) fn indexed_field(name: &[u8], value: &[u8]) -> Vec<u8> {
    field_of(0x40, name, value)
}

/// The fields of a request for `https://localhost`.
pub(crate) fn block(method: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)];
    fields.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
}

/// A connection that speaks HTTP/2 by hand.
pub(crate) struct Http2 {
    stream: Tls,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    pub(crate) closed: bool,
}

impl Http2 {
    /// Connects and sends the preface and these settings.
    pub(crate) fn open(served: &Served, settings: &[u8]) -> Self {
        let mut this = Self::silent(served);
        assert!(this.send(&[PREFACE, settings].concat()));
        this
    }

    /// Connects and says nothing.
    pub(crate) fn silent(served: &Served) -> Self {
        let stream = served.connect(b"h2");
        // A server that reads no more has ended the flood as well.
        stream.sock.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
        Self { stream, bytes: Vec::new(), frames: Vec::new(), closed: false }
    }

    /// Whether the bytes could be sent; they cannot if the connection has ended or the server reads no more.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Sends the same again and again, as long as the server takes it; how often it did.
    pub(crate) fn flood(&mut self, times: u32, mut piece: impl FnMut(u32) -> Vec<u8>) -> u32 {
        let mut sent = 0;
        while sent < times {
            // Several at a time, as an attacker would.
            let pieces: Vec<u8> = (sent..(sent + 100).min(times)).flat_map(&mut piece).collect();
            if !self.send(&pieces) {
                break;
            }
            sent = (sent + 100).min(times);
            self.take(Duration::from_millis(1));
        }
        sent
    }

    /// Reads what comes until there is something to stop for, the connection ends, or for so long.
    pub(crate) fn read_until(&mut self, longest: Duration, mut enough: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + longest;
        while !self.closed && !enough(self) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.take(left.max(Duration::from_millis(1)));
        }
    }

    /// Reads once, and waits so long for it.
    fn take(&mut self, longest: Duration) {
        let mut space = [0; 64 << 10];
        self.stream.sock.set_read_timeout(Some(longest)).unwrap();
        match self.stream.read(&mut space) {
            Ok(0) => self.closed = true,
            Ok(read) => self.bytes.extend_from_slice(&space[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_reset) => self.closed = true,
        }
        while let Some((frame, length)) = parse(&self.bytes) {
            self.frames.push(frame);
            self.bytes.drain(..length);
        }
    }

    /// Reads until the connection has ended; fails if it does not.
    #[track_caller]
    pub(crate) fn expect_end(&mut self, about: &str) {
        self.read_until(Duration::from_secs(30), |_| false);
        assert!(self.closed, "{about}: the connection is open: {:?}", self.heads());
    }

    /// The code of the first GOAWAY that tells of an error.
    pub(crate) fn goaway(&self) -> Option<u32> {
        let mut codes = self
            .frames
            .iter()
            .filter(|frame| frame.kind == GOAWAY)
            .filter_map(|frame| code(&frame.payload, 4));
        codes.find(|code| *code != 0)
    }

    /// The code with which a stream was reset.
    pub(crate) fn was_reset(&self, stream: u32) -> Option<u32> {
        let frame = self.frames.iter().find(|frame| frame.kind == RST_STREAM && frame.stream == stream)?;
        code(&frame.payload, 0)
    }

    /// The status of the answer on a stream; right for the first answer of a connection and for those of the static table.
    pub(crate) fn status(&self, stream: u32) -> Option<u16> {
        let frame = self.frames.iter().find(|frame| frame.kind == HEADERS && frame.stream == stream)?;
        // Begins with a change of the table's size, perhaps.
        let block =
            frame.payload.iter().position(|byte| byte >> 5 != 1).and_then(|at| frame.payload.get(at..))?;
        match block {
            [index @ 0x88..=0x8e, ..] => {
                [200, 204, 206, 304, 400, 404, 500].get(usize::from(index - 0x88)).copied()
            }
            [0x48, length, code @ ..] => digits(code.get(..usize::from(length & 0x7f))?),
            _ => None,
        }
    }

    /// The body of the answer on a stream, as far as it has come, and whether it has ended.
    pub(crate) fn body(&self, stream: u32) -> (Vec<u8>, bool) {
        let frames = self.frames.iter().filter(|frame| frame.stream == stream);
        let ended = frames.clone().any(|f| matches!(f.kind, HEADERS | DATA) && f.flags & END_STREAM != 0);
        (frames.filter(|f| f.kind == DATA).flat_map(|f| f.payload.clone()).collect(), ended)
    }

    /// How many answers have begun.
    pub(crate) fn answers(&self) -> usize {
        self.frames.iter().filter(|frame| frame.kind == HEADERS).count()
    }

    /// How many frames of a kind have come.
    pub(crate) fn count(&self, kind: u8) -> usize {
        self.frames.iter().filter(|frame| frame.kind == kind).count()
    }

    /// For messages.
    pub(crate) fn heads(&self) -> Vec<(u8, u32, usize)> {
        self.frames.iter().take(20).map(|frame| (frame.kind, frame.stream, frame.payload.len())).collect()
    }
}

fn code(payload: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?))
}

/// The first frame of some bytes, and its length with its head.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (head, rest) = bytes.split_at_checked(9)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let payload = rest.get(..length)?.to_vec();
    let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff;
    Some((Frame { kind: head[3], flags: head[4], stream, payload }, 9 + length))
}

/// Three digits in the code of RFC 7541, appendix B: five bits for 0 to 2, six bits for the others.
fn digits(code: &[u8]) -> Option<u16> {
    let bits: Vec<u16> =
        code.iter().flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1))).collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let five = bits.get(at..at + 5)?.iter().fold(0, |all, bit| all * 2 + bit);
        if five <= 2 {
            (number, at) = (number * 10 + five, at + 5);
        } else {
            let six = bits.get(at..at + 6)?.iter().fold(0, |all, bit| all * 2 + bit);
            // 3 is 011001.
            (number, at) = (number * 10 + six.checked_sub(0b01_1001)? + 3, at + 6);
        }
    }
    Some(number)
}
