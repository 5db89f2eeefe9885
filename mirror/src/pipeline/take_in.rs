//! From quarantine into the store, or not.

use super::{OnChange, Outcome, Site};
use crate::admit::{AdmissionInputs, AdmitError, EarlierAdmission, VerifiedPackage, admit};
use crate::catalog::{CatalogEntry, Event};
use crate::fetch::{QuarantinedPackage, set_aside};
use crate::store::{Admission, StoreError, StoreWriter};

/// Verifies, admits and stores; published bytes only if `judge_known` says so. Other bytes than the published ones are held if the site wants that.
pub(super) fn take_in(
    site: &Site<'_>,
    writer: &mut StoreWriter,
    quarantined: QuarantinedPackage,
    judge_known: bool,
) -> Outcome {
    let published = match writer.published(quarantined.path()) {
        // Withdrawn bytes are not published; what comes in their place is new.
        Ok(published) => published
            .map(Admission::into_entry)
            .filter(|entry| site.policy.withdrawal(entry.sha256).is_none()),
        Err(error) => return Outcome::NotStored(error),
    };
    match published {
        Some(published)
            if !judge_known && published.sha256 == quarantined.sha256() && is_there(writer, &published) =>
        {
            // What is known needs no second verification; the audit of the store does that.
            if let Err(error) = quarantined.discard() {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "cannot remove the attempt");
            }
            Outcome::Unchanged(Box::new(published))
        }
        Some(published) if published.sha256 != quarantined.sha256() && site.on_change == OnChange::Hold => {
            verify(site, writer, quarantined, |writer, verified| {
                let held = writer.hold(verified, site.now)?.entry().clone();
                tracing::warn!(
                    package = published.path.as_str(),
                    published = %published.sha256,
                    held = %held.sha256,
                    "other bytes under a known name are held until somebody accepts them"
                );
                Ok(Outcome::Held { published: Box::new(published), held: Box::new(held) })
            })
        }
        _ => verify(site, writer, quarantined, |writer, verified| {
            Ok(Outcome::Stored(Box::new(writer.commit(verified, site.now)?)))
        }),
    }
}

fn is_there(writer: &StoreWriter, entry: &CatalogEntry) -> bool {
    let blob = writer.store().blob_path(&entry.sha256);
    blob.metadata().is_ok_and(|blob| blob.is_file() && blob.len() == entry.length)
}

fn verify(
    site: &Site<'_>,
    writer: &mut StoreWriter,
    quarantined: QuarantinedPackage,
    store: impl FnOnce(&mut StoreWriter, VerifiedPackage) -> Result<Outcome, StoreError>,
) -> Outcome {
    let inputs = AdmissionInputs {
        timestamp_trust: site.timestamp_trust,
        agent_anchors: site.agent_anchors,
        ..AdmissionInputs::new(site.trust, site.policy, site.now)
    };
    let file = quarantined.file().to_owned();
    let path = quarantined.path().clone();
    let sha256 = quarantined.sha256();
    let mut history = match writer.history(sha256) {
        Ok(history) => history,
        Err(error) => return Outcome::NotStored(error),
    };
    let by_catalog = || site.proof.and_then(|catalog| EarlierAdmission::in_catalog(catalog, sha256));
    history.earlier = history.earlier.or_else(by_catalog);
    match admit(quarantined, &inputs, &history) {
        Ok(verified) => {
            for notice in verified.notices() {
                let package = verified.quarantined().path().as_str();
                tracing::info!(package, rule = notice.rule, text = notice.text, "notice");
            }
            store(writer, verified).unwrap_or_else(Outcome::NotStored)
        }
        Err(error) => {
            if let AdmitError::Refused { decision, .. } = &error {
                writer.note(Event::refused(&path, sha256, decision, site.now));
            }
            if let AdmitError::Refused { decision, .. } = &error
                && let Err(problem) = set_aside(&file, &decision.to_json().unwrap_or_default())
            {
                let problem: &dyn std::error::Error = &problem;
                tracing::warn!(file = %file.display(), problem, "a refused package could not be set aside");
            }
            Outcome::NotAdmitted(error)
        }
    }
}
