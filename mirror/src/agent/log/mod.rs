//! What an agent's own log (`logs/agent0.log.0`) says about packages: the newest block of the hourly check.
//!
//! ```text
//! 2026-06-03T09:46:18.163-0400 INFO  (AutoUpgrade.3600) [AutoUpgrade:292] Current packages:
//!   Installed: [mid-core.A.universal.universal.zip, mid-jre.A.windows.x86-64.zip]
//!   Assigned: [mid-upgrade.B.universal.universal.zip, mid-core.B.universal.universal.zip]
//!   Missing: [mid-upgrade.B.universal.universal.zip, mid-core.B.universal.universal.zip]
//!   Downloaded: []
//! ```
//!
//! The log is written by a program that logs what it receives, so nothing in it is trusted: it decides what is *wanted*,
//! never what is genuine.
//!
//! | attack or damage | defence |
//! | --- | --- |
//! | endless file, endless list | [`MAX_LOG_BYTES`], [`MAX_NAMES`] |
//! | names with `/`, `..`, blanks, control characters | only a [`PackageName`] passes; the rest is reported as unreadable, shortened |
//! | block cut at the end of the file, rotation in the middle of a block | such a block is not used; the one before it is, and that is said |
//! | a log line elsewhere that looks like a list | lists count only after the head of a block |

mod block;
mod reader;
#[cfg(test)]
mod rotated_tests;

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::package::{PackageName, PackagePath};

pub(super) use block::is_idle_updater;

/// The largest log that is read. An agent rotates its log at a few megabytes.
pub const MAX_LOG_BYTES: usize = 64 * 1024 * 1024;

/// What a log says about packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgentLog {
    block: Option<PackageBlock>,
    newer_block_cut: bool,
    downloads: Vec<PackagePath>,
}

/// The Installed, Assigned, Missing and Downloaded lists of one check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageBlock {
    /// When the check ran, as far as the log line says.
    pub time: Option<LogTime>,
    /// What the agent says is installed.
    pub installed: Option<NameList>,
    /// What the instance assigned to it.
    pub assigned: Option<NameList>,
    /// What it has to download.
    pub missing: Option<NameList>,
    /// What it finds in `package/incoming`.
    pub downloaded: Option<NameList>,
}

/// One list of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NameList {
    /// The names, in the order of the log.
    pub names: Vec<PackageName>,
    /// Entries that are no package names, shortened and with control characters escaped.
    pub unreadable: Vec<String>,
}

/// The time of a log line: exact, or the local time of a host whose time zone the line does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LogTime {
    /// `2026-06-03T09:46:18.163-0400`
    Exact(jiff::Timestamp),
    /// `10/30/17 19:15:00`
    Local(DateTime),
}

impl std::fmt::Display for LogTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(time) => write!(f, "{time}"),
            Self::Local(time) => write!(f, "{time} (host's local time)"),
        }
    }
}

/// The log cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AgentLogError {
    /// Too long.
    #[error("the log has {length} bytes, at most {limit} are read")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

impl AgentLog {
    /// Reads a log of either format. Whatever is not understood is skipped.
    pub fn parse(text: &str) -> Result<Self, AgentLogError> {
        if text.len() > MAX_LOG_BYTES {
            return Err(AgentLogError::TooLong { length: text.len(), limit: MAX_LOG_BYTES });
        }
        Ok(reader::read(text))
    }

    /// Reads the last bytes of a log; whatever is no UTF-8 is replaced.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, AgentLogError> {
        if bytes.len() > MAX_LOG_BYTES {
            return Err(AgentLogError::TooLong { length: bytes.len(), limit: MAX_LOG_BYTES });
        }
        Ok(reader::read(&String::from_utf8_lossy(bytes)))
    }

    /// Joins an older part of the log to `newer`, which wins if it has a block.
    pub(super) fn after(self, newer: Self) -> Self {
        if newer.block.is_some() {
            return newer;
        }
        let mut downloads = self.downloads;
        downloads.extend(newer.downloads);
        let newer_block_cut = self.newer_block_cut || newer.newer_block_cut;
        Self { block: self.block, newer_block_cut, downloads }
    }

    /// Joins the parts of one rotated log, oldest first. The newest block wins: by its time where times can be compared,
    /// else by the place of its part. Addresses of all parts are kept.
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut joined = Self::default();
        for part in parts {
            for path in part.downloads {
                if joined.downloads.len() < MAX_NAMES && !joined.downloads.contains(&path) {
                    joined.downloads.push(path);
                }
            }
            let is_older =
                part.block.as_ref().zip(joined.block.as_ref()).is_some_and(|(b, a)| b.is_before(a));
            if part.block.is_some() && !is_older {
                joined.block = part.block;
                joined.newer_block_cut = part.newer_block_cut;
            } else if part.block.is_none() {
                joined.newer_block_cut |= part.newer_block_cut;
            }
        }
        joined
    }

    /// The newest block that is complete enough to be used.
    pub fn block(&self) -> Option<&PackageBlock> {
        self.block.as_ref()
    }

    /// Whether a newer block follows that is cut off, for instance because the agent is writing it just now.
    pub fn newer_block_cut(&self) -> bool {
        self.newer_block_cut
    }

    /// The vendor paths the agent tried to download, in the order of the log, each once.
    pub fn downloads(&self) -> &[PackagePath] {
        &self.downloads
    }
}

