//! What the log tells since the last audit.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::record::AuditRecord;
use super::report::Change;
use crate::catalog::LogEntry;

/// The changes since the last audit, or since the moment that was asked for; and which moment that is.
pub(super) fn since(
    since: Option<Timestamp>,
    previous: Option<&AuditRecord>,
    events: &[LogEntry],
) -> (Option<Timestamp>, Vec<Change>) {
    let all = changes(events);
    if let Some(since) = since {
        let new = all.into_iter().filter(|change| change.at.is_none_or(|at| at >= since));
        return (Some(since), new.collect());
    }
    let Some((previous, seen)) = previous.and_then(|previous| Some((previous, previous.log_entries?))) else {
        return (None, all);
    };
    (Some(previous.audited_at), all.into_iter().filter(|change| change.index >= seen).collect())
}

/// Every entry; of those that later versions wrote, what has the usual names.
fn changes(events: &[LogEntry]) -> Vec<Change> {
    let mut published: HashMap<String, String> = HashMap::new();
    let mut changes = Vec::new();
    for (index, event) in events {
        let value = match event {
            Ok(event) => serde_json::to_value(event).ok(),
            Err(bytes) => serde_json::from_slice::<Value>(bytes).ok(),
        };
        let value = value.unwrap_or_default();
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let held = value.get("held").and_then(Value::as_bool).unwrap_or_default();
        let what = match text("event") {
            Some(event) if event == "admitted" && held => "held".to_owned(),
            Some(event) => event,
            None => "unknown".to_owned(),
        };
        let (package, sha256) = (text("path"), text("sha256"));
        let mut supersedes = None;
        if let (true, Some(path), Some(new)) =
            (matches!(what.as_str(), "admitted" | "accepted"), &package, &sha256)
        {
            supersedes = published.insert(path.clone(), new.clone()).filter(|old| old != new);
        }
        changes.push(Change {
            index: *index,
            at: text("at").and_then(|at| at.parse().ok()),
            what,
            package,
            sha256,
            supersedes,
            by: text("by"),
            reason: text("reason").or_else(|| published_reason(&value)),
        });
    }
    changes
}

/// What a publication is about.
fn published_reason(value: &Value) -> Option<String> {
    let versions = value.get("versions")?;
    let (targets, timestamp) = (versions.get("targets")?.as_u64()?, versions.get("timestamp")?.as_u64()?);
    let packages = value.get("packages")?.as_u64()?;
    Some(format!("catalog version {targets}, timestamp {timestamp}, {packages} packages"))
}
