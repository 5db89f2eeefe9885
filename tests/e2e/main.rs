//! The whole path with the real program, real sockets and real files.

mod attacks;
mod attacks_archive;
mod attacks_bombs;
mod attacks_names;
mod attacks_random;
mod attacks_signature;
mod attacks_signed;
mod attacks_structure;
mod damage;
mod exit_codes;
mod flow;
mod interruption;
mod site;
mod upstream_faults;
