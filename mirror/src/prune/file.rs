//! The plan as a file that a person reads, and may shorten.
//!
//! ```text
//! # midmirror prune plan 1
//! # store 0a1b…
//! # policy {"builds_per_family":3,…}
//! # …
//! # there are 4 newer builds of zurich
//! remove DIGEST LENGTH VENDOR-PATH
//! ```
//!
//! Lines that begin with `#` are for people, but for the first three. Lines may be deleted, not added: what the policy does not
//! propose is not removed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use thiserror::Error;

use super::policy::{PrunePlan, Retention};
use crate::Sha256Digest;

/// What a plan file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// Id of the store that it is for.
    pub store: String,
    /// The policy that it was made by.
    pub retention: Retention,
    /// What is to go.
    pub remove: BTreeSet<Sha256Digest>,
}

/// A plan file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// It does not begin as a plan does.
    #[error("line {line} is not what a prune plan has there: {expected}")]
    Head {
        /// Which line, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// A line is neither a comment nor `remove DIGEST LENGTH PATH`.
    #[error("line {line} cannot be read: it should be `remove DIGEST LENGTH PATH`")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
    /// It is too long.
    #[error("the plan has more than {} bytes", PlanFile::MAX_BYTES)]
    TooLong,
}

impl PlanFile {
    /// A plan is no longer: some 60,000 lines.
    pub const MAX_BYTES: u64 = 16 << 20;

    /// Writes a plan for people.
    pub fn write(store: &str, retention: &Retention, plan: &PrunePlan, now: Timestamp) -> String {
        let policy = serde_json::to_string(retention).unwrap_or_default();
        let bytes: u64 = plan.candidates.iter().map(|candidate| candidate.length).sum();
        let mut text = format!(
            "{FIRST}\n{STORE}{store}\n{POLICY}{policy}\n# made {now}: {} packages, {bytes} bytes\n\
             # Delete the lines of what is to stay, then: midmirror store prune --apply FILE\n",
            plan.candidates.len()
        );
        for kept in &plan.kept {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# stays: {} ({})", kept.stamp, printable(&kept.why));
        }
        let mut last = String::new();
        for candidate in &plan.candidates {
            let reason = format!("# {}, {}", candidate.path.name().stamp(), candidate.reason);
            if reason != last {
                let _ = writeln!(text, "{reason}");
                last = reason;
            }
            let _ = writeln!(text, "remove {} {} {}", candidate.sha256, candidate.length, candidate.path);
        }
        text
    }

    /// Reads a plan, as it was written or shortened.
    pub fn parse(text: &str) -> Result<Self, PlanFileError> {
        if u64::try_from(text.len()).map_or(true, |length| length > Self::MAX_BYTES) {
            return Err(PlanFileError::TooLong);
        }
        let mut lines = text.lines();
        let mut head = |line, prefix: &str, expected| {
            let rest = lines.next().and_then(|text| text.trim_end().strip_prefix(prefix));
            rest.ok_or(PlanFileError::Head { line, expected })
        };
        if !head(1, FIRST, "# midmirror prune plan 1")?.is_empty() {
            return Err(PlanFileError::Head { line: 1, expected: "# midmirror prune plan 1" });
        }
        let store = head(2, STORE, "# store ID")?.to_owned();
        let policy = head(3, POLICY, "# policy JSON")?;
        let retention = serde_json::from_str(policy)
            .map_err(|_| PlanFileError::Head { line: 3, expected: "# policy JSON" })?;
        let mut remove = BTreeSet::new();
        for (number, line) in (4..).zip(lines) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let digest = match words.as_slice() {
                ["remove", digest, length, _path] if length.parse::<u64>().is_ok() => digest.parse().ok(),
                _ => None,
            };
            remove.insert(digest.ok_or(PlanFileError::Line { line: number })?);
        }
        Ok(Self { store, retention, remove })
    }
}

/// Names of hosts come from the network.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || midmirror_verify::is_hidden_character(c) { '?' } else { c })
        .take(200)
        .collect()
}

const FIRST: &str = "# midmirror prune plan 1";
const STORE: &str = "# store ";
const POLICY: &str = "# policy ";
