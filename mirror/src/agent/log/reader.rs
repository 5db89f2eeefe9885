//! The line reader: which lines belong to a block of lists.

use jiff::civil::DateTime;

use super::{AgentLog, LogTime, MAX_NAMES, NameList, PackageBlock};
use crate::package::split_url;

/// Reads all lines. Whatever is not understood is skipped.
pub(super) fn read(text: &str) -> AgentLog {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    log: AgentLog,
    open: Option<OpenBlock>,
}

struct OpenBlock {
    block: PackageBlock,
    /// Lines since the head or the last list.
    silent_lines: usize,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if line.contains(HEAD) {
            self.begin(line);
        } else if self.open.as_mut().is_some_and(|open| {
            open.silent_lines += 1;
            open.silent_lines > MAX_NOISE_LINES
        }) {
            self.close();
        }
        if line.contains(": [") {
            self.lists(line);
        }
        if line.contains("Downloading ") {
            self.download(line);
        }
    }

    fn lists(&mut self, line: &str) {
        for label in Label::ALL {
            let Some(content) = label.content(line) else { continue };
            let repeated = self.open.as_ref().is_some_and(|open| label.list(&open.block).is_some());
            // The head may have been rotated away; a block always starts with Installed.
            if repeated || (label == Label::Installed && self.open.is_none()) {
                self.begin(line);
            }
            let Some(open) = &mut self.open else { continue };
            open.silent_lines = 0;
            if let Some(content) = content.split_once(']') {
                *label.list_mut(&mut open.block) = Some(NameList::parse(content.0));
            }
        }
    }

    fn begin(&mut self, line: &str) {
        self.close();
        let block = PackageBlock { time: line_time(line), ..PackageBlock::default() };
        self.open = Some(OpenBlock { block, silent_lines: 0 });
    }

    fn close(&mut self) {
        let Some(OpenBlock { block, .. }) = self.open.take() else { return };
        if block.is_usable() {
            self.log.block = Some(block);
            self.log.newer_block_cut = false;
        } else if !block.is_empty() {
            self.log.newer_block_cut = true;
        }
    }

    fn download(&mut self, line: &str) {
        let Some((_, address)) = line.rsplit_once(" from ") else { return };
        let Ok((_, path)) = split_url(address) else { return };
        if self.log.downloads.len() < MAX_NAMES && !self.log.downloads.contains(&path) {
            self.log.downloads.push(path);
        }
    }

    fn finish(mut self) -> AgentLog {
        self.close();
        self.log
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Installed,
    Assigned,
    Missing,
    Downloaded,
}

impl Label {
    const ALL: [Self; 4] = [Self::Installed, Self::Assigned, Self::Missing, Self::Downloaded];

    fn opening(self) -> &'static str {
        match self {
            Self::Installed => "Installed: [",
            Self::Assigned => "Assigned: [",
            Self::Missing => "Missing: [",
            Self::Downloaded => "Downloaded: [",
        }
    }

    /// What follows this label in a line, from the bracket on.
    fn content(self, line: &str) -> Option<&str> {
        let (before, content) = line.split_once(self.opening())?;
        (before.is_empty() || before.ends_with([' ', '\t'])).then_some(content)
    }

    fn list(self, block: &PackageBlock) -> Option<&NameList> {
        match self {
            Self::Installed => block.installed.as_ref(),
            Self::Assigned => block.assigned.as_ref(),
            Self::Missing => block.missing.as_ref(),
            Self::Downloaded => block.downloaded.as_ref(),
        }
    }

    fn list_mut(self, block: &mut PackageBlock) -> &mut Option<NameList> {
        match self {
            Self::Installed => &mut block.installed,
            Self::Assigned => &mut block.assigned,
            Self::Missing => &mut block.missing,
            Self::Downloaded => &mut block.downloaded,
        }
    }
}

/// Reads the time at the beginning of a line, in either format.
fn line_time(line: &str) -> Option<LogTime> {
    let line = line.trim_start_matches('\u{feff}');
    let (first, rest) = line.split_once(' ')?;
    if first.contains('T') {
        return jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", first).ok().map(LogTime::Exact);
    }
    let (second, _) = rest.split_once(' ')?;
    DateTime::strptime("%m/%d/%y %H:%M:%S", format!("{first} {second}")).ok().map(LogTime::Local)
}

const HEAD: &str = "Current packages:";

/// Other threads log between the lines of a block; further away a list is not part of it.
pub(super) const MAX_NOISE_LINES: usize = 200;
