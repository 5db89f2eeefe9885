//! The documents of an admission: their names, where they stand, how long they are.

use std::fs::File;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::serve::body::read_at;
use crate::serve::response::PLAIN_TEXT;
use crate::store::{Admission, STATEMENT_NAME, Store};

/// The name of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentName {
    /// What was admitted, when, signed with which certificates.
    Admission,
    /// Facts and verdicts.
    Report,
    /// What jarsigner says.
    Jarsigner,
    /// The trust anchors that were used.
    Anchors,
    /// What the store states, signed.
    Statement,
    /// What may be public of where the package came from.
    Origin,
    /// The proof that the log tells of the admission.
    Proof,
}

/// A document that is there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    /// Its path on this server, without a leading slash.
    pub(crate) path: String,
    /// Its length in bytes, if it is a file of the store.
    pub(crate) length: Option<u64>,
}

/// The end of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// Whether it is the whole text.
    pub(crate) is_whole: bool,
}

impl DocumentName {
    pub(crate) const ALL: [Self; 7] = [
        Self::Statement,
        Self::Report,
        Self::Jarsigner,
        Self::Anchors,
        Self::Admission,
        Self::Origin,
        Self::Proof,
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission.json",
            Self::Report => "report.json",
            Self::Jarsigner => "jarsigner.txt",
            Self::Anchors => "anchors.pem",
            Self::Statement => STATEMENT_NAME,
            Self::Origin => "origin.json",
            Self::Proof => "log.tlog-proof",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Admission => "what was admitted, when, signed with which certificates",
            Self::Report => "all facts about the archive, both verdicts, and when they will change",
            Self::Jarsigner => "what jarsigner -verify -verbose -certs -strict says",
            Self::Anchors => "the trust anchors that decided",
            Self::Statement => "what this mirror states of the admission, signed (in-toto, DSSE)",
            Self::Origin => "where the bytes came from",
            Self::Proof => "proof that the log tells of the admission (C2SP tlog-proof)",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Admission | Self::Report | Self::Statement | Self::Origin => "application/json",
            Self::Anchors => "application/pem-certificate-chain",
            Self::Jarsigner | Self::Proof => PLAIN_TEXT,
        }
    }

    /// The file of the store, if it is one.
    pub(super) fn path(self, store: &Store, admission: &Admission) -> Option<PathBuf> {
        match self {
            Self::Statement => Some(store.statement_path(admission)),
            Self::Origin | Self::Proof => None,
            _ => Some(store.admission_dir(admission).join(self.as_str())),
        }
    }
}

/// The documents that are there.
pub(super) fn of(store: &Store, admission: &Admission) -> Vec<Document> {
    let folder = format!("evidence/{}/{}", admission.entry().sha256, admission.number());
    let document = |name: DocumentName| {
        let length = match name.path(store, admission) {
            Some(path) => Some(std::fs::metadata(path).ok()?.len()),
            None => None,
        };
        let path = format!("{folder}/{}", name.as_str());
        Some(Document { name: name.as_str(), about: name.about(), path, length })
    };
    DocumentName::ALL.into_iter().filter_map(document).collect()
}

/// The end of jarsigner's text: from the legend on, which follows the entries, or the last bytes.
pub(super) fn excerpt(file: &File) -> Option<Excerpt> {
    let length = file.metadata().ok()?.len();
    let begin = length.saturating_sub(LONGEST_EXCERPT);
    let mut bytes = vec![0; usize::try_from(length - begin).ok()?];
    let mut filled = 0;
    while let Some(space) = bytes.get_mut(filled..).filter(|space| !space.is_empty()) {
        match read_at(file, space, begin + u64::try_from(filled).ok()?).ok()? {
            0 => return None,
            count => filled += count,
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    Some(end_of(&text, begin == 0))
}

fn end_of(text: &str, is_whole: bool) -> Excerpt {
    if is_whole && text.lines().count() <= SHORT {
        return Excerpt { text: text.to_owned(), is_whole: true };
    }
    let legend = text.rfind(LEGEND).and_then(|at| text.get(at + 1..));
    // A line that was cut at its beginning is left out.
    let rest = legend.or_else(|| text.split_once('\n').map(|(_, rest)| rest)).unwrap_or(text);
    Excerpt { text: rest.to_owned(), is_whole: false }
}

/// The line that `jarsigner -verbose` prints after the entries.
const LEGEND: &str = "\n  s = signature was verified";
/// The verdict behind the entries has some 2 KB.
const LONGEST_EXCERPT: u64 = 16 * 1024;
/// So many lines are shown as they are.
const SHORT: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_has_the_verdict_and_no_entries() {
        let entries = "smk   842 Fri Jun 19 11:02:14 UTC 2026 agent/a\n".repeat(40);
        let text =
            format!("{entries}\n  s = signature was verified \n\n- Signed by \"x\"\n\njar verified.\n");
        let excerpt = end_of(&text, true);
        assert!(excerpt.text.starts_with("  s = signature") && excerpt.text.ends_with("jar verified.\n"));
        assert!(!excerpt.is_whole && !excerpt.text.contains("agent/a"));
        assert_eq!(end_of("jar is unsigned.\n", true).text, "jar is unsigned.\n");
        assert!(!end_of("cut off\nwhole line\n", false).text.contains("cut off"));
    }
}
