//! Withdrawing: recorded at once, published as soon as nobody else writes to the store.

use jiff::Timestamp;

use super::{PipelineError, Site};
use crate::admit::AdmissionPolicy;
use crate::catalog::{Lifetimes, Publication, SigningKeys, publish};
use crate::store::{Store, StoreError};
use crate::withdraw::{self, Act, NewWithdrawal, WithdrawError, Withdrawal};

/// What a withdrawal, or its lifting, did.
#[derive(Debug)]
pub struct Withdrawn {
    /// The record that says so.
    pub record: Withdrawal,
    /// Whether it was made now; otherwise this was decided before.
    pub is_new: bool,
    /// The catalog that says so; none while another writer is at work, which publishes it at its end.
    pub publication: Option<Publication>,
}

/// Records the decision, which a running server follows from then on, and publishes it.
///
/// # Errors
/// The decision cannot be recorded, or the catalog cannot be published; in the second case the record stays.
pub fn withdraw(
    store: &Store,
    keys: &SigningKeys,
    lifetimes: &Lifetimes,
    new: &NewWithdrawal,
    now: Timestamp,
) -> Result<Withdrawn, PipelineError> {
    let (record, is_new) = withdraw::record(store, new, now)?;
    if is_new {
        let (sha256, reason) = (record.sha256, record.reason.as_str());
        tracing::info!(%sha256, reason, act = ?record.act, "decision about a package recorded");
    }
    let publication = match store.write() {
        Ok(mut writer) => Some(publish(&mut writer, keys, now, lifetimes)?),
        Err(StoreError::Busy { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Withdrawn { record, is_new, publication })
}

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
