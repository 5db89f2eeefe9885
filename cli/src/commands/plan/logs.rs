//! `--log`: which files are parts of one agent's log, and what the newest lists in it ask for.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use midmirror_mirror::agent::{AgentLog, MAX_LOG_BYTES};
use midmirror_mirror::plan::{PlanRequest, PlannedPackage, plan_agent_log};

use super::inputs;
use crate::output::{self, printable};

/// Plans what the logs ask for. Files in one folder that differ in the number of the rotation only (`agent0.log.0`,
/// `agent0.log.1.gz`) are one log, whose newest lists count; all others are logs of different agents.
pub(super) fn packages(files: &[PathBuf], request: &PlanRequest) -> anyhow::Result<Vec<PlannedPackage>> {
    let mut planned = Vec::new();
    for parts in grouped(files) {
        planned.extend(one_log(parts, request)?);
    }
    Ok(planned)
}

fn one_log(mut parts: Vec<PathBuf>, request: &PlanRequest) -> anyhow::Result<Vec<PlannedPackage>> {
    let mut logs = Vec::new();
    for part in &parts {
        logs.push(read(part)?);
    }
    // Right after a rotation the newest part has no lists yet.
    if let [only] = logs.as_slice()
        && only.block().is_none()
        && let Some(before) = parts.first().and_then(|part| part_before(part))
    {
        logs.push(read(&before)?);
        parts.push(before);
    }
    // The newest part comes first.
    let log = AgentLog::joined(logs.into_iter().rev());
    let names: Vec<String> = parts.iter().map(|part| part.display().to_string()).collect();
    let name = names.join(", ");
    let plan = plan_agent_log(&log, request).with_context(|| format!("in {name}"))?;
    let warn = |text: String| output::note(format!("warning: {name}: {}", printable(&text)));
    for unreadable in &plan.unreadable {
        warn(format!("not a package name: {unreadable}"));
    }
    for without in &plan.without_address {
        warn(format!(
            "{without} has an irregular build stamp, so its address is unknown; plan it by its full URL"
        ));
    }
    if plan.newer_block_cut {
        warn("the newest lists are cut off; the ones before are used".to_owned());
    }
    if plan.packages.is_empty() && plan.without_address.is_empty() && plan.unreadable.is_empty() {
        output::note(format!("{name}: the agent misses nothing"));
    }
    Ok(plan.packages)
}

fn read(file: &Path) -> anyhow::Result<AgentLog> {
    let limit = u64::try_from(MAX_LOG_BYTES).unwrap_or(u64::MAX);
    let text = inputs::read(file, "log", limit)?;
    AgentLog::parse(&text).with_context(|| format!("{} cannot be used", file.display()))
}

/// Groups in the order of their first files; the newest part of each comes first.
fn grouped(files: &[PathBuf]) -> Vec<Vec<PathBuf>> {
    let mut groups: Vec<(PathBuf, Vec<(u32, PathBuf)>)> = Vec::new();
    for file in files {
        let (stem, number) = rotation(file).unwrap_or_else(|| (file.clone(), 0));
        match groups.iter_mut().find(|(known, _)| *known == stem) {
            Some((_, parts)) => parts.push((number, file.clone())),
            None => groups.push((stem, vec![(number, file.clone())])),
        }
    }
    let newest_first = |(_, mut parts): (PathBuf, Vec<(u32, PathBuf)>)| {
        parts.sort_by_key(|(number, _)| *number);
        parts.into_iter().map(|(_, file)| file).collect()
    };
    groups.into_iter().map(newest_first).collect()
}

/// Splits `logs/agent0.log.1.gz` into `logs/agent0.log` and 1.
fn rotation(file: &Path) -> Option<(PathBuf, u32)> {
    let name = file.file_name()?.to_str()?;
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let (stem, number) = plain.rsplit_once('.')?;
    Some((file.with_file_name(stem), number.parse().ok()?))
}

/// The part before `….0`, if it is there.
fn part_before(file: &Path) -> Option<PathBuf> {
    let (stem, number) = rotation(file)?;
    let name = stem.file_name()?.to_str()?;
    if number != 0 {
        return None;
    }
    let candidates = [format!("{name}.1"), format!("{name}.1.gz")].map(|name| file.with_file_name(name));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_log_stay_together_and_the_newest_comes_first() {
        let files = [
            "a/agent0.log.2.gz",
            "b/agent0.log.0",
            "a/agent0.log.0",
            "-",
            "a/agent0.log.10",
            "a/wrapper.log",
        ];
        let groups = grouped(&files.map(PathBuf::from));
        let groups: Vec<Vec<&str>> =
            groups.iter().map(|group| group.iter().filter_map(|file| file.to_str()).collect()).collect();
        assert_eq!(
            groups,
            [
                vec!["a/agent0.log.0", "a/agent0.log.2.gz", "a/agent0.log.10"],
                vec!["b/agent0.log.0"],
                vec!["-"],
                vec!["a/wrapper.log"]
            ]
        );
    }
}
