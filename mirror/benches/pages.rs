//! Pages and API of a server with many packages: `cargo bench -p midmirror-mirror --bench pages [-- PACKAGES]`.
//!
//! Makes a store with so many admissions (10,000 when not said), each with a report of 20 KB, serves it in this process,
//! and asks over one TLS connection. Printed are, for each address: the first answer, the median and the 99th percentile of
//! 200 more, the processor time of this process for each (server and client together), and the length.

mod admissions;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::catalog::{Lifetimes, SigningKeys, publish};
use midmirror_mirror::serve::{
    CertificateLifetimes, ServeConfig, ServedStore, Server, TlsMaterial, init_tls,
};
use midmirror_mirror::store::Store;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use admissions::{Outcome, at, say};

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let packages: u32 = arguments.next().map_or(Ok(10_000), |number| number.parse())?;
    let folder = tempfile::tempdir()?;
    let store = Store::create(&folder.path().join("store"), at(0)?)?;
    let keys = SigningKeys::create(&folder.path().join("keys"))?;
    let mut one = None;
    for number in 1..=packages {
        one = Some(write_admission(&store, number)?);
    }
    publish(&mut store.write()?, &keys, at(10)?, &Lifetimes::CONNECTED)?;
    let root = fs::read(store.repository_dir().join("1.root.json"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&store, root, &one.ok_or("no packages")?.to_hex()))
}

async fn measure(store: &Store, root: Vec<u8>, digest: &str) -> Outcome<()> {
    let tls = init_tls(&["localhost".to_owned()], Timestamp::now(), &CertificateLifetimes::default())?;
    let material = TlsMaterial {
        cert_pem: tls.server_cert_pem.clone().into_bytes(),
        key_pem: tls.server_key_pem.clone().into_bytes(),
    };
    let served = ServedStore::trusting(store, root, clock);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let begin = Instant::now();
    let mut config = ServeConfig::new("127.0.0.1:0".parse()?, material);
    // There are no packages, only what is known of them.
    config.scrub.bytes_per_second = 0;
    let server = Server::start(config, served, async move { drop(stopped.await) }).await?;
    say(&format!("start, with the checks of the catalog: {:.0} ms", begin.elapsed().as_secs_f64() * 1e3))?;
    let mut client = connect(&server, &tls.ca_pem).await?;
    say("                                        first     median        p99   CPU each      bytes")?;
    for path in [
        "/",
        "/?page=100",
        "/?q=zurich+patch+3+mid-core",
        "/?q=nothing+of+the+kind",
        &format!("/package/{digest}"),
        "/api/v1/packages",
        "/api/v1/packages?limit=1000",
        "/api/v1/packages?q=patch+3",
        "/api/v1/builds",
        &format!("/api/v1/packages/{digest}"),
        "/api/v1/health",
    ] {
        let (first, length) = ask(&mut client, path).await?;
        let cpu = cpu_time()?;
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(ask(&mut client, path).await?.0);
        }
        let cpu = (cpu_time()? - cpu) / f64::from(ROUNDS);
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        let shown: String = path.chars().take(32).collect();
        say(&format!(
            "{shown:<34} {:>7.2} ms {:>7.2} ms {:>7.2} ms {:>7.2} ms {length:>10}",
            millis(first),
            millis(at(50)),
            millis(at(99)),
            cpu * 1e3
        ))?;
    }
    drop(stop);
    server.wait().await;
    Ok(())
}

async fn connect(
    server: &midmirror_mirror::serve::RunningServer,
    ca: &str,
) -> Outcome<SendRequest<Empty<bytes::Bytes>>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(server.local_addr()).await?;
    tcp.set_nodelay(true)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tls = connector.connect(ServerName::try_from("localhost")?, tcp).await?;
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn ask(client: &mut SendRequest<Empty<bytes::Bytes>>, path: &str) -> Outcome<(Duration, usize)> {
    client.ready().await?;
    let request = http::Request::get(path).header("host", "localhost").body(Empty::new())?;
    let begin = Instant::now();
    let response = client.send_request(request).await?;
    if !response.status().is_success() {
        return Err(format!("{path}: {}", response.status()).into());
    }
    let length = response.into_body().collect().await?.to_bytes().len();
    Ok((begin.elapsed(), length))
}

/// Seconds of user and system time of this process (Linux).
fn cpu_time() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let rest = stat.rsplit_once(") ").ok_or("stat")?.1;
    let ticks: Vec<f64> = rest.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

/// Eight packages for each build, with evidence as long as that of real packages.
fn write_admission(store: &Store, number: u32) -> Outcome<Sha256Digest> {
    let kinds = [
        ("mid-core", "universal.universal"),
        ("mid-upgrade", "universal.universal"),
        ("mid-upgrade", "preUpgradeCheck"),
        ("mid-jre", "linux.x86-64"),
        ("mid-jre", "windows.x86-64"),
        ("mid", "linux.x86-64"),
        ("mid", "windows.x86-64"),
        ("mid-linux-container-recipe", "linux.x86-64"),
    ];
    let sort = kinds.get(usize::try_from(number % 8)?).copied().ok_or("kind")?;
    admissions::write(store, number, number / 8, sort, report)
}

fn report(sha256: Sha256Digest) -> Outcome<Vec<u8>> {
    let entries: Vec<Value> = (0..60)
        .map(|entry| json!({ "name": format!("agent/lib/{sha256}-{entry}.jar"), "size": 1000, "compressed_size": 500,
            "modified": { "dos": 1_557_354_567 }, "mode": null, "kind": "file", "in_manifest": true, "signers": [0] }))
        .collect();
    let change = json!({ "at": "2031-01-10T00:00:00Z", "jarsigner": { "exit_code": 4, "sentence": "jar verified, with signer errors." },
        "agent": { "accepted": true, "reason": null }, "because": "the certificate ends" });
    Ok(serde_json::to_vec_pretty(&json!({
        "organization": "ServiceNow Inc.",
        "outlook": { "changes": [change], "known_until": null },
        "agent": { "accepted": true, "reason": null },
        "compat": { "jdk": 17, "exit_code": 0, "result": "jar verified.", "errors": [], "warnings": [] },
        "report": { "examined_at": at(0)?, "entry_count": 60, "findings": [], "signers": [], "trust_store": null, "entries": entries },
    }))?)
}

fn clock() -> Timestamp {
    at(100).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const ROUNDS: u32 = 200;
