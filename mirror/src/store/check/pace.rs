//! Reading slowly on purpose.

use std::time::{Duration, Instant};

/// Lets bytes pass at a rate, on the average since it was made.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: Option<u64>,
    begun: Instant,
    passed: u64,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Self {
        let bytes_per_second = bytes_per_second.filter(|rate| *rate > 0);
        Self { bytes_per_second, begun: Instant::now(), passed: 0 }
    }

    /// Waits until so many more bytes may have passed.
    pub(crate) fn pass(&mut self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        self.passed = self.passed.saturating_add(bytes);
        let due = due(self.passed, rate);
        if let Some(early) = due.checked_sub(self.begun.elapsed()) {
            std::thread::sleep(early);
        }
    }
}

/// How long so many bytes take.
fn due(bytes: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_bytes_by_rate() {
        assert_eq!(due(3 << 20, 1 << 20), Duration::from_secs(3));
        assert_eq!(due(u64::MAX, 1), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn bytes_do_not_pass_faster_than_the_rate() {
        let mut pace = Pace::new(Some(1_000_000));
        for _ in 0..10 {
            pace.pass(5_000);
        }
        assert!(pace.begun.elapsed() >= Duration::from_millis(50));
        let mut free = Pace::new(None);
        free.pass(u64::MAX);
    }
}
