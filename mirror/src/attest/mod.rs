//! What the store itself signs, in forms that stock tools verify.
//!
//! | form | verified by |
//! | --- | --- |
//! | [`sums`]: a list of digests with one signature | `sha256sum`, `minisign`, `signify` |
//! | [`Envelope`]: a statement about one package | any implementation of DSSE and in-toto |
//! | [checkpoints](crate::log::Checkpoint) of the log | any implementation of C2SP signed-note |
//!
//! One Ed25519 key (RFC 8032) signs all three. What it signs cannot be taken for another: a list begins with `SHA256 (`, an
//! envelope's signed bytes with `DSSEv1 `, a checkpoint with the name of the log.

mod admitted;
mod envelope;
mod key;
pub mod sums;

pub use admitted::{ADMITTED, Admitted, StatedPolicy, StatedRelaxation};
pub use envelope::{Envelope, EnvelopeError, Statement, Subject};
pub use key::StoreKey;
