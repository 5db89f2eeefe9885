//! What staging did.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::error::PackageError;
use super::source::Source;
use crate::agent::{RefusedName, Wanted};
use crate::catalog::AcceptedStale;
use crate::package::PackageName;
use crate::{Sha256Digest, error_text};

/// What became of everything a host wants.
#[derive(Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct StageReport {
    /// Where the packages came from.
    pub source: String,
    /// Whether a signed catalog vouched for them. Without one only signature and policy did.
    pub catalog: bool,
    /// One item for each wanted package, in the order of the agent's list.
    pub items: Vec<StageItem>,
    /// What is named for the host and must not get there.
    pub refused_for_host: Vec<RefusedName>,
    /// Entries of the agent's lists that are no package names.
    pub unreadable: Vec<String>,
    /// How many unfinished files of earlier runs were removed from incoming.
    pub leftovers_removed: usize,
    /// What has expired of the catalog and was accepted by permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_stale: Option<AcceptedStale>,
}

/// One wanted package.
#[derive(Debug, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct StageItem {
    /// Its name.
    pub name: PackageName,
    /// Digest of its bytes, if known.
    pub sha256: Option<Sha256Digest>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: StageOutcome,
}

/// What became of one package.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
#[non_exhaustive]
pub enum StageOutcome {
    /// It is in incoming now.
    Staged,
    /// It was in incoming already, with the right bytes.
    AlreadyThere,
    /// The source does not have it, and its build may come without it.
    NotMade,
    /// The source does not have it.
    NotInCatalog,
    /// It must not be staged.
    Refused {
        /// Why, with its causes.
        #[serde(serialize_with = "with_causes")]
        #[schemars(with = "String")]
        error: PackageError,
    },
    /// It could not be staged this time.
    Failed {
        /// Why, with its causes.
        #[serde(serialize_with = "with_causes")]
        #[schemars(with = "String")]
        error: PackageError,
    },
}

impl StageOutcome {
    pub(super) fn of(error: PackageError) -> Self {
        if error.is_refusal() { Self::Refused { error } } else { Self::Failed { error } }
    }

    /// Whether nothing is left to do for it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Staged | Self::AlreadyThere | Self::NotMade)
    }

    /// Why it is not in incoming.
    pub fn error(&self) -> Option<&PackageError> {
        match self {
            Self::Refused { error } | Self::Failed { error } => Some(error),
            _ => None,
        }
    }
}

impl StageItem {
    pub(super) fn new(name: PackageName, sha256: Option<Sha256Digest>, outcome: StageOutcome) -> Self {
        Self { name, sha256, outcome }
    }
}

impl StageReport {
    pub(super) fn new(source: &Source, wanted: &Wanted) -> Self {
        Self {
            source: source.describe(),
            catalog: source.has_catalog(),
            items: Vec::new(),
            refused_for_host: wanted.refused().to_vec(),
            unreadable: wanted.unreadable().to_vec(),
            leftovers_removed: 0,
            accepted_stale: source.accepted_stale().cloned(),
        }
    }

    pub(super) fn sort_like(&mut self, wanted: &Wanted) {
        let place = |name: &PackageName| wanted.packages().iter().position(|w| w.name == *name);
        self.items.sort_by_key(|item| place(&item.name));
    }

    /// Whether the host has everything it wants.
    pub fn is_complete(&self) -> bool {
        self.refused_for_host.is_empty()
            && self.unreadable.is_empty()
            && self.items.iter().all(|item| item.outcome.is_settled())
    }
}

fn with_causes<S: Serializer>(error: &PackageError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error_text(error))
}
