//! Package file names and the vendor's path layout (KB0565184, KB1546609).
//!
//! ```text
//! glide/distribution/builds/package/[app-signed/]{KIND}/{YYYY}/{MM}/{DD}/{KIND}.{STAMP}.{PLATFORM}{EXT}
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::buildstamp::Buildstamp;

/// The kind of a package: the first word of its file name and the name of its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// The full agent with its Java runtime.
    Mid,
    /// The application; part of every upgrade.
    MidCore,
    /// The Java runtime; mostly only for a new family.
    MidJre,
    /// The updater, and the probe of the pre-upgrade check.
    MidUpgrade,
    /// Operating system packages for Linux (.deb, .rpm) and their signature material.
    MidLinuxInstaller,
    /// The Windows installer (.msi).
    MidWindowsInstaller,
    /// The container recipe for Linux.
    MidLinuxContainerRecipe,
    /// The container recipe for Windows.
    MidWindowsContainerRecipe,
}

impl PackageKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Mid,
        Self::MidCore,
        Self::MidJre,
        Self::MidUpgrade,
        Self::MidLinuxInstaller,
        Self::MidWindowsInstaller,
        Self::MidLinuxContainerRecipe,
        Self::MidWindowsContainerRecipe,
    ];

    /// The word used in folders and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mid => "mid",
            Self::MidCore => "mid-core",
            Self::MidJre => "mid-jre",
            Self::MidUpgrade => "mid-upgrade",
            Self::MidLinuxInstaller => "mid-linux-installer",
            Self::MidWindowsInstaller => "mid-windows-installer",
            Self::MidLinuxContainerRecipe => "mid-linux-container-recipe",
            Self::MidWindowsContainerRecipe => "mid-windows-container-recipe",
        }
    }
}

impl fmt::Display for PackageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PackageKind {
    type Err = PackagePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| PackagePathError::Kind { text: clip(text) })
    }
}

/// The platform part of a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Platform {
    /// `linux.x86-64`
    #[serde(rename = "linux.x86-64")]
    LinuxX86_64,
    /// `windows.x86-64`
    #[serde(rename = "windows.x86-64")]
    WindowsX86_64,
    /// `linux.x86-32`, until the London family
    #[serde(rename = "linux.x86-32")]
    LinuxX86_32,
    /// `windows.x86-32`, until the London family
    #[serde(rename = "windows.x86-32")]
    WindowsX86_32,
    /// `universal.universal`
    #[serde(rename = "universal.universal")]
    Universal,
    /// `preUpgradeCheck`, the probe file of the pre-upgrade check (any platform)
    #[serde(rename = "preUpgradeCheck")]
    PreUpgradeCheck,
}

impl Platform {
    /// Every platform word.
    pub const ALL: [Self; 6] = [
        Self::LinuxX86_64,
        Self::WindowsX86_64,
        Self::LinuxX86_32,
        Self::WindowsX86_32,
        Self::Universal,
        Self::PreUpgradeCheck,
    ];

    /// The words used in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "linux.x86-64",
            Self::WindowsX86_64 => "windows.x86-64",
            Self::LinuxX86_32 => "linux.x86-32",
            Self::WindowsX86_32 => "windows.x86-32",
            Self::Universal => "universal.universal",
            Self::PreUpgradeCheck => "preUpgradeCheck",
        }
    }

    /// Whether a package of this platform may go to a host of platform `host`.
    pub fn fits(self, host: Platform) -> bool {
        matches!(self, Self::Universal | Self::PreUpgradeCheck) || self == host
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Platform {
    type Err = PackagePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.as_str() == text)
            .ok_or_else(|| PackagePathError::Platform { text: clip(text) })
    }
}

/// Which of the vendor's two trees a path is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tree {
    /// `package/app-signed/`: JAR-signed packages.
    Signed,
    /// `package/`: the older tree; its files are treated as unverified unless a signature is found in them.
    Unsigned,
}

/// A package file name, for instance `mid-core.{STAMP}.universal.universal.zip`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName {
    text: String,
    kind: PackageKind,
    stamp: Buildstamp,
    platform: Platform,
    extension: String,
}

