//! The server beside nginx, on the same files, certificate and TLS 1.3 suite: `cargo bench -p midmirror-mirror --bench serving`.
//!
//! Both servers run as processes of their own on the first core (`taskset`, if it is there), this process is the clients on the
//! others. Both write an access log; ours looks up each request in its catalog and has checked the digests of its files. Printed are, for
//! each load, the medians of rounds in which the servers take turns: MB/s, processor seconds of the server per GB, the 99th
//! percentile of the clients' times, and the peak memory of the server. Without nginx only ours is measured.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::Label;
use midmirror_mirror::catalog::CatalogEntry;
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::serve::{
    AccessLogConfig, AccessLogFormat, CertificateLifetimes, LoadedCatalog, ServeConfig, ServedStore, Server,
    TlsMaterial, init_tls,
};
use midmirror_mirror::store::Store;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, folder, port] = arguments.as_slice()
        && mode == "serve"
    {
        return serve(Path::new(folder), port.parse()?);
    }
    if let [mode, folder] = arguments.as_slice()
        && mode == "prepare"
    {
        return prepare(Path::new(folder));
    }
    let folder = tempfile::tempdir()?;
    prepare(folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(compare(folder.path()))
}

const LARGE: (&str, usize) = ("large", 300_000_000);
const MIDDLE: (&str, usize) = ("middle", 20_000_000);
const SMALL: (&str, usize) = ("small", 1_000);

fn vendor_path(name: &str) -> String {
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
fn prepare(folder: &Path) -> Outcome<()> {
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
fn serve(folder: &Path, port: u16) -> Outcome<()> {
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

/// A server process, and who works for it.
struct Running {
    name: &'static str,
    port: u16,
    child: Child,
}

impl Running {
    fn processes(&self) -> Vec<u32> {
        let of = self.child.id();
        let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
        std::iter::once(of).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }

    /// Seconds of processor time so far.
    fn cpu(&self) -> f64 {
        let ticks = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<u64> = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(|field| field.parse().ok())
                .collect();
            // After the name and the letter of the state: user and system time are the 11th and 12th number.
            fields.get(10).copied().unwrap_or_default() + fields.get(11).copied().unwrap_or_default()
        };
        let total: u64 = self.processes().iter().map(ticks).sum();
        to_f64(total) / 100.0
    }

    /// A line of `/proc/PID/status` in MiB, of all its processes.
    fn memory(&self, line: &str) -> f64 {
        let of = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let value = status
                .lines()
                .find_map(|text| text.strip_prefix(line)?.split_whitespace().next()?.parse().ok());
            value.unwrap_or(0_u64)
        };
        to_f64(self.processes().iter().map(of).sum()) / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers when it is told to end, not when it is killed.
        let _told = Command::new("kill").arg(self.child.id().to_string()).status();
        let _over = self.child.wait();
    }
}

fn pinned(program: &str) -> Command {
    if Command::new("taskset").arg("-V").output().is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command
}

fn start_ours(folder: &Path, port: u16) -> Outcome<Running> {
    let program = std::env::current_exe()?;
    let child = pinned(program.to_str().ok_or("an odd path")?)
        .arg("serve")
        .arg(folder)
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Running { name: "midmirror", port, child })
}

fn start_nginx(folder: &Path, port: u16) -> Option<Running> {
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).is_file())?;
    let at = folder.display();
    let config = format!(
        "worker_processes 1;\nworker_rlimit_nofile 20000;\ndaemon off;\nerror_log {at}/error.log;\npid {at}/pid;\n\
         events {{ worker_connections 12000; }}\nhttp {{\naccess_log {at}/nginx.log combined;\n\
         default_type application/octet-stream;\nclient_body_temp_path {at}/b; proxy_temp_path {at}/p; \
         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
         sendfile off; tcp_nopush on; keepalive_timeout 600s; keepalive_requests 1000000000; output_buffers 2 32k;\n\
         open_file_cache max=1000 inactive=60s;\n\
         server {{ listen 127.0.0.1:{port} ssl backlog=4096; server_name localhost;\n\
         ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem; ssl_protocols TLSv1.3;\n\
         ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\nlocation / {{ root {at}/www; }}\n}}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), config).ok()?;
    let child = pinned(nginx)
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    Some(Running { name: "nginx", port, child })
}

/// What the clients do.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    file: (&'static str, usize),
    clients: usize,
    /// Requests of each client, over one connection.
    requests: usize,
    rounds: usize,
}

const LOADS: [Load; 6] = [
    Load { name: "1 x 300 MB", file: LARGE, clients: 1, requests: 1, rounds: 5 },
    Load { name: "32 x 20 MB", file: MIDDLE, clients: 32, requests: 1, rounds: 3 },
    Load { name: "200 x 20 MB", file: MIDDLE, clients: 200, requests: 1, rounds: 3 },
    Load { name: "1000 x 20 MB", file: MIDDLE, clients: 1000, requests: 1, rounds: 1 },
    Load { name: "1 KB, 32 connections kept alive", file: SMALL, clients: 32, requests: 1000, rounds: 5 },
    Load { name: "1 KB, 1000 full handshakes", file: SMALL, clients: 1000, requests: 1, rounds: 3 },
];

