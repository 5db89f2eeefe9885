//! Settings of the HTTPS client. Certificate checks have no switch.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use super::proxy::Proxies;

/// How the client connects, waits and gives up.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Who may vouch for a server.
    pub roots: Roots,
    /// What is shown to a server that asks for a client certificate; never to a proxy.
    pub identity: Option<ClientIdentity>,
    /// Which proxy is asked for which URL.
    pub proxies: Proxies,
    /// What forbids every request, for instance `--offline`; named in the error, before any socket is opened.
    pub offline: Option<String>,
    /// Hosts to which a redirect may lead, besides the host that was asked.
    pub redirect_hosts: Vec<String>,
    /// Hosts (`name` or `name:port`) that may be asked over plain http. The signature of a package still decides.
    pub plain_http_hosts: Vec<String>,
    /// Limit for address lookup, connection, proxy and TLS handshake together. The agents' own limit is 10 s too.
    pub connect_timeout: Duration,
    /// Limit from the request to the head of the answer.
    pub answer_timeout: Duration,
    /// Limit for silence in the middle of a body (attack T4 of the list, "slow drip", together with the next).
    pub idle_timeout: Duration,
    /// Fewest bytes of a body in a second, on average over twice the idle limit (T4); 0: no such limit. Only time in
    /// which the client waits for the server counts, not what [`ClientConfig::bytes_per_second`] takes.
    pub minimum_rate: u64,
    /// Limit for one download with all its retries.
    pub total_timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: u8,
    /// Requests that run at the same time against one host, over all clones of a client.
    pub connections_per_host: usize,
    /// Connections for one download, at most [`ClientConfig::MAX_SEGMENTS`]; each counts for `connections_per_host`.
    pub segments: usize,
    /// Most bytes that wait in memory because a download's earlier ones are still missing.
    pub read_ahead: usize,
    /// Most bytes of bodies in a second, over all clones of a client; `None`: no limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// What the client calls itself.
    pub user_agent: String,
}

/// Who may vouch for a server.
#[derive(Debug, Clone)]
pub enum Roots {
    /// The system's certificate authorities and those in this PEM text (empty: none).
    System {
        /// Further authorities, for instance that of a TLS-inspecting proxy.
        extra_pem: Vec<u8>,
    },
    /// Only the authorities in this PEM text: what an importer enrolled with.
    Only {
        /// The authorities.
        pem: Vec<u8>,
    },
}

/// A client certificate and its key, as PEM.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate, followed by intermediate certificates if there are any.
    pub cert_pem: Vec<u8>,
    /// The key: PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// When to try again after a failure that may pass by itself.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Tries in a row without progress before giving up; 1 means no second try.
    pub attempts: u32,
    /// Longest pause before the second try; doubles each time. The pause itself is random between zero and that.
    pub first_pause: Duration,
    /// Longest pause, also when the server's `Retry-After` asks for more.
    pub longest_pause: Duration,
    /// Start value of the jitter. Give each process another one, so that a fleet does not come back in step.
    pub jitter_seed: u64,
}

impl ClientConfig {
    /// More connections than this for one file are an attack on the server rather than help.
    pub const MAX_SEGMENTS: usize = 16;
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            roots: Roots::System { extra_pem: Vec::new() },
            identity: None,
            proxies: Proxies::default(),
            offline: None,
            redirect_hosts: Vec::new(),
            plain_http_hosts: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            minimum_rate: 1024,
            total_timeout: Duration::from_secs(6 * 3600),
            max_redirects: 5,
            connections_per_host: 4,
            segments: 1,
            read_ahead: 8 << 20,
            bytes_per_second: None,
            retry: RetryPolicy::default(),
            user_agent: concat!("midmirror/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(120),
            jitter_seed: 0,
        }
    }
}
