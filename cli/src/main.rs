//! The program `midmirror`.
fn main() {}
