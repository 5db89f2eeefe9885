//! How many pieces of files one connection may hold that its client does not take.
//!
//! Attacks considered: many streams of HTTP/2 whose windows stay shut, each with two pieces that were read ahead. Beyond the limit
//! a stream waits until another one of the same connection has sent something, or is given up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

/// The pieces of one connection.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    held: AtomicUsize,
    is_waited_for: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Pieces {
    /// Takes a place; if there is none, the task is woken when there may be one.
    pub(crate) fn take(self: &Arc<Self>, waker: &Waker) -> Option<Place> {
        if self.try_take() {
            return Some(Place(self.clone()));
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.is_waited_for.store(true, Ordering::SeqCst);
        // One may have been given back just before; whoever waits then for nothing is woken once too often.
        self.try_take().then(|| Place(self.clone()))
    }

    fn try_take(&self) -> bool {
        let more = |held| (held < MOST).then_some(held + 1);
        self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    fn give_back(&self) {
        self.held.fetch_sub(1, Ordering::SeqCst);
        if self.is_waited_for.swap(false, Ordering::SeqCst) {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// A piece that is held; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Pieces>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Of 64 KiB each. A browser may leave half as many downloads lying before others on the same connection wait.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    struct Woken(AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn beyond_the_limit_one_waits_until_a_place_is_free() {
        let pieces = Arc::new(Pieces::default());
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let mut places: Vec<Place> = (0..MOST).map(|_| pieces.take(&waker).unwrap()).collect();
        for _ in 0..3 {
            assert!(pieces.take(&waker).is_none());
        }
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        drop(places.pop());
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "asked three times, woken once");
        places.push(pieces.take(&waker).unwrap());
        drop(places);
        assert_eq!((pieces.held.load(Ordering::SeqCst), woken.0.load(Ordering::SeqCst)), (0, 1));
    }
}
