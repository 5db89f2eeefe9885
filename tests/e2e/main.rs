//! The whole path with the real program, real sockets and real files.

mod damage;
mod exit_codes;
mod flow;
mod interruption;
mod site;
mod upstream_faults;
