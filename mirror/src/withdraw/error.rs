//! What can go wrong with withdrawals.

use thiserror::Error;

use crate::store::RecordsError;

/// A withdrawal could not be recorded, or the records not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WithdrawError {
    /// A text is empty, too long, or has characters that cannot be seen.
    #[error("the {what} must have 1 to {max} visible characters")]
    Text {
        /// Which text.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// Nothing is withdrawn that could be lifted.
    #[error("these bytes are not withdrawn")]
    NotWithdrawn,
    /// There is no room for another one.
    #[error("{max} digests are withdrawn already, and no catalog can name more")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
}
