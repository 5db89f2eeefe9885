//! Other people's programs against what we make: they share no code with us, so they cannot share a mistake.
//!
//! A missing program skips its tests with one line, unless `MIDMIRROR_REQUIRE_TOOLS` is set.

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod aria2c;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod curl;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod jarsigner;
#[cfg(test)]
mod java;
#[cfg(test)]
mod key_files;
#[cfg(test)]
mod log;
#[cfg(test)]
mod nghttp2;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod outlook;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod python_tuf;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod sha256sum;
#[path = "../e2e/site.rs"]
#[expect(dead_code, reason = "the end-to-end tests use all of it")]
#[cfg(test)]
mod site;
#[cfg(test)]
mod statement;
#[cfg(test)]
mod sums;
#[cfg(test)]
mod tool;
#[cfg(test)]
mod tuf_js;
#[cfg(test)]
mod urllib;
#[cfg(test)]
mod wget;
