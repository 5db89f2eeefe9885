//! Looking for the cause of an error among the causes of causes.

use std::error::Error as StdError;
use std::io;

use url::Url;

use super::error::TlsProblem;

/// An error and its causes in one line, for logs.
pub(crate) fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(cause) = next else { break };
        let line = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        next = cause.source();
    }
    text
}

/// Looks through the causes for an error of the TLS library that a retry cannot help.
pub(crate) fn tls_problem(url: &Url, error: &(dyn StdError + 'static)) -> Option<TlsProblem> {
    use rustls::{CertificateError as Certificate, Error as Tls};

    let name = || TlsProblem::NameMismatch { name: url.host_str().unwrap_or_default().to_owned() };
    let problem = match find_cause::<rustls::Error>(error)? {
        Tls::InvalidCertificate(certificate) => match certificate {
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => name(),
            // A bad signature is what an authority of the same name but with another key looks like.
            Certificate::UnknownIssuer | Certificate::BadSignature => TlsProblem::UnknownIssuer,
            Certificate::Expired | Certificate::ExpiredContext { .. } => TlsProblem::Expired,
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => TlsProblem::NotValidYet,
            Certificate::Revoked => TlsProblem::Revoked,
            _ => TlsProblem::Handshake,
        },
        _ => TlsProblem::Handshake,
    };
    Some(problem)
}

/// An [`io::Error`] hides the error that it wraps from `source()`, so it has to be asked separately.
pub(crate) fn find_cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next: Option<&'a (dyn StdError + 'static)> = Some(error);
    for _ in 0..MAX_CAUSES {
        let error = next?;
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Depth at which the search for a cause ends; real chains have four or five links.
const MAX_CAUSES: usize = 32;
