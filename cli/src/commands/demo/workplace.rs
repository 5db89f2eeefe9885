//! The folder in which the demo works, its child processes, and what held so far.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;

/// The folder, the processes, the findings.
pub(super) struct Workplace {
    folder: PathBuf,
    program: PathBuf,
    processes: Vec<(&'static str, Child)>,
    held: Vec<(String, bool)>,
    pub(super) mirror_url: String,
}

impl Workplace {
    /// Takes an empty folder.
    pub(super) fn create(folder: &Path) -> anyhow::Result<Self> {
        let mut listing =
            std::fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
        if listing.next().is_some() {
            return Err(coded(
                Exit::Usage,
                format!("{} is not empty", folder.display()),
                "--keep needs a new or empty folder",
            ));
        }
        let program = std::env::current_exe().context("failed to find the running program")?;
        let place = Self {
            folder: folder.to_owned(),
            program,
            processes: Vec::new(),
            held: Vec::new(),
            mirror_url: String::new(),
        };
        output::data(format!("cd {}", quoted(&place.folder.to_string_lossy())));
        if let Some(bin) = place.program.parent() {
            output::data(format!("export PATH={}:\"$PATH\"", quoted(&bin.to_string_lossy())));
        }
        Ok(place)
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Prints the heading of the next part.
    pub(super) fn heading(&self, text: &str) {
        output::data(format!("\n== {text}"));
    }

    /// Prints and runs a command, shows its output, and notes whether it ended as expected.
    pub(super) fn run(&mut self, arguments: &[&str], expected: Exit, what: &str) -> anyhow::Result<String> {
        let arguments = with_config(arguments);
        output::data(format!("\n$ {}", command_line(&arguments)));
        let result = self
            .command(&arguments)
            .output()
            .with_context(|| format!("failed to run {}", self.program.display()))?;
        let stdout = String::from_utf8_lossy(&result.stdout).into_owned();
        for text in [stdout.as_str(), &String::from_utf8_lossy(&result.stderr)] {
            for line in text.lines() {
                output::data(format!("  {line}"));
            }
        }
        let held = result.status.code() == Some(i32::from(expected.code()));
        if !held {
            let ended = result.status.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string());
            output::data(format!("  !! ended with {ended} instead of {}", expected.code()));
        } else if expected != Exit::Done {
            output::data(format!("  (exit {}: {})", expected.code(), expected.meaning()));
        }
        self.note(what, held);
        Ok(stdout)
    }

    /// Prints and starts a command in the background and waits until it listens.
    pub(super) fn start(&mut self, name: &'static str, arguments: &[&str], port: u16) -> anyhow::Result<()> {
        let arguments = with_config(arguments);
        output::data(format!("\n$ {} &", command_line(&arguments)));
        let log = std::fs::File::create(self.folder.join(format!("{name}.log")))
            .with_context(|| format!("failed to create {name}.log"))?;
        let child = self
            .command(&arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start {}", self.program.display()))?;
        self.processes.push((name, child));
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let gone = match self.processes.last_mut() {
                Some((_, child)) => child.try_wait().context("failed to ask for a child process")?.is_some(),
                None => true,
            };
            if gone || started.elapsed() > Duration::from_secs(10) {
                let log =
                    std::fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
                bail!("{name} does not listen on port {port}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until a process that was started has written a file.
    pub(super) fn wait_for(&self, file: &Path) -> anyhow::Result<()> {
        let started = Instant::now();
        while !file.exists() {
            if started.elapsed() > Duration::from_secs(10) {
                bail!("{} was not written", file.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends a process that was started.
    pub(super) fn stop(&mut self, name: &str) {
        for (_, child) in self.processes.iter_mut().filter(|(known, _)| *known == name) {
            end(child);
        }
        self.processes.retain(|(known, _)| *known != name);
    }

    /// Notes whether something held.
    pub(super) fn note(&mut self, what: &str, held: bool) {
        self.held.push((what.to_owned(), held));
    }

    /// Whether everything held.
    pub(super) fn all_held(&self) -> bool {
        !self.held.is_empty() && self.held.iter().all(|(_, held)| *held)
    }

    /// Prints what held.
    pub(super) fn summary(&self, elapsed: Duration) {
        output::data("\n== Summary");
        for (what, held) in &self.held {
            output::data(format!("  {}  {what}", if *held { "ok    " } else { "FAILED" }));
        }
        let held = self.held.iter().filter(|(_, held)| *held).count();
        output::data(format!(
            "{held} of {} held, in {}.{} s",
            self.held.len(),
            elapsed.as_secs(),
            elapsed.subsec_millis() / 100
        ));
    }

    /// Waits until this program is interrupted; then everything is ended and cleaned up as usual.
    pub(super) fn leave_running(&mut self) -> anyhow::Result<()> {
        output::data(format!("the mirror is running on {}; end with Ctrl-C", self.mirror_url));
        context::block_on(async { tokio::signal::ctrl_c().await.context("failed to wait for Ctrl-C") })
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env_remove("MIDMIRROR_CONFIG")
            .env_remove("MIDMIRROR_STORE")
            .env_remove("MIDMIRROR_TRUSTSTORE")
            .env_remove("MIDMIRROR_STATE")
            .env_remove("MIDMIRROR_OFFLINE")
            // Everything is on loopback.
            .env_remove("no_proxy")
            .env("NO_PROXY", "*");
        command
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        for (_, child) in &mut self.processes {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    let _gone_already = child.kill();
    let _reaped = child.wait();
}

fn with_config(arguments: &[&str]) -> Vec<String> {
    ["--config", "midmirror.toml"].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect()
}

fn command_line(arguments: &[String]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    format!("midmirror {}", quoted.join(" "))
}

/// Quotes for a POSIX shell where it is needed.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_./:=,@+".contains(character));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A port that nobody listens on.
pub(super) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
    Ok(listener.local_addr().context("failed to find a free port")?.port())
}
