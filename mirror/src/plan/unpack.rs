//! Text that may be compressed: rotated logs come as `.gz`.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use thiserror::Error;

/// The text cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// More than what is read, packed or unpacked: a text of that length, or a bomb.
    #[error("it has more than {limit} bytes, packed or unpacked")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// The system, or the gzip stream.
    #[error("it cannot be read")]
    Read {
        /// Why.
        source: io::Error,
    },
}

/// Reads all of a text, and unpacks it if it is gzip by its first bytes, whatever its name. No more than `limit` bytes
/// are ever held of either form.
pub fn read_text(input: impl Read, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let bytes = read_limited(input, limit)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        read_limited(MultiGzDecoder::new(bytes.as_slice()), limit)
    } else {
        Ok(bytes)
    }
}

fn read_limited(input: impl Read, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = Vec::new();
    input
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| UnpackError::Read { source })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        Err(UnpackError::TooLong { limit })
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_packed_texts_are_read() {
        assert_eq!(read_text(&b"text"[..], 4).unwrap(), b"text");
        let mut two = gzip(b"te");
        two.extend(gzip(b"xt"));
        assert_eq!(read_text(two.as_slice(), 100).unwrap(), b"text");
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let bomb = gzip(&vec![b'x'; 8 << 20]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(
            read_text(bomb.as_slice(), 1 << 20),
            Err(UnpackError::TooLong { limit: 1_048_576 })
        ));
        assert!(matches!(read_text(io::repeat(b'x'), 1000), Err(UnpackError::TooLong { .. })));
        // Packed twice it is unpacked once.
        assert_eq!(read_text(gzip(&gzip(b"text")).as_slice(), 1000).unwrap(), gzip(b"text"));
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        let packed = gzip(b"some text that is cut");
        assert!(matches!(
            read_text(packed.get(..packed.len() - 9).unwrap(), 1000),
            Err(UnpackError::Read { .. })
        ));
    }
}
