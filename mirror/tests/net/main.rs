//! The network parts on real sockets of the loopback interface.

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod behaviours;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod client;
#[cfg(test)]
mod client_crls;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod download_clients;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod latest;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod program;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod real_proxies;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod robustness;
#[cfg(test)]
mod segments;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod upstream;
