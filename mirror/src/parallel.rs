//! Reading many small files on all cores.

use std::num::NonZeroUsize;

/// Does the same with each item, and returns the results in the order of the items; the first error in that order if one
/// fails.
pub(crate) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS);
    let share = items.len().div_ceil(threads).max(FEWEST_ITEMS);
    if items.len() <= share {
        return items.iter().map(work).collect();
    }
    let work = &work;
    std::thread::scope(|scope| {
        let shares: Vec<_> = items
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || {
                    // Not collected: that guesses the length, and copies what it has whenever it was wrong.
                    let mut done = Vec::with_capacity(chunk.len());
                    for item in chunk {
                        done.push(work(item)?);
                    }
                    Ok(done)
                })
            })
            .collect();
        let mut results = Vec::with_capacity(items.len());
        for share in shares {
            match share.join() {
                Ok(done) => results.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(results)
    })
}

/// The same with a thread for each item, for a few large ones.
pub(crate) fn each<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let work = &work;
    std::thread::scope(|scope| {
        let started: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let joined = started.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}

const MOST_THREADS: usize = 4;
/// A thread costs as much as reading a few files.
const FEWEST_ITEMS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_the_first_error_is_returned() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled: Result<Vec<u32>, ()> = map(&items, |item| Ok(item * 2));
        assert_eq!(doubled.unwrap(), (0..1000).map(|item| item * 2).collect::<Vec<_>>());
        let failed: Result<Vec<()>, u32> = map(&items, |item| if *item < 300 { Ok(()) } else { Err(*item) });
        assert_eq!(failed, Err(300));
        let failed: Result<Vec<()>, u32> =
            each(&items[..9], |item| if *item < 3 { Ok(()) } else { Err(*item) });
        assert_eq!(failed, Err(3));
        assert_eq!(each::<u32, u32, ()>(&items[..3], |item| Ok(*item)), Ok(vec![0, 1, 2]));
        assert_eq!(map::<u32, u32, ()>(&[], |item| Ok(*item)), Ok(Vec::new()));
    }
}
