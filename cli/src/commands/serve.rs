//! `midmirror serve`: the store over HTTPS, and the TLS material for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use midmirror_mirror::serve::{
    AccessLogConfig, CertificateLifetimes, ScrubConfig, ServeConfig, ServeError, ServedStore, Server,
    TlsMaterial, init_tls,
};
use midmirror_mirror::store::durable;

use crate::arguments::ServeArguments;
use crate::config::Config;
use crate::context::{self, Context, block_on};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;

/// Serves until it is told to end (SIGTERM or Ctrl-C), or makes TLS material.
pub(crate) fn run(context: &Context, arguments: &ServeArguments) -> anyhow::Result<Exit> {
    if arguments.init_tls {
        return make_tls(&context.config, &arguments.hosts);
    }
    let config = &context.config;
    let store = context.store()?;
    let listen = address(arguments.listen.as_deref().unwrap_or(&config.serve.listen), "serve.listen")?;
    let (certificate, key) = tls_files(config);
    let mut serve = ServeConfig::new(listen, tls_material(&certificate, &key)?);
    serve.plain_listen =
        config.serve.plain_listen.as_deref().map(|text| address(text, "serve.plain_listen")).transpose()?;
    settings(&mut serve, config);
    if config.serve.fetch_on_miss {
        serve.on_demand = Some(super::on_demand::start(context)?);
    }
    let root = super::list::catalog(&store)?.root_bytes().to_vec();
    let served = ServedStore::trusting(&store, root, context::now);
    block_on(async {
        let server = Server::start(serve, served, until_told_to_end()?).await.map_err(|error| {
            let about_tls = matches!(error, ServeError::Pem { .. } | ServeError::Tls { .. });
            let error = anyhow::Error::new(error);
            if about_tls {
                error.context(format!("failed to use {} with {}", certificate.display(), key.display()))
            } else {
                error
            }
        })?;
        output::note(format!("serving {} on https://{}", config.store.display(), server.local_addr()));
        if let Some(address) = server.plain_addr() {
            output::note(format!("and without TLS on http://{address}"));
        }
        server.wait().await;
        Ok(Exit::Done)
    })
}

/// What the configuration says besides addresses and TLS.
fn settings(serve: &mut ServeConfig, config: &Config) {
    let of = &config.serve;
    serve.records.clone_from(&of.records);
    serve.public_url.clone_from(&of.public_url);
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

/// `serve --init-tls`.
fn make_tls(config: &Config, hosts: &[String]) -> anyhow::Result<Exit> {
    let folder = tls_folder(config);
    let lifetimes = CertificateLifetimes::default();
    let set = init_tls(hosts, context::now(), &lifetimes)?;
    let keys: [(&str, &[u8]); 2] =
        [("ca-key.pem", set.ca_key_pem.as_bytes()), ("server-key.pem", set.server_key_pem.as_bytes())];
    match durable::new_folder(&folder, &keys, durable::FileMode::Secret) {
        Err(error) if error.is_already_there() => {
            return Err(coded(
                Exit::Usage,
                format!("{} is there already; TLS material is only made for a new folder", folder.display()),
                "to start over move it away; agents and hosts must then trust the new authority",
            ));
        }
        made => made?,
    }
    // Certificates are for everybody; keys stay readable by their owner only.
    for (name, pem) in [("server.pem", &set.server_cert_pem), ("ca.pem", &set.ca_pem)] {
        durable::write_new(&folder.join(name), pem.as_bytes(), durable::FileMode::Shared)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).with_context(|| {
            format!("failed to open {} for readers of its certificates", folder.display())
        })?;
    }
    let ca = private_ca_file(config);
    output::data(format!("ca            {}", ca.display()));
    output::data(format!("certificate   {} (397 days)", folder.join("server.pem").display()));
    output::data(format!("for           {}", hosts.join(", ")));
    output::note(format!(
        "move {} off this server: it can make certificates for these names",
        folder.join("ca-key.pem").display()
    ));
    output::note("on each MID host (stop the MID Server first; back up cacerts):");
    output::note(
        "  agent/jre/bin/keytool -importcert -noprompt -alias midmirror -file ca.pem -keystore agent/jre/lib/security/cacerts",
    );
    output::note(
        "on the instance: set mid.install_server.base_uri to this mirror's https address (KB1546609),",
    );
    output::note(
        "and a MID Server certificate check policy for its host without revocation check (this CA has no OCSP)",
    );
    Ok(Exit::Done)
}

/// Certificate and key: the configured ones, or those of `--init-tls`.
fn tls_files(config: &Config) -> (PathBuf, PathBuf) {
    let folder = tls_folder(config);
    let certificate = config.serve.certificate.clone().unwrap_or_else(|| folder.join("server.pem"));
    let key = config.serve.key.clone().unwrap_or_else(|| folder.join("server-key.pem"));
    (certificate, key)
}

fn tls_material(certificate: &Path, key: &Path) -> anyhow::Result<TlsMaterial> {
    let read = |path: &Path| match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(coded(
            Exit::Usage,
            format!("{} is not there", path.display()),
            "name serve.certificate and serve.key, or make them: midmirror serve --init-tls --host NAME",
        )),
        other => other.with_context(|| format!("failed to read {}", path.display())),
    };
    Ok(TlsMaterial { cert_pem: read(certificate)?, key_pem: read(key)? })
}

/// The certificate authority that `--init-tls` makes.
pub(crate) fn private_ca_file(config: &Config) -> PathBuf {
    tls_folder(config).join("ca.pem")
}

fn tls_folder(config: &Config) -> PathBuf {
    config.beside_store(".tls")
}
