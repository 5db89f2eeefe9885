//! Other people's programs against what we make: they share no code with us, so they cannot share a mistake.
//!
//! A missing program skips its tests with one line, unless `MIDMIRROR_REQUIRE_TOOLS` is set.

mod aria2c;
mod curl;
mod jarsigner;
mod java;
mod openssl;
mod python_tuf;
mod sha256sum;
#[path = "../e2e/site.rs"]
#[expect(dead_code, reason = "the end-to-end tests use all of it")]
mod site;
mod tool;
mod urllib;
mod wget;
