//! `midmirror list --history`: all digests that names ever had here.

use midmirror_mirror::store::{DigestHistory, DigestState};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::{self, printable};

/// Prints every name with its digests, oldest first.
pub(crate) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let histories = context.store()?.name_histories()?;
    if json {
        output::json(&histories)?;
        return Ok(Exit::Done);
    }
    for history in &histories {
        output::data(history.path.as_str());
        history.digests.iter().for_each(print);
    }
    let held = held(&histories);
    output::note(format!("{}, {held} held", output::count(histories.len(), "package")));
    Ok(Exit::Done)
}

/// How many digests wait for a decision.
pub(crate) fn held(histories: &[midmirror_mirror::store::NameHistory]) -> usize {
    histories.iter().flat_map(|history| &history.digests).filter(|d| d.state == DigestState::Held).count()
}

fn print(digest: &DigestHistory) {
    let state = match digest.state {
        DigestState::Published => "published",
        DigestState::Held => "HELD",
        DigestState::Superseded => "superseded",
        DigestState::Withdrawn => "WITHDRAWN",
        DigestState::Pruned => "pruned",
    };
    output::data(format!("  {state:<10} sha256 {}, {}", digest.sha256, output::size(digest.length)));
    let source = digest.source.as_deref().map(|source| format!(" from {}", printable(source)));
    output::data(format!("    admitted {}{}", digest.first_admitted_at, source.unwrap_or_default()));
    if let Some(at) = digest.held_at {
        output::data(format!("    held {at}: other bytes under a name that was published already"));
    }
    if let Some(withdrawn) = &digest.withdrawn {
        output::data(format!("    withdrawn {}: {}", withdrawn.at, printable(&withdrawn.reason)));
    }
    if let Some(accepted) = &digest.accepted {
        let by = accepted.by.as_deref().map(|by| format!(" by {}", printable(by))).unwrap_or_default();
        output::data(format!("    accepted {}{by}: {}", accepted.at, printable(&accepted.reason)));
    }
}
