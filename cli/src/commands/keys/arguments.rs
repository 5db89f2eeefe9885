//! The command line of `init`, `keys` and `catalog`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use midmirror_mirror::catalog::{KeyAlgorithm, Profile};

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
