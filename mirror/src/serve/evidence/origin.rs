//! What may be public of where a package came from.
//!
//! `fetch.json` names the address a package was fetched from, where redirects led to, a proxy, or a path on a machine. Of
//! the vendor's own host everybody may know; of another host, of a medium and of a proxy nothing is said but that it
//! was so. User names, passwords and queries of addresses are never shown.

use std::io::{BufReader, Read};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::fetch::FetchRecord;
use crate::plan::DEFAULT_BASE;

/// Where a package came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Origin {
    /// From whom.
    pub(crate) from: OriginKind,
    /// The address without query, if it is the vendor's.
    pub(crate) url: Option<String>,
    /// When the last byte arrived.
    pub(crate) fetched_at: Timestamp,
    /// Whether it came over plain http, so that nothing but its own signature vouches for it.
    pub(crate) plain_http: bool,
    /// What the vendor's server said of it: the entity tag.
    pub(crate) etag: Option<String>,
    /// What the vendor's server said of it: the time of the last change.
    pub(crate) last_modified: Option<String>,
}

/// From whom a package came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OriginKind {
    /// The vendor's own host.
    Vendor,
    /// Another server.
    OtherServer,
    /// A file that somebody brought.
    ByHand,
}

impl OriginKind {
    /// The words that people read.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "the vendor’s server",
            Self::OtherServer => "another server than the vendor’s",
            Self::ByHand => "a file that was brought by hand",
        }
    }
}

/// Reads it from an open `fetch.json`; none if that is not understood.
pub(super) fn read(file: impl Read) -> Option<Origin> {
    serde_json::from_reader(BufReader::new(file.take(LONGEST))).ok().map(|record| public(&record))
}

fn public(record: &FetchRecord) -> Origin {
    let url = Url::parse(&record.source).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let from = match &url {
        None => OriginKind::ByHand,
        Some(url) if is_vendor(url) => OriginKind::Vendor,
        Some(_) => OriginKind::OtherServer,
    };
    let header = |name: &str| {
        let found = record.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone()).filter(|_| from == OriginKind::Vendor)
    };
    Origin {
        from,
        url: url.filter(|_| from == OriginKind::Vendor).and_then(plain),
        fetched_at: record.fetched_at,
        plain_http: record.plain_http,
        etag: header("etag"),
        last_modified: header("last-modified"),
    }
}

fn is_vendor(url: &Url) -> bool {
    let vendor = Url::parse(DEFAULT_BASE).ok();
    let is_usual_port = matches!(url.port_or_known_default(), Some(80 | 443));
    vendor.is_some_and(|vendor| vendor.host() == url.host()) && is_usual_port
}

/// The address without anything that might be secret.
fn plain(mut url: Url) -> Option<String> {
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

/// Ours have some 2 KB.
const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(source: &str) -> Origin {
        public(&FetchRecord {
            source: source.to_owned(),
            fetched_at: Timestamp::UNIX_EPOCH,
            headers: vec![
                ("etag".to_owned(), "\"x\"".to_owned()),
                ("server".to_owned(), "internal.example".to_owned()),
            ],
            plain_http: false,
            redirected_to: Some("https://bucket.internal/secret?token=1".to_owned()),
            proxy: Some("http://proxy.internal:3128".to_owned()),
        })
    }

    #[test]
    fn only_the_address_of_the_vendor_is_told_and_without_secrets() {
        let vendor = origin("https://joe:secret@install.service-now.com/glide/a.zip?token=1#x");
        assert_eq!(vendor.url.as_deref(), Some("https://install.service-now.com/glide/a.zip"));
        assert_eq!((vendor.from, vendor.etag.as_deref()), (OriginKind::Vendor, Some("\"x\"")));
        for (source, from) in [
            ("https://mirror.internal/glide/a.zip", OriginKind::OtherServer),
            ("https://install.service-now.com.evil.example/a.zip", OriginKind::OtherServer),
            ("https://install.service-now.com:8443/a.zip", OriginKind::OtherServer),
            ("file:/home/joe/secret/a.zip", OriginKind::ByHand),
            ("/media/usb/a.zip", OriginKind::ByHand),
        ] {
            let origin = origin(source);
            assert_eq!(origin.from, from, "{source}");
            let shown = serde_json::to_string(&origin).unwrap();
            for secret in ["internal", "evil", "joe", "secret", "usb", "token", "8443"] {
                assert!(!shown.contains(secret), "{source}: {shown}");
            }
        }
        assert!(!serde_json::to_string(&vendor).unwrap().contains("internal"));
    }
}
