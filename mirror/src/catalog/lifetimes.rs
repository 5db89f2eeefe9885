//! How long signed metadata is valid.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::metadata::Role;

/// How a site renews its catalog, which says how long metadata is to be valid. The signed catalog tells it: whoever
/// publishes later uses the same lifetimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A timer signs again: root 5 years, targets and snapshot 1 year, timestamp 30 days.
    #[default]
    Connected,
    /// Visited with a medium now and then: root 10 years, the rest 2 years.
    Isolated,
    /// A folder or share without a program of its own: as isolated.
    Share,
}

impl Profile {
    /// The lifetimes of this profile.
    pub const fn lifetimes(self) -> Lifetimes {
        match self {
            Self::Connected => Lifetimes::CONNECTED,
            Self::Isolated => Lifetimes::ISOLATED,
            Self::Share => Lifetimes { profile: Self::Share, ..Lifetimes::ISOLATED },
        }
    }

    /// Its name in configuration and catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Isolated => "isolated",
            Self::Share => "share",
        }
    }

    /// What catalogs mean that do not say it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
    pub(super) fn is_connected(&self) -> bool {
        *self == Self::Connected
    }
}

/// How long new metadata is valid. What has less than half of it left is signed anew at the next publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The profile that they are of.
    pub profile: Profile,
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
    pub const CONNECTED: Self = Self {
        profile: Profile::Connected,
        root: years(5),
        targets: years(1),
        snapshot: years(1),
        timestamp: days(30),
    };

    /// For a site that is visited with a medium now and then: root 10 years, the rest 2 years.
    pub const ISOLATED: Self = Self {
        profile: Profile::Isolated,
        root: years(10),
        targets: years(2),
        snapshot: years(2),
        timestamp: years(2),
    };

    pub(super) fn of(&self, role: Role) -> SignedDuration {
        match role {
            Role::Root => self.root,
            Role::Targets => self.targets,
            Role::Snapshot => self.snapshot,
            Role::Timestamp => self.timestamp,
        }
    }

    /// Whether metadata is to be signed anew: it has less than half of its life left. Or more than a whole life, because a
    /// clock was ahead when it was signed: hosts would take it for good long after nobody renews it any more.
    pub(super) fn is_due(&self, role: Role, left: SignedDuration) -> bool {
        let life = self.of(role);
        let is_half_over = left < life.checked_div(2).unwrap_or(SignedDuration::MAX);
        // Root metadata is for a ceremony, whose date people see and choose.
        let is_too_long = role != Role::Root && left > life.saturating_add(days(1));
        is_half_over || is_too_long
    }
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

const fn years(years: i64) -> SignedDuration {
    days(365 * years)
}
