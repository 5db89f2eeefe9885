//! A window over the file: small reads one behind the other cost one read of the system together.

use std::io;

use crate::source::Source;

/// The part of a file that was read last, and some bytes behind it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
    /// Where the last read ended.
    end: u64,
}

impl Window {
    /// [`Source::read_exact_at`]; bytes near those of the last read come from the window.
    pub(crate) fn read_exact_at(
        &mut self,
        source: &Source,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<()> {
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let is_next = offset.checked_sub(self.end).is_some_and(|gap| gap <= NEAR);
        self.end = offset.saturating_add(length);
        if length > NEAR || self.end > source.length() {
            return source.read_exact_at(buffer, offset);
        }
        if self.copy(buffer, offset) {
            return Ok(());
        }
        if !is_next {
            return source.read_exact_at(buffer, offset);
        }
        let left = usize::try_from(source.length() - offset).unwrap_or(usize::MAX);
        self.bytes.resize(left.min(WINDOW), 0);
        self.start = offset;
        if let Err(error) = source.read_exact_at(&mut self.bytes, offset) {
            self.bytes.clear();
            return Err(error);
        }
        self.copy(buffer, offset);
        Ok(())
    }

    /// Copies what the window holds; `false` if it does not hold all of it.
    fn copy(&self, buffer: &mut [u8], offset: u64) -> bool {
        let start = offset.checked_sub(self.start).and_then(|start| usize::try_from(start).ok());
        let held = start.and_then(|start| self.bytes.get(start..start.checked_add(buffer.len())?));
        held.map(|held| buffer.copy_from_slice(held)).is_some()
    }
}

/// Reads of more than this, or farther than this behind the last one, do not concern the window.
const NEAR: u64 = 8 * 1024;
const WINDOW: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_gives_what_the_file_holds() {
        let bytes: Vec<u8> =
            (0..300_000u32).map(|number| number.to_le_bytes()[1] ^ number.to_le_bytes()[0]).collect();
        let source = Source::from_bytes(bytes.clone());
        let mut window = Window::default();
        let mut offset = 0;
        // Small ones in a row, a large one, one far behind, one in front, one up to the end.
        let lengths = [30, 100, 0, 8192, 9000, 1, 500];
        let gaps = [0, 7, 8192, 8193, 0, 100_000, 3];
        for (length, gap) in lengths.into_iter().zip(gaps).cycle().take(40) {
            offset = (offset + length + gap) % (bytes.len() - 9000);
            let mut buffer = vec![0; length];
            window.read_exact_at(&source, &mut buffer, u64::try_from(offset).unwrap()).unwrap();
            assert_eq!(buffer, bytes[offset..offset + length], "{length} bytes at {offset}");
        }
        let mut buffer = [0; 10];
        window.read_exact_at(&source, &mut buffer, 299_990).unwrap();
        assert_eq!(buffer, bytes[299_990..]);
        assert!(window.read_exact_at(&source, &mut buffer, 299_991).is_err(), "beyond the end");
    }
}
