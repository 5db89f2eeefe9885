//! What the records say together.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::record::{HostRecord, RecordKind};
use super::{MAX_LINE, files};
use crate::Sha256Digest;
use crate::package::PackagePath;

/// Records could not be read.
#[derive(Debug, Error)]
#[error("failed to read {}", path.display())]
pub struct HostsError {
    path: PathBuf,
    source: io::Error,
}

/// What is known of some packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownHosts {
    /// Hosts and packages, in the order of the hosts.
    pub hosts: Vec<HostPackage>,
    /// Lines that could not be read: torn by a power cut, or written by a later version.
    pub unreadable: u64,
}

/// A host has a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostPackage {
    /// The host: the address that its connection came from, or the name it reports.
    pub host: String,
    /// Subject of the client certificate that it showed, if any.
    pub certificate: Option<String>,
    /// How far it has come with the package.
    pub kind: RecordKind,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// The vendor path under which it got them last.
    pub path: Option<PackagePath>,
    /// When this was recorded first.
    pub first: Timestamp,
    /// When it was recorded last, to the day.
    pub last: Timestamp,
}

/// Reads all records about some digests.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub fn known_hosts(folder: &Path, digests: &[Sha256Digest]) -> Result<KnownHosts, HostsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| HostsError { path, source }
    };
    let digests: HashSet<&Sha256Digest> = digests.iter().collect();
    let mut known = KnownHosts::default();
    let mut hosts: BTreeMap<_, HostPackage> = BTreeMap::new();
    for path in files(folder).map_err(failed(folder))? {
        let file = std::fs::File::open(&path).map_err(failed(&path))?;
        let mut reader = BufReader::new(file);
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            let read = reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed(&path))?;
            if read == 0 {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<HostRecord>(&line) {
                Ok(record) if digests.contains(&record.sha256) => add(&mut hosts, record),
                Ok(_) => {}
                Err(_) => known.unreadable = known.unreadable.saturating_add(1),
            }
        }
    }
    known.hosts = hosts.into_values().collect();
    Ok(known)
}

type Key = (String, Option<String>, RecordKind, Sha256Digest);

fn add(hosts: &mut BTreeMap<Key, HostPackage>, record: HostRecord) {
    let HostRecord { kind, at, host, certificate, sha256, path } = record;
    let key = (host.clone(), certificate.clone(), kind, sha256);
    let new = HostPackage { host, certificate, kind, sha256, path: path.clone(), first: at, last: at };
    let known = hosts.entry(key).or_insert(new);
    known.first = known.first.min(at);
    if at >= known.last {
        known.last = at;
        known.path = path.or(known.path.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_lines_and_foreign_files_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let mut long = vec![b'x'; 3 * MAX_LINE];
        long.push(b'\n');
        std::fs::write(folder.path().join("2026-11.001.jsonl"), long).unwrap();
        for other in ["notes.txt", "2026-11.jsonl", "2026-11.001.jsonl.bak", "a-b.001.jsonl"] {
            std::fs::write(folder.path().join(other), "{}\n").unwrap();
        }
        #[cfg(unix)]
        {
            let (pipe, link) = (folder.path().join("2026-11.002.jsonl"), "2026-11.003.jsonl");
            let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
            rustix::fs::mknodat(rustix::fs::CWD, pipe, kind, mode, 0).unwrap();
            std::os::unix::fs::symlink("notes.txt", folder.path().join(link)).unwrap();
        }
        let known = known_hosts(folder.path(), &[]).unwrap();
        assert_eq!((known.hosts.len(), known.unreadable), (0, 3));
        assert!(known_hosts(&folder.path().join("none"), &[]).is_err());
    }
}
