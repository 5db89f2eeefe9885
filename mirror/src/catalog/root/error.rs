//! What can go wrong when keys are changed.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::catalog::{CatalogError, Role};

/// Keys were not changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyChangeError {
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file was read and is of no use.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<KeyChangeError>,
    },
    /// A file is not what it should be.
    #[error("it is not a {what} of this program: {reason}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A key to be removed is not there.
    #[error("the {role} role has no key {id:?}")]
    NoSuchKey {
        /// The role.
        role: Role,
        /// What was asked for.
        id: String,
    },
    /// Several keys begin so.
    #[error("several keys of the {role} role begin with {id:?}")]
    Ambiguous {
        /// The role.
        role: Role,
        /// What was asked for.
        id: String,
    },
    /// Which of several keys is to be replaced was not said.
    #[error("the {role} role has several keys: {ids}")]
    WhichKey {
        /// The role.
        role: Role,
        /// Their ids.
        ids: String,
    },
    /// A key to be added is there already.
    #[error("{id} is a key of the {role} role already")]
    AlreadyListed {
        /// The role.
        role: Role,
        /// The key.
        id: String,
    },
    /// More signatures would be needed than there are keys.
    #[error("the {role} role would need {threshold} signatures and have {keys} keys")]
    Threshold {
        /// The role.
        role: Role,
        /// How many would have to sign.
        threshold: u64,
        /// How many keys there would be.
        keys: usize,
    },
    /// The proposal changes nothing.
    #[error("that would change nothing")]
    NoChange,
    /// There is no proposal.
    #[error("no change of keys is under way in {}", folder.display())]
    NoProposal {
        /// The folder of keys.
        folder: PathBuf,
    },
    /// The root metadata has changed since the proposal was made.
    #[error(
        "the proposal follows version {base} of the root metadata, and the catalog has version {current} by now"
    )]
    Stale {
        /// The version it was made for.
        base: u64,
        /// The version there is.
        current: u64,
    },
    /// The proposal is of another store.
    #[error("the proposal is for another store or another root than those that are here")]
    Foreign,
    /// What it leads to would have ended before it begins.
    #[error("the root metadata of the proposal has expired at {expires}")]
    Expired {
        /// When.
        expires: jiff::Timestamp,
    },
    /// A signature file is for another proposal.
    #[error("the signatures are for another proposal")]
    OtherProposal,
    /// A key that is none of the root keys.
    #[error("{id} is no root key, neither before nor after the change")]
    NoRootKey {
        /// The key.
        id: String,
    },
    /// A signature does not hold.
    #[error("the signature of {id} does not hold")]
    BadSignature {
        /// The key.
        id: String,
    },
    /// Signatures are missing.
    #[error("it is not signed by enough root keys yet: {missing}")]
    Incomplete {
        /// Which.
        missing: String,
    },
    /// The catalog could not be read or written.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl KeyChangeError {
    /// Says which file it was.
    pub(super) fn in_file(path: &Path) -> impl FnOnce(Self) -> Self + '_ {
        move |error| Self::File { path: path.to_owned(), source: Box::new(error) }
    }
}
