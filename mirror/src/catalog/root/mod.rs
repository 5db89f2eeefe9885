//! Changing keys: from a proposal to the next root metadata and a catalog that fits it (TUF 1.0, section 6.1).
//!
//! ```text
//! KEYS/next-root.json   the proposal with the signatures it has so far; gone when it is carried out or discarded
//! KEYS/holders.json     who holds which key, noted by the operators
//! ```
//!
//! A [`Proposal`] holds the current root metadata and one or two versions that follow it. Two, if keys of targets, snapshot
//! or timestamp change: the first of them lists old and new keys side by side, so that the catalog as it is stays valid;
//! then the catalog is signed with the new keys; then the second version drops the old ones. So there is no moment at
//! which a crash leaves a catalog that hosts refuse, also where the old keys are lost and can sign nothing any more. Holders
//! of root keys sign both versions at once, offline if they like ([`SignatureFile`]); [`carry_out`] publishes when the
//! thresholds of the old and the new root keys are reached (5.3.4).
//!
//! | attack | defence |
//! | --- | --- |
//! | a proposal that says something else than what is signed | what it changes is computed from the metadata in it, never read |
//! | a proposal built on a root that is not ours | its current root must be that of the store, byte for byte |
//! | signatures of strangers, of other proposals, or twice of one key | each is checked against the listed root keys when it is taken |
//! | endless or odd files | at most 1 MiB, no unknown fields, two versions |

mod carry_out;
mod chain;
mod change;
mod error;
mod holders;
mod proposal;
mod signature;
mod status;
mod store_key;

pub use carry_out::{CarriedOut, carry_out};
pub use chain::RootChange;
pub use change::KeyChange;
pub use error::KeyChangeError;
pub use holders::Holders;
pub use proposal::{Missing, Proposal};
pub use signature::SignatureFile;
pub use status::{KeyPlace, KeyRecord, KeyReport, KeysReport, RoleReport, keys_report};
pub use store_key::change_store_key;
