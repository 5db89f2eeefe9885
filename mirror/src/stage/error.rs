//! Why nothing, or one package not, could be staged.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Sha256Digest;
use crate::catalog::TrustError;
use crate::enrol::EnrolError;
use crate::fetch::FetchError;
use crate::store::StoreError;
use crate::store::durable::DurableError;

/// The error of the check that the caller gave; for instance an `AdmitError`.
pub type CheckFailure = Box<dyn StdError + Send + Sync>;

/// Staging could not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StageError {
    /// The enrolment cannot be used.
    #[error("the enrolment of this host cannot be used")]
    Enrolment {
        /// Why.
        #[from]
        source: EnrolError,
    },
    /// `package` or `package/incoming` is not a real folder.
    #[error("{} is not a real folder of the agent (missing, a link, or a file)", path.display())]
    NotAFolder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not enough room.
    #[error("{} has {free} bytes free, {needed} are needed", path.display())]
    NoSpace {
        /// A folder on the file system.
        path: PathBuf,
        /// Needed, a margin included.
        needed: u64,
        /// Free.
        free: u64,
    },
    /// The private folder cannot be made.
    #[error("the folder for private copies cannot be made")]
    Staging {
        /// Why.
        source: DurableError,
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
}

/// A source of packages cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Its catalog is not to be used.
    #[error("the catalog of this source cannot be used")]
    Catalog {
        /// Why.
        source: TrustError,
    },
    /// The store cannot be opened.
    #[error("failed to open the store")]
    Store {
        /// Why.
        #[from]
        source: StoreError,
    },
    /// Not a folder.
    #[error("{} is not a folder that can be read", path.display())]
    Folder {
        /// What was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No address of the mirror.
    #[error("{url} is not an http or https address without credentials, query and fragment")]
    Url {
        /// What was given, without credentials.
        url: String,
    },
    /// What is withdrawn cannot be remembered or recalled.
    #[error("what is withdrawn cannot be remembered or recalled")]
    Memory {
        /// Why.
        #[from]
        source: EnrolError,
    },
    /// The HTTPS client cannot be made.
    #[error("failed to set up the connection to the mirror")]
    Client {
        /// Why.
        #[from]
        source: FetchError,
    },
}

/// One package could not be staged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The catalog says that no signature was checked.
    #[error("the catalog says \"signature not checked\", and an agent's packages must be signed")]
    NotChecked,
    /// Nobody is to get it any more.
    #[error("it was withdrawn on {at}: {reason} (SHA-256 {sha256}){}", advice(waiting.as_deref()))]
    Withdrawn {
        /// Digest of the withdrawn bytes.
        sha256: Sha256Digest,
        /// When.
        at: jiff::Timestamp,
        /// Why.
        reason: String,
        /// A file of its name in incoming, which an agent would install.
        waiting: Option<PathBuf>,
    },
    /// Another file has its name.
    #[error("{} is there already with other bytes ({}); it is not overwritten", path.display(), describe(*found))]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Its digest, if it was worth computing.
        found: Option<Sha256Digest>,
        /// Digest of the wanted package, if it is known.
        expected: Option<Sha256Digest>,
    },
    /// Something that is no ordinary file has its name.
    #[error("{} is there already and is not an ordinary file; it is not replaced", path.display())]
    NotAFile {
        /// The link, folder or device.
        path: PathBuf,
    },
    /// It cannot be downloaded.
    #[error("failed to download it")]
    Fetch {
        /// Why.
        #[from]
        source: FetchError,
    },
    /// The store does not give it.
    #[error("failed to read it from the store")]
    Store {
        /// Why.
        #[from]
        source: StoreError,
    },
    /// The catalog lists it and the folder does not hold it.
    #[error("the catalog lists it, but {} does not hold it", folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
    },
    /// Not the length the catalog says.
    #[error("{} has {found} bytes or more instead of {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// Not the bytes the catalog says.
    #[error("{} has SHA-256 {found} instead of {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: Sha256Digest,
        /// What it has.
        found: Sha256Digest,
    },
    /// The check of the private copy refuses it.
    #[error("its check failed")]
    Check {
        /// Why.
        source: CheckFailure,
    },
    /// The file in incoming was exchanged while it got its name.
    #[error("{} was exchanged by another process while it was staged", path.display())]
    Exchanged {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be given its final name.
    #[error("failed to give it its name")]
    Rename {
        /// Why.
        source: DurableError,
    },
    /// The agent could not read the file.
    #[error("failed to give {} to the owner of the folder (user {user}, group {group}); run as root or as that user", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Numeric user.
        user: u32,
        /// Numeric group.
        group: u32,
        /// What the system says.
        source: io::Error,
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
}

impl PackageError {
    pub(super) fn io(operation: &'static str, path: &std::path::Path, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.to_owned(), source: source.into() }
    }

    /// Whether the package itself is refused, as opposed to something that another try may mend.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotChecked
                | Self::Withdrawn { .. }
                | Self::Conflict { .. }
                | Self::NotAFile { .. }
                | Self::Length { .. }
                | Self::Digest { .. }
                | Self::Check { .. }
                | Self::Exchanged { .. }
                | Self::Fetch { source: FetchError::WrongDigest { .. } }
        )
    }
}

fn advice(waiting: Option<&std::path::Path>) -> String {
    waiting.map_or_else(String::new, |file| format!("; remove {} before the agent takes it", file.display()))
}

fn describe(found: Option<Sha256Digest>) -> String {
    found.map_or_else(|| "another length".to_owned(), |digest| format!("SHA-256 {digest}"))
}