impl NameList {
    fn parse(content: &str) -> Self {
        let mut list = Self::default();
        for item in content.split(',').map(str::trim).filter(|item| !item.is_empty()).take(MAX_NAMES) {
            match PackageName::parse(item) {
                Ok(name) if !list.names.contains(&name) => list.names.push(name),
                Ok(_) => {}
                Err(_) => list.unreadable.push(item.chars().take(300).flat_map(char::escape_debug).collect()),
            }
        }
        list
    }
}

/// More names than any agent is assigned.
const MAX_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::reader::MAX_NOISE_LINES;
    use super::*;

    const A: &str = "newyork-06-26-2019__patch0-07-10-2019_07-12-2019_1636";
    const B: &str = "paris-06-24-2020__patch2-10-01-2020_10-20-2020_1602";

    fn texts(list: &NameList) -> Vec<&str> {
        list.names.iter().map(PackageName::as_str).collect()
    }

    fn block(head: &str, stamp: &str, missing: bool) -> String {
        let (u, c) = (
            format!("mid-upgrade.{stamp}.universal.universal.zip"),
            format!("mid-core.{stamp}.universal.universal.zip"),
        );
        let mut text = format!(
            "{head}Current packages:\n  Installed: [mid-core.{A}.universal.universal.zip, mid-jre.{A}.windows.x86-64.zip]\n  Assigned: [{u}, {c}, mid-jre.{A}.windows.x86-64.zip]\n"
        );
        if missing {
            text.push_str(&format!("  Missing: [{u}]\n  Downloaded: [{c}]\n"));
        }
        text
    }

    #[test]
    fn both_formats_and_both_line_ends_are_read() {
        let old = block("10/30/17 19:15:00 (404) StartupSequencer ", B, true);
        let new = block("2026-06-03T09:46:18.163-0400 INFO  (MIDServer) [Main:292] ", B, true);
        let old = AgentLog::parse(&old.replace('\n', "\r\n")).unwrap();
        let new = AgentLog::parse(&new).unwrap();
        let (old, new) = (old.block().unwrap(), new.block().unwrap());
        assert_eq!(old.time.unwrap().to_string(), "2017-10-30T19:15:00 (host's local time)");
        assert_eq!(new.time.unwrap().to_string(), "2026-06-03T13:46:18.163Z");
        assert_eq!(old.assigned, new.assigned);
        assert_eq!(texts(&new.to_get()), [format!("mid-upgrade.{B}.universal.universal.zip")]);
    }

    #[test]
    fn every_line_of_a_block_may_carry_its_own_prefix_and_other_threads_may_log_between() {
        let head = "06/28/19 10:41:13 (104) AutoUpgrade.3600 ";
        let noise = format!("{head}Worker: Missing: nothing\n06/28/19 10:41:13 (105) ECC status: [ok]\n");
        let text = block(head, B, true).replace("\n  ", &format!("\n{noise}{head}  "));
        let log = AgentLog::parse(&text).unwrap();
        assert_eq!(texts(&log.block().unwrap().to_get()).len(), 1);
        assert_eq!(log.block().unwrap().installed.as_ref().unwrap().names.len(), 2);
    }

    #[test]
    fn without_missing_it_is_assigned_without_installed_and_downloaded() {
        let log = AgentLog::parse(&block("", B, false)).unwrap();
        assert_eq!(texts(&log.block().unwrap().to_get()).len(), 2);
        let text = format!("{}  Downloaded: [mid-core.{B}.universal.universal.zip]", block("", B, false));
        let log = AgentLog::parse(&text).unwrap();
        assert_eq!(
            texts(&log.block().unwrap().to_get()),
            [format!("mid-upgrade.{B}.universal.universal.zip")]
        );
    }

    #[test]
    fn updater_of_the_installed_build_is_not_outstanding() {
        let lists = format!(
            "Current packages:\n Installed: [mid-core.{A}.universal.universal.zip]\n Assigned: [mid-upgrade.{A}.universal.universal.zip, mid-core.{A}.universal.universal.zip]\n"
        );
        for text in [lists.clone(), format!("{lists} Missing: []\n Downloaded: [x.zip]\n")] {
            let log = AgentLog::parse(&text).unwrap();
            assert_eq!(log.block().unwrap().outstanding(), NameList::default(), "{text}");
        }
    }

    #[test]
    fn downloaded_packages_are_outstanding_but_not_to_get() {
        let log = AgentLog::parse(&block("", B, true)).unwrap();
        let block = log.block().unwrap();
        let both = [
            format!("mid-upgrade.{B}.universal.universal.zip"),
            format!("mid-core.{B}.universal.universal.zip"),
        ];
        assert_eq!(texts(&block.outstanding()), both);
        assert_eq!(texts(&block.to_get()), both.get(..1).unwrap());
    }

    #[test]
    fn empty_missing_means_settled() {
        let text = block("", B, false) + "  Missing: []\n  Downloaded: []\n";
        let log = AgentLog::parse(&text).unwrap();
        assert_eq!(log.block().unwrap().to_get(), NameList::default());
    }

    #[test]
    fn newest_block_wins_and_a_cut_one_does_not_count() {
        let older = block("06/28/19 10:00:00 (1) T ", B, true);
        let newer = block("06/28/19 11:00:00 (1) T ", A, true);
        let log = AgentLog::parse(&format!("{older}noise\n{newer}")).unwrap();
        assert!(log.block().unwrap().time.unwrap().to_string().contains("11:00"));
        let whole = newer.find("  Assigned").unwrap() + 30;
        for cut in [newer.find("  Assigned").unwrap(), whole] {
            let log = AgentLog::parse(&format!("{older}{}", newer.get(..cut).unwrap())).unwrap();
            assert!(log.block().unwrap().time.unwrap().to_string().contains("10:00"), "{cut}");
            assert!(log.newer_block_cut());
        }
        // A cut in the last list leaves the ones before it.
        let cut = newer.find("  Downloaded").unwrap() + 20;
        let log = AgentLog::parse(&format!("{older}{}", newer.get(..cut).unwrap())).unwrap();
        assert!(log.block().unwrap().time.unwrap().to_string().contains("11:00"));
        assert!(!log.newer_block_cut());
    }

    #[test]
    fn lists_far_from_a_head_do_not_count() {
        let noise = "06/28/19 11:00:00 (1) T something\n".repeat(MAX_NOISE_LINES + 1);
        let text = format!(
            "{}{noise}Assigned: [mid-core.{A}.universal.universal.zip]\nMissing: [x]\n",
            block("", B, true)
        );
        let log = AgentLog::parse(&text).unwrap();
        assert_eq!(log, AgentLog::parse(&block("", B, true)).unwrap());
    }

    #[test]
    fn rotated_start_without_head_is_read_from_installed_on() {
        let text = block("", B, true);
        let rotated = text.split_once('\n').unwrap().1;
        assert!(AgentLog::parse(rotated).unwrap().block().is_some());
        let later = rotated.split_once('\n').unwrap().1;
        assert!(AgentLog::parse(later).unwrap().block().is_none());
    }

    #[test]
    fn blank_inside_a_name_is_reported_as_unreadable() {
        let bad = "mid-jre.newyork-06-26-2019__patch0-hotfix2-07-10-2019_07-16-2019_1636 .windows.x86-64.zip";
        let text = format!(
            "Current packages:\n Installed: []\n Assigned: [{bad}]\n Missing: [{bad}, ../../x.zip, \u{1b}[2Jx]\n"
        );
        let log = AgentLog::parse(&text).unwrap();
        let list = log.block().unwrap().to_get();
        assert!(list.names.is_empty());
        assert_eq!(list.unreadable, [bad, "../../x.zip", "\\u{1b}[2Jx"]);
    }

    #[test]
    fn download_addresses_are_collected() {
        let path = format!(
            "glide/distribution/builds/package/app-signed/mid-upgrade/2020/10/20/mid-upgrade.{B}.preUpgradeCheck.zip"
        );
        let text = format!(
            "10/30/17 19:15:00 (404) T Downloading from https://install.service-now.com/{path}\nDownloading package to x.zip from https://i.example/{path}\nDownloading x from nowhere\n"
        );
        let log = AgentLog::parse(&text).unwrap();
        assert_eq!(log.downloads(), [PackagePath::parse(&path).unwrap()]);
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(
            parts in proptest::collection::vec("(Current packages:|Installed: \\[|Assigned: \\[|Missing: \\[|\\]|, |\n|\r\n|Downloading | from |10/30/17 19:15:00 |\\PC{0,8})", 0..40)
        ) {
            let _ = AgentLog::parse(&parts.concat());
        }
    }
}
