//! The access log: one line per request, written when its answer has ended, by a thread that nobody waits for.
//!
//! Attacks considered: a name or header that would begin a line of its own or hide in one (everything but printable ASCII is
//! escaped); a disk that is full or slow (a bounded queue, lines are lost and counted, requests go on).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
    queue: Arc<Queue>,
    format: AccessLogFormat,
    lost: Counter,
    /// The last one to go ends the thread.
    _end: Arc<End>,
}

/// What waits for the thread that writes.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    reopen: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    lines: u64,
    /// The time of the last line, which is that of many.
    second: Option<(i64, String)>,
    ended: bool,
}

#[derive(Debug)]
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.waiting().ended = true;
        self.0.changed.notify_one();
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and some time for more of them: one write for many. Their number; 0 at the end.
    fn take(&self, text: &mut Vec<u8>) -> u64 {
        let mut waiting = self.waiting();
        while waiting.lines == 0 {
            if waiting.ended {
                return 0;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut waiting, _elapsed) = self
            .changed
            .wait_timeout_while(waiting, COLLECT, |waiting| !waiting.ended && waiting.text.len() < ENOUGH)
            .unwrap_or_else(PoisonError::into_inner);
        text.clear();
        std::mem::swap(&mut waiting.text, text);
        std::mem::take(&mut waiting.lines)
    }
}

impl AccessLog {
    /// Opens the file and starts the thread that writes; it ends when the last clone is dropped.
    pub(crate) fn start(
        config: &AccessLogConfig,
        lost: Counter,
    ) -> Result<(Self, JoinHandle<()>), ServeError> {
        let failed = |source| ServeError::AccessLog { path: config.file.clone(), source };
        let file = open(&config.file).map_err(failed)?;
        let queue = Arc::new(Queue::default());
        let writer = Writer {
            path: config.file.clone(),
            file: Some(file),
            queue: queue.clone(),
            lost: lost.clone(),
            said: false,
            is_cut: false,
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())
            .map_err(failed)?;
        let end = Arc::new(End(queue.clone()));
        Ok((Self { queue, format: config.format, lost, _end: end }, thread))
    }

    /// Takes a line; at once, whatever the disk does.
    pub(crate) fn write(&self, line: &Line) {
        let mut waiting = self.queue.waiting();
        if waiting.text.len() >= MOST_WAITING {
            drop(waiting);
            self.lost.inc();
            return;
        }
        let (before, Waiting { text, second, .. }) = (waiting.text.len(), &mut *waiting);
        match self.format {
            AccessLogFormat::Json => {
                if serde_json::to_writer(&mut *text, line).is_err() {
                    // Writing to memory does not fail.
                    text.truncate(before);
                    self.lost.inc();
                    return;
                }
                text.push(b'\n');
            }
            AccessLogFormat::Combined => combined(text, second, line),
        }
        waiting.lines += 1;
        let (first, enough) = (waiting.lines == 1, before < ENOUGH && waiting.text.len() >= ENOUGH);
        drop(waiting);
        if first || enough {
            self.queue.changed.notify_one();
        }
    }

    /// For having the file opened again, after it was moved away (SIGHUP); it takes no lines and keeps no thread alive.
    pub(crate) fn reopener(&self) -> Reopener {
        Reopener(self.queue.clone())
    }
}

/// Has the file of an access log opened again.
#[derive(Debug, Clone)]
pub(crate) struct Reopener(Arc<Queue>);

impl Reopener {
    pub(crate) fn reopen(&self) {
        self.0.reopen.store(true, Ordering::Release);
    }
}

struct Writer {
    path: PathBuf,
    file: Option<File>,
    queue: Arc<Queue>,
    lost: Counter,
    /// That the file cannot be written was said.
    said: bool,
    /// The file ends within a line.
    is_cut: bool,
}

