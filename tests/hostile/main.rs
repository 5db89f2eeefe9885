//! Hostile clients against the real `midmirror serve`: what each gets, what others get meanwhile, what it costs in memory.
#![cfg(target_os = "linux")]

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod desync;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod served;
#[path = "../e2e/site.rs"]
#[expect(dead_code, reason = "the end-to-end tests use all of it")]
#[cfg(test)]
mod site;
