//! The access log: one line per request, written when its answer has ended, by a thread that nobody waits for.
//!
//! Attacks considered: a name or header that would begin a line of its own or hide in one (everything but printable ASCII is
//! escaped); a disk that is full or slow (a bounded queue, lines are lost and counted, requests go on).

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde::{Deserialize, Serialize};

use super::error::ServeError;

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// The combined log format of Apache HTTP Server and nginx, with the request id at the end.
    Combined,
}

/// Where the access log goes.
#[derive(Debug, Clone)]
pub struct AccessLogConfig {
    /// The file; lines are added to it.
    pub file: PathBuf,
    /// How lines look.
    pub format: AccessLogFormat,
}

/// One request, as it was answered.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) time: jiff::Timestamp,
    pub(crate) id: String,
    pub(crate) peer: IpAddr,
    /// The name in the client certificate, if it was let in by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) version: &'static str,
    pub(crate) tls: bool,
    pub(crate) status: u16,
    /// Bytes of the body that the connection has taken.
    pub(crate) sent: u64,
    /// Bytes of the body that there were to take.
    pub(crate) length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    /// From the head of the request to the end of the answer.
    pub(crate) seconds: f64,
}

/// Takes lines; clones write to the same file.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    queue: SyncSender<Line>,
    lost: Counter,
    reopen: Arc<AtomicBool>,
}

impl AccessLog {
    /// Opens the file and starts the thread that writes; it ends when the last clone is dropped.
    pub(crate) fn start(
        config: &AccessLogConfig,
        lost: Counter,
    ) -> Result<(Self, JoinHandle<()>), ServeError> {
        let failed = |source| ServeError::AccessLog { path: config.file.clone(), source };
        let file = open(&config.file).map_err(failed)?;
        let (queue, lines) = sync_channel(QUEUE);
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            config: config.clone(),
            file: Some(file),
            waiting: 0,
            reopen: reopen.clone(),
            lost: lost.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&lines))
            .map_err(failed)?;
        Ok((Self { queue, lost, reopen }, thread))
    }

    /// Takes a line; at once, whatever the disk does.
    pub(crate) fn write(&self, line: Line) {
        if self.queue.try_send(line).is_err() {
            self.lost.inc();
        }
    }

    /// For having the file opened again, after it was moved away (SIGHUP); it takes no lines and keeps no thread alive.
    pub(crate) fn reopener(&self) -> Reopener {
        Reopener(self.reopen.clone())
    }
}

/// Has the file of an access log opened again.
#[derive(Debug, Clone)]
pub(crate) struct Reopener(Arc<AtomicBool>);

impl Reopener {
    pub(crate) fn reopen(&self) {
        self.0.store(true, Ordering::Release);
    }
}

struct Writer {
    config: AccessLogConfig,
    file: Option<BufWriter<File>>,
    /// Lines that are not yet with the system.
    waiting: u64,
    reopen: Arc<AtomicBool>,
    lost: Counter,
}

impl Writer {
    fn run(mut self, lines: &Receiver<Line>) {
        let mut said = false;
        while let Ok(line) = lines.recv() {
            let mut next = Some(line);
            // What waits is written in one go.
            while let Some(line) = next.take() {
                self.waiting += 1;
                if let Err(error) = self.add(&line) {
                    self.give_up();
                    if !said {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(file = %self.config.file.display(), error, "the access log cannot be written");
                    }
                    said = true;
                } else {
                    said = false;
                }
                next = lines.try_recv().ok();
            }
            if self.file.as_mut().is_some_and(|file| file.flush().is_err()) {
                self.give_up();
            }
            self.waiting = 0;
            if self.file.is_none() {
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn give_up(&mut self) {
        self.lost.inc_by(std::mem::take(&mut self.waiting));
        // What is left in the buffer is not tried again.
        if let Some(file) = self.file.take() {
            drop(file.into_parts());
        }
    }

    fn add(&mut self, line: &Line) -> io::Result<()> {
        if self.reopen.swap(false, Ordering::AcqRel)
            && let Some(mut file) = self.file.take()
        {
            file.flush()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.config.file)?),
        };
        match self.config.format {
            AccessLogFormat::Json => {
                serde_json::to_writer(&mut *file, line)?;
                file.write_all(b"\n")
            }
            AccessLogFormat::Combined => file.write_all(combined(line).as_bytes()),
        }
    }
}

fn open(path: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(OpenOptions::new().append(true).create(true).open(path)?))
}

fn combined(line: &Line) -> String {
    let time = line.time.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let agent = escaped(line.user_agent.as_deref().unwrap_or("-"));
    format!(
        "{} - {} [{time}] \"{} {} {}\" {} {} \"-\" \"{agent}\" {}\n",
        line.peer,
        escaped(line.client.as_deref().unwrap_or("-")),
        escaped(&line.method),
        escaped(&line.target),
        line.version,
        line.status,
        line.sent,
        escaped(&line.id),
    )
}

/// Printable ASCII but for quotes and backslashes; the rest as `\xHH`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
    out
}

/// Lines that may wait for the disk.
const QUEUE: usize = 8192;
/// Between two attempts to write to a disk that takes nothing.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn line(agent: &str) -> Line {
        Line {
            time: "2026-06-19T01:34:00Z".parse().unwrap(),
            id: "a-1".to_owned(),
            peer: IpAddr::from([127, 0, 0, 1]),
            client: None,
            method: "GET".to_owned(),
            target: "/a\"b".to_owned(),
            version: "HTTP/1.1",
            tls: true,
            status: 206,
            sent: 10,
            length: Some(10),
            range: Some("bytes=0-9".to_owned()),
            user_agent: Some(agent.to_owned()),
            seconds: 0.25,
        }
    }

    #[test]
    fn line_of_either_form_cannot_be_broken_by_what_a_client_sends() {
        let evil = "curl\"\n127.0.0.1 - - \u{1b}[31m ü";
        assert_eq!(
            combined(&line(evil)),
            "127.0.0.1 - - [19/Jun/2026:01:34:00 +0000] \"GET /a\\\"b HTTP/1.1\" 206 10 \"-\" \
             \"curl\\\"\\x0a127.0.0.1 - - \\x1b[31m \\xc3\\xbc\" a-1\n"
        );
        let named = Line { client: Some("mid-01.example".to_owned()), ..line("") };
        assert!(combined(&named).starts_with("127.0.0.1 - mid-01.example [19/Jun/2026"));
        let json = serde_json::to_string(&line(evil)).unwrap();
        assert!(!json.contains(['\n', '\u{1b}']), "{json}");
    }

    #[test]
    fn file_that_was_moved_away_is_begun_anew_when_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let config =
            AccessLogConfig { file: folder.path().join("access.log"), format: AccessLogFormat::Json };
        let (log, thread) = AccessLog::start(&config, Counter::default()).unwrap();
        let moved = folder.path().join("access.log.1");
        let has_lines = |path: &Path, count| {
            let patience = std::time::Instant::now() + Duration::from_secs(10);
            while std::fs::read_to_string(path).unwrap_or_default().lines().count() != count {
                assert!(std::time::Instant::now() < patience, "{}", path.display());
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        log.write(line("one"));
        has_lines(&config.file, 1);
        crate::store::durable::rename(&config.file, &moved).unwrap();
        log.write(line("two"));
        has_lines(&moved, 2);
        log.reopener().reopen();
        log.write(line("three"));
        has_lines(&config.file, 1);
        drop(log);
        thread.join().unwrap();
    }
}
