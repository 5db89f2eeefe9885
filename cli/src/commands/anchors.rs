//! `midmirror anchors`: the trust anchors that decide, each with fingerprint, dates, origin and purpose.

use midmirror_verify::{AgentAnchors, AnchorDescription, TrustStore};
use serde::Serialize;

use crate::arguments::TrustSourceArguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::{self, printable};

/// One set as JSON.
#[derive(Serialize)]
struct Set<'a> {
    /// `signers`, `timestamps` or `agent`.
    used_for: &'a str,
    name: &'a str,
    sha256: String,
    anchors: Vec<AnchorDescription>,
    /// Certificates that cannot be parsed, with the reason.
    skipped: &'a [String],
}

/// Lists the sets.
pub(crate) fn run(context: &Context, sources: &TrustSourceArguments, json: bool) -> anyhow::Result<Exit> {
    let anchors = sources.anchors(&context.config)?;
    let mut sets = vec![set("signers", &anchors.signers)];
    sets.extend(anchors.timestamps.as_ref().map(|store| set("timestamps", store)));
    if let Some(AgentAnchors::Given(store)) = &anchors.agent {
        sets.push(set("agent", store));
    }
    if json {
        output::json(&sets)?;
    } else {
        sets.iter().for_each(human);
    }
    if let Some(AgentAnchors::Unreadable { reason }) = &anchors.agent {
        output::note(format!("agent: {}", printable(reason)));
    }
    Ok(Exit::Done)
}

fn set<'a>(used_for: &'a str, store: &'a TrustStore) -> Set<'a> {
    Set {
        used_for,
        name: store.name(),
        sha256: store.digest(),
        anchors: store.anchors().collect(),
        skipped: store.skipped(),
    }
}

fn human(set: &Set<'_>) {
    let count = output::count(set.anchors.len(), "anchor");
    output::data(format!("{}: {} ({count}, sha256 {})", set.used_for, printable(set.name), set.sha256));
    for anchor in &set.anchors {
        let line = |label: &str, text: &str| output::data(format!("    {label:<9}{}", printable(text)));
        output::data(format!("  {}", printable(&anchor.subject).replace('\n', "\\n")));
        line("sha256", &anchor.sha256);
        line("valid", &format!("{} to {}", anchor.not_before, anchor.not_after));
        for (label, text) in [("origin", &anchor.origin), ("purpose", &anchor.purpose)] {
            if let Some(text) = text {
                line(label, text);
            }
        }
    }
    for skipped in set.skipped {
        output::data(format!("  skipped: {}", printable(skipped)));
    }
}
