//! The order in which several threads read the contents of entries.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Archive;

/// Entries to be read: large ones first and one by one, so that no thread is left alone with a large one at the end; then
/// small ones in runs as they lie in the file, so that one read of the system serves many of them.
#[derive(Debug)]
pub(crate) struct ReadingOrder {
    items: Vec<usize>,
    /// How many large ones there are.
    large: usize,
    next: AtomicUsize,
}

impl ReadingOrder {
    /// Puts items into order, each of which stands for the entry at `index_of` it in the directory.
    pub(crate) fn new(
        archive: &Archive,
        items: impl Iterator<Item = usize>,
        index_of: impl Fn(usize) -> usize,
    ) -> Self {
        let size = |item: &usize| {
            let entry = archive.entries.get(index_of(*item));
            entry.map_or(0, |entry| entry.size.max(entry.compressed_size))
        };
        let place = |item: &usize| match archive.data.get(index_of(*item)) {
            Some(Ok(position)) => *position,
            _ => 0,
        };
        let (mut small, mut items): (Vec<usize>, Vec<usize>) = items.partition(|item| size(item) <= SMALL);
        items.sort_by_key(|item| Reverse(size(item)));
        small.sort_by_key(place);
        let large = items.len();
        items.append(&mut small);
        Self { items, large, next: AtomicUsize::new(0) }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// What a thread reads next; nothing if all is done.
    pub(crate) fn take(&self) -> Option<&[usize]> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number < self.large {
            return self.items.get(number..=number);
        }
        let start = self.large.checked_add((number - self.large).checked_mul(RUN)?)?;
        let rest = self.items.get(start..).filter(|rest| !rest.is_empty())?;
        rest.get(..RUN.min(rest.len()))
    }

    /// Has all threads come to their end.
    pub(crate) fn stop(&self) {
        self.next.store(self.items.len(), Ordering::Relaxed);
    }
}

/// Entries up to this size are small.
const SMALL: u64 = 32 * 1024;
/// How many small entries a thread takes at a time.
const RUN: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::limits::Limits;
    use crate::source::Source;

    #[test]
    fn every_entry_is_read_once_and_large_ones_first() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let large = [7, 150, 299];
        for number in 0..300 {
            writer.start_file(number.to_string(), SimpleFileOptions::default()).unwrap();
            writer
                .write_all(&vec![0; if large.contains(&number) { 40_000 + number } else { number }])
                .unwrap();
        }
        let source = Source::from_bytes(writer.finish().unwrap().into_inner());
        let archive = Archive::open(&source, &Limits::default()).unwrap().unwrap();
        // Numbers that count backwards, without some of them.
        let order = ReadingOrder::new(&archive, 0..290, |number| 299 - number);
        let taken: Vec<&[usize]> = std::iter::from_fn(|| order.take()).collect();
        assert_eq!(taken[..2], [&[0][..], &[149]], "entry 7 is left out");
        assert!(
            taken[2].len() > 1 && taken[2].is_sorted_by(|one, other| one > other),
            "as they lie in the file"
        );
        let mut all: Vec<usize> = taken.concat();
        assert_eq!(all.len(), order.len());
        all.sort_unstable();
        assert_eq!(all, (0..290).collect::<Vec<_>>());
        order.stop();
        assert_eq!(order.take(), None);
    }
}
