//! `midmirror demo`: the whole path on loopback, with the real program as child processes, real sockets and files.
//!
//! Every command that is printed is the one that is run, in the folder that is named first.

mod steps;
mod workplace;

use anyhow::Context as _;

use crate::arguments::DemoArguments;
use crate::exit::Exit;
use crate::output;

use workplace::Workplace;

/// Runs the demo; ends 0 only if every step did what it should.
pub(crate) fn run(arguments: &DemoArguments) -> anyhow::Result<Exit> {
    let temporary;
    let folder = match &arguments.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
            std::fs::canonicalize(folder).with_context(|| format!("failed to open {}", folder.display()))?
        }
        None => {
            temporary = tempfile::tempdir().context("failed to create a temporary folder")?;
            temporary.path().to_owned()
        }
    };
    let mut place = Workplace::create(&folder)?;
    let started = std::time::Instant::now();
    let result = steps::run(&mut place);
    place.summary(started.elapsed());
    result?;
    if arguments.keep.is_some() {
        output::data(format!("kept: {} (configuration midmirror.toml, store, agents)", folder.display()));
    }
    if arguments.serve {
        place.leave_running()?;
    }
    Ok(if place.all_held() { Exit::Done } else { Exit::Failed })
}
