//! The `conformance` tests: does the verifier say what `jarsigner` says?
//!
//! Cases and recorded answers come with the repository, so no JDK is needed. `MIDMIRROR_CORPUS` names a further folder
//! in which the generator left cases and answers; known differences stand in `divergences.toml`.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod material;
#[cfg(test)]
mod outlook;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod second_pass;
#[cfg(test)]
mod second_reader;
