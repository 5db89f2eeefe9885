//! The signed catalog: a TUF 1.0 repository whose target names are the vendor paths.
//!
//! ```text
//! STORE/repository/
//!   N.root.json        who may sign what; every version from 1 on is kept
//!   N.targets.json     the packages: vendor path, length, digest, and what was found about them
//!   N.snapshot.json    which version of targets.json belongs to this state
//!   timestamp.json     which version of snapshot.json is the current one; written last
//! ```
//!
//! [`publish`] writes it, and the log of the store with it ([`Event`]); [`trust`](trust()) reads it. Consistent snapshots, no delegations. `KEYS/` with `root.pem`,
//! `targets.pem`, `snapshot.pem`, `timestamp.pem` and `store.pem` stands wherever the operator wants it, see [`SigningKeys`].

#[cfg(test)]
mod attacks;
mod checks;
mod entry;
mod error;
mod event;
mod journal;
mod keys;
mod lifetimes;
mod log_check;
mod metadata;
mod publish;
mod source;
mod state;
mod statements;
mod sums;
pub(crate) use sums::list as list_of_sums;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod update;

pub use entry::{CatalogEntry, CatalogVersions, StoreIdentity};
pub use error::{CatalogError, Distrust, TrustError};
pub use event::Event;
pub(crate) use journal::last_admission;
pub use keys::SigningKeys;
pub use lifetimes::Lifetimes;
pub use log_check::{LogEntry, LogFault, LogReport, check_log, log_of, read_events};
pub use metadata::Role;
pub use publish::{Publication, PublicationOutcome, publish};
pub use source::{BoxFuture, FolderSource, MetadataError, MetadataSource};
pub use statements::{Stated, StatementFault, check_statement};
pub use trust::{TrustInputs, TrustedCatalog, trust, trust_folder};
