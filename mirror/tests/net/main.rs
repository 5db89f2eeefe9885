//! The network parts on real sockets of the loopback interface.

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod client;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod robustness;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod upstream;
