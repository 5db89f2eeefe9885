//! `--instance` and `--stats`: the build that an instance assigns, from its page `stats.do`.

use std::path::Path;

use anyhow::{Context as _, bail};
use midmirror_mirror::fetch::BasicCredentials;
use midmirror_mirror::package::Buildstamp;
use midmirror_mirror::plan::{MAX_PAGE_BYTES, StatsPage};
use url::Url;

use super::inputs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Reads a saved page.
pub(super) fn from_file(file: &Path) -> anyhow::Result<Buildstamp> {
    let page = inputs::read(file, "page", limit())?;
    stamp_of(&page, &file.display().to_string())
}

/// Asks an instance, through the proxy and with the authorities of `[upstream]`.
pub(super) fn ask(
    context: &Context,
    instance: &str,
    credentials: Option<&Path>,
) -> anyhow::Result<Buildstamp> {
    let url = page_url(instance)?;
    let credentials = credentials.map(read_credentials).transpose()?;
    let client = context.client()?;
    let page = context.block_on(async {
        Ok(match &credentials {
            Some(credentials) => client.get_small_as(&url, credentials, limit()).await?,
            None => client.get_small(&url, limit()).await?,
        })
    })?;
    let Some(page) = page else {
        return Err(coded(
            Exit::Unreachable,
            format!("{url} does not exist"),
            "is it the address of an instance; or save the page in a browser and give it with --stats FILE",
        ));
    };
    stamp_of(&String::from_utf8_lossy(&page), url.as_str())
}

fn stamp_of(page: &str, name: &str) -> anyhow::Result<Buildstamp> {
    let page = StatsPage::parse(page).map_err(|error| {
        coded(
            Exit::Usage,
            format!("{name} names no build: {error}"),
            "an instance may show stats.do to users only: --instance-credentials FILE; or save the page in a browser \
             and give it with --stats FILE",
        )
    })?;
    if let Some(own) = page.differs() {
        output::note(format!(
            "warning: {name}: the instance is of build {}, but assigns {} to its MID Servers",
            printable(own.as_str()),
            page.stamp()
        ));
    }
    output::note(format!("{name}: {}", page.stamp()));
    Ok(page.stamp().clone())
}

/// The address of the page; of the path nothing but `/` and `/stats.do` is taken.
fn page_url(instance: &str) -> anyhow::Result<Url> {
    let wrong = |problem: &str| {
        coded(
            Exit::Usage,
            format!("the address of the instance {problem}"),
            "for instance https://example.service-now.com; user and password go into a file (--instance-credentials)",
        )
    };
    let mut url = Url::parse(instance.trim()).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or password"));
    }
    if !matches!(url.scheme(), "https" | "http") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("is not https://HOST"));
    }
    if !matches!(url.path(), "/" | "/stats.do") {
        return Err(wrong(&format!("has the path {:?}", url.path())));
    }
    url.set_path("/stats.do");
    Ok(url)
}

/// Reads `user:password` from a file that nobody else may read.
fn read_credentials(file: &Path) -> anyhow::Result<BasicCredentials> {
    let name = || format!("the credentials file {}", file.display());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(file).with_context(|| format!("failed to read {}", name()))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            bail!(coded(
                Exit::Usage,
                format!("{} may be read or written by others", name()),
                "chmod 600 FILE; the user that runs midmirror must own it",
            ));
        }
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", name()))?;
    BasicCredentials::parse(&text).map_err(|error| {
        coded(Exit::Usage, format!("{} cannot be used: {error}", name()), "one line: user:password")
    })
}

fn limit() -> u64 {
    u64::try_from(MAX_PAGE_BYTES).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_found_and_nothing_else_is_asked() {
        for text in ["https://x.service-now.com", " https://x.service-now.com/stats.do\n"] {
            assert_eq!(page_url(text).unwrap().as_str(), "https://x.service-now.com/stats.do");
        }
        for text in [
            "x.service-now.com",
            "file:///etc/passwd",
            "https://x.service-now.com/nav_to.do",
            "https://x.service-now.com/?a=b",
            "https://anna:secret@x.service-now.com",
        ] {
            let error = format!("{:#}", page_url(text).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn credentials_that_others_may_read_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        std::fs::write(&file, "anna:secret\n").unwrap();
        for (mode, good) in [(0o644, false), (0o640, false), (0o602, false), (0o600, true), (0o400, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_credentials(&file).is_ok(), good, "{mode:o}");
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, "secret\n").unwrap();
        let error = format!("{:#}", read_credentials(&file).unwrap_err());
        assert!(error.contains("user:password") && !error.contains("secret"), "{error}");
    }
}
