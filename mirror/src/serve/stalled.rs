//! Whether anything is asked for on a connection of HTTP/2, and taken.
//!
//! Attacks considered: what keeps [`QuietLimit`](super::quiet::QuietLimit) content at no cost: a preface or a frame that
//! comes octet by octet, pings without a request, answered pings of ours while the windows of all streams stay shut.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What goes on on one connection.
#[derive(Debug)]
pub(crate) struct Stalled {
    open: AtomicUsize,
    moved: Mutex<Instant>,
}

/// A request that is being answered; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Active(Arc<Stalled>);

impl Stalled {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), moved: Mutex::new(Instant::now()) })
    }

    pub(crate) fn begin(self: &Arc<Self>) -> Active {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.moved();
        Active(self.clone())
    }

    fn moved(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing has been asked for for a time, or of all that was asked for nothing has been taken for ten times
    /// as long: so much the buffers of a slow line hold.
    pub(crate) async fn is_over(&self, idle_time: Duration) {
        loop {
            let patience = match self.open.load(Ordering::Relaxed) {
                0 => idle_time,
                _ => idle_time.saturating_mul(STALLED),
            };
            let still = self.moved.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            let left = patience.saturating_sub(still);
            if left.is_zero() {
                return;
            }
            // The last request may end before.
            tokio::time::sleep(left.min(idle_time)).await;
        }
    }
}

impl Active {
    /// Something of the answer was taken.
    pub(crate) fn moved(&self) {
        self.0.moved();
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.moved();
    }
}

const STALLED: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn over_when_nothing_is_asked_and_later_when_nothing_is_taken() {
        let begun = Instant::now();
        Stalled::new().is_over(IDLE).await;
        assert!(begun.elapsed() >= IDLE);

        let activity = Stalled::new();
        let active = activity.begin();
        let begun = Instant::now();
        activity.is_over(IDLE).await;
        assert!(begun.elapsed() >= 10 * IDLE, "{:?}", begun.elapsed());
        active.moved();
        drop(active);
        let begun = Instant::now();
        activity.is_over(IDLE).await;
        assert!(begun.elapsed() >= IDLE && begun.elapsed() < 10 * IDLE, "{:?}", begun.elapsed());
    }
}
