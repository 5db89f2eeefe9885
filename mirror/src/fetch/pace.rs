//! How fast a body arrives: a server that drips byte by byte is never silent, and still brings nothing (T4).

use std::time::Duration;

/// Counts bytes against the time that was spent waiting for them; time in which the reader was busy does not count.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes a second; 0: no limit.
    minimum: u64,
    window: Duration,
    waited: Duration,
    received: u64,
}

/// What arrived in a window, in bytes a second, if that is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow(pub(crate) u64);

impl Pace {
    pub(crate) fn new(minimum: u64, window: Duration) -> Self {
        Self { minimum, window, waited: Duration::ZERO, received: 0 }
    }

    /// Notes a piece and the wait before it. At the end of each window its average decides.
    pub(crate) fn note(&mut self, bytes: usize, waited: Duration) -> Result<(), TooSlow> {
        self.waited += waited;
        self.received = self.received.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.minimum == 0 || self.waited < self.window {
            return Ok(());
        }
        let milliseconds = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.received.saturating_mul(1000) / milliseconds;
        (self.waited, self.received) = (Duration::ZERO, 0);
        if rate < self.minimum { Err(TooSlow(rate)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_of_a_window_decides_and_not_a_pause_within() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(1000, 10 * second);
        assert_eq!(pace.note(1, 9 * second), Ok(()), "the window is not over");
        assert_eq!(pace.note(20_000, second), Ok(()));
        for _ in 0..9 {
            assert_eq!(pace.note(900, second), Ok(()));
        }
        assert_eq!(pace.note(900, second), Err(TooSlow(900)), "what came before the window does not help");
        assert_eq!(pace.note(usize::MAX, Duration::ZERO), Ok(()));
        assert_eq!(Pace::new(0, second).note(0, 100 * second), Ok(()));
    }
}
