//! What is known of a published thing before its first byte: validators, digest, type, length.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::conditions::Selected;
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;

/// The headers of a representation (RFC 9110, section 8) and the values that conditions are compared with.
#[derive(Debug, Clone)]
pub(crate) struct Representation {
    etag: String,
    last_modified: Option<SystemTime>,
    length: u64,
    headers: HeaderMap,
}

impl Representation {
    /// Something whose digest is known.
    pub(crate) fn new(
        sha256: &Sha256Digest,
        length: u64,
        content_type: &'static str,
        cache: &'static str,
    ) -> Self {
        let mut this = Self::file(&format!("sha256-{sha256}"), length, content_type, cache);
        // RFC 9530; of the whole, also in a 206
        insert(&mut this.headers, REPR_DIGEST, &format!("sha-256=:{}:", STANDARD.encode(sha256.as_bytes())));
        this
    }

    /// Something that has a tag of its own.
    pub(crate) fn file(tag: &str, length: u64, content_type: &'static str, cache: &'static str) -> Self {
        let etag = format!("\"{tag}\"");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        insert(&mut headers, ETAG, &etag);
        Self { etag, last_modified: None, length, headers }
    }

    /// A document in memory.
    pub(crate) fn document(bytes: &Bytes, content_type: &'static str, cache: &'static str) -> Self {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self::new(&Sha256Digest::of(bytes), length, content_type, cache)
    }

    pub(crate) fn selected(&self) -> Selected<'_> {
        Selected { etag: &self.etag, last_modified: self.last_modified, length: self.length }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

/// A package in the catalog with its headers, which are made once.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) entry: CatalogEntry,
    pub(crate) representation: Representation,
}

impl Package {
    pub(crate) fn new(entry: CatalogEntry) -> Self {
        let name = entry.path.name();
        let content_type = content_type(name.extension());
        // The name may get new bytes one day, so caches have to ask; that is cheap with an entity tag.
        let mut representation =
            Representation::new(&entry.sha256, entry.length, content_type, "no-cache, no-transform");
        let seconds = u64::try_from(entry.admitted_at.as_second()).unwrap_or_default();
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        representation.last_modified = Some(modified);
        insert(&mut representation.headers, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
        Self { entry, representation }
    }
}

fn content_type(extension: &str) -> &'static str {
    match extension {
        ".deb" => "application/vnd.debian.binary-package",
        ".rpm" => "application/x-rpm",
        ".msi" => "application/x-msi",
        _ => "application/zip",
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
