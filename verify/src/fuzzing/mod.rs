//! The fuzz targets: each takes any bytes and asserts what must hold of them, beyond the absence of panics.
//!
//! Here and not in `verify/fuzz`, because they look at private parts, and because the ordinary tests replay the kept
//! corpora through them. Compiled for tests, and where cargo-fuzz sets `cfg(fuzzing)`; no part of the public interface.

mod blocks;
mod containers;
mod keystores;
#[cfg(test)]
mod replay;
mod whole;

pub use blocks::{signature_block, timestamp_token};
pub use containers::{archive, manifest, signature_file};
pub use keystores::{jks, pkcs12};
pub use whole::{arguments, parts, verifier};

#[cfg(test)]
pub(crate) use containers::{facts, written};
