//! Recording: a bounded queue and one thread that writes.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use thiserror::Error;

use super::record::{HostRecord, RecordKind};
use super::{MAX_FILE, MAX_FILES, files};
use crate::Sha256Digest;

/// The folder for records cannot be used.
#[derive(Debug, Error)]
#[error("failed to {operation} {}", path.display())]
pub struct RecordError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Takes records; clones write to the same files. What was taken is written before
/// the thread ends, which it does when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Recorder {
    queue: SyncSender<HostRecord>,
    lost: Arc<AtomicU64>,
}

impl Recorder {
    /// Opens a folder, which is made if it is missing, and starts the thread that writes.
    ///
    /// # Errors
    /// The folder cannot be made, or no file in it can be written.
    pub fn start(folder: &Path) -> Result<(Self, JoinHandle<()>), RecordError> {
        let failed = |operation| move |source| RecordError { operation, path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed("make the folder"))?;
        let probe = tempfile::NamedTempFile::new_in(folder).map_err(failed("write into"))?;
        drop(probe);
        let (queue, records) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let files =
            Files { folder: folder.to_owned(), open: None, today: String::new(), seen: HashSet::new() };
        let counter = Arc::clone(&lost);
        let writer = std::thread::Builder::new()
            .name("host-records".to_owned())
            .spawn(move || write(files, &records, &counter))
            .map_err(failed("start a thread for"))?;
        Ok((Self { queue, lost }, writer))
    }

    /// Takes a record; at once, whatever the disk does.
    pub fn record(&self, record: HostRecord) {
        if self.queue.try_send(record).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(mut files: Files, records: &Receiver<HostRecord>, lost: &AtomicU64) {
    let mut said = 0;
    while let Ok(record) = records.recv() {
        if let Err(error) = files.add(&record) {
            lost.fetch_add(1, Ordering::Relaxed);
            files.open = None;
            let error: &dyn std::error::Error = &error;
            tracing::warn!(folder = %files.folder.display(), error, "a host's download could not be recorded");
        }
        let total = lost.load(Ordering::Relaxed);
        if total > said {
            tracing::warn!(lost = total, "records of downloads were lost since the server was started");
            said = total;
        }
    }
}

/// The files in their folder, of which the newest is open.
struct Files {
    folder: PathBuf,
    open: Option<Open>,
    /// The day that `seen` is about.
    today: String,
    /// What was recorded today: host, certificate, kind and digest, hashed.
    seen: HashSet<Sha256Digest>,
}

struct Open {
    month: String,
    file: File,
    length: u64,
}

impl Files {
    fn add(&mut self, record: &HostRecord) -> io::Result<()> {
        let day = record.at.to_string();
        let day = day.get(..10).unwrap_or_default();
        if day != self.today {
            day.clone_into(&mut self.today);
            self.seen.clear();
        }
        let key = key(record);
        if self.seen.contains(&key) {
            return Ok(());
        }
        // A flood of addresses ends in one record less, not in a full disk.
        if self.seen.len() >= MOST_SEEN {
            return Err(io::Error::other("too many hosts today"));
        }
        let month = day.get(..7).unwrap_or_default();
        let mut open = match self.open.take() {
            Some(open) if open.month == month && open.length < MAX_FILE => open,
            _ => self.next(month)?,
        };
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        open.file.write_all(&line)?;
        open.length = open.length.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        self.open = Some(open);
        // Only now: what the disk refused is tried again with the host's next download.
        self.seen.insert(key);
        Ok(())
    }

    /// The file that goes on: the last one of the month if it has room.
    fn next(&self, month: &str) -> io::Result<Open> {
        let there = files(&self.folder)?;
        let of_month = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
            let (found, number) = name.split_once('.')?;
            (found == month).then(|| number.parse::<u32>().ok()).flatten()
        };
        let mut number = there.iter().filter_map(of_month).max().unwrap_or(1);
        let path = |number: u32| self.folder.join(format!("{month}.{number:03}.jsonl"));
        if path(number).metadata().is_ok_and(|file| file.len() >= MAX_FILE) {
            number = number.saturating_add(1);
        }
        for old in there.iter().take(there.len().saturating_sub(MAX_FILES - 1)) {
            if *old != path(number) {
                std::fs::remove_file(old)?;
                tracing::warn!(file = %old.display(), "the oldest records of downloads were removed");
            }
        }
        let path = path(number);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(&path)?;
        #[cfg(unix)]
        {
            // Whoever runs `midmirror who-has` is another user than the server, whose umask hides everything.
            use std::os::unix::fs::PermissionsExt as _;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        let mut length = file.metadata()?.len();
        if length > 0 {
            // A line that was torn by a power cut must not spoil the next one.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                length += 1;
            }
        }
        Ok(Open { month: month.to_owned(), file, length })
    }
}

fn key(record: &HostRecord) -> Sha256Digest {
    let kind = match record.kind {
        RecordKind::Downloaded => "d",
        RecordKind::Staged => "s",
        RecordKind::Installed => "i",
    };
    let certificate = record.certificate.as_deref().unwrap_or_default();
    Sha256Digest::of(format!("{kind}\n{}\n{certificate}\n{}", record.host, record.sha256).as_bytes())
}

/// Records that wait for the disk.
const QUEUE: usize = 1024;
/// Hosts and packages of one day that are told apart: some 10 MB of memory, and 100 MB on disk.
const MOST_SEEN: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::super::{known_hosts, reader::KnownHosts};
    use super::*;
    use crate::store::testing::{at, path};

