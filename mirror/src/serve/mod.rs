//! Serving the store over HTTPS under the vendor's own paths.
//!
//! [`Server::start`] listens; a request goes through `site` (what is asked for), `conditions` (which part of it),
//! `blob_check` (is the stored file still what the catalog says) and `body` (sending it in constant memory).

mod authority;
mod blob_check;
mod body;
mod certificate;
mod clients;
mod conditions;
mod config;
mod error;
mod page;
mod peer;
mod plain_on_tls;
mod quiet;
mod representation;
mod response;
mod revocation;
mod server;
mod site;
mod small_files;
mod tls;
mod view;

pub use authority::{
    CertificateLifetimes, RenewedServer, ServerNames, TlsSet, init_tls, init_tls_for, names_of, renew_server,
    revoke, revoked_in, signing_request,
};
pub use clients::{CertificateNeed, ClientCertificates};
pub use config::{ServeConfig, ServeLimits, Sockets, TlsMaterial, TlsSettings};
pub use error::ServeError;
pub use revocation::RevokedCertificate;
pub use server::{RunningServer, Server, ServerControl};
pub use view::{LoadCatalog, LoadError, LoadedCatalog, ServedStore};
