//! What every command needs: configuration, store, clock.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use midmirror_mirror::fetch::{ClientConfig, HttpClient, Proxy, RetryPolicy, Roots};
use midmirror_mirror::store::Store;
use url::Url;

use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{BadConfiguration, coded};

/// Configuration with the command line applied.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
}

impl Context {
    /// Reads the named configuration, or the default one if it exists.
    pub(crate) fn load(config: Option<PathBuf>, store: Option<PathBuf>) -> anyhow::Result<Self> {
        let default = Path::new(DEFAULT_CONFIG);
        let file = config.or_else(|| default.exists().then(|| default.to_owned()));
        let mut config = match &file {
            Some(file) => Config::read(file).map_err(|error| error.context(BadConfiguration))?,
            None => Config::default(),
        };
        if let Some(store) = store {
            config.store = std::path::absolute(&store)
                .with_context(|| format!("failed to find the store {}", store.display()))?;
        }
        Ok(Self { config })
    }

    /// Opens the store.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.config.store)?)
    }

    /// A client for the upstream.
    pub(crate) fn client(&self) -> anyhow::Result<HttpClient> {
        let upstream = &self.config.upstream;
        let extra_pem = match &upstream.ca_file {
            Some(file) => std::fs::read(file)
                .with_context(|| format!("failed to read upstream.ca_file {}", file.display()))?,
            None => Vec::new(),
        };
        let config = ClientConfig {
            roots: Roots::System { extra_pem },
            proxy: upstream.proxy.as_deref().map(proxy).transpose()?,
            plain_http_hosts: upstream.plain_http_hosts.clone(),
            redirect_hosts: upstream.redirect_hosts.clone(),
            retry: RetryPolicy { jitter_seed: jitter_seed(), ..RetryPolicy::default() },
            ..ClientConfig::default()
        };
        Ok(HttpClient::new(config)?)
    }
}

/// Splits `http://user:password@host:port`.
fn proxy(text: &str) -> anyhow::Result<Proxy> {
    let wrong =
        || coded(Exit::Usage, "upstream.proxy is not a URL", "for instance http://proxy.example:3128");
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let user = percent_decoded(url.username());
    let password = percent_decoded(url.password().unwrap_or_default());
    let credentials = (!user.is_empty()).then_some((user, password));
    url.set_username("").map_err(|()| wrong())?;
    url.set_password(None).map_err(|()| wrong())?;
    Ok(Proxy { url, credentials })
}

/// Undoes `%40` and the like, which a password with an `@` needs.
fn percent_decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Differs from process to process, so that a fleet that failed together does not come back together.
pub(crate) fn jitter_seed() -> u64 {
    u64::from(std::process::id()) ^ u64::try_from(now().as_nanosecond() & i128::from(u32::MAX)).unwrap_or(0)
}

/// The clock; libraries get the time as an argument.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Runs asynchronous work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the asynchronous runtime")?
        .block_on(work)
}

const DEFAULT_CONFIG: &str = "/etc/midmirror/midmirror.toml";
