//! What a sync would do: asks the upstream for sizes if it may, and changes nothing.

use std::collections::HashSet;

use super::{PipelineError, Site};
use crate::fetch::{HttpClient, Look, Seen, missing_space};
use crate::plan::PlannedPackage;

/// What a sync would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The packages, each once, in the order of the plan.
    pub items: Vec<PreviewItem>,
    /// Bytes that the folder of the store can take.
    pub available: u64,
}

/// What it would do with one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewItem {
    /// The package.
    pub package: PlannedPackage,
    /// What it would do.
    pub state: PreviewState,
}

/// What a sync would do with a package.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreviewState {
    /// Nothing: it is in the store.
    InStore {
        /// Its length in bytes.
        length: u64,
    },
    /// Fetch it.
    ToFetch {
        /// Its length in bytes, if the upstream was asked and says.
        length: Option<u64>,
    },
    /// Nothing, and it is not published: these bytes were withdrawn.
    Withdrawn {
        /// Why.
        reason: String,
    },
    /// The upstream says that it does not have it.
    Absent,
    /// The upstream could not be asked; the text says why.
    Unknown {
        /// The error with its causes.
        cause: String,
    },
}

impl Preview {
    /// Bytes to be fetched, as far as lengths are known.
    pub fn known_bytes(&self) -> u64 {
        self.items
            .iter()
            .map(|item| match item.state {
                PreviewState::ToFetch { length } => length.unwrap_or_default(),
                _ => 0,
            })
            .fold(0, u64::saturating_add)
    }

    /// Whether a sync would find room for the bytes that are known of, by the rule that it has itself: some stay free.
    pub fn has_room(&self) -> bool {
        let fetches = self.items.iter().any(|item| matches!(item.state, PreviewState::ToFetch { .. }));
        !fetches || missing_space(self.available, self.known_bytes()).is_none()
    }
}

/// Finds out what a sync would do. Without a client nothing is asked of the upstream.
///
/// # Errors
/// The store cannot be read, or its disk cannot be asked for free space.
pub async fn preview(
    site: &Site<'_>,
    client: Option<&HttpClient>,
    planned: &[PlannedPackage],
) -> Result<Preview, PipelineError> {
    let admitted = crate::store::newest(&site.store.admissions()?);
    let withdrawn = crate::withdraw::withdrawn(site.store)?;
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for package in planned.iter().filter(|package| seen.insert(package.path().as_str())) {
        let known = admitted.iter().find(|entry| {
            let blob = site.store.blob_path(&entry.sha256);
            entry.path == *package.path() && blob.metadata().is_ok_and(|blob| blob.len() == entry.length)
        });
        let withdrawal = known.and_then(|entry| withdrawn.get(&entry.sha256));
        let state = match (known, client) {
            (Some(_), _) if withdrawal.is_some() => PreviewState::Withdrawn {
                reason: withdrawal.map(|withdrawal| withdrawal.reason.clone()).unwrap_or_default(),
            },
            (Some(entry), _) => PreviewState::InStore { length: entry.length },
            (None, None) => PreviewState::ToFetch { length: None },
            (None, Some(client)) => match client.look(package.url(), &Seen::default(), &|_| {}).await {
                Ok(Look::Other(seen)) => PreviewState::ToFetch { length: seen.length },
                Ok(Look::Same) => PreviewState::ToFetch { length: None },
                Ok(Look::Gone) => PreviewState::Absent,
                Err(error) => PreviewState::Unknown { cause: crate::fetch::with_causes(&error) },
            },
        };
        items.push(PreviewItem { package: package.clone(), state });
    }
    Ok(Preview { items, available: crate::fetch::available_space(site.store.root_dir())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan_url;

    #[test]
    fn dry_run_counts_the_reserve_as_the_fetch_does() {
        const URL: &str = "https://install.service-now.com/glide/distribution/builds/package/app-signed/mid-core/2026/\
                           06/19/mid-core.australia-02-11-2026__patch3-hotfix1-06-18-2026_06-19-2026_0938.universal.\
                           universal.zip";
        let preview = |state, available| {
            let item = PreviewItem { package: plan_url(URL).unwrap(), state };
            Preview { items: vec![item], available }
        };
        let to_fetch = PreviewState::ToFetch { length: Some(100 << 20) };
        assert!(preview(to_fetch.clone(), 164 << 20).has_room());
        assert!(!preview(to_fetch, (164 << 20) - 1).has_room(), "64 MiB stay free");
        assert!(preview(PreviewState::InStore { length: 100 << 20 }, 0).has_room(), "nothing is written");
    }
}
