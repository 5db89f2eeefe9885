//! All exit codes of both programs. Changing one is a breaking change.
//!
//! The drop-in `midmirror jarsigner` (and `verify --exit-code jarsigner`) is the exception: it ends with jarsigner's
//! own codes (0, 1, or the OR of 4, 8, 16, 32, 64).

use std::process::ExitCode;

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for is done, or there was nothing to do.
    Done = 0,
    /// Something unexpected failed; the message says what.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A signature or digest does not hold: the bytes are not what the vendor signed.
    RefusedByVerification = 3,
    /// The signature holds, but this mirror or host does not accept the package.
    RefusedByPolicy = 4,
    /// The catalog is not signed by the keys that are trusted, or it is damaged.
    CatalogNotTrusted = 5,
    /// The catalog is too old: nobody has signed a new one in time.
    CatalogExpired = 6,
    /// The catalog is older than one that was seen before.
    CatalogWentBackwards = 7,
    /// The upstream or the mirror could not be reached, or answered with an error.
    Unreachable = 8,
    /// Some items are done, others failed; the listing says which.
    SomeFailed = 9,
    /// The host has no trust file yet.
    NotEnrolled = 10,
    /// The store is damaged; `store check` names the files.
    StoreDamaged = 11,
    /// Another process is writing to the store.
    StoreBusy = 12,
    /// The file system refused: full, read-only, or no permission.
    Storage = 13,
    /// The file is no ZIP archive, or its directory cannot be read; `inspect` has shown what is left of it.
    NotAnArchive = 14,
    /// The upstream has other bytes under a known name; they are verified and wait for `midmirror accept`.
    Held = 15,
}

impl Exit {
    /// Every exit, in order.
    pub const ALL: [Self; 16] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::RefusedByVerification,
        Self::RefusedByPolicy,
        Self::CatalogNotTrusted,
        Self::CatalogExpired,
        Self::CatalogWentBackwards,
        Self::Unreachable,
        Self::SomeFailed,
        Self::NotEnrolled,
        Self::StoreDamaged,
        Self::StoreBusy,
        Self::Storage,
        Self::NotAnArchive,
        Self::Held,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::RefusedByVerification => 3,
            Self::RefusedByPolicy => 4,
            Self::CatalogNotTrusted => 5,
            Self::CatalogExpired => 6,
            Self::CatalogWentBackwards => 7,
            Self::Unreachable => 8,
            Self::SomeFailed => 9,
            Self::NotEnrolled => 10,
            Self::StoreDamaged => 11,
            Self::StoreBusy => 12,
            Self::Storage => 13,
            Self::NotAnArchive => 14,
            Self::Held => 15,
        }
    }

    /// One line for tables and `--help`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Failed => "unexpected failure",
            Self::Usage => "wrong command line or configuration",
            Self::RefusedByVerification => "refused by verification: signature or digest does not hold",
            Self::RefusedByPolicy => "refused by policy: signed, but not accepted here",
            Self::CatalogNotTrusted => "catalog not trusted",
            Self::CatalogExpired => "catalog expired",
            Self::CatalogWentBackwards => "catalog went backwards",
            Self::Unreachable => "upstream or mirror unreachable",
            Self::SomeFailed => "some items failed",
            Self::NotEnrolled => "host not enrolled",
            Self::StoreDamaged => "store damaged",
            Self::StoreBusy => "store in use by another writer",
            Self::Storage => "file system refused (full, read-only, no permission)",
            Self::NotAnArchive => "inspect: the file cannot be read as a ZIP archive",
            Self::Held => "other bytes under a known name are held until `midmirror accept`",
        }
    }

    /// The table for `--help`.
    pub fn table() -> String {
        let lines: Vec<String> =
            Self::ALL.iter().map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning())).collect();
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones_and_distinct() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, (0..16).collect::<Vec<u8>>());
    }
}
