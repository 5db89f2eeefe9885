//! Package file names: `KIND.STAMP.PLATFORM.zip` (KB0565184).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::buildstamp::Buildstamp;
use super::error::{PackagePathError, clip};
use super::kind::{PackageKind, Platform};

/// A package file name, for instance `mid-core.{STAMP}.universal.universal.zip`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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

pub(super) const EXTENSIONS: [&str; 6] = [".zip", ".deb", ".rpm", ".msi", "-deb.zip", "-rpm.zip"];
