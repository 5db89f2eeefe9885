//! The vendor's path layout (KB1546609).
//!
//! ```text
//! glide/distribution/builds/package/[app-signed/]{KIND}/{YYYY}/{MM}/{DD}/{KIND}.{STAMP}.{PLATFORM}{EXT}
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{PackagePathError, clip};
use super::name::PackageName;

/// Which of the vendor's two trees a path is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tree {
    /// `package/app-signed/`: JAR-signed packages.
    Signed,
    /// `package/`: the older tree; its files are treated as unverified unless a signature is found in them.
    Unsigned,
}

/// A vendor path below the base URL, without a leading slash; also the TUF target name of the package.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct PackagePath {
    text: String,
    tree: Tree,
    date: Date,
    name: PackageName,
}

impl PackagePath {
    /// What every vendor path begins with.
    pub const PREFIX: &'static str = "glide/distribution/builds/package/";

    /// Builds the path of a package with a regular build stamp, whose build date names the folder.
    pub fn new(tree: Tree, name: &PackageName) -> Result<Self, PackagePathError> {
        let fields = name
            .stamp()
            .fields()
            .ok_or_else(|| PackagePathError::OpaqueStamp { stamp: name.stamp().to_string() })?;
        Ok(Self::with_date(tree, fields.built.date(), name))
    }

    /// Builds the path of a package in the folder of a given date.
    pub fn with_date(tree: Tree, date: Date, name: &PackageName) -> Self {
        let signed = match tree {
            Tree::Signed => "app-signed/",
            Tree::Unsigned => "",
        };
        let text = format!(
            "{}{signed}{}/{:04}/{:02}/{:02}/{name}",
            Self::PREFIX,
            name.kind(),
            date.year(),
            date.month(),
            date.day()
        );
        Self { text, tree, date, name: name.clone() }
    }

    /// Parses a path; a leading slash is accepted.
    pub fn parse(text: &str) -> Result<Self, PackagePathError> {
        let malformed = || PackagePathError::Layout { text: clip(text) };
        let path = text.strip_prefix('/').unwrap_or(text);
        let below = path.strip_prefix(Self::PREFIX).ok_or_else(malformed)?;
        let (tree, below) = match below.strip_prefix("app-signed/") {
            Some(below) => (Tree::Signed, below),
            None => (Tree::Unsigned, below),
        };
        let parts: Vec<&str> = below.split('/').collect();
        let [kind, year, month, day, name] = parts.as_slice() else { return Err(malformed()) };
        let date = parse_folder_date(year, month, day).ok_or_else(malformed)?;
        let name = PackageName::parse(name)?;
        if name.kind().as_str() != *kind {
            return Err(malformed());
        }
        if let Some(fields) = name.stamp().fields()
            && fields.built.date() != date
        {
            return Err(PackagePathError::Date { text: clip(text) });
        }
        Ok(Self { text: path.to_owned(), tree, date, name })
    }

    /// The path, without a leading slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tree.
    pub fn tree(&self) -> Tree {
        self.tree
    }

    /// The date that names the folder.
    pub fn date(&self) -> Date {
        self.date
    }

    /// The file name.
    pub fn name(&self) -> &PackageName {
        &self.name
    }
}

impl fmt::Display for PackagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PackagePath {
    type Err = PackagePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for PackagePath {
    type Error = PackagePathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PackagePath> for String {
    fn from(path: PackagePath) -> Self {
        path.text
    }
}

fn parse_folder_date(year: &str, month: &str, day: &str) -> Option<Date> {
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Buildstamp, PackageKind, Platform};

    const STAMP: &str = "washingtondc-12-20-2023__patch0-01-17-2024_01-25-2024_1625";

    #[test]
    fn path_is_built_and_parsed_byte_for_byte() {
        let stamp = Buildstamp::parse(STAMP).unwrap();
        let name = PackageName::new(PackageKind::MidCore, &stamp, Platform::Universal, ".zip").unwrap();
        let path = PackagePath::new(Tree::Signed, &name).unwrap();
        assert_eq!(
            path.as_str(),
            format!(
                "glide/distribution/builds/package/app-signed/mid-core/2024/01/25/mid-core.{STAMP}.universal.universal.zip"
            )
        );
        assert_eq!(PackagePath::parse(&format!("/{path}")).unwrap(), path);
    }

    #[test]
    fn wrong_paths_are_refused() {
        let good = format!("glide/distribution/builds/package/mid/2024/01/25/mid.{STAMP}.linux.x86-64.zip");
        assert!(PackagePath::parse(&good).is_ok());
        for (from, to) in [
            ("2024/01/25", "2024/01/26"),
            ("2024/01/25", "2024/1/25"),
            ("2024/01/25", "../01/25"),
            ("package/mid/", "package/mid-core/"),
            ("glide/", "Glide/"),
            (".zip", ".exe"),
            ("linux", "osx"),
            ("mid.wash", "mid./wash"),
        ] {
            assert!(PackagePath::parse(&good.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }
}
