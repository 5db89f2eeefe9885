//! What can go wrong at a proxy, with the way out.

use std::error::Error as StdError;
use std::fmt;

use thiserror::Error;

use super::error::Cause;
use super::proxy::Proxy;

/// A connection through a proxy did not come about. Becomes [`super::FetchError::Proxy`].
#[derive(Debug)]
pub(crate) struct ProxyError {
    pub(crate) proxy: String,
    pub(crate) problem: ProxyProblem,
    source: Option<Cause>,
}

impl ProxyError {
    pub(crate) fn new(proxy: &Proxy, problem: ProxyProblem, source: Option<Cause>) -> Self {
        Self { proxy: proxy.to_string(), problem, source }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} did not connect us", self.proxy)
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        }
    }
}

/// Why a proxy is of no use, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// No address, or no connection.
    #[error("it cannot be reached; check its address, and whether a proxy is wanted at all")]
    Unreachable,
    /// It is asked over TLS, and its certificate is not good.
    #[error("its own TLS certificate is not accepted; name its authority's PEM file in the configuration")]
    Untrusted,
    /// It demands credentials (407) and has been given none.
    #[error(
        "it demands a user name and password (407); give them in a credentials file or in the proxy's URL"
    )]
    CredentialsNeeded,
    /// It does not accept the credentials (407, or the SOCKS counterpart).
    #[error("it does not accept the user name and password that it was given; correct them")]
    CredentialsRefused,
    /// It knows only ways to authenticate that we do not speak.
    #[error(
        "it accepts only the authentication {offered}, and only Basic is spoken here; let it accept Basic, or put a local helper such as cntlm between"
    )]
    OtherAuthentication {
        /// The schemes it offers.
        offered: String,
    },
    /// It does not connect anybody to this destination.
    #[error("it refuses to connect to {target} (status {status}); have that host and port allowed there")]
    Forbidden {
        /// Host and port.
        target: String,
        /// Its HTTP status.
        status: u16,
    },
    /// It tried and failed.
    #[error("it could not reach {target} (status {status}); look at the proxy's own log")]
    CannotReach {
        /// Host and port.
        target: String,
        /// Its HTTP status.
        status: u16,
    },
    /// It closed the connection without an answer.
    #[error(
        "it closed the connection without an answer; perhaps it expects another protocol (http, https, socks5h)"
    )]
    Closed,
    /// Nothing came of it in time.
    #[error("no connection came about through it within {seconds} s")]
    Silent {
        /// The limit.
        seconds: u64,
    },
    /// What it sent is not HTTP.
    #[error("its answer is not HTTP; perhaps it expects another protocol (http, https, socks5h)")]
    NotHttp,
    /// The SOCKS proxy did not connect us.
    #[error("{answer}; have the destination allowed there, or look at the proxy's own log")]
    Socks {
        /// What it said.
        answer: String,
    },
}

impl ProxyProblem {
    /// Whether it may pass by itself.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable | Self::CannotReach { .. } | Self::Closed | Self::Silent { .. } => true,
            Self::Forbidden { status, .. } => matches!(status, 408 | 429 | 500),
            Self::Socks { answer } => !answer.contains("not allowed"),
            _ => false,
        }
    }

    /// Sorts the text of the SOCKS library's error, whose type is not public.
    pub(crate) fn of_socks(text: &str, has_credentials: bool) -> Self {
        if text.contains("failed to create underlying connection") {
            Self::Unreachable
        } else if text.contains("credentials not accepted") {
            Self::CredentialsRefused
        } else if text.contains("io error") {
            Self::Closed
        } else if text.contains("authentication") {
            // Which methods the proxy would take is not told.
            if has_credentials { Self::CredentialsRefused } else { Self::CredentialsNeeded }
        } else {
            Self::Socks { answer: text.to_owned() }
        }
    }
}
