//! What runs out: roles of the catalog, verdicts, certificates.

use std::collections::BTreeMap;

use jiff::Timestamp;
use midmirror_verify::TrustStore;

use super::finding::{Class, EndKind, PackageAudit};
use super::report::{Catalog, CatalogRole, Warning};

/// Everything that ends within 180 days, the first end coming first.
pub(super) fn ahead(
    now: Timestamp,
    catalog: &Catalog,
    audits: &[PackageAudit],
    trust: &TrustStore,
) -> Vec<Warning> {
    let mut ends: BTreeMap<(Timestamp, EndKind, String), u64> = BTreeMap::new();
    let mut add = |at, kind, what: String, packages| *ends.entry((at, kind, what)).or_default() += packages;
    // A connected mirror signs its timestamp metadata for 30 days, again and again; elsewhere it ends with the other roles.
    let is_due = |role: &CatalogRole| {
        role.role != "timestamp" || within(role.expires, now).is_some_and(|days| days <= 14)
    };
    for role in catalog.roles.iter().filter(|role| is_due(role)) {
        add(
            role.expires,
            EndKind::CatalogRole,
            format!("the {} metadata of the catalog expires", role.role),
            0,
        );
    }
    for audit in audits.iter().filter(|audit| !matches!(audit.class, Class::Bad | Class::Missing)) {
        if let Some(until) = &audit.until {
            let agent = if until.agent_accepts { "accept" } else { "refuse" };
            let what = format!(
                "the verdict on packages changes: jarsigner -strict then ends {}, MID Servers {agent} them, because {}",
                until.exit_code, until.because
            );
            add(until.at, EndKind::Verdict, what, 1);
        }
        for end in &audit.ends {
            let what = match end.kind {
                EndKind::SignerCertificate => "the certificate of the signer",
                EndKind::TimestampAuthority => "the certificate of the timestamp authority",
                _ => "the trust anchor",
            };
            add(end.at, end.kind, format!("{what} {:?} ends (sha256 {})", end.subject, end.sha256), 1);
        }
    }
    let in_use = |sha256: &str| audits.iter().flat_map(|audit| &audit.ends).any(|end| end.sha256 == sha256);
    for anchor in trust.anchors().filter(|anchor| !in_use(&anchor.sha256)) {
        let what = format!("the trust anchor {:?} ends (sha256 {})", anchor.subject, anchor.sha256);
        add(anchor.not_after, EndKind::Anchor, what, 0);
    }
    let mut warnings = Vec::new();
    for ((at, kind, what), packages) in ends {
        // Only of the catalog is it news that something has ended: certificates of old packages do.
        if at <= now && kind != EndKind::CatalogRole {
            continue;
        }
        if let Some(within_days) = within(at, now) {
            warnings.push(Warning { kind, what, at, within_days, packages });
        }
    }
    warnings
}

/// 0, 14, 60 or 180 days.
fn within(at: Timestamp, now: Timestamp) -> Option<u32> {
    let left = at.duration_since(now).as_secs();
    LEVELS.into_iter().find(|days| left <= i64::from(*days) * 24 * 3600)
}

/// Of the operator's guide, everywhere.
const LEVELS: [u32; 4] = [0, 14, 60, 180];
