//! The network parts on real sockets of the loopback interface.

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod upstream;