impl Writer {
    fn run(mut self) {
        let mut text = Vec::new();
        loop {
            let lines = self.queue.take(&mut text);
            if lines == 0 {
                break;
            }
            if self.queue.reopen.swap(false, Ordering::AcqRel) {
                (self.file, self.is_cut) = (None, false);
            }
            match self.add(&text) {
                Ok(()) => self.said = false,
                Err(error) => {
                    // It is not tried again: the next lines have to go somewhere.
                    self.lost.inc_by(lines);
                    self.file = None;
                    if !self.said {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(file = %self.path.display(), error, "the access log cannot be written");
                    }
                    self.said = true;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path)?),
        };
        write_lines(file, text, &mut self.is_cut)
    }
}

/// Writes whole lines. `is_cut`: the last write has ended within one, and the next begins with the end of it, so that no line is
/// lost in another one.
fn write_lines(out: &mut impl io::Write, text: &[u8], is_cut: &mut bool) -> io::Result<()> {
    if *is_cut {
        out.write_all(b"\n")?;
        *is_cut = false;
    }
    let mut rest = text;
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                let (written, left) = rest.split_at(count.min(rest.len()));
                *is_cut = written.last() != Some(&b'\n');
                rest = left;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Adds a line; `second` is the time as it was last written.
fn combined(out: &mut Vec<u8>, second: &mut Option<(i64, String)>, line: &Line) {
    let now = line.time.as_second();
    let time = match second {
        Some((second, time)) if *second == now => &*time,
        _ => &second.insert((now, line.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())).1,
    };
    // Writing to memory does not fail.
    let _written = write!(out, "{} - ", line.peer);
    escape(out, line.client.as_deref().unwrap_or("-"));
    out.extend_from_slice(b" [");
    out.extend_from_slice(time.as_bytes());
    out.extend_from_slice(b"] \"");
    escape(out, &line.method);
    out.push(b' ');
    escape(out, &line.target);
    let _written = write!(out, " {}\" {} {} \"-\" \"", line.version, line.status, line.sent);
    escape(out, line.user_agent.as_deref().unwrap_or("-"));
    out.extend_from_slice(b"\" ");
    escape(out, &line.id);
    out.push(b'\n');
}

/// Printable ASCII but for quotes and backslashes; the rest as `\xHH`.
fn escape(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => {
                let _written = write!(out, "\\x{byte:02x}");
            }
        }
    }
}

/// For more lines to come before they are written.
const COLLECT: Duration = Duration::from_millis(100);
/// Bytes that are written without waiting for more.
const ENOUGH: usize = 64 * 1024;
/// Bytes of lines that may wait for the disk.
const MOST_WAITING: usize = 2 * 1024 * 1024;
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
        let combined = |line: &Line| {
            let mut out = Vec::new();
            combined(&mut out, &mut None, line);
            String::from_utf8(out).unwrap()
        };
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

    /// Takes some bytes and then no more, as a disk that is full.
    struct Full(Vec<u8>, usize);

    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.1 - self.0.len());
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn line_that_a_full_disk_has_cut_does_not_take_the_next_one_with_it() {
        for (space, expected) in
            [(0, "three\n"), (4, "one\nthree\n"), (6, "one\ntw\nthree\n"), (8, "one\ntwo\nthree\n")]
        {
            let (mut disk, mut is_cut) = (Full(Vec::new(), space), false);
            assert_eq!(write_lines(&mut disk, b"one\ntwo\n", &mut is_cut).is_err(), space < 8);
            assert_eq!(is_cut, space == 6);
            disk.1 = 100;
            write_lines(&mut disk, b"three\n", &mut is_cut).unwrap();
            assert_eq!(String::from_utf8(disk.0).unwrap(), expected);
        }
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
        log.write(&line("one"));
        has_lines(&config.file, 1);
        crate::store::durable::rename(&config.file, &moved).unwrap();
        log.write(&line("two"));
        has_lines(&moved, 2);
        log.reopener().reopen();
        log.write(&line("three"));
        has_lines(&config.file, 1);
        drop(log);
        thread.join().unwrap();
    }
}
