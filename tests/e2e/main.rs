//! The whole path with the real program, real sockets and real files.

// `cfg(test)` tells clippy that helpers outside test functions are test code as well.
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod attacks_archive;
#[cfg(test)]
mod attacks_blocks;
#[cfg(test)]
mod attacks_bombs;
#[cfg(test)]
mod attacks_chains;
#[cfg(test)]
mod attacks_compat;
#[cfg(test)]
mod attacks_forge;
#[cfg(test)]
mod attacks_keys;
#[cfg(test)]
mod attacks_lengths;
#[cfg(test)]
mod attacks_manifest;
#[cfg(test)]
mod attacks_names;
#[cfg(test)]
mod attacks_output;
#[cfg(test)]
mod attacks_race;
#[cfg(test)]
mod attacks_random;
#[cfg(test)]
mod attacks_signature;
#[cfg(test)]
mod attacks_signed;
#[cfg(test)]
mod attacks_signed_names;
#[cfg(test)]
mod attacks_stamps;
#[cfg(test)]
mod attacks_structure;
#[cfg(test)]
mod attacks_table;
#[cfg(test)]
mod attacks_vendor;
#[cfg(test)]
mod attacks_weak;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_attacks;
#[cfg(test)]
mod audit_removed;
#[cfg(test)]
mod changed;
#[cfg(test)]
mod client_certificates;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod drop_in;
#[cfg(test)]
mod earlier_admission;
#[cfg(test)]
mod exit_codes;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod interruption;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod killed_fetch;
#[cfg(test)]
mod log;
#[cfg(test)]
mod network;
#[cfg(test)]
mod on_demand;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod overlap;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod real_files;
#[cfg(test)]
mod run_report;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod serve_life;
#[cfg(test)]
mod served_evidence;
#[cfg(test)]
mod signer_policy;
#[cfg(test)]
mod site;
#[cfg(test)]
mod tls_client;
#[cfg(test)]
mod trust_sets;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod upstream_faults;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod withdraw;
