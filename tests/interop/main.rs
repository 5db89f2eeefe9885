//! The `interop` tests.
