//! What can go wrong while fetching, in classes that tell an operator what to do next.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use url::Url;

use super::causes::{find_cause, tls_problem};
use super::proxy_error::{ProxyError, ProxyProblem};
use crate::Sha256Digest;
use crate::store::durable::DurableError;

/// The cause of a network error; the concrete types belong to libraries that are not part of our interface.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// A fetch failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The host did not answer: no address, no connection, silence, or a cut.
    #[error("{url} cannot be reached")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        source: Cause,
    },
    /// The host answered, but its certificate or its TLS version was not accepted.
    #[error("no trusted TLS connection to {url}: {problem}")]
    Tls {
        /// What was asked for.
        url: String,
        /// What is wrong and what to do about it.
        problem: TlsProblem,
        /// The TLS library's own error.
        source: Cause,
    },
    /// The proxy in front of the host did not do its part.
    #[error("{url} cannot be reached through the proxy {proxy}: {problem}")]
    Proxy {
        /// What was asked for.
        url: String,
        /// Scheme, host and port of the proxy.
        proxy: String,
        /// What is wrong and what to do about it.
        problem: ProxyProblem,
        /// The error below, with its own causes.
        source: Cause,
    },
    /// The network was not to be used.
    #[error("{url} was not asked: {switch} forbids it")]
    Offline {
        /// What would have been asked for.
        url: String,
        /// What forbids it.
        switch: String,
    },
    /// The host answered with a status that is neither success nor "not found".
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status code.
        status: u16,
    },
    /// The host does not have it (404 or 410).
    #[error("{url} does not exist (status {status})")]
    NotFound {
        /// What was asked for.
        url: String,
        /// The HTTP status code.
        status: u16,
    },
    /// The answer breaks a rule of HTTP or of this client.
    #[error("the answer of {url} cannot be used: {problem}")]
    Response {
        /// What was asked for.
        url: String,
        /// The rule that was broken.
        problem: ResponseProblem,
    },
    /// Fewer bytes arrived than the host had announced.
    #[error("{url} ended after {received} of {expected} bytes")]
    Short {
        /// What was asked for.
        url: String,
        /// The announced length.
        expected: u64,
        /// Bytes that are on disk.
        received: u64,
    },
    /// The file has another length than the catalog or the plan says.
    #[error("{url} is {received} bytes long, {expected} were expected")]
    WrongLength {
        /// What was asked for.
        url: String,
        /// The expected length.
        expected: u64,
        /// The length that the host announced or delivered.
        received: u64,
    },
    /// The file is larger than the limit.
    #[error("{url} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The disk has no room for the file.
    #[error("no room in {path}: {needed} bytes must be free, {available} are")]
    NoSpace {
        /// The folder that the file was to go to.
        path: PathBuf,
        /// Bytes still to be written and those that stay free.
        needed: u64,
        /// Bytes available to this process.
        available: u64,
    },
    /// The bytes are not the expected ones.
    #[error("{origin} has the digest {found}, {expected} was expected")]
    WrongDigest {
        /// URL or path of the bytes.
        origin: String,
        /// The expected digest.
        expected: Sha256Digest,
        /// The digest of what was received.
        found: Sha256Digest,
    },
    /// The URL, or the target of a redirect, is one that this client does not ask.
    #[error("{url} was not asked: {refusal}")]
    Refused {
        /// The URL that was not asked.
        url: String,
        /// The rule that forbids it.
        refusal: Refusal,
    },
    /// The host sends, but so little that the download would never end.
    #[error("{url} sends {found} bytes a second, which is less than the {minimum} of minimum_rate")]
    TooSlow {
        /// What was asked for.
        url: String,
        /// The average that was found.
        found: u64,
        /// The least that is put up with.
        minimum: u64,
    },
    /// The time limit for the whole download is over.
    #[error("{url} was not complete after {seconds} seconds")]
    TotalTime {
        /// What was asked for.
        url: String,
        /// The limit.
        seconds: u64,
    },
    /// Another process, or another task of this one, is working on the same folder.
    #[error("{path} is in use by another fetch")]
    Busy {
        /// The folder in quarantine.
        path: PathBuf,
    },
    /// A setting of the client cannot be used.
    #[error("{setting} cannot be used: {problem}")]
    Configuration {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be put safely into quarantine.
    #[error("failed to change the quarantine")]
    Write {
        /// What failed.
        #[from]
        source: DurableError,
    },
    /// A file could not be read or written.
    #[error("failed to {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Why a TLS connection was refused, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The certificate is for other names.
    #[error(
        "its certificate is not valid for the name {name:?}; use the name in the certificate or have a new one issued"
    )]
    NameMismatch {
        /// The name that was asked for.
        name: String,
    },
    /// No trusted authority issued the certificate.
    #[error(
        "its certificate comes from an unknown authority; behind a TLS-inspecting proxy or with a private CA, name that CA's PEM file in the configuration"
    )]
    UnknownIssuer,
    /// The certificate has expired.
    #[error("its certificate has expired; check the clock of this machine, else have it renewed")]
    Expired,
    /// The certificate is not valid yet.
    #[error("its certificate is not valid yet; check the clock of this machine")]
    NotValidYet,
    /// The certificate has been revoked.
    #[error("its certificate has been revoked")]
    Revoked,
    /// Anything else that the handshake failed on.
    #[error("the handshake failed; TLS 1.2 or 1.3 is needed on both sides")]
    Handshake,
}

