//! What is withdrawn, here or by a mirror that is trusted, counts for every run.

use super::Site;
use crate::admit::AdmissionPolicy;
use crate::withdraw::{self, Act, NewWithdrawal, WithdrawError};

/// The policy of a site, with what is withdrawn by now.
pub(super) fn policy(site: &Site<'_>) -> Result<AdmissionPolicy, WithdrawError> {
    let mut policy = site.policy.clone();
    policy.withdrawn.extend(withdraw::of_records(&withdraw::withdrawn(site.store)?, str::to_owned));
    Ok(policy)
}

/// Takes over what a trusted mirror has withdrawn. What was decided here about the same bytes stays: a withdrawal that
/// was lifted here is not made again.
pub(super) fn learn(site: &Site<'_>) -> Result<(), WithdrawError> {
    let Some(catalog) = site.proof else { return Ok(()) };
    let decided = withdraw::withdrawals(site.store)?;
    for package in catalog.withdrawn() {
        if decided.iter().any(|record| record.sha256 == package.sha256) {
            continue;
        }
        let new = NewWithdrawal {
            act: Act::Withdrawn,
            sha256: package.sha256,
            reason: package.reason.chars().take(withdraw::MAX_REASON).collect(),
            by: None,
            paths: package.paths.clone(),
            learned_from: catalog.store().map(|store| store.id.clone()),
        };
        withdraw::record(site.store, &new, site.now)?;
        let (sha256, reason) = (package.sha256, package.reason.as_str());
        tracing::warn!(%sha256, reason, "another mirror has withdrawn a package, and so does this one");
    }
    Ok(())
}
