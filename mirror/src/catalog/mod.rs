//! The signed catalog: a TUF 1.0 repository whose target names are the vendor paths.

mod entry;

pub use entry::CatalogEntry;
