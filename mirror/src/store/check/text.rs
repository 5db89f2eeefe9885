//! Problems in the words an operator reads.

use std::fmt;

use super::Problem;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingBlob { sha256 } => write!(f, "the bytes with digest {sha256} are not in the store"),
            Self::WrongLength { path, expected, found } => {
                write!(f, "{} has {found} bytes instead of {expected}", path.display())
            }
            Self::WrongDigest { path, found } => {
                write!(f, "{} does not hold the bytes of its name: its digest is {found}", path.display())
            }
            Self::MissingEvidence { path } => write!(f, "the evidence {} is missing", path.display()),
            Self::WrongEvidence { path, reason } => {
                write!(f, "the evidence {} is wrong: {reason}", path.display())
            }
            Self::Unreadable { path, reason } => write!(f, "{} cannot be read: {reason}", path.display()),
            Self::NotAdmitted { package, sha256 } => {
                write!(f, "the catalog names {package} ({sha256}), which was not admitted as it says")
            }
            Self::NotPublished { package, sha256 } => write!(
                f,
                "{package} ({sha256}) is admitted and not yet in the catalog; the next sync publishes it"
            ),
            Self::Unadmitted { path } => {
                write!(
                    f,
                    "{} is stored and not admitted; the next sync of the package finishes it",
                    path.display()
                )
            }
            Self::Leftover { path } => {
                write!(f, "{} was left by an interrupted write; the next write removes it", path.display())
            }
            Self::Log { reason, .. } => write!(f, "the log: {reason}"),
            Self::Records { reason } => write!(f, "{reason}; bring the folder back from a backup"),
            Self::Unknown { path } => write!(f, "{} does not belong into a store", path.display()),
        }
    }
}
