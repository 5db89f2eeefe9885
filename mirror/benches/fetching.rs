//! Our fetching beside other people's programs: the same file from the same server, in turn, as child processes.
//!
//! `cargo bench -p midmirror-mirror --bench fetching -- [--rounds N] [--megabytes N] [--package FILE]`
//!
//! nginx on loopback serves a file over TLS, once as fast as it can and once with a limit for each request. Each round
//! runs every variant once, so that a busy machine disturbs all of them alike; what counts are the ratios of the
//! medians. We run as this program started anew. CPU time and peak memory are those that GNU `time` reports. With
//! `--package`, a signed package, one variant verifies that package beside the fetch on one thread. It needs `nginx`,
//! `curl`, `sha256sum`, `sync` and `time`; `aria2c` for one row.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use midmirror_mirror::fetch::{ClientConfig, Expectation, FetchEvent, HttpClient, Roots};
use midmirror_verify::{TrustStore, jarsigner};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<ExitCode> {
    // Cargo adds this one.
    let mut args: Vec<OsString> = std::env::args_os().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|first| first == CHILD) {
        return child(&args);
    }
    let rounds = option(&mut args, "--rounds")?.map_or(Ok(ROUNDS), |text| text.parse())?;
    let megabytes = option(&mut args, "--megabytes")?.map_or(Ok(MEGABYTES), |text| text.parse())?;
    let package = option(&mut args, "--package")?.map(PathBuf::from);
    if let Some(tool) = ["curl", "sha256sum", "sync", "time"].iter().find(|tool| !is_there(tool)) {
        say(&format!("skipped: no {tool}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(nginx) = program("nginx") else {
        say("skipped: no nginx")?;
        return Ok(ExitCode::SUCCESS);
    };
    let setting = Setting::new(&nginx, megabytes, package)?;
    let cores = std::thread::available_parallelism()?;
    say(&format!("{megabytes} MB over TLS on loopback, {rounds} rounds, {cores} cores"))?;
    for group in GROUPS {
        let rows: Vec<&Row> = group.rows.iter().filter(|row| setting.has_what_it_takes(row)).collect();
        let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); rows.len()];
        // The first round is for the page cache, and not counted.
        for round in 0..=rounds {
            for (row, runs) in rows.iter().zip(&mut runs) {
                let figures = setting.measure(row)?;
                if round > 0 {
                    runs.push(figures);
                }
            }
        }
        say(&table(group, &rows, &runs))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes an option with its value out of the arguments.
fn option(args: &mut Vec<OsString>, name: &str) -> Outcome<Option<String>> {
    let Some(at) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    let taken: Vec<OsString> = args.splice(at..args.len().min(at + 2), []).collect();
    let value = taken.into_iter().nth(1).and_then(|value| value.into_string().ok());
    Ok(Some(value.ok_or_else(|| format!("{name} needs a value"))?))
}

/// Rows that are compared with their first.
struct Group {
    name: &'static str,
    rows: &'static [Row],
}

#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// For `sh`, with URL, CA, FILE and SHA256 in the environment; none for ours.
    script: Option<&'static str>,
    limited: bool,
    segments: usize,
    /// Two thirds of the file are there already.
    resume: bool,
    /// A package is verified meanwhile; the wall time is that of the fetch alone.
    verify: bool,
}

const fn theirs(name: &'static str, script: &'static str) -> Row {
    Row { name, script: Some(script), limited: false, segments: 1, resume: false, verify: false }
}

const fn ours(name: &'static str) -> Row {
    Row { name, script: None, limited: false, segments: 1, resume: false, verify: false }
}

const fn limited(row: Row, segments: usize) -> Row {
    Row { limited: true, segments, ..row }
}

const fn resume(row: Row) -> Row {
    Row { resume: true, ..row }
}

const CURL: &str = "curl -sS --cacert $CA -o $FILE $URL && sha256sum $FILE && sync $FILE";
const CURL_ON: &str = "curl -sS --cacert $CA -C - -o $FILE $URL && sha256sum $FILE && sync $FILE";
const ARIA2C: &str = "aria2c -q --ca-certificate=$CA -x8 -s8 -k1M --file-allocation=falloc \
    --checksum=sha-256=$SHA256 --allow-overwrite=true -d / -o $FILE $URL && sync $FILE";

