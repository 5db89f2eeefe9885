//! Why signed metadata is not trusted.

use thiserror::Error;

use super::metadata::Role;
use crate::package::PackagePathError;

/// Why a metadata file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Distrust {
    /// Fewer different keys than required have signed.
    #[error("it needs signatures by {needed} keys of the {role} role and has {valid}")]
    TooFewSignatures {
        /// The role whose keys must sign.
        role: Role,
        /// The threshold.
        needed: u64,
        /// How many valid ones there are.
        valid: u64,
    },
    /// The signatures cannot be checked.
    #[error("its signatures cannot be checked: {text}")]
    Signatures {
        /// What the library said.
        text: String,
    },
    /// One key stands under two names, so that it could count twice.
    #[error("a key of the {role} role is listed twice")]
    KeyTwice {
        /// The role.
        role: Role,
    },
    /// A key is written in a way in which it cannot be compared with others.
    #[error("a key of the {role} role is no point of P-256 as SEC 1, section 2.3.3 writes it")]
    KeyForm {
        /// The role.
        role: Role,
    },
    /// Not the version that was asked for or announced.
    #[error("it has version {found} instead of {expected}")]
    Version {
        /// The version announced.
        expected: u64,
        /// The version found.
        found: u64,
    },
    /// Not the length that was announced.
    #[error("it has {found} bytes instead of {expected}")]
    Length {
        /// The length announced.
        expected: u64,
        /// The length found.
        found: u64,
    },
    /// Longer than is ever accepted.
    #[error("it is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: u64,
    },
    /// More root metadata than is ever accepted.
    #[error("more than {max} root files follow the trusted one")]
    TooManyRoots {
        /// The limit.
        max: u64,
    },
    /// Not the digest that was announced.
    #[error("its digest is not the announced one")]
    Digest,
    /// The file that should announce another one does not, or not with length and SHA-256 digest.
    #[error("it does not announce {name} with version, length and SHA-256 digest")]
    NotAnnounced {
        /// The file that is not announced.
        name: &'static str,
    },
    /// The metadata follows another specification.
    #[error("it follows TUF specification {found:?}; version 1 is understood")]
    Specification {
        /// What it says.
        found: String,
    },
    /// The root metadata switches consistent snapshots off.
    #[error("it does not use consistent snapshots")]
    NotConsistent,
    /// What it says of the store and its key cannot be read.
    #[error("what it says of the store and its key is wrong: {text}")]
    StoreIdentity {
        /// What is wrong.
        text: String,
    },
    /// What it says of withdrawn packages cannot be read or is out of bounds.
    #[error("what it says of withdrawn packages is wrong: {text}")]
    Withdrawn {
        /// What is wrong.
        text: String,
    },
    /// Delegations are not understood and never made.
    #[error("it delegates targets")]
    Delegations,
    /// A target name is not a vendor path.
    #[error("target {name:?} is not a vendor path")]
    TargetName {
        /// The name, shortened.
        name: String,
        /// Why.
        source: Option<PackagePathError>,
    },
    /// Two target names differ in upper and lower case only.
    #[error("target {name:?} differs from another one only in upper and lower case")]
    TargetCase {
        /// The name.
        name: String,
    },
    /// The additional data of a target contradicts its name or is missing.
    #[error("the data of target {name:?} is wrong: {text}")]
    TargetData {
        /// The name.
        name: String,
        /// What is wrong.
        text: String,
    },
}
