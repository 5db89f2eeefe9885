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
mod conditions;
mod config;
mod desk;
mod error;
mod evidence;
mod filter;
mod front;
mod log_state;
mod metrics;
mod on_demand;
mod page;
mod quiet;
mod representation;
mod response;
mod scrub;
mod server;
mod site;
mod small_files;
mod tls;
mod view;
mod watched;

pub use access_log::{AccessLogConfig, AccessLogFormat};
pub use authority::{CertificateLifetimes, TlsSet, init_tls, renew_server};
pub use config::{ServeConfig, ServeLimits, TlsMaterial};
pub use error::ServeError;
pub use on_demand::{FetchPackage, Fetched, OnDemand};
pub use scrub::ScrubConfig;
pub use server::{RunningServer, Server};
pub use view::{LoadCatalog, LoadError, LoadedCatalog, ServedStore};
