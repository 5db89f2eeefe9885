//! What is served, and our server as a process of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::Label;
use midmirror_mirror::catalog::CatalogEntry;
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::serve::{
    AccessLogConfig, AccessLogFormat, CertificateLifetimes, LoadedCatalog, ServeConfig, ServedStore, Server,
    TlsMaterial, init_tls,
};
use midmirror_mirror::store::Store;

use crate::Outcome;

pub(crate) const LARGE: (&str, usize) = ("large", 300_000_000);
pub(crate) const MIDDLE: (&str, usize) = ("middle", 20_000_000);
pub(crate) const SMALL: (&str, usize) = ("small", 1_000);

pub(crate) fn vendor_path(name: &str) -> String {
    let stamp = "zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134";
    let kind = match name {
        "large" => "mid-core",
        "middle" => "mid-jre",
        _ => "mid-upgrade",
    };
    let platform = if kind == "mid-jre" { "linux.x86-64" } else { "universal.universal" };
    format!("glide/distribution/builds/package/app-signed/{kind}/2026/06/19/{kind}.{stamp}.{platform}.zip")
}

/// A store and the same files under the vendor's paths, a certificate, and the configuration of nginx.
pub(crate) fn prepare(folder: &Path) -> Outcome<()> {
    let store = Store::create(&folder.join("store"), clock())?;
    for (name, length) in [LARGE, MIDDLE, SMALL] {
        let mut state = 1_u64;
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        let blob = store.blob_path(&Sha256Digest::of(&bytes));
        let path = folder.join("www").join(vendor_path(name));
        for file in [&blob, &path] {
            fs::create_dir_all(file.parent().ok_or("no folder")?)?;
        }
        fs::write(&blob, &bytes)?;
        fs::hard_link(&blob, &path)?;
        fs::write(folder.join(name), Sha256Digest::of(&bytes).to_hex())?;
    }
    fs::write(store.repository_dir().join("timestamp.json"), "{}")?;
    let tls = init_tls(&["localhost".to_owned()], jiff::Timestamp::now(), &CertificateLifetimes::default())?;
    fs::write(folder.join("ca.pem"), &tls.ca_pem)?;
    fs::write(folder.join("cert.pem"), &tls.server_cert_pem)?;
    fs::write(folder.join("key.pem"), &tls.server_key_pem)?;
    Ok(())
}

fn clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Our server, in a process of its own.
pub(crate) fn serve(folder: &Path, port: u16) -> Outcome<()> {
    let store = Store::open(&folder.join("store"))?;
    let mut entries = Vec::new();
    for (name, length) in [LARGE, MIDDLE, SMALL] {
        entries.push(CatalogEntry {
            path: PackagePath::parse(&vendor_path(name))?,
            sha256: fs::read_to_string(folder.join(name))?.parse()?,
            length: u64::try_from(length)?,
            label: Label::Verified,
            signer: None,
            signed_at: None,
            admitted_at: clock(),
            first_admitted_at: None,
            by_earlier_admission: false,
            report: None,
        });
    }
    let served = ServedStore::loading(&store, clock, move || {
        Ok(LoadedCatalog {
            entries: entries.clone(),
            withdrawn: Vec::new(),
            expires: "2999-01-01T00:00:00Z".parse()?,
            ends: Vec::new(),
            versions: None,
            store: None,
        })
    });
    let material = TlsMaterial {
        cert_pem: fs::read(folder.join("cert.pem"))?,
        key_pem: fs::read(folder.join("key.pem"))?,
    };
    let mut config = ServeConfig::new(([127, 0, 0, 1], port).into(), material);
    config.access_log =
        Some(AccessLogConfig { file: folder.join("ours.log"), format: AccessLogFormat::Combined });
    config.scrub.bytes_per_second = 0;
    config.limits.connections = 10_000;
    config.limits.connections_per_address = 0;
    config.limits.idle_time = Duration::from_secs(600);
    config.limits.header_time = Duration::from_secs(600);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::env::var("X_W").ok().and_then(|w| w.parse().ok()).unwrap_or(1))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        Server::start(config, served, std::future::pending()).await?.wait().await;
        Ok(())
    })
}