    fn record(host: &str, seconds: i64) -> HostRecord {
        HostRecord {
            kind: RecordKind::Downloaded,
            at: at(seconds),
            host: host.to_owned(),
            certificate: None,
            sha256: Sha256Digest::of(b"package"),
            path: Some(path(1)),
        }
    }

    fn write_all(folder: &Path, records: &[HostRecord]) {
        let (recorder, writer) = Recorder::start(folder).unwrap();
        records.iter().for_each(|one| recorder.record(one.clone()));
        drop(recorder);
        writer.join().unwrap();
    }

    fn known(folder: &Path) -> KnownHosts {
        known_hosts(folder, &[Sha256Digest::of(b"package")]).unwrap()
    }

    #[test]
    fn host_is_recorded_once_a_day_and_torn_lines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("records");
        write_all(&folder, &[record("10.0.0.1", 1), record("10.0.0.1", 2), record("10.0.0.2", 3)]);
        let file = files(&folder).unwrap().remove(0);
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        torn.write_all(b"{\"kind\":\"downl").unwrap();
        drop(torn);
        write_all(&folder, &[record("10.0.0.1", 90_000)]);
        let found = known(&folder);
        assert_eq!((found.hosts.len(), found.unreadable), (2, 1));
        let first = &found.hosts[0];
        assert_eq!((first.host.as_str(), first.first, first.last), ("10.0.0.1", at(1), at(90_000)));
    }

    #[test]
    fn full_files_are_followed_by_new_ones_and_the_oldest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=MAX_FILES {
            std::fs::write(folder.path().join(format!("2020-01.{number:03}.jsonl")), "").unwrap();
        }
        write_all(folder.path(), &[record("10.0.0.1", 1)]);
        let there = files(folder.path()).unwrap();
        assert_eq!(there.len(), MAX_FILES);
        assert!(there[0].ends_with("2020-01.002.jsonl"));
        let newest = there.last().unwrap().clone();
        File::options().write(true).open(&newest).unwrap().set_len(MAX_FILE).unwrap();
        write_all(folder.path(), &[record("10.0.0.1", 1)]);
        let next = files(folder.path()).unwrap().pop().unwrap();
        assert!(next.to_str().unwrap().ends_with(".002.jsonl") && next != newest, "{next:?}");
    }

    #[test]
    fn disk_that_refuses_loses_records_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("records");
        let (recorder, writer) = Recorder::start(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        recorder.record(record("10.0.0.1", 1));
        let lost = Arc::clone(&recorder.lost);
        drop(recorder);
        writer.join().unwrap();
        assert_eq!(lost.load(Ordering::Relaxed), 1);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Recorder::start(&file.path().join("below")).is_err());
    }

    #[test]
    fn record_that_the_disk_refused_is_written_with_the_next_download_of_that_day() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("records");
        let mut files =
            Files { folder: folder.clone(), open: None, today: String::new(), seen: HashSet::new() };
        assert!(files.add(&record("10.0.0.1", 1)).is_err(), "there is no folder");
        std::fs::create_dir(&folder).unwrap();
        files.add(&record("10.0.0.1", 2)).unwrap();
        assert_eq!(known(&folder).hosts.len(), 1);
    }
}
