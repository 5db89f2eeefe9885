//! What a package is called: build stamps, kinds, platforms, file names and vendor paths.
//!
//! Everything here is a pure text type: parsed once, at the border, and printed back byte for byte.

mod buildstamp;
mod path;

pub use buildstamp::{Buildstamp, BuildstampError, StampFields};
pub use path::{PackageKind, PackageName, PackagePath, PackagePathError, Platform, Tree};
