//! What a client takes at most: bytes in a second, and requests at a time for each host. Shared by its clones.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use url::Url;

/// The limits of one client and its clones.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    rate: Option<Arc<Rate>>,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    per_host: usize,
}

impl Limits {
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>, per_host: usize) -> Self {
        let rate =
            bytes_per_second.map(|rate| Arc::new(Rate { per_second: rate, paid_until: Mutex::new(None) }));
        Self { rate, hosts: Arc::default(), per_host: per_host.clamp(1, Semaphore::MAX_PERMITS) }
    }

    /// Waits for a place at the host of a URL. The place is free again when the permit is dropped.
    ///
    /// Hosts are those of the configuration and of allowed redirects, so the map stays small.
    pub(crate) async fn place(&self, url: &Url) -> Option<OwnedSemaphorePermit> {
        let host = url.origin().ascii_serialization();
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.per_host))))
        };
        // Nobody closes the semaphore.
        semaphore.acquire_owned().await.ok()
    }

    /// Waits until so many bytes are paid for. Unread bytes stay with the sender meanwhile: TCP slows it down.
    pub(crate) async fn pay(&self, bytes: usize) {
        let Some(rate) = &self.rate else { return };
        let pause = rate.pay(bytes, Instant::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// A token bucket, kept as the moment up to which everything is paid.
#[derive(Debug)]
struct Rate {
    per_second: NonZeroU64,
    paid_until: Mutex<Option<Instant>>,
}

impl Rate {
    /// Takes tokens and says how long to wait for them. The bucket holds a quarter of a second.
    fn pay(&self, bytes: usize, now: Instant) -> Duration {
        let nanoseconds = u128::try_from(bytes)
            .unwrap_or(u128::MAX)
            .saturating_mul(1_000_000_000)
            .div_ceil(u128::from(self.per_second.get()));
        let price = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 2));
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let full = now.checked_sub(BUCKET).unwrap_or(now);
        let until = paid_until.map_or(full, |until| until.max(full)) + price;
        *paid_until = Some(until);
        until.saturating_duration_since(now)
    }
}

const BUCKET: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_holds_over_time_and_idle_time_is_not_saved_up() {
        let rate = Rate { per_second: NonZeroU64::new(1000).unwrap(), paid_until: Mutex::new(None) };
        let start = Instant::now() + Duration::from_secs(10);
        assert_eq!(rate.pay(250, start), Duration::ZERO);
        assert_eq!(rate.pay(500, start), Duration::from_millis(500));
        assert_eq!(rate.pay(1000, start), Duration::from_millis(1500));
        let later = start + Duration::from_secs(60);
        assert_eq!(rate.pay(1250, later), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn places_are_counted_for_each_host() {
        let limits = Limits::new(None, 2);
        let (a, b) = (Url::parse("https://a.example/x").unwrap(), Url::parse("https://b.example/x").unwrap());
        let (first, _second) = (limits.place(&a).await, limits.clone().place(&a).await);
        assert!(tokio::time::timeout(Duration::from_millis(20), limits.place(&a)).await.is_err());
        assert!(limits.place(&b).await.is_some());
        drop(first);
        assert!(limits.place(&a).await.is_some());
    }
}
