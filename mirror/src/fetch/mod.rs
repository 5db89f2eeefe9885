//! Fetching: from a planned package to bytes in quarantine.
//!
//! [`HttpClient`] speaks HTTPS under our rules, [`HttpClient::download`] brings one file, [`fetch`] and
//! [`import_file`] put a package into the quarantine folder.

mod answer;
mod client;
mod config;
mod connect;
mod download;
mod error;
mod part_file;
mod quarantine;
mod retry;
mod set_aside;
mod url_source;
mod validator;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Sha256Digest;
use crate::package::PackagePath;

pub use client::HttpClient;
pub use config::{ClientConfig, Proxy, RetryPolicy, Roots};
pub use download::{Downloaded, Expectation, Progress, ProgressFn};
pub use error::{Cause, FetchError, Refusal, ResponseProblem, TlsProblem};
pub use quarantine::{FetchOptions, fetch, import_file};
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
}
