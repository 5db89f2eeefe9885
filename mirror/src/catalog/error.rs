//! What can go wrong when a catalog is published or trusted.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::distrust::Distrust;
use super::metadata::Role;
use super::source::MetadataError;
use crate::attest::EnvelopeError;
use crate::log::{LogError, NoteError};
use crate::storage::StorageError;
use crate::store::StoreError;
use crate::store::durable::DurableError;

/// A catalog could not be published, or its keys not made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// There are keys already.
    #[error("{} holds keys already", path.display())]
    KeysExist {
        /// The folder.
        path: PathBuf,
    },
    /// A key file could not be read.
    #[error("failed to read the key {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key file is readable for too many.
    #[error("the key {} may be read or changed by others (mode {mode:04o})", path.display())]
    KeyMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file does not hold what it should.
    #[error("{} does not hold an Ed25519 or P-256 key of the kind that is needed here (PKCS#8, PEM)", path.display())]
    KeyFormat {
        /// The file.
        path: PathBuf,
    },
    /// A key file is encrypted and no passphrase was given.
    #[error("the key {} is encrypted", path.display())]
    KeyLocked {
        /// The file.
        path: PathBuf,
    },
    /// A key file is encrypted in a way that is not read.
    #[error("the encryption of the key {} cannot be used: {reason}", path.display())]
    KeyEncryption {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A key file is encrypted under another passphrase.
    #[error("the passphrase does not open the key {}", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// A key did not sign.
    #[error("failed to sign")]
    Signing,
    /// No key could be made.
    #[error("failed to make a key")]
    KeyGeneration,
    /// The root metadata does not name the key that is to sign for a role.
    #[error("the {role} key is not a {role} key of the catalog")]
    ForeignKey {
        /// The role.
        role: Role,
    },
    /// The root metadata demands more signatures for a role than there are keys here.
    #[error(
        "the {role} metadata needs {needed} of its keys, and {} has {here} of them; missing: {missing}", folder.display()
    )]
    TooFewKeys {
        /// The role.
        role: Role,
        /// The threshold.
        needed: u64,
        /// How many are here.
        here: usize,
        /// The beginnings of the ids of the others.
        missing: String,
        /// Where they were looked for.
        folder: PathBuf,
    },
    /// The log cannot be signed.
    #[error("the key of the store, store.pem, is not among the signing keys")]
    NoStoreKey,
    /// The log could not be read or continued.
    #[error("the log of the store cannot be continued")]
    Log {
        /// Why.
        #[from]
        source: LogError,
    },
    /// A catalog of an early version does not say which key signs the log.
    #[error("the catalog does not name the key of the log")]
    NoLogKey,
    /// What somebody has kept is no checkpoint of this log.
    #[error("the earlier checkpoint is not one of this log")]
    EarlierCheckpoint {
        /// Why.
        source: NoteError,
    },
    /// An entry of the log could not be encoded.
    #[error("failed to encode an entry of the log")]
    EncodeEvent {
        /// Why.
        source: serde_json::Error,
    },
    /// A statement about an admission could not be made.
    #[error("failed to sign the statement about admission {number}")]
    Statement {
        /// The admission.
        number: u64,
        /// Why.
        source: EnvelopeError,
    },
    /// The log knows of more admissions than the store has evidence of.
    #[error("the log has admission {logged}, but the evidence in the store ends with {stored}")]
    LostEvidence {
        /// The last admission in the log.
        logged: u64,
        /// The last one in the store, or 0.
        stored: u64,
    },
    /// A new catalog needs keys for all roles.
    #[error("the catalog has no root metadata yet, and {} has no {role} key to begin it with", folder.display())]
    NoFirstKey {
        /// The role.
        role: Role,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// There is no catalog that could be signed anew.
    #[error("the store has no catalog yet")]
    NoCatalog,
    /// The log or the current catalog knows of more withdrawals than the store has records of.
    #[error("withdrawals are known {known}, of which the store has no record")]
    LostWithdrawals {
        /// From where.
        known: &'static str,
    },
    /// The log knows of more prunings than the store has records of.
    #[error("prunings are known to the log, of which the store has no record")]
    LostPrunings,
    /// The records of what was pruned cannot be read.
    #[error("the records of what was pruned cannot be read")]
    Prunings {
        /// Why.
        #[from]
        source: crate::prune::PruneError,
    },
    /// The decisions to withdraw packages cannot be read.
    #[error("the withdrawals of the store cannot be read")]
    Withdrawals {
        /// Why.
        #[from]
        source: crate::withdraw::WithdrawError,
    },
    /// The catalog that is there cannot be trusted, so nothing is built on it.
    #[error("the current catalog cannot be built upon")]
    Current {
        /// Why.
        source: TrustError,
    },
    /// The store failed.
    #[error("failed to read what is to be published")]
    Store {
        /// Why.
        #[from]
        source: StoreError,
    },
    /// The metadata could not be written.
    #[error("failed to write the catalog")]
    Write {
        /// Why.
        #[from]
        source: DurableError,
    },
    /// The folder of the catalog could not be read.
    #[error("failed to read {}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The metadata could not be encoded.
    #[error("failed to encode the {role} metadata")]
    Encode {
        /// The role.
        role: Role,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The expiry lies beyond what a date can hold.
    #[error("the lifetime of the {role} metadata is too long")]
    Lifetime {
        /// The role.
        role: Role,
    },
    /// No further version number can be had.
    #[error("the version numbers of the {role} metadata are used up")]
    VersionsUsedUp {
        /// The role.
        role: Role,
    },
    /// A package path cannot be a target name.
    #[error("{name:?} cannot be a target name")]
    TargetName {
        /// The path.
        name: String,
    },
}

impl CatalogError {
    pub(super) fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Folder { path: path.to_owned(), source }
    }

    pub(super) fn reading(error: StorageError) -> Self {
        let (_, path, source) = error.into_parts();
        Self::Folder { path, source }
    }
}

