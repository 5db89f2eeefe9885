//! Splitting a package URL into the base of the server and the vendor path.
//!
//! The URL is typed by a person, or read from an agent's log, where anybody who can write a log line chooses it.
//!
//! | attack | defence |
//! | --- | --- |
//! | another scheme (`file:`, `jar:`) | only http and https |
//! | credentials in the URL end up in evidence and logs | refused |
//! | query or fragment changes what is fetched under the same path | refused |
//! | `..`, `%2e%2e`, backslashes in the vendor path | the URL must end with exactly the path that was parsed |

use url::Url;

use super::error::{PackagePathError, clip};
use super::path::PackagePath;

/// Splits the URL of a package into the base URL (with a trailing slash) and the vendor path below it.
///
/// Blanks around the text and Markdown's `\_` are undone, nothing else.
pub fn split_url(text: &str) -> Result<(Url, PackagePath), PackagePathError> {
    let text = text.trim().replace("\\_", "_");
    let malformed = || PackagePathError::Url { text: clip(&text) };
    if text.len() > MAX_URL_LENGTH {
        return Err(malformed());
    }
    let mut url =
        Url::parse(&text).map_err(|source| PackagePathError::UrlSyntax { text: clip(&text), source })?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(malformed());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(PackagePathError::Credentials);
    }
    let start = url.path().rfind(PackagePath::PREFIX).ok_or_else(malformed)?;
    let (base, below) = url.path().split_at_checked(start).ok_or_else(malformed)?;
    let path = PackagePath::parse(below)?;
    if !base.ends_with('/') || !text.ends_with(&format!("/{path}")) {
        return Err(malformed());
    }
    let base = base.to_owned();
    url.set_path(&base);
    Ok((url, path))
}

/// The longest real package URL has fewer than 250 bytes.
const MAX_URL_LENGTH: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "glide/distribution/builds/package/app-signed/mid-core/2024/01/25/mid-core.washingtondc-12-20-2023__patch0-01-17-2024_01-25-2024_1625.universal.universal.zip";

    #[test]
    fn url_is_split_into_base_and_vendor_path() {
        for base in ["https://install.service-now.com/", "http://mirror.example:8080/a/b/"] {
            let (found, path) = split_url(&format!("{base}{PATH}")).unwrap();
            assert_eq!((found.as_str(), path.as_str()), (base, PATH));
        }
        let pasted = format!(" https://h.example/{}\n", PATH.replace('_', "\\_"));
        assert_eq!(split_url(&pasted).unwrap().1.as_str(), PATH);
    }

    #[test]
    fn other_urls_are_refused() {
        for bad in [
            format!("file:///{PATH}"),
            format!("ftp://h.example/{PATH}"),
            format!("https://h.example/{PATH}?x=1"),
            format!("https://h.example/{PATH}#x"),
            format!("https://h.example/x{PATH}"),
            format!("https://h.example/{}", PATH.replace("/2024/", "/2024/x/../")),
            format!("https://h.example/{}", PATH.replace("glide", "%67lide")),
            format!("https://h.example/{}", PATH.replace('/', "\\")),
            "https://h.example/".to_owned(),
            PATH.to_owned(),
            String::new(),
        ] {
            assert!(split_url(&bad).is_err(), "{bad}");
        }
        assert_eq!(
            split_url(&format!("https://user:secret@h.example/{PATH}")),
            Err(PackagePathError::Credentials)
        );
    }
}
