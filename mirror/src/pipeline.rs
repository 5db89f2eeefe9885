//! The connected flow.
