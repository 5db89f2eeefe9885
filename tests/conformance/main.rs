//! The `conformance` tests: does the verifier say what `jarsigner` says?
//!
//! Recorded cases come with the repository. The large set of generated cases is checked if `MIDMIRROR_CORPUS` names
//! the folder in which the generator left cases and answers; known differences stand in `divergences.toml`.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod recorded;
