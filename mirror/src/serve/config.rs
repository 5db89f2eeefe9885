//! Settings of the server.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::access_log::AccessLogConfig;
use super::clients::ClientCertificates;
use super::on_demand::OnDemand;
use super::scrub::ScrubConfig;

/// Where and how the server listens.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Address for HTTPS; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate chain and key, and what goes with them.
    pub tls: TlsSettings,
    /// Address for plain HTTP, if wanted: vendor paths and the signed catalog only. The instance hands out an http
    /// address as a second choice; signatures and digests still decide.
    pub plain_listen: Option<SocketAddr>,
    /// Whether the digest of a stored file is checked before it is served for the first time by this process, and
    /// again whenever the file has changed. Only a store that is checked otherwise can do without.
    pub check_blobs: bool,
    /// Folder for records of what hosts have downloaded, see [`hosts`](crate::hosts); none without it.
    pub records: Option<PathBuf>,
    /// The address of this server as hosts know it, for instance `https://mirror.example:8443`; the page shows it in commands.
    /// Without it the page shows the address that its reader used.
    pub public_url: Option<String>,
    /// A path below which everything is answered as well, for instance `/midmirror`.
    pub prefix: Option<String>,
    /// Whether the vendor's paths with `latest` in place of a build lead to the newest package in the catalog; else they are 404.
    pub latest: bool,
    /// A file with one line per request; without it requests are told in the program's own log.
    pub access_log: Option<AccessLogConfig>,
    /// Fetches what is asked for and not there.
    pub on_demand: Option<OnDemand>,
    /// How stored files are read again while nothing asks for them.
    pub scrub: ScrubConfig,
    /// Bounds for what clients may take up.
    pub limits: ServeLimits,
}

impl ServeConfig {
    /// Settings with the usual limits and without plain HTTP.
    pub fn new(listen: SocketAddr, tls: TlsMaterial) -> Self {
        Self {
            listen,
            tls: TlsSettings::from(tls),
            plain_listen: None,
            check_blobs: true,
            records: None,
            public_url: None,
            prefix: None,
            latest: false,
            access_log: None,
            on_demand: None,
            scrub: ScrubConfig::default(),
            limits: ServeLimits::default(),
        }
    }
}

/// All that can be replaced while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificate chain and key.
    pub material: TlsMaterial,
    /// Revocation lists of the authority that has issued the certificate: PEM with one or more of which the one of the day is
    /// served, or one in DER. Served as `/tls/ca.crl`, also without TLS.
    pub crls: Option<Vec<u8>>,
    /// Which client certificates are asked for; none if nothing is said.
    pub clients: Option<ClientCertificates>,
}

impl From<TlsMaterial> for TlsSettings {
    fn from(material: TlsMaterial) -> Self {
        Self { material, crls: None, clients: None }
    }
}

/// A certificate chain and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The server's certificate, followed by intermediate certificates if there are any.
    pub cert_pem: Vec<u8>,
    /// The key: PKCS#8, SEC1 or PKCS#1.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsMaterial").finish_non_exhaustive()
    }
}

/// Bounds for what clients may take up.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Connections at a time; one holds up to 96 KiB while it sends, and some 16 KiB while nothing is asked.
    /// One of HTTP/2 with many requests whose answers the client does not take holds up to 1.5 MiB.
    /// Further ones get 503 with `Retry-After`.
    pub connections: usize,
    /// Connections of one address at a time; 0 for no limit. Further ones get 503 with `Retry-After`.
    pub connections_per_address: u32,
    /// Requests of one address per second, with as many at once; 0 for no limit. Further ones get 429 with `Retry-After`.
    pub requests_per_second_per_address: u32,
    /// For the TLS handshake, so that half-open connections end.
    pub handshake_time: Duration,
    /// For the whole head of a request (slowloris), and for the wait for the first one.
    pub header_time: Duration,
    /// For a connection on which nothing moves in either direction, also between two requests.
    pub idle_time: Duration,
    /// For running requests to end after the shutdown has begun.
    pub drain_time: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 1024,
            requests_per_second_per_address: 0,
            handshake_time: Duration::from_secs(10),
            header_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(60),
            drain_time: Duration::from_secs(30),
        }
    }
}
