//! The `conformance` tests: does the verifier say what `jarsigner` says?
//!
//! Cases and recorded answers come with the repository, so no JDK is needed. `MIDMIRROR_CORPUS` names a further folder
//! in which the generator left cases and answers; known differences stand in `divergences.toml`.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod differential;
#[cfg(test)]
#[path = "../../cli/examples/differential/judge.rs"]
#[expect(dead_code, reason = "shared with the program, which reports more")]
mod judge;
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
