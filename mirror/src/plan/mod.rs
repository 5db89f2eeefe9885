//! Planning: from what an operator has (a build stamp, a MID log, a URL) to the packages to fetch.

use url::Url;

use crate::package::PackagePath;

/// A package that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPackage {
    path: PackagePath,
    url: Url,
}

impl PlannedPackage {
    /// Plans a package below an upstream base URL, for instance `https://install.service-now.com`.
    ///
    /// The path of the base, if it has one, is kept as a prefix.
    pub fn below(base: &Url, path: PackagePath) -> Result<Self, url::ParseError> {
        let mut folder = base.clone();
        if !folder.path().ends_with('/') {
            folder.set_path(&format!("{}/", base.path()));
        }
        let url = folder.join(path.as_str())?;
        Ok(Self { path, url })
    }

    /// The vendor path.
    pub fn path(&self) -> &PackagePath {
        &self.path
    }

    /// Where it is fetched from.
    pub fn url(&self) -> &Url {
        &self.url
    }
}