impl PackageName {
    /// Builds the name of a package from its parts.
    pub fn new(
        kind: PackageKind,
        stamp: &Buildstamp,
        platform: Platform,
        extension: &str,
    ) -> Result<Self, PackagePathError> {
        Self::parse(&format!("{kind}.{stamp}.{platform}{extension}"))
    }

    /// Parses a file name.
    pub fn parse(text: &str) -> Result<Self, PackagePathError> {
        let malformed = || PackagePathError::Name { text: clip(text) };
        if text.len() > 255 {
            return Err(malformed());
        }
        let (kind, rest) = text.split_once('.').ok_or_else(malformed)?;
        let kind: PackageKind = kind.parse()?;
        // KB0565184 prints the probe as `mid-upgrade.mid.{STAMP}.preUpgradeCheck.zip`.
        let body = match rest.strip_prefix("mid.") {
            Some(body) if kind == PackageKind::MidUpgrade => body,
            _ => rest,
        };
        let (stamp, tail) = body.split_once('.').ok_or_else(malformed)?;
        let (platform, extension) = Platform::ALL
            .into_iter()
            .find_map(|platform| Some((platform, tail.strip_prefix(platform.as_str())?)))
            .ok_or_else(malformed)?;
        if !EXTENSIONS.contains(&extension) {
            return Err(malformed());
        }
        let stamp = Buildstamp::parse(stamp).map_err(|_| malformed())?;
        Ok(Self { text: text.to_owned(), kind, stamp, platform, extension: extension.to_owned() })
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind.
    pub fn kind(&self) -> PackageKind {
        self.kind
    }

    /// The build stamp.
    pub fn stamp(&self) -> &Buildstamp {
        &self.stamp
    }

    /// The platform.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The extension with its first character, for instance `.zip` or `-deb.zip`.
    pub fn extension(&self) -> &str {
        &self.extension
    }

    /// Whether the vendor signs this kind of file as a JAR. `.deb`, `.rpm`, `.msi` and the `-deb.zip` and
    /// `-rpm.zip` signature archives are not.
    pub fn is_jar_signed(&self) -> bool {
        self.extension == ".zip"
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PackageName {
    type Err = PackagePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for PackageName {
    type Error = PackagePathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        name.text
    }
}

/// A vendor path below the base URL, without a leading slash; also the TUF target name of the package.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// The text is not a package name or a vendor path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackagePathError {
    /// The first word is not a known kind.
    #[error("{text:?} is not a package kind (mid, mid-core, mid-jre, mid-upgrade, …)")]
    Kind {
        /// What was given.
        text: String,
    },
    /// The platform is unknown.
    #[error("{text:?} is not a platform (linux.x86-64, windows.x86-64, universal.universal, …)")]
    Platform {
        /// What was given.
        text: String,
    },
    /// The file name does not have the vendor's form.
    #[error("{text:?} is not a package name of the form KIND.STAMP.PLATFORM.zip")]
    Name {
        /// What was given.
        text: String,
    },
    /// The path does not have the vendor's form.
    #[error(
        "{text:?} is not a vendor path of the form {}[app-signed/]KIND/YYYY/MM/DD/NAME",
        PackagePath::PREFIX
    )]
    Layout {
        /// What was given.
        text: String,
    },
    /// The folder's date is not the build date of the stamp.
    #[error("the folder date of {text:?} is not the build date of its stamp")]
    Date {
        /// What was given.
        text: String,
    },
    /// The stamp is irregular, so the folder cannot be derived from it.
    #[error("build stamp {stamp:?} is irregular, so its folder cannot be derived; give a full URL instead")]
    OpaqueStamp {
        /// The stamp.
        stamp: String,
    },
}

fn parse_folder_date(year: &str, month: &str, day: &str) -> Option<Date> {
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Shortens hostile text for a message.
fn clip(text: &str) -> String {
    text.chars().take(300).collect()
}

const EXTENSIONS: [&str; 6] = [".zip", ".deb", ".rpm", ".msi", "-deb.zip", "-rpm.zip"];

#[cfg(test)]
mod tests {
    use super::*;

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
