//! Settings of the HTTPS client. Certificate checks have no switch.

use std::fmt;
use std::time::Duration;

use url::Url;

/// How the client connects, waits and gives up.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Who may vouch for a server.
    pub roots: Roots,
    /// The proxy for every request, if there is one.
    pub proxy: Option<Proxy>,
    /// Hosts to which a redirect may lead, besides the host that was asked.
    pub redirect_hosts: Vec<String>,
    /// Hosts (`name` or `name:port`) that may be asked over plain http. The signature of a package still decides.
    pub plain_http_hosts: Vec<String>,
    /// Limit for address lookup, connection, proxy and TLS handshake together. The agents' own limit is 10 s too.
    pub connect_timeout: Duration,
    /// Limit for silence: no answer, or no byte of the body (attack T4 of the list, "slow drip", together with the next).
    pub idle_timeout: Duration,
    /// Limit for one download with all its retries.
    pub total_timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: u8,
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

/// An HTTP proxy that is asked with CONNECT.
#[derive(Clone)]
pub struct Proxy {
    /// Address of the proxy, for instance `http://proxy.example:3128`.
    pub url: Url,
    /// User name and password for Basic authentication.
    pub credentials: Option<(String, String)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// When to try again after a failure that may pass by itself.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Tries in a row without progress before giving up; 1 means no second try.
    pub attempts: u32,
    /// Pause before the second try; doubles each time.
    pub first_pause: Duration,
    /// Longest pause, also when the server's `Retry-After` asks for more.
    pub longest_pause: Duration,
    /// Start value of the jitter. Give each process another one, so that a fleet does not come back in step.
    pub jitter_seed: u64,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            roots: Roots::System { extra_pem: Vec::new() },
            proxy: None,
            redirect_hosts: Vec::new(),
            plain_http_hosts: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(6 * 3600),
            max_redirects: 5,
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
