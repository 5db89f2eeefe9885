//! Why a host cannot be enrolled, or its enrolment not used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Sha256Digest;
use crate::store::durable::DurableError;

/// The trust file is not usable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustFileError {
    /// Longer than any genuine one.
    #[error("the trust file has {length} bytes, at most {limit} are read")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Not the expected JSON.
    #[error("the trust file is not of the expected form")]
    Form {
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Written by a newer midmirror.
    #[error("the trust file has format {format}; this version understands format 1")]
    Format {
        /// The format it states.
        format: u64,
    },
    /// The store id has characters that none has.
    #[error("the store id in the trust file is not made of 1 to 64 letters, digits and '-'")]
    StoreId,
    /// The root is not the root metadata of a TUF repository.
    #[error("the root in the trust file is not TUF root metadata: {problem}")]
    Root {
        /// What is wrong.
        problem: &'static str,
    },
    /// The mirror's address cannot be used.
    #[error("the mirror's address in the trust file is not a plain http or https URL")]
    Url,
    /// The certificate authority is not PEM certificates, or holds more than that.
    #[error("the certificate authority in the trust file is not usable: {problem}")]
    TlsCa {
        /// What is wrong.
        problem: &'static str,
    },
    /// It cannot be written.
    #[error("failed to write the trust file")]
    Write {
        /// Why.
        source: DurableError,
    },
}

/// The host policy is not usable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not UTF-8.
    #[error("the host policy is not UTF-8 text")]
    Encoding {
        /// Where it is not.
        source: std::str::Utf8Error,
    },
    /// Not the expected TOML.
    #[error("the host policy is not of the expected form")]
    Form {
        /// What the parser says, with the line.
        source: toml::de::Error,
    },
    /// It cannot be printed as TOML.
    #[error("the host policy cannot be written as TOML")]
    Print {
        /// Why.
        source: toml::ser::Error,
    },
    /// A rule that nobody may set aside.
    #[error("the host policy relaxes {rule:?}, which cannot be relaxed")]
    FirmRule {
        /// The rule.
        rule: String,
    },
    /// No organisation.
    #[error("the host policy names no organization")]
    NoOrganization,
    /// No anchors.
    #[error("the host policy names no truststore; \"bundled\" or the absolute path of a file is needed")]
    NoTruststore,
    /// A path that depends on where the importer is started.
    #[error("the truststore {} of the host policy is neither \"bundled\" nor an absolute path", path.display())]
    RelativeTruststore {
        /// The path.
        path: PathBuf,
    },
}

/// A host cannot be enrolled, or its enrolment cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// Nobody has enrolled this host.
    #[error("this host is not enrolled (no trust.json in {})", state_dir.display())]
    NotEnrolled {
        /// Where the enrolment was looked for.
        state_dir: PathBuf,
    },
    /// Enrolled with another root.
    #[error(
        "this host is enrolled with TUF root {enrolled} of store {store_id}; the trust file has root {offered}"
    )]
    OtherRoot {
        /// Store the host is enrolled with.
        store_id: String,
        /// Digest of the enrolled root.
        enrolled: Sha256Digest,
        /// Digest of the offered root.
        offered: Sha256Digest,
    },
    /// Not the root the operator was told.
    #[error("the root in the trust file has SHA-256 {found}, not {expected} as stated")]
    RootDigest {
        /// What the operator stated.
        expected: Sha256Digest,
        /// What the file holds.
        found: Sha256Digest,
    },
    /// Others may change what this host trusts.
    #[error("{} may be changed by others than its owner (mode {mode:03o})", path.display())]
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else may change what this host trusts.
    #[error("{} belongs to user {owner}, not to root or the user who runs the importer", path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// Numeric id of its owner.
        owner: u32,
    },
    /// The state would be in the hands of the agent's user.
    #[error("the state folder {} is inside the agent folder {}", state_dir.display(), agent.display())]
    InsideAgent {
        /// The state folder.
        state_dir: PathBuf,
        /// The agent folder.
        agent: PathBuf,
    },
    /// The stored trust file, or one given, is not usable.
    #[error("failed to use the trust file {}", path.display())]
    TrustFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TrustFileError,
    },
    /// The stored policy, or one given, is not usable.
    #[error("failed to use the host policy {}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// Another importer runs with this state.
    #[error("another importer is at work with {}", state_dir.display())]
    Busy {
        /// The state folder.
        state_dir: PathBuf,
    },
    /// A file cannot be read.
    #[error("failed to {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// What a catalog withdrew cannot be read or written as JSON.
    #[error("{} is garbled", path.display())]
    Withdrawn {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file cannot be written.
    #[error("failed to store the enrolment in {}", state_dir.display())]
    Write {
        /// The state folder.
        state_dir: PathBuf,
        /// Why.
        source: DurableError,
    },
}
