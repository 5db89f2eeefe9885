//! Staging packages into `agent/package/incoming`, where the agent's next check finds them.
//!
//! ```text
//! wanted (agent) → offer (trusted catalog) → private copy → verified again → incoming/.midmirror-….part → NAME.zip
//! ```
//!
//! 1. The catalog must list the package and say that its signature was checked; withdrawn packages are refused by name and
//!    by digest, also where no catalog is at hand.
//! 2. A file of that name in incoming: same bytes, nothing to do; other bytes, refused. Never overwritten.
//! 3. The bytes come into a private folder and must have the catalog's length and digest.
//! 4. The private copy is verified under this host's own policy.
//! 5. It is copied into incoming under a name that does not end in `.zip` and hashed once more; owner and mode are
//!    those of the folder; synced, and renamed only then.
//!
//! | attack or accident | defence |
//! | --- | --- |
//! | bytes changed by mirror, share or network | length and digest of the signed catalog, then the signature |
//! | bytes changed between check and use (J22) | the check reads a private copy; the copy in incoming must have the same digest |
//! | the agent's user puts a link where we write | work inside the open folder, new files only, links never followed (`incoming`) |
//! | Java of the other platform, probes, installers (T10) | [`crate::agent::Wanted`] holds none; nothing else is staged |
//! | an incomplete file counts as downloaded by its name | only a synced, verified file gets its name |
//! | kill at any moment | leftovers have their own names and are removed by the next run |
//! | full disk | free space is compared before anything is written |

mod error;
mod incoming;
mod mirror_metadata;
pub(crate) use mirror_metadata::UrlSource;
mod report;
mod source;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::Sha256Digest;
use crate::admit::Label;
use crate::agent::{AgentHome, Wanted, WantedPackage};
use crate::enrol::Enrolment;
use crate::fetch::Progress;
use crate::package::PackageName;
use crate::store::durable;
use crate::withdraw::{WithdrawnPackage, withdrawn_name};

pub use error::{CheckFailure, PackageError, SourceError, StageError};
pub use report::{StageItem, StageOutcome, StageReport};
pub use source::Source;

use error::PackageError as Problem;
use incoming::Incoming;
use source::Offer;

/// Verifies a private copy under this host's policy; the digest is that of its bytes.
pub type VerifyFn<'a> =
    dyn Fn(&Path, &PackageName, Sha256Digest) -> Result<(), CheckFailure> + Send + Sync + 'a;

/// Is told how far the package with this name has come.
pub type StageProgressFn<'a> = dyn Fn(&PackageName, Progress) + Send + Sync + 'a;

/// Everything staging depends on.
pub struct StageInputs<'a> {
    /// The agent.
    pub home: &'a AgentHome,
    /// What it needs.
    pub wanted: &'a Wanted,
    /// What this host trusts.
    pub enrolment: &'a Enrolment,
    /// Where packages come from.
    pub source: &'a Source,
    /// The check of each package.
    pub verify: &'a VerifyFn<'a>,
    /// Is told of progress.
    pub progress: &'a StageProgressFn<'a>,
}

/// Stages what is wanted. One package's failure does not stop the others; it is part of the report.
///
/// # Errors
/// Nothing was staged: the folder cannot be used, another importer is at work, or the disk is too full.
pub async fn stage(inputs: &StageInputs<'_>) -> Result<StageReport, StageError> {
    inputs.enrolment.check_outside(inputs.home)?;
    let _lock = inputs.enrolment.lock()?;
    let incoming = Incoming::open(inputs.home)?;
    let staging = inputs.enrolment.staging_dir();
    durable::create_folders(&staging).map_err(|source| StageError::Staging { source })?;
    let mut report = StageReport::new(inputs.source, inputs.wanted);
    report.leftovers_removed = incoming.remove_leftovers()?;

    let mut work = Vec::new();
    for wanted in inputs.wanted.packages() {
        match in_place(|| prepare(inputs, &incoming, wanted)) {
            Ok(offer) => work.push(offer),
            Err(item) => report.items.push(*item),
        }
    }
    remove_stale_copies(&staging, &work)?;
    check_space(&incoming, &staging, &work)?;
    for offer in work {
        let copy = staging.join(offer.copy_name());
        let outcome = match bring_and_place(inputs, &incoming, &offer, &copy).await {
            Ok(sha256) => StageItem::new(offer.name, Some(sha256), StageOutcome::Staged),
            Err(error) => StageItem::new(offer.name, offer.sha256, StageOutcome::of(error)),
        };
        report.items.push(outcome);
    }
    report.sort_like(inputs.wanted);
    Ok(report)
}

