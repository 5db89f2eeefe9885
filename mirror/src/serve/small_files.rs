//! Small files of the store that are served as they are: the signed catalog, the log, the list of digests.
//!
//! Names are never made into paths unless they are digits and constant words in the places where such files are.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::blob_check::hash;
use super::response::PLAIN_TEXT;
use super::view::ServedStore;
use crate::Sha256Digest;
use crate::attest::sums;
use crate::regular_file::{self, Links};

/// A file, how it is called and how long it may be kept.
pub(super) struct SmallFile {
    /// Below the root of the store.
    pub(super) place: String,
    pub(super) content_type: &'static str,
    pub(super) cache: &'static str,
}

/// What is in a file.
pub(super) enum Content {
    Memory(Vec<u8>),
    /// Not that small, as the catalog of many packages: whoever asks for it and does not read holds no copy of it.
    File {
        file: File,
        length: u64,
        sha256: Sha256Digest,
    },
}

impl Content {
    /// Reads a file; of a larger one its digest only.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut file = regular_file::open(path, Links::Followed)?;
        let length = file.metadata()?.len();
        if length <= IN_MEMORY {
            let mut bytes = Vec::new();
            // It is replaced and never written to, so it does not grow.
            file.by_ref().take(IN_MEMORY).read_to_end(&mut bytes)?;
            return Ok(Self::Memory(bytes));
        }
        let sha256 = hash(&file, |_| true)?.ok_or(io::ErrorKind::Interrupted)?;
        Ok(Self::File { file, length, sha256 })
    }
}

impl SmallFile {
    /// What a path stands for, which begins without slash.
    pub(super) fn at(path: &str) -> Option<Self> {
        let (content_type, cache) = match path.split_once('/') {
            Some(("repository", "timestamp.json")) => (JSON, CHANGES),
            Some(("repository", name)) if is_metadata_name(name) => (JSON, STAYS),
            Some(("log", "checkpoint")) => (PLAIN_TEXT, CHANGES),
            Some(("log", name)) if is_tile_name(name) => (BYTES, STAYS),
            None if [sums::SUMS_FILE, sums::SIGNATURE_FILE, sums::KEY_FILE].contains(&path) => {
                (PLAIN_TEXT, CHANGES)
            }
            _ => return None,
        };
        Some(Self { place: path.to_owned(), content_type, cache })
    }

    pub(super) fn path(&self, store: &ServedStore) -> PathBuf {
        self.place.split('/').fold(store.root(), |folder, name| folder.join(name))
    }
}

/// `timestamp.json` is looked at by the caller; the others are a number with one of three words.
fn is_metadata_name(name: &str) -> bool {
    let Some((version, rest)) = name.split_once('.') else { return false };
    let digits = (1..=20).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit());
    digits && matches!(rest, "root.json" | "targets.json" | "snapshot.json")
}

/// C2SP tlog-tiles: `tile/LEVEL/NUMBER`, `tile/entries/NUMBER`, and `.p/WIDTH` behind those that are not full.
fn is_tile_name(name: &str) -> bool {
    let Some((level, number)) = name.strip_prefix("tile/").and_then(|name| name.split_once('/')) else {
        return false;
    };
    let is_level = level == "entries" || level.parse::<u8>().is_ok_and(|l| l < 64 && l.to_string() == level);
    let (number, width) =
        number.split_once(".p/").map_or((number, None), |(number, width)| (number, Some(width)));
    let is_width = width.is_none_or(|w| w.parse::<u8>().is_ok_and(|n| n > 0 && n.to_string() == w));
    let three = |part: &str| part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
    let (front, last) = number.rsplit_once('/').map_or((None, number), |(front, last)| (Some(front), last));
    let is_front = front.is_none_or(|front| {
        front.len() <= 32 && front.split('/').all(|part| part.strip_prefix('x').is_some_and(three))
    });
    is_level && is_width && is_front && three(last)
}

const IN_MEMORY: u64 = 64 << 10;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
const CHANGES: &str = "no-cache";
const STAYS: &str = "public, max-age=31536000, immutable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_digits_and_constant_words() {
        for good in [
            "repository/timestamp.json",
            "repository/1.root.json",
            "repository/20260619.targets.json",
            "repository/7.snapshot.json",
            "log/checkpoint",
            "log/tile/0/000",
            "log/tile/0/000.p/7",
            "log/tile/63/x001/x234/067",
            "log/tile/entries/x001/234.p/255",
            "SHA256SUMS",
            "SHA256SUMS.minisig",
            "midmirror.pub",
        ] {
            assert_eq!(SmallFile::at(good).map(|file| file.place).as_deref(), Some(good));
        }
        for bad in [
            "",
            "repository/",
            "repository/root.json",
            "repository/.root.json",
            "repository/1.timestamp.json",
            "repository/-1.root.json",
            "repository/1.root.json/",
            "repository/../1.root.json",
            "repository/1.root.json\0",
            "repository/1.Root.json",
            "repository/1.role.json",
            "repository/%31.root.json",
            "repository/123456789012345678901.root.json",
            "log/",
            "log/tile",
            "log/tile/0",
            "log/tile/64/000",
            "log/tile/00/000",
            "log/tile/0/00",
            "log/tile/0/0000",
            "log/tile/0/../000",
            "log/tile/0/x000",
            "log/tile/0/000/001",
            "log/tile/0/000.p/0",
            "log/tile/0/000.p/256",
            "log/tile/0/000.p/07",
            "log/tile/0/000.p/7/",
            "log/tile/0/x001//001",
            "log/tile/0/x000/x000/x000/x000/x000/x000/x000/x000/000",
            "midmirror-store.json",
            "lock",
            "sha256sums",
        ] {
            assert!(SmallFile::at(bad).is_none(), "{bad}");
        }
    }
}
