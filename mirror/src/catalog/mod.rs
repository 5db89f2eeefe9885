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
//! [`publish`] writes it, and the log of the store with it ([`Event`]); [`refresh`](refresh()) signs it anew when nothing else happens;
//! [`trust`](trust()) reads it. Consistent snapshots, no delegations. The keys stand wherever the operator wants them, see
//! [`SigningKeys`]; how they are changed is in `root`.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod attacks_root;
#[cfg(test)]
mod attacks_withdrawn;
mod checks;
mod distrust;
mod ends;
mod entry;
mod error;
mod event;
mod export;
mod journal;
mod keys;
mod lifetimes;
mod log_check;
mod log_fault;
mod metadata;
mod publish;
mod reading;
mod refresh;
mod root;
mod source;
mod stale;
mod state;
mod statements;
mod sums;
pub(crate) use sums::list as list_of_sums;
#[cfg(test)]
pub(crate) mod testing;
mod trust;
mod update;
mod writing;

pub use distrust::Distrust;
pub use ends::{ExpiryWarning, RoleEnd};
pub use entry::{CatalogEntry, CatalogVersions, StoreIdentity};
pub use error::{CatalogError, TrustError};
pub use event::{Event, WithdrawalEvent};
pub use export::{ExportError, ExportOptions, Exported, export_tuf};
pub(crate) use journal::last_admission;
pub use keys::{
    Keeping, KeyAlgorithm, NewKey, NewKeys, Passphrase, PublicKey, RoleKey, SigningKeys, is_encrypted_key,
    read_private_key, read_public_key, rewrite_key, short, write_new_key,
};
pub use lifetimes::{Lifetimes, Profile};
pub(crate) use log_check::open_earlier;
pub use log_check::{LogEntry, LogReport, check_log, log_of, read_events};
pub(crate) use log_check::{check_log_with, read_entries, sound_events, store_keys};
pub use log_fault::LogFault;
pub use metadata::Role;
pub use publish::{Publication, PublicationOutcome, publish};
pub use refresh::{Blocked, Refresh, refresh};
pub use root::{
    CarriedOut, Holders, KeyChange, KeyChangeError, KeyPlace, KeyRecord, KeyReport, KeysReport, Missing,
    Proposal, RoleReport, RootChange, SignatureFile, carry_out, change_store_key, keys_report,
};
pub use source::{BoxFuture, FolderSource, MetadataError, MetadataSource, first_root};
pub use stale::{AcceptedStale, StaleAllowance, StaleAllowanceError};
pub use state::remembered_ends;
pub use statements::{Stated, StatementFault, check_statement};
pub use trust::{TrustInputs, TrustedCatalog, trust, trust_accepting, trust_folder, trust_folder_accepting};
