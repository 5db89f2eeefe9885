//! The program `midmirror-import`.
fn main() {}
