//! The `conformance` tests.