const GROUPS: &[Group] = &[
    Group {
        name: "F1: one file as fast as it goes",
        rows: &[
            theirs("curl, sha256sum, sync", CURL),
            ours("ours"),
            Row { verify: true, ..ours("ours, verifying a package meanwhile") },
        ],
    },
    Group {
        name: "F2: 25 MiB/s for each request",
        rows: &[
            limited(theirs("aria2c -x8, sync", ARIA2C), 8),
            limited(ours("ours, 8 segments"), 8),
            limited(theirs("curl, sha256sum, sync", CURL), 1),
            limited(ours("ours, one connection"), 1),
        ],
    },
    Group {
        name: "F3: the last third of the file",
        rows: &[resume(theirs("curl -C -, sha256sum, sync", CURL_ON)), resume(ours("ours"))],
    },
];

/// What all runs have in common.
struct Setting {
    folder: tempfile::TempDir,
    package: Option<PathBuf>,
    sha256: String,
    /// Of the server without a limit and of the one with it.
    ports: [u16; 2],
    _nginx: Server,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Its workers end with it.
        let _gone = Command::new("kill").arg(self.0.id().to_string()).status();
        let _status = self.0.wait();
    }
}

/// What one run took.
#[derive(Clone, Copy)]
struct Figures {
    wall: f64,
    cpu: f64,
    peak: f64,
}

