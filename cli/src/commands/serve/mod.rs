//! `midmirror serve`: the store over HTTPS, and the TLS material for it.

mod files;
mod material;
mod reload;
mod systemd;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use midmirror_mirror::serve::{AccessLogConfig, ScrubConfig, ServeConfig, ServeError, ServedStore, Server};

use crate::arguments::ServeArguments;
use crate::config::Config;
use crate::context::{self, Context, block_on};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;

pub(crate) use files::private_ca_file;

/// Serves until it is told to end (SIGTERM or Ctrl-C), or makes TLS material.
pub(crate) fn run(context: &Context, arguments: &ServeArguments) -> anyhow::Result<Exit> {
    if arguments.init_tls && arguments.csr {
        return material::request(&context.config, &arguments.hosts);
    }
    if arguments.init_tls {
        return material::init(&context.config, arguments);
    }
    if arguments.renew_tls {
        return material::renew(&context.config, arguments);
    }
    let config = &context.config;
    let store = context.store()?;
    let listen = address(arguments.listen.as_deref().unwrap_or(&config.serve.listen), "serve.listen")?;
    let files = files::TlsFiles::of(config);
    // Looked at before they are read: what changes from now on is noticed.
    let known = files.state();
    let settings = files.read()?;
    let mut serve = ServeConfig::new(listen, settings.material.clone());
    serve.tls = settings;
    serve.plain_listen =
        config.serve.plain_listen.as_deref().map(|text| address(text, "serve.plain_listen")).transpose()?;
    others(&mut serve, config);
    if config.serve.fetch_on_miss {
        serve.on_demand = Some(super::on_demand::start(context)?);
    }
    let root = super::list::catalog(&store)?.root_bytes().to_vec();
    let served = ServedStore::trusting(&store, root, context::now);
    let sockets = systemd::sockets()?;
    block_on(async {
        let told = until_told_to_end()?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let told = async {
            told.await;
            systemd::stopping();
            drop(stop);
        };
        let hangups = reload::hangups()?;
        let server = Server::start_on(sockets, serve, served, told).await.map_err(|error| {
            let about_tls = matches!(error, ServeError::Pem { .. } | ServeError::Tls { .. });
            let error = anyhow::Error::new(error);
            if about_tls { error.context(format!("failed to use {files}")) } else { error }
        })?;
        output::note(format!("serving {} on https://{}", config.store.display(), server.local_addr()));
        if let Some(address) = server.plain_addr() {
            output::note(format!("and without TLS on http://{address}"));
        }
        systemd::ready(&format!("serving on {}", server.local_addr()));
        let control = server.control();
        let upkeep = async {
            tokio::select! {
                () = reload::keep_current(context, (files, known), &control, hangups) => {}
                () = systemd::watchdog(&control) => {}
                _ = stopped => {}
            }
        };
        tokio::join!(server.wait(), upkeep);
        Ok(Exit::Done)
    })
}

/// What the configuration says besides addresses and TLS.
fn others(serve: &mut ServeConfig, config: &Config) {
    let of = &config.serve;
    serve.records.clone_from(&of.records);
    serve.public_url.clone_from(&of.public_url);
    serve.prefix.clone_from(&of.prefix);
    serve.latest = of.latest;
    serve.access_log =
        of.access_log.clone().map(|file| AccessLogConfig { file, format: of.access_log_format });
    serve.scrub = ScrubConfig {
        bytes_per_second: u64::from(of.scrub_mib_per_second) * 1024 * 1024,
        every: Duration::from_secs(u64::from(of.scrub_every_hours) * 3600),
    };
    serve.limits.connections = usize::try_from(of.connections).unwrap_or(usize::MAX);
    serve.limits.connections_per_address = of.connections_per_address;
    serve.limits.requests_per_second_per_address = of.requests_per_second_per_address;
}

/// Ends with the first SIGTERM, SIGINT or Ctrl-C.
pub(super) fn until_told_to_end() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("failed to watch for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to watch for SIGINT")?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            let _interrupted = tokio::signal::ctrl_c().await;
        })
    }
}

fn address(text: &str, key: &str) -> anyhow::Result<SocketAddr> {
    text.parse().map_err(|_| {
        coded(
            Exit::Usage,
            format!("{key} {text:?} is not ADDRESS:PORT"),
            "for instance 0.0.0.0:8443 or [::]:8443",
        )
    })
}
