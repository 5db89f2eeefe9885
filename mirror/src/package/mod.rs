//! What a package is called: build stamps, kinds, platforms, file names, vendor paths and URLs.
//!
//! Everything here is a pure text type: parsed once, at the border, and printed back byte for byte.

mod build_tag;
mod buildstamp;
mod error;
mod kind;
mod latest;
mod location;
mod name;
mod path;
mod release;
#[cfg(test)]
mod round_trip;
mod signed_tree;

pub use build_tag::BuildTag;
pub use buildstamp::{Buildstamp, BuildstampError, StampFields};
pub use error::PackagePathError;
pub use kind::{PackageKind, Platform};
pub(crate) use latest::LatestPath;
pub use location::split_url;
pub use name::PackageName;
pub use path::{PackagePath, Tree};
pub use release::{ReleaseName, ReleaseNameError};