/// The rule of HTTP or of this client that an answer breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// The bytes were to be sent in a transformed way although that was not asked for.
    #[error("it has the content encoding {encoding:?}, although the plain bytes were asked for")]
    ContentEncoding {
        /// The value of the header.
        encoding: String,
    },
    /// A part was sent although the whole was asked for, or it is another part.
    #[error("it is a partial answer (206) that does not fit the request")]
    UnexpectedPartial,
    /// Nothing says where the body ends, so a cut could not be noticed.
    #[error("nothing says how long it is, so a cut could not be noticed")]
    UnknownLength,
    /// Not HTTP/1, or more header than is taken.
    #[error("it is not a proper HTTP/1.1 answer")]
    NotHttp,
    /// A web page in place of a package: a login page of a network or proxy, most often.
    #[error("it is a web page and no package; perhaps a login page of this network or of a proxy")]
    WebPage,
    /// A redirect without a usable target.
    #[error("it is a redirect without a usable Location")]
    Location,
    /// More redirects than are followed.
    #[error("it redirected more than {limit} times")]
    TooManyRedirects {
        /// The limit.
        limit: u8,
    },
}

/// Why a URL was not asked at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not `https`, and the host is not one for which the configuration allows `http`.
    #[error("only https is allowed for this host (plain http needs an entry in the configuration)")]
    PlainHttp,
    /// A redirect led from https to http.
    #[error("a redirect from https to http is never followed")]
    Downgrade,
    /// A redirect led to a host that is not in the list.
    #[error("a redirect to this host is not allowed by the configuration")]
    Host,
    /// The URL contains a user name or a password.
    #[error("a URL with a user name or password is not accepted")]
    Credentials,
    /// The scheme is neither https nor http, or there is no host.
    #[error("it is not an http or https URL with a host")]
    Scheme,
}

impl FetchError {
    /// Whether the upstream is out of reach or out of order for now, as opposed to having given a wrong answer.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::TooSlow { .. }
            | Self::TotalTime { .. }
            | Self::Short { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            _ => false,
        }
    }

    /// Whether the same request may succeed a little later without anybody doing anything.
    ///
    /// Tried again: no connection, silence, a drip, a cut body, garbled HTTP, 408, 429, 500, 502, 503, 504, and what a proxy
    /// may get over. Not tried again: every other status, certificates and TLS, redirects that are not followed,
    /// encodings, lengths, digests, limits, and all that is wrong on this machine.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Short { .. } | Self::TooSlow { .. } => true,
            Self::Proxy { problem, .. } => problem.is_transient(),
            Self::Response { problem: ResponseProblem::NotHttp, .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Makes an [`FetchError::Io`]; a full disk becomes [`FetchError::NoSpace`] where the folder is known.
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            let path = path.parent().map_or_else(|| path.clone(), PathBuf::from);
            return Self::NoSpace { path, needed: 1, available: 0 };
        }
        Self::Io { operation, path, source }
    }

    /// Sorts an error of the HTTP library into the classes above.
    pub(crate) fn network(url: &Url, source: impl Into<Cause>) -> Self {
        let source = source.into();
        // TLS with the proxy itself is the proxy's problem.
        if let Some(error) = find_cause::<ProxyError>(source.as_ref()) {
            let (proxy, problem) = (error.proxy.clone(), error.problem.clone());
            return Self::Proxy { url: url.to_string(), proxy, problem, source };
        }
        if let Some(problem) = tls_problem(url, source.as_ref()) {
            return Self::Tls { url: url.to_string(), problem, source };
        }
        if find_cause::<hyper::Error>(source.as_ref()).is_some_and(hyper::Error::is_parse) {
            return Self::Response { url: url.to_string(), problem: ResponseProblem::NotHttp };
        }
        Self::Unreachable { url: url.to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_error_is_found_below_two_io_errors() {
        let url = Url::parse("https://mirror.example/").unwrap();
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let error = FetchError::network(&url, wrapped);
        assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::UnknownIssuer, .. }), "{error:?}");
        assert!(!error.is_transient() && error.is_unreachable());

        let error = FetchError::network(&url, io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(matches!(error, FetchError::Unreachable { .. }));
    }

    #[test]
    fn full_disk_is_a_class_of_its_own() {
        let error = FetchError::io("write", "/q/a/package.part", io::ErrorKind::StorageFull.into());
        assert!(matches!(&error, FetchError::NoSpace { path, .. } if path.ends_with("a")), "{error:?}");
    }
}
