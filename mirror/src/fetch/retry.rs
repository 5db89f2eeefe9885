//! Pauses between tries: exponential back-off with full jitter, and the server's `Retry-After` (RFC 9110, 10.2.3).

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

use super::config::RetryPolicy;

/// A pause before another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// Why, with its causes; names the address.
    pub cause: &'a str,
    /// How long.
    pub pause: Duration,
    /// What the server's `Retry-After` asks for, which may be longer than anybody waits.
    pub asked: Option<Duration>,
    /// Failures in a row.
    pub failed: u32,
    /// Tries in a row after which it gives up.
    pub tries: u32,
}

/// Is told of pauses; must return at once.
pub type WaitingFn = dyn Fn(Waiting<'_>) + Send + Sync;

/// Counts failures in a row and says how long to wait.
#[derive(Debug)]
pub(crate) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    failures: u32,
    random: u64,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy) -> Self {
        Self { policy, failures: 0, random: policy.jitter_seed }
    }

    /// Starts counting anew after real progress.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Number of the try that failed last, and how many there are.
    pub(crate) fn count(&self) -> (u32, u32) {
        (self.failures, self.policy.attempts)
    }

    /// Returns the pause before the next try, or `None` when it is time to give up.
    pub(crate) fn next_pause(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.policy.attempts {
            return None;
        }
        let doublings = (self.failures - 1).min(20);
        let pause = self.policy.first_pause.saturating_mul(1 << doublings).min(self.policy.longest_pause);
        // Anywhere up to the whole pause, so that clients that failed together do not return together.
        let jittered = pause.mul_f64(self.fraction());
        let asked = retry_after.unwrap_or_default().min(self.policy.longest_pause);
        Some(jittered.max(asked))
    }

    /// The next value of a splitmix64 sequence, between 0 and 1. Jitter needs no secrecy.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.random;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^= value >> 31;
        let sixteen_bits = u16::try_from(value & 0xFFFF).unwrap_or_default();
        f64::from(sixteen_bits) / f64::from(u16::MAX)
    }
}

/// Reads `Retry-After`: seconds, or a date that is compared with the server's own `Date`.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts: 4,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(3),
            jitter_seed: 7,
        }
    }

    #[test]
    fn pauses_grow_stay_bounded_and_end() {
        let policy = policy();
        let mut backoff = Backoff::new(&policy);
        for longest in [1, 2, 3] {
            let pause = backoff.next_pause(None).unwrap();
            let longest = Duration::from_secs(longest);
            assert!(pause <= longest, "{pause:?}");
        }
        assert_eq!(backoff.next_pause(None), None);
        backoff.reset();
        assert!(backoff.next_pause(None).is_some());
    }

    #[test]
    fn pauses_are_spread_over_the_whole_range() {
        let policy = RetryPolicy { attempts: 1000, longest_pause: Duration::from_secs(1), ..policy() };
        let mut backoff = Backoff::new(&policy);
        let pauses: Vec<Duration> = (0..900).map(|_| backoff.next_pause(None).unwrap()).collect();
        for tenth in 0..10_u32 {
            let (from, to) = (Duration::from_millis(100) * tenth, Duration::from_millis(100) * (tenth + 1));
            let count = pauses.iter().filter(|pause| (from..to).contains(*pause)).count();
            assert!((45..=135).contains(&count), "{count} of 900 in {from:?}..{to:?}");
        }
    }

    #[test]
    fn retry_after_is_honoured_up_to_the_longest_pause() {
        let policy = policy();
        let mut backoff = Backoff::new(&policy);
        assert_eq!(backoff.next_pause(Some(Duration::from_secs(2))), Some(Duration::from_secs(2)));
        assert_eq!(backoff.count(), (1, 4));
        assert_eq!(backoff.next_pause(Some(Duration::from_secs(9999))), Some(Duration::from_secs(3)));
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let headers = |retry: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            headers
        };
        let date = Some("Fri, 19 Jun 2026 01:34:00 GMT");
        assert_eq!(retry_after(&headers("17", None)), Some(Duration::from_secs(17)));
        assert_eq!(
            retry_after(&headers("Fri, 19 Jun 2026 01:34:30 GMT", date)),
            Some(Duration::from_secs(30))
        );
        assert_eq!(retry_after(&headers("Fri, 19 Jun 2026 01:00:00 GMT", date)), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("Fri, 19 Jun 2026 01:34:30 GMT", None)), None);
        assert_eq!(retry_after(&headers("soon", date)), None);
    }
}
