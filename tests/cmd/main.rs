//! The repository itself, the help texts, and the README's console blocks.

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod schema;
