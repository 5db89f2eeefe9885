//! Serving the store over HTTPS under the vendor's own paths.
//!
//! [`Server::start`] listens; a request goes through `site` (what is asked for), `conditions` (which part of it),
//! `blob_check` (is the stored file still what the catalog says) and `body` (sending it in constant memory).

mod access_log;
mod addresses;
mod api;
mod authority;
mod blob_check;
mod body;
mod builds;
mod certificate;
mod client_crls;
mod clients;
mod conditions;
mod config;
mod connection;
mod control;
mod desk;
mod error;
mod evidence;
mod exchange;
mod filter;
mod framing;
mod front;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod health;
mod latest;
mod log_state;
mod metrics;
mod on_demand;
mod page;
mod parameter_error;
mod peer;
mod pieces;
mod prefix;
mod quiet;
mod representation;
mod response;
mod revocation;
mod scrub;
mod server;
mod site;
mod small_files;
mod sockets;
mod stalled;
mod tls;
mod view;
mod watched;

pub use access_log::{AccessLogConfig, AccessLogFormat};
pub use authority::{
    CertificateLifetimes, RenewedServer, ServerNames, TlsSet, init_tls, init_tls_for, names_of, renew_server,
    revoke, revoked_in, signing_request,
};
pub use clients::{CertificateNeed, ClientCertificates};
pub use config::{ServeConfig, ServeLimits, TlsMaterial, TlsSettings};
pub use control::ServerControl;
pub use error::ServeError;
pub use on_demand::{FetchPackage, Fetched, OnDemand};
pub use revocation::RevokedCertificate;
pub use scrub::ScrubConfig;
pub use server::{RunningServer, Server};
pub use sockets::Sockets;
pub use view::{LoadCatalog, LoadError, LoadedCatalog, ServedStore};
