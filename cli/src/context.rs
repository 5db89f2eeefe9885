//! What every command needs: configuration, store, clock.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use midmirror_mirror::catalog::{Lifetimes, Role, SigningKeys};
use midmirror_mirror::fetch::HttpClient;
use midmirror_mirror::store::Store;
use thiserror::Error;

use crate::config::Config;
use crate::failure::BadConfiguration;
use crate::passphrase;

/// Configuration with the command line applied.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) config: Config,
    /// Where it was read.
    file: Option<PathBuf>,
    /// What on the command line forbids every access to an upstream.
    offline: Option<String>,
    /// Has the passphrase of encrypted keys.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Ends asynchronous work early, see [`Stopped`].
    pub(crate) stop: Option<StopSignal>,
}

/// Becomes true when the program is told to end.
pub(crate) type StopSignal = tokio::sync::watch::Receiver<bool>;

/// The program was told to end while it was at work.
#[derive(Debug, Clone, Copy, Error)]
#[error("told to end")]
pub(crate) struct Stopped;

impl Context {
    /// Reads the named configuration, or the default one if it exists.
    pub(crate) fn load(
        config: Option<PathBuf>,
        store: Option<PathBuf>,
        offline: bool,
    ) -> anyhow::Result<Self> {
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
        Ok(Self { config, file, offline: offline_switch(offline), passphrase_file: None, stop: None })
    }

    /// Reads the configuration again; the store stays the one that is open.
    pub(crate) fn reread(&self) -> anyhow::Result<Config> {
        let mut config = match &self.file {
            Some(file) => Config::read(file)?,
            None => Config::default(),
        };
        config.store.clone_from(&self.config.store);
        Ok(config)
    }

    /// The same with a file that opens encrypted keys.
    pub(crate) fn with_passphrase_file(mut self, file: Option<PathBuf>) -> Self {
        self.passphrase_file = file;
        self
    }

    /// Opens the store.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.config.store)?)
    }

    /// Reads the signing keys.
    pub(crate) fn signing_keys(&self) -> anyhow::Result<SigningKeys> {
        let folder = self.config.keys_dir();
        let passphrase = passphrase::for_folder(self.passphrase_file.as_deref(), &folder)?;
        Ok(SigningKeys::load_with(&folder, passphrase.as_ref())?)
    }

    /// Reads the signing keys, which must be enough to publish; for what is recorded first and published then.
    pub(crate) fn keys_to_publish(&self, store: &Store) -> anyhow::Result<SigningKeys> {
        let keys = self.signing_keys()?;
        for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
            keys.can_sign(role, store, now())?;
        }
        Ok(keys)
    }

    /// How long metadata is valid: as configured, or else as the catalog says.
    pub(crate) fn lifetimes(&self, store: &Store) -> Lifetimes {
        let told = || crate::commands::list::catalog(store).ok()?.store().map(|store| store.profile);
        self.config.profile.or_else(told).unwrap_or_default().lifetimes()
    }

    /// Runs asynchronous work to its end, or until the program is told to end.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let Some(mut stop) = self.stop.clone() else { return block_on(work) };
        block_on(async move {
            tokio::select! {
                biased;
                _ = stop.wait_for(|is_told| *is_told) => Err(Stopped.into()),
                done = work => done,
            }
        })
    }

    /// Whether every access to an upstream is forbidden.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline.is_some() || self.config.offline
    }

    /// A client for the upstream.
    pub(crate) fn client(&self) -> anyhow::Result<HttpClient> {
        let offline = self.offline.clone().or_else(|| self.config.offline.then(|| CONFIGURED.to_owned()));
        self.config.upstream.client(offline)
    }
}

/// The name of the switch in errors, if it is on.
pub(crate) fn offline_switch(is_on: bool) -> Option<String> {
    is_on.then(|| "--offline (or MIDMIRROR_OFFLINE)".to_owned())
}

/// Differs from process to process, so that a fleet that failed together does not come back together.
pub(crate) fn jitter_seed() -> u64 {
    u64::from(std::process::id()) ^ u64::try_from(now().as_nanosecond() & i128::from(u32::MAX)).unwrap_or(0)
}

/// The clock; libraries get the time as an argument.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Who is at work, by the accounts of the operating system; through `sudo` the one who called it.
pub(crate) fn operator() -> Option<String> {
    let named = |variable: &str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    #[cfg(unix)]
    {
        let uid = rustix::process::getuid();
        if let Some(caller) = named("SUDO_USER").filter(|_| uid.is_root()) {
            return Some(format!("{caller} (by sudo)"));
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let own = format!("{}", uid.as_raw());
        let name = accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1) == Some(own.as_str())).then(|| name.to_owned())
        });
        Some(name.unwrap_or_else(|| format!("user {own}")))
    }
    #[cfg(not(unix))]
    named("USERNAME")
}

/// Runs asynchronous work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        // A host that takes a large file as fast as it goes keeps a thread busy: the others are looked after this often.
        .event_interval(4)
        .enable_all()
        .build()
        .context("failed to start the asynchronous runtime")?
        .block_on(work)
}

const CONFIGURED: &str = "offline = true in the configuration";
const DEFAULT_CONFIG: &str = "/etc/midmirror/midmirror.toml";
