//! Which hosts have which packages: records of a running server, and what they say together.
//!
//! ```text
//! RECORDS/                   beside the store, writable by the server, which cannot write to the store
//!   2026-11.001.jsonl        one record a line, appended; the next number when a file has 16 MiB, a new month begins anew
//! ```
//!
//! A record says that a host was sent a package to its end. It says so once a day for each host and package, so that a
//! host that asks again and again does not fill the disk or push out what others have. Not more than 64 files are kept
//! (1 GiB); the oldest goes first. Recording never fails or slows a download: what the queue cannot take is counted as lost
//! and said in the log of the server.
//!
//! A host is the name in its client certificate, if the server asks for one: that its authority vouches for. Else it is the
//! address its connection came from (behind a proxy, the proxy), which is no proof; no header counts.
//! A host that broke off within the last buffers is recorded all the same: rather one too many is warned.
//!
//! Attacks and accidents considered: a torn last line after a power cut (the next record begins a new line, the reader
//! counts what it cannot read), endless lines and files (bounded), text that poses as other output (addresses and names of
//! certificates are checked for visible characters by whoever prints).

mod reader;
mod record;
mod writer;

pub use reader::{HostPackage, HostsError, KnownHosts, known_hosts};
pub use record::{HostRecord, RecordKind};
pub use writer::{RecordError, Recorder};

/// A line of a file has some 500 bytes.
const MAX_LINE: usize = 8 * 1024;
/// When the next file begins.
const MAX_FILE: u64 = 16 << 20;
/// How many files are kept.
const MAX_FILES: usize = 64;

/// The files with records in a folder, oldest first. The server, which may be broken into, writes there; others read: a link
/// or a pipe is none of them.
fn files(folder: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_ours = name.strip_suffix(".jsonl").is_some_and(|stem| {
            stem.len() >= 11
                && stem.split(['-', '.']).all(|word| word.bytes().all(|b| b.is_ascii_digit()))
                && stem.split('.').count() == 2
        });
        if is_ours && entry.file_type()?.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
