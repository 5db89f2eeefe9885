//! The command line of `init`, `keys` and `catalog`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use midmirror_mirror::catalog::{KeyAlgorithm, Profile, Role};

/// A new store.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// How the catalog is renewed, and so how long it is valid; kept in the catalog [default: the configured one, or connected]
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub profile: Option<ProfileName>,
    /// The keys of a new store
    #[command(flatten)]
    pub keys: NewKeysArguments,
}

/// The keys of a new store.
#[derive(Debug, Args)]
pub(crate) struct NewKeysArguments {
    /// How many root keys to make, one for each holder
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub root_keys: u8,
    /// How many of them must sign a change of keys [default: more than half]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub root_threshold: Option<u8>,
    /// How the keys sign
    #[arg(long, value_enum, value_name = "ALGORITHM", default_value_t)]
    pub algorithm: AlgorithmName,
    /// Encrypt them under a passphrase (--passphrase-file, MIDMIRROR_KEY_PASSPHRASE, or asked for)
    #[arg(long)]
    pub encrypt_keys: bool,
}

/// How a catalog is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// A timer signs again: root 5 years, targets and snapshot 1 year, timestamp 30 days
    Connected,
    /// Visited with a medium now and then: root 10 years, the rest 2 years
    Isolated,
    /// A folder or share without a program of its own: as isolated
    Share,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Connected => Self::Connected,
            ProfileName::Isolated => Self::Isolated,
            ProfileName::Share => Self::Share,
        }
    }
}

/// How keys sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum AlgorithmName {
    /// Ed25519
    #[default]
    Ed25519,
    /// ECDSA with P-256 and SHA-256; the key of the log stays Ed25519
    EcdsaP256,
}

impl From<AlgorithmName> for KeyAlgorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::Ed25519 => Self::Ed25519,
            AlgorithmName::EcdsaP256 => Self::EcdsaP256,
        }
    }
}

/// The signed catalog.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Sign anew, unchanged, what is half over and whose keys are here; for a daily timer
    Refresh,
}

/// The keys that sign the catalog.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the keys of a new store ahead of `init`
    Init(NewKeysArguments),
    /// Make one key pair: FILE and FILE.pub; needs no store (a root key of a new holder)
    New {
        /// Where the private key goes
        file: PathBuf,
        /// How it signs
        #[arg(long, value_enum, value_name = "ALGORITHM", default_value_t)]
        algorithm: AlgorithmName,
        /// Encrypt it under a passphrase
        #[arg(long)]
        encrypt: bool,
    },
    /// Show who holds what, whether thresholds can be reached here, what expires when, and which keys there ever were
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Note who holds a key; only `keys status` shows it
    Holder {
        /// The key's id, or the first 8 digits or more
        id: String,
        /// A name or a place; empty: nobody
        name: String,
    },
    /// Replace a key by a new one
    Rotate(RotateArguments),
    /// Replace the key of the store, which signs log and list of digests; also when it was lost. Needs no root keys
    RotateStore {
        /// Why
        #[command(flatten)]
        why: Why,
    },
    /// Add a root key
    AddRoot {
        /// The new holder's public key (FILE.pub of `keys new`), or a private key
        key: PathBuf,
        /// Why
        #[command(flatten)]
        why: Why,
    },
    /// Remove a root key
    RemoveRoot {
        /// Its id, or the first 8 digits or more
        id: String,
        /// Why
        #[command(flatten)]
        why: Why,
    },
    /// Change how many keys of a role must sign
    Threshold {
        /// Whose keys
        role: RoleName,
        /// How many
        threshold: NonZeroU64,
        /// Why
        #[command(flatten)]
        why: Why,
    },
    /// Give the root metadata a new end of validity, with the same keys
    RenewRoot,
    /// Write what holders of root keys are to sign, and say what it changes
    ExportUnsigned {
        /// Where to
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Sign what was exported, on any machine, without a store
    Sign(SignArguments),
    /// Take signatures that were made elsewhere; publishes when they are enough
    ImportSignature {
        /// What `keys sign` wrote
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Sign with the root keys that are here, and publish the change that is under way
    Finish,
    /// Give up the change that is under way
    Discard,
    /// Encrypt key files under a passphrase (PKCS#8, which `openssl pkey` reads) [default: all in the folder of keys]
    Encrypt {
        /// The files
        files: Vec<PathBuf>,
    },
    /// Make plain files of encrypted ones
    Decrypt {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Replacing a key.
#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    /// Whose key
    pub role: RoleName,
    /// The key to be replaced, if the role has several: its id, or the first 8 digits or more
    #[arg(long, value_name = "ID")]
    pub old: Option<String>,
    /// The new key instead of one that is made here; of root keys the public half will do
    #[arg(long, value_name = "FILE")]
    pub new_key: Option<PathBuf>,
    /// How a key that is made here signs
    #[arg(long, value_enum, value_name = "ALGORITHM", default_value_t)]
    pub algorithm: AlgorithmName,
    /// Why
    #[command(flatten)]
    pub why: Why,
}

/// Why.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Who wants it and why; kept in the log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Signing elsewhere.
#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// What `keys export-unsigned` wrote
    pub file: PathBuf,
    /// A private root key
    #[arg(long = "key", value_name = "FILE", required = true)]
    pub keys: Vec<PathBuf>,
    /// Where the signatures go
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// The digest that `export-unsigned` printed, had over another channel; 16 digits or more. Without it you are asked
    #[arg(long, value_name = "HEX")]
    pub digest: Option<String>,
}

/// A role of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Says which keys may sign for which role
    Root,
    /// Lists the packages
    Targets,
    /// Says which targets metadata belongs to a state
    Snapshot,
    /// Says which snapshot is the current one
    Timestamp,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Root => Self::Root,
            RoleName::Targets => Self::Targets,
            RoleName::Snapshot => Self::Snapshot,
            RoleName::Timestamp => Self::Timestamp,
        }
    }
}
