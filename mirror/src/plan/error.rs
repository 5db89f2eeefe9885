//! Why nothing could be planned.

use thiserror::Error;

use crate::agent::AgentLogError;
use crate::package::{PackageKind, PackagePathError};

/// A plan could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The folder of the build is unknown.
    #[error(
        "build stamp {stamp:?} is not of the vendor's usual form, so its folder on the server is unknown; give the full URL of each package instead"
    )]
    OpaqueStamp {
        /// The stamp.
        stamp: String,
    },
    /// A text is no package name, path or URL.
    #[error("no package can be planned from {name:?}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        source: PackagePathError,
    },
    /// The base URL cannot be used.
    #[error("{base:?} is not a base URL: http or https, no user name, no query, no fragment")]
    Base {
        /// The base, without credentials.
        base: String,
        /// What the URL parser says.
        source: Option<url::ParseError>,
    },
    /// A kind exists once per platform and no platform was given.
    #[error("{kind} packages exist once per platform, but no platform was given")]
    NoPlatform {
        /// The kind.
        kind: PackageKind,
    },
    /// The kinds and platforms that were asked for have nothing in common.
    #[error("none of the kinds asked for exists for the platforms asked for")]
    Nothing,
    /// The log cannot be read.
    #[error("the agent's log cannot be used")]
    Log {
        /// What is wrong with it.
        source: AgentLogError,
    },
    /// The log has no package lists.
    #[error(
        "the log has no complete block of package lists (Installed, Assigned, Missing); the agent writes one every hour, or give a build stamp"
    )]
    NoBlock,
}

/// Shortens hostile text for a message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(300).collect()
}
