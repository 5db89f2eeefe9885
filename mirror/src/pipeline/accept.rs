//! A person's decision: bytes that the store has under a name become the published ones.

use super::{PipelineError, Site, withdraw};
use crate::Sha256Digest;
use crate::admit::{AdmissionInputs, verify_file};
use crate::catalog::{Publication, publish};
use crate::package::PackagePath;
use crate::store::{Admission, Approval};

/// Judges the bytes once more by today's policy, publishes them, and keeps who decided and why in the evidence.
///
/// Without a digest it is what was held last.
///
/// # Errors
/// Nothing is held, the bytes are damaged or no longer acceptable, or the catalog cannot be published.
pub fn accept(
    site: &Site<'_>,
    path: &PackagePath,
    sha256: Option<Sha256Digest>,
    approval: &Approval<'_>,
) -> Result<(Admission, Publication), PipelineError> {
    let mut writer = site.store.write()?;
    let policy = withdraw::policy(site)?;
    let site = &Site { policy: &policy, ..*site };
    let sha256 = site.store.acceptable(path, sha256)?.entry().sha256;
    site.store.check_blob(&sha256)?;
    let inputs = AdmissionInputs {
        timestamp_trust: site.timestamp_trust,
        agent_anchors: site.agent_anchors,
        ..AdmissionInputs::new(site.trust, site.policy, site.now)
    };
    let history = writer.history(sha256)?;
    verify_file(&site.store.blob_path(&sha256), path.name(), sha256, &inputs, &history)?;
    let admission = writer.accept(path, Some(sha256), approval, site.now)?;
    let publication = publish(&mut writer, site.keys, site.now, site.lifetimes)?;
    tracing::warn!(package = path.as_str(), %sha256, by = approval.by, reason = approval.reason, "bytes were accepted and published");
    Ok((admission, publication))
}
