//! Why a text is not a package name, a vendor path or a package URL.

use thiserror::Error;

use super::path::PackagePath;

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
    /// Not a URL at all.
    #[error("{text:?} is not a URL")]
    UrlSyntax {
        /// What was given.
        text: String,
        /// What the URL parser says.
        source: url::ParseError,
    },
    /// A URL, but not of a package.
    #[error("{text:?} is not a package URL of the form http(s)://HOST/…/{}…", PackagePath::PREFIX)]
    Url {
        /// What was given.
        text: String,
    },
    /// The URL holds a user name or a password. It is not repeated here.
    #[error("the package URL holds a user name or a password, which would end up in logs and evidence")]
    Credentials,
}

/// Shortens hostile text for a message.
pub(super) fn clip(text: &str) -> String {
    text.chars().take(300).collect()
}
