//! The section `[upstream]` of the configuration, and the client that follows it.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use midmirror_mirror::fetch::{ClientConfig, HttpClient, RetryPolicy, Roots};
use midmirror_mirror::package::Platform;
use midmirror_mirror::pipeline::OnChange;
use serde::Deserialize;

use crate::context::jitter_seed;
use crate::proxies::{self, Configured, Environment};

/// Where packages come from. There is no key that turns certificate checks off.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Upstream {
    /// Base of all vendor URLs.
    pub base_uri: String,
    /// Certificates (PEM) that are trusted besides the system's, for instance a proxy's.
    pub ca_file: Option<PathBuf>,
    /// `[http|https|socks5h://][user:password@]host:port`, or `none`; without it the environment decides.
    pub proxy: Option<String>,
    /// A file whose first line is `user:password` for the proxy.
    pub proxy_credentials_file: Option<PathBuf>,
    /// What is asked without the proxy, in place of the environment's `NO_PROXY`.
    pub no_proxy: Option<Vec<String>>,
    /// Hosts that may be asked over plain HTTP when HTTPS fails; the signature decides all the same.
    pub plain_http_hosts: Vec<String>,
    /// Other hosts that the upstream may redirect to.
    pub redirect_hosts: Vec<String>,
    /// Largest package, in bytes.
    pub max_package_bytes: u64,
    /// Most bytes in a second, over all connections; 0: no limit.
    pub bytes_per_second: u64,
    /// Most requests at the same time against one host.
    pub connections_per_host: u16,
    /// Connections for one package, 1 to 16, for an upstream that limits each of them; each counts for the host.
    pub segments: u16,
    /// Limit for name, connection, proxy and TLS handshake together.
    pub connect_seconds: u32,
    /// Limit from a request to the head of its answer.
    pub answer_seconds: u32,
    /// Limit for silence inside an answer.
    pub idle_seconds: u32,
    /// Fewest bytes in a second of one answer, on average over twice `idle_seconds`; 0: no such limit.
    pub minimum_rate: u64,
    /// Limit for one package with all its tries.
    pub total_seconds: u32,
    /// Tries in a row without progress.
    pub tries: u32,
    /// What happens to other bytes under a name that is in the store: `hold` or `publish`.
    pub on_change: OnChange,
    /// A sync asks about packages in the store if that was last done so many hours ago; 0: only with --revalidate.
    pub revalidate_hours: u32,
    /// Platforms that are planned when none is named.
    pub platforms: Vec<Platform>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            base_uri: "https://install.service-now.com".to_owned(),
            ca_file: None,
            proxy: None,
            proxy_credentials_file: None,
            no_proxy: None,
            plain_http_hosts: Vec::new(),
            redirect_hosts: Vec::new(),
            max_package_bytes: 4 << 30,
            bytes_per_second: 0,
            connections_per_host: 4,
            segments: 1,
            connect_seconds: 10,
            answer_seconds: 30,
            idle_seconds: 30,
            minimum_rate: 1024,
            total_seconds: 6 * 3600,
            tries: 5,
            on_change: OnChange::Hold,
            revalidate_hours: 0,
            platforms: vec![Platform::LinuxX86_64, Platform::WindowsX86_64],
        }
    }
}

impl Upstream {
    /// Makes relative paths begin at a folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.ca_file, &mut self.proxy_credentials_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let positive = [
            ("connections_per_host", u32::from(self.connections_per_host)),
            ("connect_seconds", self.connect_seconds),
            ("answer_seconds", self.answer_seconds),
            ("idle_seconds", self.idle_seconds),
            ("total_seconds", self.total_seconds),
            ("tries", self.tries),
        ];
        for (name, value) in positive {
            if value == 0 {
                bail!("upstream.{name} must be at least 1");
            }
        }
        if !(1..=ClientConfig::MAX_SEGMENTS).contains(&self.segments.into()) {
            bail!("upstream.segments must be 1 to {}", ClientConfig::MAX_SEGMENTS);
        }
        if self.segments > self.connections_per_host {
            bail!(
                "upstream.segments must not be more than upstream.connections_per_host, which is {}: each of them counts there",
                self.connections_per_host
            );
        }
        proxies::check(&self.proxies())
    }

    /// A client for the upstream. `offline` names what forbids every request.
    pub(crate) fn client(&self, offline: Option<String>) -> anyhow::Result<HttpClient> {
        let extra_pem = match &self.ca_file {
            Some(file) => std::fs::read(file)
                .with_context(|| format!("failed to read upstream.ca_file {}", file.display()))?,
            None => Vec::new(),
        };
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let config = ClientConfig {
            roots: Roots::System { extra_pem },
            proxies: proxies::choose(&self.proxies(), &Environment::read())?,
            offline,
            plain_http_hosts: self.plain_http_hosts.clone(),
            redirect_hosts: self.redirect_hosts.clone(),
            connect_timeout: seconds(self.connect_seconds),
            answer_timeout: seconds(self.answer_seconds),
            idle_timeout: seconds(self.idle_seconds),
            minimum_rate: self.minimum_rate,
            total_timeout: seconds(self.total_seconds),
            connections_per_host: self.connections_per_host.into(),
            segments: self.segments.into(),
            bytes_per_second: NonZeroU64::new(self.bytes_per_second),
            retry: RetryPolicy { attempts: self.tries, jitter_seed: jitter_seed(), ..RetryPolicy::default() },
            ..ClientConfig::default()
        };
        Ok(HttpClient::new(config)?)
    }

    fn proxies(&self) -> Configured<'_> {
        Configured {
            proxy: self.proxy.as_deref(),
            no_proxy: self.no_proxy.as_deref(),
            credentials_file: self.proxy_credentials_file.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_bounded_and_fit_into_what_a_host_gets() {
        let check = |segments, connections_per_host| {
            let upstream = Upstream { segments, connections_per_host, ..Upstream::default() };
            upstream.check().map_err(|error| error.to_string())
        };
        for good in [(1, 1), (4, 4), (16, 16)] {
            assert_eq!(check(good.0, good.1), Ok(()));
        }
        for bad in [0, 17] {
            assert!(check(bad, 20).unwrap_err().contains("segments must be 1 to 16"));
        }
        assert!(check(8, 4).unwrap_err().contains("connections_per_host, which is 4"));
    }
}
