//! The repository itself, the help texts, and the README's console blocks.

mod architecture;
mod readme;
