//! Fetching: from a planned package to bytes in quarantine.
//!
//! [`HttpClient`] speaks HTTPS under our rules, [`HttpClient::download`] brings one file, [`fetch`] and
//! [`import_file`] put a package into the quarantine folder.

mod answer;
mod basic;
mod causes;
mod client;
mod config;
mod connect;
mod dial;
mod download;
mod error;
mod limits;
mod look;
mod no_proxy;
mod pace;
mod part_file;
mod place;
mod proxy;
mod proxy_error;
mod quarantine;
mod retry;
mod segments;
mod set_aside;
mod transfer;
mod url_source;
mod validator;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Sha256Digest;
use crate::package::PackagePath;

pub use basic::{BasicCredentials, CredentialsError};
pub(crate) use causes::with_causes;
pub use client::HttpClient;
pub use config::{ClientConfig, ClientIdentity, RetryPolicy, Roots};
pub use download::{Downloaded, Expectation, FetchEvent, Progress, ProgressFn};
pub use error::{Cause, FetchError, Refusal, ResponseProblem, TlsProblem};
pub(crate) use look::{Look, Seen};
pub use no_proxy::{NoProxy, NoProxyError};
pub(crate) use part_file::{available_space, missing_space};
pub use proxy::{Proxies, Proxy, ProxyTextError};
pub use proxy_error::ProxyProblem;
pub use quarantine::{FetchOptions, fetch, import_file};
pub use retry::{Waiting, WaitingFn};
pub(crate) use set_aside::set_aside;
pub use url_source::UrlSource;

/// Where bytes came from; stored as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRecord {
    /// The URL, or `file:` and a path for a package brought by hand.
    pub source: String,
    /// When the last byte arrived.
    pub fetched_at: jiff::Timestamp,
    /// Response headers worth keeping (ETag, Last-Modified, Server, Date), by lower-case name.
    pub headers: Vec<(String, String)>,
    /// Whether it came over plain http, so that nothing but its own signature vouches for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    /// Where redirects led to, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_to: Option<String>,
    /// Scheme, host and port of the proxy that it came through; never its credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl FetchRecord {
    /// The record of a file that somebody brought, or that was in place already.
    pub(crate) fn by_hand(source: String, at: jiff::Timestamp) -> Self {
        let (headers, redirected_to, proxy) = (Vec::new(), None, None);
        Self { source, fetched_at: at, headers, plain_http: false, redirected_to, proxy }
    }
}

/// Complete but unverified bytes in the quarantine folder.
#[derive(Debug)]
pub struct QuarantinedPackage {
    path: PackagePath,
    file: PathBuf,
    sha256: Sha256Digest,
    length: u64,
    record: FetchRecord,
}

impl QuarantinedPackage {
    /// Only fetching and importing by hand make one; the digest was computed while the bytes were written.
    pub(crate) fn new(
        path: PackagePath,
        file: PathBuf,
        sha256: Sha256Digest,
        length: u64,
        record: FetchRecord,
    ) -> Self {
        Self { path, file, sha256, length, record }
    }

    /// The vendor path.
    pub fn path(&self) -> &PackagePath {
        &self.path
    }

    /// The file in quarantine.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Digest of the bytes, computed while they were written.
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where the bytes came from.
    pub fn record(&self) -> &FetchRecord {
        &self.record
    }

    /// Throws the bytes away, because they are known already.
    pub(crate) fn discard(self) -> Result<(), FetchError> {
        let Some(folder) = self.file.parent() else { return Ok(()) };
        std::fs::remove_dir_all(folder).map_err(|source| FetchError::io("remove", folder, source))
    }
}
