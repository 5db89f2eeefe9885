//! Why an agent folder cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::log::AgentLogError;

/// An agent folder, or a file in it, cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The folder is no agent.
    #[error("{} is no agent folder: it holds neither config.xml nor package/, and no folder agent/ that does", path.display())]
    NotAnAgent {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of the agent is a link: whoever made it decides where packages go.
    #[error("{} is a link; packages are only staged into a real folder of the agent", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Something that must be a folder is none.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// What it is about.
        path: PathBuf,
    },
    /// Something that must be an ordinary file is a link, a device or the like.
    #[error("{} is not an ordinary file", path.display())]
    NotAFile {
        /// What it is about.
        path: PathBuf,
    },
    /// A file is larger than any genuine one.
    #[error("{} has {length} bytes, at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The operating system refuses.
    #[error("failed to {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The log cannot be used.
    #[error("the log {} cannot be used", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: AgentLogError,
    },
}

impl AgentError {
    pub(super) fn io(operation: &'static str, path: &std::path::Path, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.to_owned(), source: source.into() }
    }
}
