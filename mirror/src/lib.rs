//! Plan, fetch, admit, store, catalog, serve and stage MID Server packages.
//!
//! The whole connected flow stands on one screen in [`pipeline`].

pub mod admit;
pub mod agent;
pub mod attest;
pub mod audit;
pub mod catalog;
pub mod enrol;
pub mod evidence_export;
pub mod fetch;
pub mod hosts;
pub mod log;
pub mod package;
pub mod pipeline;
pub mod plan;
pub mod prune;
pub mod serve;
pub mod stage;
pub mod storage;
pub mod store;
pub mod withdraw;

mod digest;
mod error_text;
mod parallel;
mod regular_file;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use serve::fuzzing;

pub use digest::{DigestError, Sha256Digest};
pub use error_text::error_text;