/// Decides about one package before any byte is brought: what is to be done, or why nothing is.
fn prepare(
    inputs: &StageInputs<'_>,
    incoming: &Incoming,
    wanted: &WantedPackage,
) -> Result<Offer, Box<StageItem>> {
    let name = &wanted.name;
    let item = |sha256, outcome| Box::new(StageItem::new(name.clone(), sha256, outcome));
    let refused = |withdrawn: &WithdrawnPackage| {
        let problem = Problem::Withdrawn {
            sha256: withdrawn.sha256,
            at: withdrawn.at,
            reason: withdrawn.reason.clone(),
            waiting: incoming.has(name).then(|| incoming.shown(name)),
        };
        item(Some(withdrawn.sha256), StageOutcome::of(problem))
    };
    let withdrawn = inputs.source.withdrawn();
    let offered = inputs.source.find(name);
    let found = match &offered {
        Ok(Some(offer)) => withdrawn.iter().find(|package| Some(package.sha256) == offer.sha256),
        Ok(None) => withdrawn_name(withdrawn, name),
        Err(_) => None,
    };
    if let Some(found) = found {
        return Err(refused(found));
    }
    match offered {
        Ok(Some(offer)) => match judge(incoming, &offer) {
            Ok(false) => Ok(offer),
            Ok(true) => Err(item(offer.sha256, StageOutcome::AlreadyThere)),
            Err(error) => Err(item(offer.sha256, StageOutcome::of(error))),
        },
        Ok(None) if wanted.may_be_absent => Err(item(None, StageOutcome::NotMade)),
        Ok(None) => Err(item(None, StageOutcome::NotInCatalog)),
        Err(error) => Err(item(None, StageOutcome::of(error))),
    }
}

/// Steps 1 and 2 for one package: whether it is in incoming already, or why it must not get there.
fn judge(incoming: &Incoming, offer: &Offer) -> Result<bool, Problem> {
    if offer.label.is_some_and(|label| label != Label::Verified) {
        return Err(Problem::NotChecked);
    }
    let Some(existing) = incoming.existing(&offer.name, offer.length)? else { return Ok(false) };
    if existing.sha256.is_some() && existing.sha256 == offer.sha256 {
        return Ok(true);
    }
    let path = incoming.shown(&offer.name);
    Err(Problem::Conflict { path, found: existing.sha256, expected: offer.sha256 })
}

/// Steps 3 to 5 for one package. The private copy is gone afterwards, unless a download can go on from it.
async fn bring_and_place(
    inputs: &StageInputs<'_>,
    incoming: &Incoming,
    offer: &Offer,
    copy: &Path,
) -> Result<Sha256Digest, Problem> {
    let progress = |progress: Progress| (inputs.progress)(&offer.name, progress);
    let sha256 = inputs.source.bring(offer, copy, &progress).await?;
    let placed = in_place(|| {
        (inputs.verify)(copy, &offer.name, sha256).map_err(|source| Problem::Check { source })?;
        incoming.place(copy, &offer.name, sha256)
    });
    let removed = source::discard(copy);
    placed.and(removed).map(|()| sha256)
}

/// Compares free space with what the copies need: all of them in incoming, and the largest a second time in private.
fn check_space(incoming: &Incoming, staging: &Path, work: &[Offer]) -> Result<(), StageError> {
    let total = work.iter().fold(0_u64, |sum, offer| sum.saturating_add(offer.length));
    let largest = work.iter().map(|offer| offer.length).max().unwrap_or(0);
    if total == 0 {
        return Ok(());
    }
    let together = incoming.is_on_device_of(staging)?;
    let needed = if together { total.saturating_add(largest) } else { total };
    let compare = |path: &Path, free: u64, needed: u64| {
        let needed = needed.saturating_add(SPACE_MARGIN);
        if free < needed {
            return Err(StageError::NoSpace { path: path.to_owned(), needed, free });
        }
        Ok(())
    };
    compare(incoming.path(), incoming.free_bytes()?, needed)?;
    if together { Ok(()) } else { compare(staging, incoming::free_bytes(staging)?, largest) }
}

/// Removes private copies that no package of this run would go on from.
fn remove_stale_copies(staging: &Path, work: &[Offer]) -> Result<(), StageError> {
    let failed = |source| StageError::Io { operation: "clean up", path: staging.to_owned(), source };
    let kept: Vec<String> = work.iter().map(Offer::copy_name).collect();
    for entry in std::fs::read_dir(staging).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !kept.iter().any(|kept| name.starts_with(kept.as_str())) {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Hashing, verifying and copying keep a thread busy for seconds; other tasks of the same runtime go on meanwhile.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// What is left free besides the packages themselves.
const SPACE_MARGIN: u64 = 64 * 1024 * 1024;
