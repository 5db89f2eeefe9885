//! The `cmd` tests.
