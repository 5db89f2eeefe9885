//! What one address may take up: connections at a time, and requests per second.
//!
//! Attacks considered: one host that takes every place from the others, by connections that it keeps or by requests without end;
//! many made-up addresses (the table is bounded; addresses that have nothing open and have been quiet leave it).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limits; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressLimits {
    pub(crate) connections: u32,
    pub(crate) requests_per_second: u32,
}

/// The addresses that are connected, or were a moment ago.
#[derive(Debug)]
pub(crate) struct Addresses {
    limits: AddressLimits,
    seen: Mutex<HashMap<IpAddr, Usage>>,
}

#[derive(Debug)]
struct Usage {
    connections: u32,
    /// Requests that may be made at once: a second's worth at most, and ever more again with time.
    requests: f64,
    at: Instant,
}

/// A connection of an address; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Connected {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(limits: AddressLimits) -> Arc<Self> {
        Arc::new(Self { limits, seen: Mutex::default() })
    }

    /// Takes a place for a connection; none if the address has enough.
    pub(crate) fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        let address = address.to_canonical();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_ADDRESSES {
            seen.retain(|_, usage| usage.connections > 0 || usage.at.elapsed() < QUIET);
        }
        let usage = seen.entry(address).or_insert_with(|| Usage {
            connections: 0,
            requests: f64::from(self.limits.requests_per_second),
            at: Instant::now(),
        });
        if self.limits.connections > 0 && usage.connections >= self.limits.connections {
            return None;
        }
        usage.connections = usage.connections.saturating_add(1);
        Some(Connected { addresses: self.clone(), address })
    }
}

impl Connected {
    /// Whether the address may make another request now.
    pub(crate) fn may_ask(&self) -> bool {
        let rate = f64::from(self.addresses.limits.requests_per_second);
        if rate == 0.0 {
            return true;
        }
        let mut seen = self.addresses.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(usage) = seen.get_mut(&self.address) else { return true };
        let now = Instant::now();
        let gained = now.duration_since(usage.at).as_secs_f64() * rate;
        usage.requests = (usage.requests + gained).min(rate);
        usage.at = now;
        let may = usage.requests >= 1.0;
        if may {
            usage.requests -= 1.0;
        }
        may
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut seen = self.addresses.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(usage) = seen.get_mut(&self.address) else { return };
        usage.connections = usage.connections.saturating_sub(1);
        // Who comes back at once with a new connection does not get a new second's worth.
        if usage.connections == 0 && self.addresses.limits.requests_per_second == 0 {
            seen.remove(&self.address);
        }
    }
}

/// From here on quiet addresses are forgotten.
const MOST_ADDRESSES: usize = 8192;
/// Long enough for everything to be gained back.
const QUIET: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_the_places_of_another() {
        let addresses = Addresses::new(AddressLimits { connections: 2, requests_per_second: 0 });
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let first = addresses.connect(one).unwrap();
        // The same address on a listener for both families.
        let _second = addresses.connect("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(addresses.connect(one).is_none());
        assert!(addresses.connect("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(addresses.connect(one).is_some());
    }

    #[test]
    fn requests_are_counted_over_all_connections_of_an_address() {
        let addresses = Addresses::new(AddressLimits { connections: 0, requests_per_second: 3 });
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        for number in 0..4 {
            let connected = addresses.connect(one).unwrap();
            assert_eq!(connected.may_ask(), number < 3, "{number}");
        }
        assert!(addresses.connect("192.0.2.2".parse().unwrap()).unwrap().may_ask());
        addresses.seen.lock().unwrap().get_mut(&one).unwrap().at = Instant::now() - Duration::from_secs(1);
        assert!(addresses.connect(one).unwrap().may_ask(), "a second later");
    }
}