impl Setting {
    fn new(nginx: &Path, megabytes: usize, package: Option<PathBuf>) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        std::fs::create_dir(place("www"))?;
        let mut file = std::io::BufWriter::new(std::fs::File::create(place("www/p.zip"))?);
        let mut noise = 1_u64;
        for _ in 0..megabytes * 125_000 {
            // xorshift64: nothing compresses it
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            file.write_all(&noise.to_le_bytes())?;
        }
        file.into_inner()?.sync_all()?;
        let output = Command::new("sha256sum").arg(place("www/p.zip")).output()?;
        let sha256 = String::from_utf8(output.stdout)?.split(' ').next().unwrap_or_default().to_owned();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        std::fs::write(place("cert.pem"), certified.cert.pem())?;
        std::fs::write(place("key.pem"), certified.signing_key.serialize_pem())?;
        let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [fast, slow] = listeners.map(|listener| listener.local_addr().map(|address| address.port()));
        let ports = [fast?, slow?];
        let server = |port: u16, more: &str| {
            format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem; \
                 ssl_protocols TLSv1.3; root DIR/www; {more} }}\n"
            )
        };
        let config = format!(
            "user root; daemon off; worker_processes 1; pid DIR/pid; error_log DIR/error.log; events {{}}\nhttp {{\n\
             access_log off; client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; \
             uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;\n{}{}}}\n",
            server(ports[0], ""),
            server(ports[1], "limit_rate 25m;")
        );
        let config = config.replace("DIR", &folder.path().to_string_lossy());
        std::fs::write(place("nginx.conf"), config)?;
        let child = Command::new(nginx)
            .arg("-c")
            .arg(place("nginx.conf"))
            .args(["-e", "stderr"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let nginx = Server(child);
        let patience = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", ports[0])).is_err() {
            if Instant::now() > patience {
                return Err("nginx does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let setting = Self { folder, package, sha256, ports, _nginx: nginx };
        setting.make_sidecar()?;
        Ok(setting)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, limited: bool) -> String {
        format!("https://localhost:{}/p.zip", self.ports[usize::from(limited)])
    }

    /// Begins a download, for what it leaves beside the part.
    fn make_sidecar(&self) -> Outcome<()> {
        let client = client(&self.place("cert.pem"), 1)?;
        let (url, part, any) = (self.url(false).parse()?, self.place("begun"), Expectation::default());
        runtime()?.block_on(async {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let told = move |_: FetchEvent<'_>| drop(sender.send(()));
            tokio::select! {
                done = client.download(&url, &part, &any, &told) => drop(done),
                _ = receiver.recv() => {}
            }
        });
        Ok(())
    }

    fn has_what_it_takes(&self, row: &Row) -> bool {
        let missing = match row.script {
            _ if row.verify && self.package.is_none() => "--package",
            Some(ARIA2C) if !is_there("aria2c") => "aria2c",
            _ => return true,
        };
        let _closed = say(&format!("skipped: {}: no {missing}", row.name));
        false
    }

    fn measure(&self, row: &Row) -> Outcome<Figures> {
        let (figures, file) = (self.place("figures"), self.place("out"));
        for name in ["out", "out.json", "out.aria2"] {
            let _not_there = std::fs::remove_file(self.place(name));
        }
        if row.resume {
            let whole = std::fs::read(self.place("www/p.zip"))?;
            std::fs::write(&file, whole.get(..whole.len() / 3 * 2).unwrap_or_default())?;
            std::fs::copy(self.place("begun.json"), self.place("out.json"))?;
        }
        // Nothing of an earlier run is still on its way to the disk.
        Command::new("sync").arg("-f").arg(self.folder.path()).status()?;
        let mut command = Command::new("time");
        command.args(["-f", "%U %S %M", "-o"]).arg(&figures);
        match row.script {
            Some(script) => {
                command.args(["sh", "-c", script]);
            }
            None => {
                command.arg(std::env::current_exe()?).args([CHILD, &row.segments.to_string()]);
                command.args(self.package.as_deref().filter(|_| row.verify));
            }
        }
        command.env("URL", self.url(row.limited)).env("CA", self.place("cert.pem"));
        command.env("FILE", &file).env("SHA256", &self.sha256).env("no_proxy", "*");
        let start = Instant::now();
        let output = command.stderr(Stdio::inherit()).output()?;
        let mut wall = start.elapsed().as_secs_f64();
        let said = String::from_utf8(output.stdout)?;
        if !output.status.success() || !(row.script == Some(ARIA2C) || said.starts_with(&self.sha256)) {
            return Err(format!("{}: {}: {said}", row.name, output.status).into());
        }
        if row.verify {
            wall = said.split_whitespace().nth(1).unwrap_or_default().parse()?;
        }
        let text = std::fs::read_to_string(&figures)?;
        let numbers: Vec<f64> =
            text.lines().last().unwrap_or_default().split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [user, system, peak] = numbers.try_into().map_err(|_| "not GNU time")?;
        Ok(Figures { wall, cpu: user + system, peak: peak / 1024.0 })
    }
}

/// Fetches, as told by arguments and environment: `CHILD SEGMENTS [PACKAGE]`. Prints the digest and the seconds.
fn child(args: &[OsString]) -> Outcome<ExitCode> {
    let segments = args.get(1).and_then(|text| text.to_str()).ok_or("no number of segments")?.parse()?;
    let variable = |name| std::env::var_os(name).ok_or(format!("no {name}"));
    let url = variable("URL")?.into_string().map_err(|_| "not UTF-8")?.parse()?;
    let (ca, part) = (PathBuf::from(variable("CA")?), PathBuf::from(variable("FILE")?));
    let verifying = args.get(2).cloned().map(|package| std::thread::spawn(move || verify(&package)));
    let client = client(&ca, segments)?;
    let start = Instant::now();
    let downloaded =
        runtime()?
            .block_on(client.download(&url, &part, &Expectation::default(), &|_: FetchEvent<'_>| {}))?;
    say(&format!("{} {}", downloaded.sha256, start.elapsed().as_secs_f64()))?;
    let verified = verifying.is_none_or(|thread| thread.join().is_ok_and(|good| good));
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify(package: &OsString) -> bool {
    let trust = TrustStore::bundled();
    let environment =
        jarsigner::Environment { threads: 1, ..jarsigner::Environment::new(&trust, jiff::Timestamp::now()) };
    let args = ["-verify".to_owned(), package.to_string_lossy().into_owned()];
    jarsigner::run_to(&args, &environment, &mut std::io::sink(), &mut std::io::stderr())
        .is_ok_and(|code| code == 0)
}

fn client(ca: &Path, segments: usize) -> Outcome<HttpClient> {
    let roots = Roots::Only { pem: std::fs::read(ca)? };
    Ok(HttpClient::new(ClientConfig {
        roots,
        segments,
        connections_per_host: 16,
        ..ClientConfig::default()
    })?)
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Medians, and ratios of medians to the first row.
fn table(group: &Group, rows: &[&Row], runs: &[Vec<Figures>]) -> String {
    let mut text = format!(
        "\n{:<38} {:>8} {:>8} {:>9}   ratio: wall    cpu\n",
        group.name, "wall s", "cpu s", "peak MiB"
    );
    let mut first: Option<Figures> = None;
    for (row, runs) in rows.iter().zip(runs) {
        let Figures { wall, cpu, peak } = medians(runs);
        let _ = write!(text, "  {:<36} {wall:>8.3} {cpu:>8.2} {peak:>9.1}", row.name);
        match first {
            Some(first) => {
                let _ = writeln!(text, "   {:>11.3} {:>6.3}", wall / first.wall, cpu / first.cpu);
            }
            None => {
                first = Some(Figures { wall, cpu, peak });
                text.push('\n');
            }
        }
    }
    text
}

fn medians(runs: &[Figures]) -> Figures {
    let median = |of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Figures { wall: median(|run| run.wall), cpu: median(|run| run.cpu), peak: median(|run| run.peak) }
}

fn is_there(tool: &str) -> bool {
    program(tool).is_some()
}

/// Servers are where only root looks for programs.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")
}

/// Fewer give no median worth the name.
const ROUNDS: usize = 9;
const MEGABYTES: usize = 300;

/// The first argument of this program started anew.
const CHILD: &str = "run-as-child";
