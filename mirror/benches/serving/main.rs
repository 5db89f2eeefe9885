//! The server beside nginx, on the same files, certificate and TLS 1.3 suite: `cargo bench -p midmirror-mirror --bench serving`,
//! with names of loads after `--` for only those.
//!
//! Both servers run as processes of their own on the first core (`taskset`, if it is there), this process is the clients on the
//! others. Both write an access log; ours looks up each request in its catalog and has checked the digests of its files. Printed are, for
//! each load, the medians of rounds in which the servers take turns: MB/s, processor seconds of the server per GB, the 99th
//! percentile of the clients' times, and the peak memory of the server; for ours also the median of the ratios of the rounds. Without
//! nginx only ours is measured. `prepare FOLDER` makes the files and `serve FOLDER PORT` serves them, for other programs that measure.

mod clients;
mod servers;
mod site;

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clients::{Wanted, check, client_config, connect, download, request, small_requests};
use servers::{Running, free_port, start_nginx, start_ours, wait_for};
use site::{LARGE, MIDDLE, SMALL, prepare, serve, vendor_path};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["serve", folder, port] => return serve(Path::new(folder), port.parse()?),
        ["prepare", folder] => return prepare(Path::new(folder)),
        _ => {}
    }
    let folder = tempfile::tempdir()?;
    prepare(folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .event_interval(4)
        .enable_all()
        .build()?;
    runtime.block_on(compare(folder.path(), &arguments))
}

/// What the clients do.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    wanted: Wanted,
    kind: Kind,
    clients: usize,
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One download each, over a connection of its own.
    Downloads,
    /// So many requests each, over one connection.
    KeptAlive(usize),
    /// So many connections each, with one request.
    Handshakes(usize),
}

