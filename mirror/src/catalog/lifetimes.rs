//! How long signed metadata is valid.

use jiff::SignedDuration;

use super::metadata::Role;

/// How long new metadata is valid. What has less than half of it left is signed anew at the next publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Of root metadata, which only the root key can renew.
    pub root: SignedDuration,
    /// Of targets metadata.
    pub targets: SignedDuration,
    /// Of snapshot metadata.
    pub snapshot: SignedDuration,
    /// Of timestamp metadata: how long a catalog that is held back goes unnoticed.
    pub timestamp: SignedDuration,
}

impl Lifetimes {
    /// For a mirror that signs regularly: root 5 years, targets and snapshot 1 year, timestamp 30 days.
    pub const CONNECTED: Self =
        Self { root: years(5), targets: years(1), snapshot: years(1), timestamp: days(30) };

    /// For a site that is visited with a medium now and then: root 10 years, the rest 2 years.
    pub const ISOLATED: Self =
        Self { root: years(10), targets: years(2), snapshot: years(2), timestamp: years(2) };

    pub(super) fn of(&self, role: Role) -> SignedDuration {
        match role {
            Role::Root => self.root,
            Role::Targets => self.targets,
            Role::Snapshot => self.snapshot,
            Role::Timestamp => self.timestamp,
        }
    }
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

const fn years(years: i64) -> SignedDuration {
    days(365 * years)
}
