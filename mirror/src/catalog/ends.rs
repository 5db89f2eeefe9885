//! When the roles of a catalog end, and what is to be said of it in time.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lifetimes::Profile;
use super::metadata::Role;

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiryWarning {
    /// Less than 180 days.
    HalfYear,
    /// Less than 60 days.
    TwoMonths,
    /// Less than 14 days.
    TwoWeeks,
    /// It is over.
    Expired,
}

impl ExpiryWarning {
    /// What is to be said of metadata with this lifetime that has so much left. What should have been renewed by then is
    /// warned of, and nothing that is younger.
    pub fn of(lifetime: SignedDuration, left: SignedDuration) -> Option<Self> {
        let half = lifetime.checked_div(2).unwrap_or(lifetime);
        let below = |days: i64| {
            let bound = SignedDuration::from_hours(24 * days);
            bound <= half && left < bound
        };
        match left {
            left if left <= SignedDuration::ZERO => Some(Self::Expired),
            _ if below(14) => Some(Self::TwoWeeks),
            _ if below(60) => Some(Self::TwoMonths),
            _ if below(180) => Some(Self::HalfYear),
            _ => None,
        }
    }
}

/// The end of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleEnd {
    /// The role.
    pub role: Role,
    /// When its metadata expires.
    pub expires: Timestamp,
    /// How the catalog is renewed.
    #[serde(default)]
    pub profile: Profile,
}

impl RoleEnd {
    /// Whether somebody should act.
    pub fn warning(&self, now: Timestamp) -> Option<ExpiryWarning> {
        ExpiryWarning::of(self.profile.lifetimes().of(self.role), self.expires.duration_since(now))
    }

    /// The warning in words, with what to do.
    pub fn warning_text(&self, now: Timestamp) -> Option<String> {
        let (role, expires) = (self.role, self.expires);
        let how = match role {
            Role::Root => "a ceremony with the root keys renews it: midmirror keys renew-root",
            _ => "midmirror catalog refresh on the mirror signs it anew",
        };
        Some(match self.warning(now)? {
            ExpiryWarning::Expired => {
                format!(
                    "warning: the {role} metadata has expired ({expires}); hosts refuse the catalog; {how}"
                )
            }
            ExpiryWarning::TwoWeeks => {
                format!("WARNING: the {role} metadata expires within 14 days ({expires}); {how}")
            }
            ExpiryWarning::TwoMonths => {
                format!("warning: the {role} metadata expires within 60 days ({expires}); {how}")
            }
            ExpiryWarning::HalfYear => {
                format!("warning: the {role} metadata expires within 180 days ({expires}); {how}")
            }
        })
    }

    /// The warning that matters most; of two that are alike the one that comes first.
    pub fn worst_text(ends: &[Self], now: Timestamp) -> Option<String> {
        let warnings = ends.iter().filter_map(|end| Some((end.warning(now)?, end)));
        let worst = warnings.min_by_key(|(warning, end)| (std::cmp::Reverse(*warning), end.expires));
        worst?.1.warning_text(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_come_180_60_and_14_days_before_the_end_and_never_for_what_is_young() {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let year = days(365);
        let warning = |left| ExpiryWarning::of(year, days(left));
        assert_eq!(warning(181), None);
        assert_eq!(warning(179), Some(ExpiryWarning::HalfYear));
        assert_eq!(warning(59), Some(ExpiryWarning::TwoMonths));
        assert_eq!(warning(13), Some(ExpiryWarning::TwoWeeks));
        assert_eq!(warning(0), Some(ExpiryWarning::Expired));
        // A timestamp of 30 days is renewed with 15 left.
        assert_eq!(ExpiryWarning::of(days(30), days(29)), None);
        assert_eq!(ExpiryWarning::of(days(30), days(15)), None);
        assert_eq!(ExpiryWarning::of(days(30), days(13)), Some(ExpiryWarning::TwoWeeks));
    }

    #[test]
    fn worst_warning_is_the_one_that_is_told() {
        let at = |day: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day);
        let end = |role, day| RoleEnd { role, expires: at(day), profile: Profile::Isolated };
        let ends = [end(Role::Root, 170), end(Role::Targets, 50), end(Role::Timestamp, 55)];
        let told = RoleEnd::worst_text(&ends, at(0)).unwrap();
        assert!(told.contains("targets metadata expires within 60 days"), "{told}");
        assert!(told.contains("catalog refresh"), "{told}");
        assert!(RoleEnd::worst_text(&ends[..1], at(0)).unwrap().contains("renew-root"));
        assert_eq!(RoleEnd::worst_text(&ends, at(-700)), None);
    }
}
