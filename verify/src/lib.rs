//! Says of a signed ZIP what `jarsigner -verify -verbose -certs -strict` would say.
//!
//! Three things are kept apart: [`examine`] gathers the facts into a [`Report`]; [`CompatVerdict`] and
//! [`AgentVerdict`] say what `jarsigner` of JDK 17 and the MID Server's own verifier conclude from them. What a mirror
//! admits is a third thing and not part of this library.
//!
//! The library is synchronous. It reads no clock, environment or home folder, logs nothing and writes nothing: the
//! time, the trust anchors and the limits are [`Inputs`].

mod agent;
mod algorithm_policy;
mod anchor_description;
mod archive;
mod asn1;
mod asn1_time;
mod bmp_string;
mod certificate;
mod chain;
mod compat;
mod contents;
mod cross_check;
mod crypto;
mod describe;
mod detached;
mod digest_algorithm;
mod distinguished_name;
mod examine;
mod extension_form;
mod finding;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hash_order;
mod inspect;
pub mod jarsigner;
mod java_error;
mod java_text;
mod jdk;
mod judge_chains;
mod keystore;
mod limits;
mod manifest;
#[cfg(test)]
mod manifest_properties;
mod mime_base64;
mod name_index;
mod outlook;
mod places;
mod policy_tree;
mod read_entry;
mod report;
mod second_reader;
mod signature_names;
mod signatures;
mod signed_data;
mod signer_attributes;
mod source;
mod timestamp;
mod trust_store;

pub use agent::{AgentAnchors, AgentRequirements, AgentVerdict};
pub use algorithm_policy::Strength;
pub use anchor_description::AnchorDescription;
pub use archive::{Modified, is_hidden_character};
pub use chain::{ChainFailure, ChainFailureKind};
pub use compat::{CompatOptions, CompatVerdict, Outcome};
pub use detached::{DetachedSignature, detached_signatures};
pub use examine::{Inputs, examine};
pub use finding::{Finding, HeaderField};
pub use inspect::{
    AttributeFile, AttributeLine, BlockContent, CertificateContent, Container, DigestCount, EndRecordContent,
    EntryContent, FoundEndRecord, FoundHeader, Inspection, Moment, MomentEvent, RecordSearch, SignerContent,
    TimestampContent, inspect,
};
pub use java_error::JavaError;
pub use jdk::{Jdk, UnknownJdk};
pub use keystore::Keystore;
pub use limits::Limits;
pub use outlook::{Change, Forecast, Outlook};
pub use read_entry::read_entry;
pub use report::{
    AlgorithmReport, AnchorReport, BlockDescription, BlockOutcome, BlockReport, CertificateReport,
    ChainReport, EntryKind, EntryReport, KeyReport, REPORT_SCHEMA, Report, SignatureFileReport, SignerReport,
    TimestampReport, TokenReport, TrustStoreReport,
};
pub use source::Source;
pub use trust_store::{TrustStore, TrustStoreError};
