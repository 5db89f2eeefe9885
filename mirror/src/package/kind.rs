//! Kinds and platforms: the fixed words of a package name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{PackagePathError, clip};

/// The kind of a package: the first word of its file name and the name of its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
