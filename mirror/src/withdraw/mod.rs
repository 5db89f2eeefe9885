//! Withdrawals: bytes that nobody is to get any more, whatever their signature says.
//!
//! ```text
//! STORE/withdrawals/NUMBER.json      one decision each, beginning with 00000001; never changed, never removed
//! ```
//!
//! A [`Withdrawal`] is by digest. The newest one about a digest counts: withdrawn, or lifted. From the record on nothing of
//! the digest is served, admitted, accepted or published; the next publication names it in the signed catalog as a
//! [`WithdrawnPackage`], by which other mirrors and importers know. Whatever had the same name before is not published
//! in its place.
//!
//! Attacks and accidents considered: a record that is removed (numbers have no gaps, the log and the signed catalog of the
//! store tell how many there were, and nothing is published until they are back); a catalog that drops its list (only with
//! a newer signed version, as everything in it); lists without end (counts and lengths are bounded, here and in catalogs of
//! others); text that poses as other output (characters that cannot be seen are refused here and in catalogs).

mod error;
mod list;
mod record;

pub use error::WithdrawError;
pub use list::{WithdrawnPackage, listed, withdrawn_name};
pub(crate) use list::{check_list, of_records};
pub use record::{Act, MAX_BY, MAX_REASON, NewWithdrawal, Withdrawal, record, withdrawals, withdrawn};
pub(crate) use record::{WITHDRAWALS, is_text};

/// So many digests can be withdrawn at a time, which a catalog of 64 MB holds.
pub const MAX_WITHDRAWN: usize = 5_000;
