//! What can keep the server from starting.

use std::net::SocketAddr;

use thiserror::Error;

use crate::hosts::RecordError;

/// The server could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Not something a certificate can be made for.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    HostName {
        /// What was given.
        name: String,
    },
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// Certificate or key are not PEM, or there is none in the text.
    #[error("failed to read the server's {what}")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key cannot be used together.
    #[error("the server's certificate and key cannot be used")]
    Tls {
        /// The TLS library's error.
        source: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("failed to make the {what}")]
    Certificate {
        /// Which one.
        what: &'static str,
        /// The library's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key is that of another authority than the certificate.
    #[error("the key does not belong to the authority's certificate")]
    OtherAuthority,
    /// The authority's certificate has ended.
    #[error("the authority has ended ({ended}); hosts need a new one")]
    AuthorityEnded {
        /// When.
        ended: jiff::Timestamp,
    },
    /// The authority's name constraints do not allow a certificate for this name.
    #[error("the authority cannot vouch for {name}: it is bound to the names it was made for")]
    NotVouched {
        /// The name.
        name: String,
        /// What a client would say.
        source: rustls::Error,
    },
    /// A certificate is PEM, but its content cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A revocation list cannot be read.
    #[error("the revocation list cannot be read")]
    RevocationList {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The authorities for client certificates cannot be used.
    #[error("the authorities for client certificates cannot be used")]
    ClientAuthorities {
        /// The TLS library's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The prefix is none.
    #[error("the prefix {text:?} is not /WORD or /WORD/WORD…, with letters, digits and -._~ only")]
    Prefix {
        /// What was given.
        text: String,
    },
    /// The access log cannot be written.
    #[error("failed to open the access log {}", path.display())]
    AccessLog {
        /// The file.
        path: std::path::PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// What hosts download cannot be recorded.
    #[error("the records of downloads cannot be written")]
    Records {
        /// Why.
        #[from]
        source: RecordError,
    },
    /// There is a catalog, but it cannot be used.
    #[error("failed to load the catalog")]
    Catalog {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