async fn compare(folder: &Path) -> Outcome<()> {
    let _pinned = Command::new("taskset").args(["-acp", "1", &std::process::id().to_string()]).output();
    for load in LOADS {
        // Fresh processes, so that the peak of the memory is that of this load.
        let mut servers = vec![start_ours(folder, free_port()?)?];
        servers.extend(start_nginx(folder, free_port()?));
        say(load.name)?;
        let mut results: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
        for server in &servers {
            wait_for(server).await?;
        }
        for _ in 0..load.rounds {
            for (server, results) in servers.iter().zip(&mut results) {
                results.push(measure(folder, server, load).await?);
            }
        }
        for (server, results) in servers.iter().zip(&results) {
            let gigabytes = to_f64(u64::try_from(load.file.1 * load.clients * load.requests)?) / 1e9;
            let of = |get: fn(&Measured) -> f64| median(results.iter().map(get).collect());
            let (wall, cpu) = (of(|m| m.wall), of(|m| m.cpu));
            say(&format!(
                "  {:9} {:7.0} MB/s, {:.3} CPU s/GB, {:6.1} us CPU/request, p99 {:.3} s, peak {:.0} MiB, failed {}",
                server.name,
                gigabytes * 1e3 / wall,
                cpu / gigabytes,
                cpu * 1e6 / to_f64(u64::try_from(load.clients * load.requests)?),
                of(|m| m.p99),
                server.memory("VmHWM:"),
                results.iter().map(|m| m.failed).sum::<usize>(),
            ))?;
        }
    }
    idle(folder).await
}

/// Memory of connections on which nothing happens any more.
async fn idle(folder: &Path) -> Outcome<()> {
    let mut servers = vec![start_ours(folder, free_port()?)?];
    servers.extend(start_nginx(folder, free_port()?));
    say(&format!("{IDLE} idle connections"))?;
    for server in &servers {
        wait_for(server).await?;
        let config = client_config(folder)?;
        let before = server.memory("VmRSS:");
        let mut held = Vec::new();
        for _ in 0..IDLE {
            let mut stream = connect(server.port, &config).await?;
            request(&mut stream, SMALL).await?;
            held.push(stream);
        }
        let grown = server.memory("VmRSS:") - before;
        say(&format!("  {:9} {:.1} KiB each", server.name, grown * 1024.0 / f64::from(IDLE)))?;
    }
    Ok(())
}

struct Measured {
    wall: f64,
    cpu: f64,
    p99: f64,
    failed: usize,
}

async fn measure(folder: &Path, server: &Running, load: Load) -> Outcome<Measured> {
    let config = client_config(folder)?;
    let cpu = server.cpu();
    let begin = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..load.clients {
        let (config, port) = (config.clone(), server.port);
        clients.spawn(async move {
            let begin = Instant::now();
            let mut stream = connect(port, &config).await?;
            for _ in 0..load.requests {
                request(&mut stream, load.file).await?;
            }
            Outcome::Ok(begin.elapsed().as_secs_f64())
        });
    }
    let mut times = Vec::new();
    let mut failed = 0;
    while let Some(done) = clients.join_next().await {
        match done? {
            Ok(time) => times.push(time),
            Err(_) => failed += 1,
        }
    }
    let wall = begin.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let p99 =
        times.get(times.len().saturating_sub(1).min(times.len() * 99 / 100)).copied().unwrap_or(f64::NAN);
    Ok(Measured { wall, cpu: server.cpu() - cpu, p99, failed })
}

fn client_config(folder: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(folder.join("ca.pem"))?)?)?;
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn connect(port: u16, config: &Arc<ClientConfig>) -> Outcome<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost")?;
    Ok(tokio_rustls::TlsConnector::from(config.clone()).connect(name, tcp).await?)
}

/// Asks for a file and reads it to its last byte.
async fn request(stream: &mut TlsStream<TcpStream>, (name, length): (&str, usize)) -> Outcome<()> {
    let head = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", vendor_path(name));
    stream.write_all(head.as_bytes()).await?;
    let mut buffer = vec![0; 64 * 1024];
    let mut have = 0;
    let body = loop {
        let space = buffer.get_mut(have..).filter(|space| !space.is_empty()).ok_or("a long head")?;
        let read = stream.read(space).await?;
        if read == 0 {
            return Err("closed".into());
        }
        have += read;
        let known = buffer.get(..have).unwrap_or_default();
        if let Some(end) = known.windows(4).position(|window| window == b"\r\n\r\n") {
            if !known.starts_with(b"HTTP/1.1 200") {
                return Err("another status".into());
            }
            break have - end - 4;
        }
    };
    let mut left = length.checked_sub(body).ok_or("too much")?;
    while left > 0 {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err("cut".into());
        }
        left = left.checked_sub(read).ok_or("too much")?;
    }
    Ok(())
}

/// Until it answers, and has looked at the digests of its files.
async fn wait_for(server: &Running) -> Outcome<()> {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", server.port)).await.is_err() {
        if begin.elapsed() > Duration::from_secs(20) {
            return Err(format!("{} does not listen", server.name).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn to_f64(number: u64) -> f64 {
    u32::try_from(number / 1000).map_or(f64::INFINITY, f64::from) * 1000.0
        + u32::try_from(number % 1000).map_or(0.0, f64::from)
}

fn say(text: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

const IDLE: u16 = 2000;