const fn all((name, whole): (&'static str, usize)) -> Wanted {
    Wanted { name, first: 0, whole }
}

const END: Wanted = Wanted { name: LARGE.0, first: 295_000_000, whole: LARGE.1 };

const LOADS: [Load; 7] = [
    Load { name: "1x300MB", wanted: all(LARGE), kind: Kind::Downloads, clients: 1, rounds: 7 },
    Load { name: "32x20MB", wanted: all(MIDDLE), kind: Kind::Downloads, clients: 32, rounds: 5 },
    Load { name: "200x20MB", wanted: all(MIDDLE), kind: Kind::Downloads, clients: 200, rounds: 5 },
    Load { name: "1000x20MB", wanted: all(MIDDLE), kind: Kind::Downloads, clients: 1000, rounds: 3 },
    Load { name: "200x-last-5MB", wanted: END, kind: Kind::Downloads, clients: 200, rounds: 5 },
    Load { name: "handshakes", wanted: all(SMALL), kind: Kind::Handshakes(60), clients: 32, rounds: 5 },
    Load { name: "kept-alive", wanted: all(SMALL), kind: Kind::KeptAlive(1500), clients: 64, rounds: 5 },
];

async fn compare(folder: &Path, only: &[&str]) -> Outcome<()> {
    let chosen = |name: &str| only.is_empty() || only.contains(&name);
    let _pinned = Command::new("taskset").args(["-acp", "1", &std::process::id().to_string()]).output();
    for load in LOADS.iter().filter(|load| chosen(load.name)) {
        // Fresh processes, so that the peak of the memory is that of this load.
        let servers = start(folder).await?;
        say(load.name)?;
        let mut results: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
        for server in &servers {
            check(folder, server.port, load.wanted).await?;
        }
        for _ in 0..load.rounds {
            for (server, results) in servers.iter().zip(&mut results) {
                results.push(measure(folder, server, load).await?);
            }
        }
        for (server, measured) in servers.iter().zip(&results) {
            print(load, server, measured, results.last().filter(|_| server.name == "midmirror"))?;
        }
    }
    if chosen("idle") {
        idle(folder).await?;
    }
    if chosen("cold") {
        cold(folder).await?;
    }
    Ok(())
}

async fn start(folder: &Path) -> Outcome<Vec<Running>> {
    let mut servers = vec![start_ours(folder, free_port()?)?];
    servers.extend(start_nginx(folder, free_port()?));
    for server in &servers {
        wait_for(server).await?;
    }
    Ok(servers)
}

fn print(
    load: &Load,
    server: &Running,
    measured: &[Measured],
    beside: Option<&Vec<Measured>>,
) -> Outcome<()> {
    let of = |get: fn(&Measured) -> f64| median(measured.iter().map(get).collect());
    let requests = of(|m| m.requests);
    let gigabytes = to_f64(u64::try_from(load.wanted.length())?) * requests / 1e9;
    let (wall, cpu) = (of(|m| m.wall), of(|m| m.cpu));
    let mut line = format!("  {:9} ", server.name);
    line += &match load.kind {
        Kind::Downloads => format!(
            "{:5.0} MB/s, {:.3} CPU s/GB, p99 {:.3} s",
            gigabytes * 1e3 / wall,
            cpu / gigabytes,
            of(|m| m.p99)
        ),
        _ => format!("{:6.0} requests/s, {:6.1} us CPU each", requests / wall, cpu * 1e6 / requests),
    };
    let failed = measured.iter().map(|m| m.failed).sum::<usize>();
    line += &format!(", peak {:.0} MiB, failed {failed}", server.memory("VmHWM:"));
    if let Some(beside) = beside {
        let ratio = |get: fn(&Measured) -> f64| {
            median(measured.iter().zip(beside).map(|(ours, theirs)| get(ours) / get(theirs)).collect())
        };
        let (cpu, speed) = (ratio(|m| m.cpu), 1.0 / ratio(|m| m.wall));
        line += &format!(" | CPU {cpu:.2}x, throughput {speed:.2}x, p99 {:.2}x", ratio(|m| m.p99));
    }
    say(&line)
}

struct Measured {
    wall: f64,
    cpu: f64,
    p99: f64,
    requests: f64,
    failed: usize,
}

async fn measure(folder: &Path, server: &Running, load: &Load) -> Outcome<Measured> {
    let config = client_config(folder)?;
    let (cpu, begin) = (server.cpu(), Instant::now());
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..load.clients {
        let (config, port, load) = (config.clone(), server.port, *load);
        clients.spawn(async move {
            let begin = Instant::now();
            match load.kind {
                Kind::Downloads => drop(download(port, &config, load.wanted).await?),
                Kind::KeptAlive(requests) => {
                    let mut stream = connect(port, &config).await?;
                    for _ in 0..requests {
                        request(&mut stream, load.wanted, None).await?;
                    }
                }
                Kind::Handshakes(connections) => {
                    for _ in 0..connections {
                        let mut stream = connect(port, &config).await?;
                        request(&mut stream, load.wanted, None).await?;
                    }
                }
            }
            Outcome::Ok(begin.elapsed().as_secs_f64())
        });
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some(done) = clients.join_next().await {
        match done? {
            Ok(time) => times.push(time),
            Err(_) => failed += 1,
        }
    }
    let each = match load.kind {
        Kind::Downloads => 1,
        Kind::KeptAlive(number) | Kind::Handshakes(number) => number,
    };
    Ok(Measured {
        wall: begin.elapsed().as_secs_f64(),
        cpu: server.cpu() - cpu,
        p99: percentile_99(times),
        requests: to_f64(u64::try_from(load.clients * each)?),
        failed,
    })
}

/// Memory of connections on which nothing happens any more.
async fn idle(folder: &Path) -> Outcome<()> {
    let servers = start(folder).await?;
    say(&format!("idle: {IDLE} connections"))?;
    for server in &servers {
        let config = client_config(folder)?;
        let before = server.memory("VmRSS:");
        let mut held = Vec::new();
        for _ in 0..IDLE {
            let mut stream = connect(server.port, &config).await?;
            request(&mut stream, all(SMALL), None).await?;
            held.push(stream);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let grown = server.memory("VmRSS:") - before;
        say(&format!("  {:9} {:.1} KiB each", server.name, grown * 1024.0 / f64::from(IDLE)))?;
    }
    Ok(())
}

/// Small requests alone, beside a large file that is in memory, and beside one that has to come from the disk.
async fn cold(folder: &Path) -> Outcome<()> {
    let servers = start(folder).await?;
    say("cold: 99th percentile of small requests")?;
    for server in &servers {
        let config = client_config(folder)?;
        check(folder, server.port, all(LARGE)).await?;
        let mut results = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..5 {
            for (number, results) in results.iter_mut().enumerate() {
                if number == 2 {
                    evict(&folder.join("www").join(vendor_path(LARGE.0)))?;
                }
                let large = (number > 0).then(|| {
                    let (config, port) = (config.clone(), server.port);
                    tokio::spawn(async move { download(port, &config, all(LARGE)).await })
                });
                let times =
                    small_requests(server.port, &config, all(SMALL), Duration::from_millis(400)).await?;
                results.push(percentile_99(times) * 1e3);
                if let Some(large) = large {
                    large.await??;
                }
            }
        }
        let [alone, warm, cold] = results.map(median);
        say(&format!(
            "  {:9} alone {alone:.2} ms, beside 300 MB in memory {warm:.2} ms, beside 300 MB on disk {cold:.2} ms",
            server.name
        ))?;
    }
    Ok(())
}

/// Has the system forget the bytes of a file.
fn evict(path: &Path) -> Outcome<()> {
    let file = std::fs::File::open(path)?;
    file.sync_all()?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

fn percentile_99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let index = times.len().saturating_sub(1).min(times.len() * 99 / 100);
    times.get(index).copied().unwrap_or(f64::NAN)
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

const IDLE: u16 = 5000;
