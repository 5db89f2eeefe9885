//! Going on with a catalog that has expired, for a few days and with a reason: when a mirror is down and an upgrade must not
//! wait.
//!
//! Only the ends of targets, snapshot and timestamp metadata are set aside. Signatures, root metadata (its end as well) and
//! versions count as always: what is accepted is a catalog that was genuine and is old, and never one older than a host has seen.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::metadata::Role;

/// Permission to use an expired catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleAllowance {
    until: Timestamp,
    reason: String,
}

/// A permission that cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StaleAllowanceError {
    /// It ends too late.
    #[error("an expired catalog can be accepted for 30 days at most, until {latest}")]
    TooLong {
        /// The latest end.
        latest: Timestamp,
    },
    /// It ends before it begins.
    #[error("{until} is in the past")]
    Past {
        /// The end that was asked for.
        until: Timestamp,
    },
    /// Nobody says why.
    #[error("a reason is needed, of at most 2,000 characters")]
    Reason,
}

/// What was accepted by such a permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct AcceptedStale {
    /// The roles whose metadata has expired.
    pub roles: Vec<Role>,
    /// The end of the permission.
    pub until: Timestamp,
    /// Why it was given.
    pub reason: String,
}

impl StaleAllowance {
    /// Permits it until a moment at most 30 days after now.
    pub fn new(until: Timestamp, reason: &str, now: Timestamp) -> Result<Self, StaleAllowanceError> {
        let latest = now.saturating_add(LONGEST).unwrap_or(now);
        let reason = reason.trim();
        match () {
            () if reason.is_empty() || reason.chars().count() > 2_000 => Err(StaleAllowanceError::Reason),
            () if until <= now => Err(StaleAllowanceError::Past { until }),
            () if until > latest => Err(StaleAllowanceError::TooLong { latest }),
            () => Ok(Self { until, reason: reason.to_owned() }),
        }
    }

    /// Whether metadata of a role that has expired may be used all the same.
    pub(super) fn covers(&self, role: Role, now: Timestamp) -> bool {
        role != Role::Root && now <= self.until
    }

    /// What was accepted by it.
    pub fn accepted(&self, roles: Vec<Role>) -> AcceptedStale {
        AcceptedStale { roles, until: self.until, reason: self.reason.clone() }
    }
}

const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 30);

#[cfg(test)]
mod tests {
    use super::super::testing::TestCatalog;
    use super::super::{FolderSource, TrustError, TrustInputs, trust_folder_accepting};
    use super::*;
    use crate::store::testing::at;

    fn days(days: i64) -> Timestamp {
        at(10) + SignedDuration::from_hours(24 * days)
    }

    fn attempt(
        catalog: &TestCatalog,
        now: Timestamp,
        allowance: Option<&StaleAllowance>,
    ) -> Result<super::super::TrustedCatalog, TrustError> {
        let (root, state) = (catalog.root(), catalog.state());
        let inputs = TrustInputs { root: &root, state: Some(&state), now, allow_expired: false };
        trust_folder_accepting(&FolderSource::new(catalog.folder()), &inputs, allowance)
    }

    #[test]
    fn expired_timestamp_is_accepted_with_a_reason_for_30_days_at_most() {
        let catalog = TestCatalog::new(1);
        assert!(matches!(attempt(&catalog, days(31), None), Err(TrustError::Expired { .. })));
        let allowance = StaleAllowance::new(days(61), "mirror is being repaired", days(31)).unwrap();
        let trusted = attempt(&catalog, days(31), Some(&allowance)).unwrap();
        assert_eq!(trusted.stale_roles(), [Role::Timestamp]);
        attempt(&catalog, days(61), Some(&allowance)).unwrap();
        assert!(matches!(attempt(&catalog, days(62), Some(&allowance)), Err(TrustError::Expired { .. })));
        let refused = |until, reason| StaleAllowance::new(until, reason, days(31)).unwrap_err();
        assert_eq!(refused(days(62), "x"), StaleAllowanceError::TooLong { latest: days(61) });
        assert_eq!(refused(days(31), "x"), StaleAllowanceError::Past { until: days(31) });
        assert_eq!(refused(days(32), " "), StaleAllowanceError::Reason);
    }

    #[test]
    fn expired_root_older_versions_and_bad_signatures_are_never_accepted() {
        let catalog = TestCatalog::new(1);
        let allow = |now: Timestamp| StaleAllowance::new(now + LONGEST, "drill", now).unwrap();
        let late = days(2000);
        let refused = attempt(&catalog, late, Some(&allow(late)));
        assert!(matches!(refused, Err(TrustError::Expired { role: Role::Root, .. })), "{refused:?}");
        let old = catalog.save();
        catalog.add(2);
        catalog.publish(at(20));
        attempt(&catalog, at(30), None).unwrap();
        let newest = catalog.save();
        catalog.put_back(&old);
        let refused = attempt(&catalog, days(40), Some(&allow(days(40))));
        assert!(matches!(refused, Err(TrustError::WentBackwards { .. })), "{refused:?}");
        catalog.put_back(&newest);
        catalog.resign("timestamp.json", &[catalog.key(Role::Snapshot)], |_| {});
        let refused = attempt(&catalog, days(40), Some(&allow(days(40))));
        assert!(matches!(refused, Err(TrustError::NotTrusted { .. })), "{refused:?}");
    }

    #[test]
    fn catalog_that_is_valid_needs_no_permission_and_says_so() {
        let catalog = TestCatalog::new(1);
        let allowance = StaleAllowance::new(days(10), "drill", days(1)).unwrap();
        assert!(attempt(&catalog, days(1), Some(&allowance)).unwrap().stale_roles().is_empty());
    }
}
