//! The log: what was done, append-only, so that nobody can take it back unseen.
//!
//! ```text
//! STORE/log/
//!   checkpoint                 size and root hash, signed; written last
//!   tile/LEVEL/NUMBER          hashes of the Merkle tree, 256 a file
//!   tile/entries/NUMBER        the entries, 256 a file
//!   …/NUMBER.p/WIDTH           the last ones, with fewer
//! ```
//!
//! The layout is C2SP tlog-tiles, the checkpoint C2SP tlog-checkpoint in a C2SP signed-note, the tree that of RFC 6962: any
//! implementation of those can verify it, from a folder or over HTTP. Whoever has kept a checkpoint finds out whether the
//! log was cut or rewritten since.
//!
//! Order of writing: bundles, tiles, then the checkpoint. What lies beyond the checkpoint does not count.

mod builder;
mod check;
mod checkpoint;
mod error;
mod folder;
mod key;
mod note;
mod proof;
#[cfg(test)]
mod tests;
mod tile;
pub(crate) use tile::files as files_of;
pub mod tree;

pub use check::{LogProblem, check, check_against};
pub use checkpoint::Checkpoint;
pub use error::LogError;
pub use folder::{LogAt, LogFolder, LogWriter};
pub use key::LogKey;
pub use note::{NoteError, NoteKey};
