//! `status`: what is installed, assigned, missing and waiting, and what to do next.

use midmirror_mirror::agent::{AgentHome, AgentState, WantedError, inventory, wanted};
use midmirror_mirror::catalog::{RoleEnd, remembered_ends};
use midmirror_mirror::enrol::{EnrolError, Enrolment};

use crate::context;
use crate::exit::Exit;
use crate::output::{self, printable};

use super::arguments::StatusArguments;

/// Shows the agent's state; changes nothing.
pub(super) fn run(arguments: &StatusArguments) -> anyhow::Result<Exit> {
    let home = AgentHome::open(&arguments.agent)?;
    let mut state = inventory(&home)?;
    let enrolment = Enrolment::load(&arguments.state.state);
    let withdrawn = enrolment.as_ref().ok().map(Enrolment::withdrawn).transpose();
    if let Ok(Some(withdrawn)) = &withdrawn {
        state.note_withdrawn(&home, withdrawn);
    }
    if arguments.json {
        output::json(&state)?;
        withdrawn?;
        return Ok(Exit::Done);
    }
    show(&state);
    let enrolled = match enrolment {
        Ok(enrolment) => {
            let url = enrolment.trust().url().map_or("no address", url::Url::as_str).to_owned();
            line("enrolled", &format!("store {}, {url}", enrolment.trust().store_id()));
            show_catalog(&enrolment);
            Ok(true)
        }
        Err(EnrolError::NotEnrolled { .. }) => {
            line("enrolled", "no");
            Ok(false)
        }
        Err(error) => {
            line("enrolled", "unknown");
            Err(error)
        }
    };
    // What is missing is said in any case.
    next_step(&state, matches!(enrolled, Ok(true)))?;
    enrolled?;
    withdrawn?;
    Ok(Exit::Done)
}

/// Until when the catalog is valid that was seen last. A memory that cannot be read is `stage`'s concern.
fn show_catalog(enrolment: &Enrolment) {
    let ends = remembered_ends(&enrolment.catalog_state_file()).unwrap_or_default();
    if let Some(first) = ends.iter().map(|end| end.expires).min() {
        line("catalog", &format!("as seen last valid until {first}"));
        if let Some(warning) = RoleEnd::worst_text(&ends, context::now()) {
            output::note(warning);
        }
    }
}

fn line(label: &str, text: &str) {
    output::data(format!("{label:<12}{}", printable(text)));
}

fn show(state: &AgentState) {
    line("agent", &state.home.display().to_string());
    line("name", state.config.name.as_deref().unwrap_or("unknown"));
    line("instance", state.config.instance_url.as_deref().unwrap_or("unknown"));
    line("platform", &state.platform.map_or_else(|| "unknown".to_owned(), |platform| platform.to_string()));
    line("build", state.buildstamp.as_deref().unwrap_or("unknown"));
    if let Some(pinned) = &state.config.pinned_version {
        line("pinned", pinned);
    }
    for name in &state.installed {
        line("installed", name.as_str());
    }
    for file in &state.incoming {
        line("incoming", &format!("{} ({})", file.name, output::size(file.length)));
    }
    line("free", &output::size(state.free_bytes));
    for note in &state.notes {
        line("note", &note.to_string());
    }
}

fn next_step(state: &AgentState, enrolled: bool) -> anyhow::Result<()> {
    let wanted = match wanted(state) {
        Ok(wanted) => wanted,
        Err(error @ WantedError::NoBlock) => {
            line("missing", "unknown");
            output::note(format!("{error}"));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let mut missing = 0;
    for package in wanted.packages() {
        if package.in_incoming {
            line("waiting", package.name.as_str());
        } else {
            missing += 1;
            line("missing", package.name.as_str());
        }
    }
    for refused in wanted.refused() {
        line("refused", &format!("{}: {}", refused.name, refused.reason));
    }
    for name in wanted.unreadable() {
        line("unreadable", name);
    }
    output::note(match (missing, enrolled) {
        (0, _) => "nothing is missing".to_owned(),
        (_, false) => format!("{missing} missing; next: enrol --trust FILE, then stage"),
        (_, true) => format!("{missing} missing; next: stage {}", state.home.display()),
    });
    Ok(())
}