/// A catalog is not to be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file is not what someone we trust has signed.
    #[error("{what} of {place} is not trusted")]
    NotTrusted {
        /// The metadata file.
        what: String,
        /// Where the catalog came from.
        place: String,
        /// Why.
        #[source]
        reason: Distrust,
    },
    /// A role is past its end; the catalog may be held back by someone.
    #[error("the {role} metadata of {place} expired at {expired_at} (now: {now}, clock: {clock})")]
    Expired {
        /// The role.
        role: Role,
        /// Where the catalog came from.
        place: String,
        /// The end of its validity.
        expired_at: jiff::Timestamp,
        /// The time it was compared with: the clock, or the latest time known to have been if the clock is behind it.
        now: jiff::Timestamp,
        /// What the clock said.
        clock: jiff::Timestamp,
    },
    /// An older catalog than one seen before.
    #[error(
        "the {role} metadata of {place} went backwards: version {seen} was seen before, version {offered} is offered"
    )]
    WentBackwards {
        /// The role.
        role: Role,
        /// Where the catalog came from.
        place: String,
        /// The highest version seen.
        seen: u64,
        /// The version offered now.
        offered: u64,
    },
    /// Another catalog with a version seen before: someone signs two histories.
    #[error("the {role} metadata of {place} has version {version} as seen before, but other content")]
    Forked {
        /// The role.
        role: Role,
        /// Where the catalog came from.
        place: String,
        /// The version.
        version: u64,
    },
    /// A metadata file is not there.
    #[error("{place} has no {what}")]
    Missing {
        /// The metadata file.
        what: String,
        /// Where it was looked for.
        place: String,
    },
    /// A metadata file could not be read.
    #[error("failed to read {what} of {place}")]
    Unreachable {
        /// The metadata file.
        what: String,
        /// Where the catalog should come from.
        place: String,
        /// Why.
        source: MetadataError,
    },
    /// A file is not TUF metadata.
    #[error("{what} of {place} is not TUF metadata")]
    Malformed {
        /// The metadata file.
        what: String,
        /// Where the catalog came from.
        place: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The file with the remembered versions could not be read or written.
    #[error("failed to use the remembered catalog state {}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The remembered versions belong to another catalog.
    #[error("{} was made with another trusted root; enrol this host again to accept the new one", path.display())]
    OtherRoot {
        /// The file.
        path: PathBuf,
    },
}
